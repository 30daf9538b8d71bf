//! Runs what was typed: the audit with its outputs. Output files are opened before the long run, so that a
//! bad path fails at once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::apache::Disk;
use crate::audit;
use crate::cli::{
    AuditArgs, Cli, Color, Command, Configured, DiffArgs, DiffFormat, DirectiveArgs, Format, GateArgs,
    InspectArgs, ManArgs, ModuleArgs, PlainFormat, PolicyArgs, PrintArgs, RenderArgs, RulesArgs, ServeArgs,
};
use crate::diff::compare;
use crate::directive::{self, Change, Directive, Mount};
use crate::exit::Exit;
use crate::gate::{Accepted, Gate, Settings, decide};
use crate::image;
use crate::manual;
use crate::model::{Facts, Initialisation, Mode};
use crate::plan::{Plan, is_coloured};
use crate::render::escape::escape;
use crate::render::progress::Progress;
use crate::render::table::Style;
use crate::render::{details, diff as changes, github, html, json, junit, markdown, sarif, table};
use crate::report::Document;
use crate::report::v1::Remembered;
use crate::rules::Rule;
use crate::serve;
use crate::settings;
use crate::trial::{Stop, sweep_orphans};

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from an answer.
pub fn run(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Some(Command::Inspect(args)) => inspect(args),
        Some(Command::Module(args)) => module(args),
        Some(Command::Render(args)) => render(args),
        Some(Command::Diff(args)) => diff(args),
        Some(Command::Directive(args)) => directive(args),
        Some(Command::Rules(args)) => rules(args),
        Some(Command::Explain(args)) => {
            let page = Rule::find(&args.rule).map(|rule| rule.page).unwrap_or_default();
            print(page.as_bytes()).map(|()| Exit::Ready)
        }
        Some(Command::Serve(args)) => serve(args),
        Some(Command::Completions(args)) => print(&manual::completions(args.shell)).map(|()| Exit::Ready),
        Some(Command::Man(args)) => man(args),
        None => audit(&cli.audit),
    }
}

fn audit(args: &AuditArgs) -> Result<Exit> {
    let gate = Decider::of(&args.gate)?;
    run_plan(&Plan::new(args, &gate.required)?, &args.print, args.json.as_deref(), &gate, args.quiet)
}

fn module(args: &ModuleArgs) -> Result<Exit> {
    for file in &args.files {
        file.metadata().with_context(|| format!("cannot read {}", file.display()))?;
    }
    let print =
        PrintArgs { format: args.format, modules: true, output: args.output.clone(), color: Color::Auto };
    // A module that has lost what it loads elsewhere is not ready.
    let gate = Decider { is_strict: true, ..Decider::of(&args.gate)? };
    run_plan(&Plan::of_module(args, &gate.required)?, &print, args.json.as_deref(), &gate, args.quiet)
}

#[expect(clippy::print_stderr, reason = "beside the report, which goes to standard output")]
fn run_plan(
    plan: &Plan,
    print: &PrintArgs,
    json: Option<&Path>,
    gate: &Decider,
    is_quiet: bool,
) -> Result<Exit> {
    let mut output = Output::open(print)?;
    let mut json = json.map(create).transpose()?;
    let stop = Arc::new(Stop::default());
    stop_on_signals(&stop)?;
    sweep_orphans();

    let progress = Progress::new(is_quiet);
    let audited = audit::run(plan, &progress, &stop);
    progress.finish();
    let document = audited?;
    if let Some(line) = remembered(&document).filter(|_| !is_quiet) {
        eprintln!("wsgiaudit: {line}");
    }

    if let Some(file) = &mut json {
        write(file, json::render(&document)?)?;
    }
    output.print(&document, print, gate)?;
    let exit = gate.exit(&document)?;
    Ok(if stop.is_set() { Exit::Interrupted } else { exit })
}

/// What of an audit was done by an earlier one.
fn remembered(document: &Document) -> Option<String> {
    let Remembered { all, remembered } = document.header.as_ref()?.trials?;
    let said = format!("{remembered} of {all} trials had been run by an earlier audit of the same files");
    (remembered > 0).then(|| said + " (--no-cache runs them again)")
}

/// Hosts an application until SIGTERM.
#[expect(clippy::print_stderr, reason = "a server tells its operator what it does")]
fn serve(args: &ServeArgs) -> Result<Exit> {
    let is_clean = serve::supervise(args, &|line| eprintln!("wsgiaudit: {line}"))?;
    Ok(if is_clean { Exit::Ready } else { Exit::InTheWay })
}

fn render(args: &RenderArgs) -> Result<Exit> {
    let document = read(&args.report)?;
    let gate = Decider::of(&args.gate)?;
    Output::open(&args.print)?.print(&document, &args.print, &gate)?;
    gate.exit(&document)
}

/// What changed between two reports.
fn diff(args: &DiffArgs) -> Result<Exit> {
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let comparison = compare(&old, &new);
    let text = match args.format {
        DiffFormat::Text => changes::text(&comparison),
        DiffFormat::Markdown => changes::markdown(&comparison),
        DiffFormat::Json => json::comparison(&comparison)?,
    };
    print(text.as_bytes())?;
    Decider::new(&args.policy, Some(old))?.exit(&new)
}

/// What decides the exit status: the command line before the project's settings.
struct Decider {
    required: Vec<Mode>,
    is_strict: bool,
    accepted: Vec<Accepted>,
    baseline: Option<Document>,
}

impl Decider {
    fn of(args: &GateArgs) -> Result<Self> {
        Self::new(&args.policy, args.baseline.as_deref().map(read).transpose()?)
    }

    fn new(args: &PolicyArgs, baseline: Option<Document>) -> Result<Self> {
        let settings = match args.no_config {
            true => Settings::default(),
            false => settings::find(args.config.as_deref(), &std::env::current_dir()?)?,
        };
        let named: Vec<Mode> = args.require.iter().map(|required| required.mode()).collect();
        let required = if named.is_empty() { settings.require.unwrap_or_default() } else { named };
        Ok(Self {
            required: if required.is_empty() { vec![Mode::OwnGil] } else { required },
            is_strict: args.strict || settings.strict,
            accepted: settings.accept,
            baseline,
        })
    }

    /// The exit status; what it leaves out of account is said on standard error.
    fn exit(&self, document: &Document) -> Result<Exit> {
        let since = self.baseline.as_ref().map(|older| compare(older, document));
        let decision = decide(
            document,
            &Gate {
                required: self.required.clone(),
                is_strict: self.is_strict,
                accepted: &self.accepted,
                since: since.as_ref(),
                today: jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date(),
            },
        );
        for sentence in &decision.sentences {
            write(&mut io::stderr(), format!("wsgiaudit: {}\n", escape(sentence)))?;
        }
        Ok(decision.exit)
    }
}

/// What a report supports, on standard output; why it supports nothing, on standard error.
fn directive(args: &DirectiveArgs) -> Result<Exit> {
    let report = read(&args.report)?.with_places()?;
    let said = match (&args.apache_config, args.server) {
        (Some(named), Configured::ModWsgi) => {
            let file = named.canonicalize().with_context(|| format!("cannot read {}", named.display()))?;
            let change =
                Change { report: &report, file: &file, definitions: &args.apache_define, source: &Disk };
            change.directive()?
        }
        (Some(_), Configured::Express | Configured::Serve) => {
            bail!("--apache-config is for Apache's own configuration\nhint: leave --for out")
        }
        (None, server) => {
            let mounts = mounts(&report, &args.app)?;
            let of = match server {
                Configured::ModWsgi => directive::directives,
                Configured::Express => directive::express,
                Configured::Serve => directive::groups,
            };
            of(&report, &mounts).map_err(anyhow::Error::msg)?
        }
    };
    match said {
        Directive::Lines(text) => print(text.as_bytes()).map(|()| Exit::Ready),
        Directive::Nothing(why) => write(&mut io::stderr(), why.as_bytes()).map(|()| Exit::InTheWay),
    }
}

/// Applications as `--app` names them: `shop.wsgi:application=/shop`. All of the report where none is named.
fn mounts(report: &Document, named: &[String]) -> Result<Vec<Mount>> {
    let mount = |spec: &String| match spec.rsplit_once("=/") {
        Some((application, prefix)) => {
            Mount { application: application.to_owned(), prefix: format!("/{prefix}") }
        }
        None => Mount { application: spec.clone(), prefix: "/".to_owned() },
    };
    let mounts = if named.is_empty() { Mount::all(report) } else { named.iter().map(mount).collect() };
    let prefixes: BTreeSet<&str> = mounts.iter().map(|mount| mount.prefix.as_str()).collect();
    if prefixes.len() < mounts.len() {
        bail!(
            "several applications have the same prefix\nhint: name each with its own: --app shop.wsgi:application=/shop"
        );
    }
    if let Some(mount) = mounts.iter().find(|mount| !mount.prefix.starts_with('/')) {
        bail!(
            "{} is served by an expression, {}\nhint: --apache-config FILE prints the change of that configuration",
            mount.application,
            mount.prefix
        );
    }
    Ok(mounts)
}

/// A stored report.
fn read(path: &Path) -> Result<Document> {
    let text = match path.as_os_str() == "-" {
        true => io::read_to_string(io::stdin()).context("cannot read standard input")?,
        false => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
    };
    Ok(Document::parse(&text, &path.display().to_string())?)
}

/// Declarations only. What cannot be read at all ends it with [`Exit::Incomplete`].
fn inspect(args: &InspectArgs) -> Result<Exit> {
    let mut all = Vec::new();
    for path in &args.paths {
        path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
        all.extend(image::survey(path, None));
    }
    let text = match args.format {
        PlainFormat::Table => table::declarations(&all, width()),
        PlainFormat::Json => json::declarations(&all)?,
    };
    print(text.as_bytes())?;
    let is_open = |facts: &Facts| facts.initialisation == Initialisation::Undetermined;
    Ok(if all.iter().any(|(_, facts)| is_open(facts)) { Exit::Incomplete } else { Exit::Ready })
}

fn rules(args: &RulesArgs) -> Result<Exit> {
    let text = match args.format {
        PlainFormat::Table => table::rules(width()),
        PlainFormat::Json => json::rules()?,
    };
    print(text.as_bytes())?;
    Ok(Exit::Ready)
}

fn man(args: &ManArgs) -> Result<Exit> {
    match &args.to {
        Some(folder) => manual::write_pages(folder)
            .with_context(|| format!("cannot write the manual into {}", folder.display()))?,
        None => print(&manual::page()?)?,
    }
    Ok(Exit::Ready)
}

fn print(bytes: &[u8]) -> Result<()> {
    write(&mut io::stdout(), bytes)
}

/// Where the report goes.
enum Output {
    File(File),
    Stdout,
}

impl Output {
    /// Opens it; a bad path fails before the long run.
    fn open(args: &PrintArgs) -> Result<Self> {
        Ok(args.output.as_deref().map(create).transpose()?.map_or(Self::Stdout, Self::File))
    }

    fn print(&mut self, document: &Document, args: &PrintArgs, gate: &Decider) -> Result<()> {
        match self {
            Self::File(file) => write(file, text(document, args, gate, false)?),
            Self::Stdout => {
                let mut stdout = io::stdout();
                let text = text(document, args, gate, is_coloured(args.color, &stdout))?;
                write(&mut stdout, text)
            }
        }
    }
}

fn text(document: &Document, args: &PrintArgs, gate: &Decider, colour: bool) -> Result<String> {
    let annotations = || github::render(document, &gate.required);
    Ok(match args.format {
        Format::Table => {
            let style = Style { width: width(), colour, modules: args.modules };
            let table = table::render(&document.with_places()?, &gate.required, style);
            let is_action = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
            if is_action && args.output.is_none() { table + "\n" + &annotations() } else { table }
        }
        Format::Json => json::render(document)?,
        Format::Sarif => sarif::render(document)?,
        Format::Junit => junit::render(document, gate.is_strict)?,
        Format::Markdown => markdown::render(&document.with_places()?, &gate.required),
        Format::Github => annotations(),
        Format::Details => details::render(&document.with_places()?, &gate.required),
        Format::Html => html::render(document)?,
    })
}

/// Columns of the terminal; `COLUMNS` where there is none.
fn width() -> u16 {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    match io::stdout().is_terminal() {
        true => comfy_table::Table::new().width().or(columns),
        false => columns,
    }
    .unwrap_or(120)
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes all; a reader that has gone away (`| head`) is no error.
fn write(to: &mut impl Write, text: impl AsRef<[u8]>) -> Result<()> {
    match to.write_all(text.as_ref()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the report")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Ctrl-C and SIGTERM: the first stops the trials and reports what there is.
fn stop_on_signals(stop: &Arc<Stop>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot watch for signals")?;
    let stop = Arc::clone(stop);
    std::thread::spawn(move || signals.forever().for_each(|_| stop.now()));
    Ok(())
}
