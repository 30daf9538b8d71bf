//! Runs the subcommands. Output files are opened before the trials run, so that a bad path fails at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::apache::FileSystem;
use crate::audit;
use crate::cli::{
    AuditArgs, Cli, Color, Command, CopiesArgs, DiffArgs, DiffFormat, DirectiveArgs, GateArgs, InspectArgs,
    ListFormat, ManArgs, ModuleArgs, PolicyArgs, PrintArgs, RenderArgs, ReportFormat, RulesArgs, ServeArgs,
    TargetServer,
};
use crate::copies::{AdmittedCopies, CopiesManifest, CopyRequest, OutputFolder, PlannedTrees};
use crate::diff::compare_reports;
use crate::digest;
use crate::directive::{self, ApplicationMount, ConfigurationChange, GeneratedConfiguration};
use crate::exit::Exit;
use crate::gate::{Acceptance, Gate, ProjectSettings, decide};
use crate::image;
use crate::manual;
use crate::model::{BinaryFacts, InitKind, Mode, Rule};
use crate::plan::{AuditPlan, is_colored};
use crate::platform::sweep_orphans;
use crate::render::escape::escape;
use crate::render::progress::Progress;
use crate::render::table::TableOptions;
use crate::render::{copies, details, diff as changes, github, html, json, junit, markdown, sarif, table};
use crate::report::Document;
use crate::report::v1::Remembered;
use crate::serve;
use crate::settings;
use crate::trial::{ProbeLibrary, StopFlag};

/// Runs a command and returns the exit status.
///
/// # Errors
/// On wrong usage, when a file cannot be read or written, and when the audit itself fails.
pub fn run_command(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Some(Command::Inspect(args)) => inspect_files(args),
        Some(Command::Module(args)) => run_module_audit(args),
        Some(Command::Render(args)) => render_report(args),
        Some(Command::Diff(args)) => diff_reports(args),
        Some(Command::Directive(args)) => print_directives(args),
        Some(Command::Rules(args)) => print_rules(args),
        Some(Command::Explain(args)) => {
            let page = Rule::find_by_id(&args.rule).map(|rule| rule.page).unwrap_or_default();
            print_bytes(page.as_bytes()).map(|()| Exit::Ready)
        }
        Some(Command::Copies(args)) => {
            let admitted = args.report.as_deref().map(read_admitted_copies).transpose()?;
            make_copies(args, admitted.as_ref())
        }
        Some(Command::Serve(args)) => run_server(args),
        Some(Command::Completions(args)) => {
            print_bytes(&manual::render_completions(args.shell)).map(|()| Exit::Ready)
        }
        Some(Command::Man(args)) => print_manual(args),
        None => run_audit(&cli.audit),
    }
}

fn run_audit(args: &AuditArgs) -> Result<Exit> {
    let gate = GateOptions::from_args(&args.gate)?;
    run_plan(&AuditPlan::new(args, &gate.required)?, &args.print, args.json.as_deref(), &gate, args.quiet)
}

fn run_module_audit(args: &ModuleArgs) -> Result<Exit> {
    for file in &args.files {
        file.metadata().with_context(|| format!("cannot read {}", file.display()))?;
    }
    let print =
        PrintArgs { format: args.format, modules: true, output: args.output.clone(), color: Color::Auto };
    // A module that works without something it loads elsewhere is only degraded, and that must fail.
    let gate = GateOptions { is_strict: true, ..GateOptions::from_args(&args.gate)? };
    run_plan(&AuditPlan::for_modules(args, &gate.required)?, &print, args.json.as_deref(), &gate, args.quiet)
}

#[expect(clippy::print_stderr, reason = "beside the report, which goes to standard output")]
fn run_plan(
    plan: &AuditPlan,
    print: &PrintArgs,
    json: Option<&Path>,
    gate: &GateOptions,
    is_quiet: bool,
) -> Result<Exit> {
    let mut output = ReportDestination::open(print)?;
    let mut json = json.map(create_file).transpose()?;
    let stop = Arc::new(StopFlag::default());
    stop_on_signals(&stop)?;
    sweep_orphans();

    let progress = Progress::new(is_quiet);
    let audited = audit::run_audit(plan, &progress, &stop);
    progress.finish();
    let document = audited?;
    if let Some(line) = describe_cached_trials(&document).filter(|_| !is_quiet) {
        eprintln!("wsgiaudit: {line}");
    }

    if let Some(file) = &mut json {
        write_output(file, json::render(&document)?)?;
    }
    output.write_report(&document, print, gate)?;
    let exit = gate.decide_exit(&document)?;
    Ok(if stop.is_set() { Exit::Interrupted } else { exit })
}

/// Returns a message on the trials that were answered from the cache, if any.
fn describe_cached_trials(document: &Document) -> Option<String> {
    let Remembered { all, remembered } = document.header.as_ref()?.trials?;
    let message = format!("{remembered} of {all} trials were answered from the cache of earlier audits");
    (remembered > 0).then(|| message + " (--no-cache runs them again)")
}

/// Reads which extension modules a report admits with private copies.
fn read_admitted_copies(file: &Path) -> Result<AdmittedCopies> {
    let shown = file.display();
    let text = read_report_text(file)?;
    let document = Document::parse(&text, &shown.to_string())?.with_real_paths();
    if !document.modes.contains(&Mode::OwnGilCopies) {
        bail!(
            "{shown} has no verdicts for own-gil-copies\nhint: audit again: wsgiaudit ENV --copies --json {shown}"
        );
    }
    let digests = document.digests_of_ready_modules(Mode::OwnGilCopies);
    let sources = digests.keys().cloned().collect();
    Ok(AdmittedCopies { sources, digests, report_sha256: digest::of_bytes(text.as_bytes()) })
}

/// Makes private copies, of all shared objects or of those that a report admits, and prints what was made.
///
/// The exit status is [`Exit::Incomplete`] if something could not be copied.
#[expect(clippy::print_stderr, reason = "tells how much disk space is needed before it is used")]
fn make_copies(args: &CopiesArgs, admitted: Option<&AdmittedCopies>) -> Result<Exit> {
    let sources = audit::find_copy_sources(args.environment.as_deref())?;
    for message in &sources.trouble {
        eprintln!("wsgiaudit: {}", escape(message));
    }
    // Opened first: copies below a root are not copied again.
    let output = OutputFolder::open(&args.output)?;
    let folder = output.path().to_owned();
    let (none, only) = (BTreeMap::new(), admitted.map(|admitted| &admitted.sources));
    let planned = PlannedTrees::from_request(&CopyRequest {
        roots: &sources.roots,
        count: args.interpreters.get(),
        only,
        expected: admitted.map_or(&none, |admitted| &admitted.digests),
    })?;
    let (needed, available) = (output.estimate_disk_need(&planned), output.available_space()?);
    eprintln!(
        "wsgiaudit: writing at most {} to {}, which has {} left",
        copies::format_bytes(needed),
        folder.display(),
        copies::format_bytes(available)
    );
    let report = admitted.map(|admitted| admitted.report_sha256.clone());
    let (manifest, summary) = output.write(&planned, CopiesManifest::new(sources.environment, report))?;
    ProbeLibrary::install_loader(&folder).context("cannot write the loader of copies")?;
    if let Some(most) = manifest.most_interpreters.filter(|most| *most < args.interpreters.get() as u64) {
        eprintln!("wsgiaudit: if each interpreter loads everything, a process has room for {most} of them");
    }
    let text = match args.format {
        ListFormat::Table => copies::render_table(&folder, &manifest, &summary),
        ListFormat::Json => copies::render_json(&manifest)?,
    };
    print_bytes(text.as_bytes())?;
    Ok(if manifest.left_out.is_empty() { Exit::Ready } else { Exit::Incomplete })
}

/// Hosts an application until SIGTERM.
#[expect(clippy::print_stderr, reason = "a server tells its operator what it does")]
fn run_server(args: &ServeArgs) -> Result<Exit> {
    let is_clean = serve::supervise(args, &|line| eprintln!("wsgiaudit: {line}"))?;
    Ok(if is_clean { Exit::Ready } else { Exit::InTheWay })
}

fn render_report(args: &RenderArgs) -> Result<Exit> {
    let document = read_report(&args.report)?;
    let gate = GateOptions::from_args(&args.gate)?;
    ReportDestination::open(&args.print)?.write_report(&document, &args.print, &gate)?;
    gate.decide_exit(&document)
}

/// Prints what changed between two reports.
fn diff_reports(args: &DiffArgs) -> Result<Exit> {
    let (old, new) = (read_report(&args.old)?, read_report(&args.new)?);
    let comparison = compare_reports(&old, &new);
    let text = match args.format {
        DiffFormat::Text => changes::render_text(&comparison),
        DiffFormat::Markdown => changes::render_markdown(&comparison),
        DiffFormat::Json => json::render_comparison(&comparison)?,
    };
    print_bytes(text.as_bytes())?;
    GateOptions::new(&args.policy, Some(old))?.decide_exit(&new)
}

/// The options that decide the exit status. The command line takes precedence over the project's settings.
struct GateOptions {
    required: Vec<Mode>,
    is_strict: bool,
    accepted: Vec<Acceptance>,
    baseline: Option<Document>,
}

impl GateOptions {
    fn from_args(args: &GateArgs) -> Result<Self> {
        Self::new(&args.policy, args.baseline.as_deref().map(read_report).transpose()?)
    }

    fn new(args: &PolicyArgs, baseline: Option<Document>) -> Result<Self> {
        let settings = match args.no_config {
            true => ProjectSettings::default(),
            false => settings::find_settings(args.config.as_deref(), &std::env::current_dir()?)?,
        };
        let from_arguments: Vec<Mode> = args.require.iter().map(|required| required.mode()).collect();
        let required =
            if from_arguments.is_empty() { settings.require.unwrap_or_default() } else { from_arguments };
        Ok(Self {
            required: if required.is_empty() { vec![Mode::OwnGil] } else { required },
            is_strict: args.strict || settings.strict,
            accepted: settings.accept,
            baseline,
        })
    }

    /// Returns the exit status, and writes notes on accepted and ignored verdicts to standard error.
    fn decide_exit(&self, document: &Document) -> Result<Exit> {
        let since = self.baseline.as_ref().map(|older| compare_reports(older, document));
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
            write_output(&mut io::stderr(), format!("wsgiaudit: {}\n", escape(sentence)))?;
        }
        Ok(decision.exit)
    }
}

/// Prints the directives that a report supports on standard output, or the reason for none on standard error.
fn print_directives(args: &DirectiveArgs) -> Result<Exit> {
    let report = read_report(&args.report)?.with_real_paths();
    let configuration = match (&args.apache_config, args.server) {
        (Some(named), TargetServer::ModWsgi) => {
            let file = named.canonicalize().with_context(|| format!("cannot read {}", named.display()))?;
            let change = ConfigurationChange {
                report: &report,
                file: &file,
                definitions: &args.apache_define,
                source: &FileSystem,
            };
            change.render_change()?
        }
        (Some(_), TargetServer::Express | TargetServer::Serve) => {
            bail!("--apache-config is for Apache's own configuration\nhint: leave --for out")
        }
        (None, server) => {
            let mounts = parse_mounts(&report, &args.app)?;
            let render = match server {
                TargetServer::ModWsgi => directive::render_apache_configuration,
                TargetServer::Express => directive::render_express_options,
                TargetServer::Serve => directive::render_serve_groups,
            };
            render(&report, &mounts).map_err(anyhow::Error::msg)?
        }
    };
    match configuration {
        GeneratedConfiguration::Lines(text) => print_bytes(text.as_bytes()).map(|()| Exit::Ready),
        GeneratedConfiguration::Nothing(why) => {
            write_output(&mut io::stderr(), why.as_bytes()).map(|()| Exit::InTheWay)
        }
    }
}

/// Parses `--app` options, e.g. `shop.wsgi:application=/shop`. Without any, returns all applications of the
/// report.
fn parse_mounts(report: &Document, named: &[String]) -> Result<Vec<ApplicationMount>> {
    let mount = |spec: &String| match spec.rsplit_once("=/") {
        Some((application, prefix)) => {
            ApplicationMount { application: application.to_owned(), prefix: format!("/{prefix}") }
        }
        None => ApplicationMount { application: spec.clone(), prefix: "/".to_owned() },
    };
    let mounts = if named.is_empty() {
        ApplicationMount::all_in_report(report)
    } else {
        named.iter().map(mount).collect()
    };
    let prefixes: BTreeSet<&str> = mounts.iter().map(|mount| mount.prefix.as_str()).collect();
    if prefixes.len() < mounts.len() {
        bail!(
            "several applications have the same prefix\nhint: give each its own: --app shop.wsgi:application=/shop"
        );
    }
    if let Some(mount) = mounts.iter().find(|mount| !mount.prefix.starts_with('/')) {
        bail!(
            "no directive for {}: its URL is a regular expression, {}\n\
             hint: --apache-config FILE prints a change to that configuration",
            mount.application,
            mount.prefix
        );
    }
    Ok(mounts)
}

/// Reads a stored report; `-` is standard input.
fn read_report(path: &Path) -> Result<Document> {
    Ok(Document::parse(&read_report_text(path)?, &path.display().to_string())?)
}

/// Reads the text of a stored report; `-` is standard input.
fn read_report_text(path: &Path) -> Result<String> {
    match path.as_os_str() == "-" {
        true => io::read_to_string(io::stdin()).context("cannot read standard input"),
        false => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Prints declarations without running anything. Returns [`Exit::Incomplete`] if one could not be determined.
fn inspect_files(args: &InspectArgs) -> Result<Exit> {
    let mut all = Vec::new();
    for path in &args.paths {
        path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
        all.extend(image::inspect_path(path, None));
    }
    let text = match args.format {
        ListFormat::Table => table::render_declarations(&all, terminal_width()),
        ListFormat::Json => json::render_declarations(&all)?,
    };
    print_bytes(text.as_bytes())?;
    let is_open = |facts: &BinaryFacts| facts.initialisation == InitKind::Undetermined;
    Ok(if all.iter().any(|(_, facts)| is_open(facts)) { Exit::Incomplete } else { Exit::Ready })
}

fn print_rules(args: &RulesArgs) -> Result<Exit> {
    let text = match args.format {
        ListFormat::Table => table::render_rules(terminal_width()),
        ListFormat::Json => json::render_rules()?,
    };
    print_bytes(text.as_bytes())?;
    Ok(Exit::Ready)
}

fn print_manual(args: &ManArgs) -> Result<Exit> {
    match &args.to {
        Some(folder) => manual::write_pages(folder)
            .with_context(|| format!("cannot write the manual into {}", folder.display()))?,
        None => print_bytes(&manual::render_page()?)?,
    }
    Ok(Exit::Ready)
}

fn print_bytes(bytes: &[u8]) -> Result<()> {
    write_output(&mut io::stdout(), bytes)
}

/// Where the report goes.
enum ReportDestination {
    File(File),
    Stdout,
}

impl ReportDestination {
    /// Opens the destination; called before the trials run, so that a bad path fails at once.
    fn open(args: &PrintArgs) -> Result<Self> {
        Ok(args.output.as_deref().map(create_file).transpose()?.map_or(Self::Stdout, Self::File))
    }

    fn write_report(&mut self, document: &Document, args: &PrintArgs, gate: &GateOptions) -> Result<()> {
        match self {
            Self::File(file) => write_output(file, render_document(document, args, gate, false)?),
            Self::Stdout => {
                let mut stdout = io::stdout();
                let text = render_document(document, args, gate, is_colored(args.color, &stdout))?;
                write_output(&mut stdout, text)
            }
        }
    }
}

fn render_document(
    document: &Document,
    args: &PrintArgs,
    gate: &GateOptions,
    colour: bool,
) -> Result<String> {
    let annotations = || github::render(document, &gate.required);
    Ok(match args.format {
        ReportFormat::Table => {
            let style = TableOptions { width: terminal_width(), colour, modules: args.modules };
            let table = table::render(&document.with_real_paths(), &gate.required, style);
            let is_action = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
            if is_action && args.output.is_none() { table + "\n" + &annotations() } else { table }
        }
        ReportFormat::Json => json::render(document)?,
        ReportFormat::Sarif => sarif::render(document)?,
        ReportFormat::Junit => junit::render(document, gate.is_strict)?,
        ReportFormat::Markdown => markdown::render(&document.with_real_paths(), &gate.required),
        ReportFormat::Github => annotations(),
        ReportFormat::Details => details::render(&document.with_real_paths(), &gate.required),
        ReportFormat::Html => html::render(document)?,
    })
}

/// Returns the width of the terminal; if there is none, `COLUMNS`, or else 120.
fn terminal_width() -> u16 {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    match io::stdout().is_terminal() {
        true => comfy_table::Table::new().width().or(columns),
        false => columns,
    }
    .unwrap_or(120)
}

fn create_file(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes all bytes. A closed pipe (`| head`) is not an error.
fn write_output(to: &mut impl Write, text: impl AsRef<[u8]>) -> Result<()> {
    match to.write_all(text.as_ref()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the report")
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Stops the trials on SIGINT or SIGTERM; the results so far are reported.
fn stop_on_signals(stop: &Arc<StopFlag>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot watch for signals")?;
    let stop = Arc::clone(stop);
    std::thread::spawn(move || signals.forever().for_each(|_| stop.request_stop()));
    Ok(())
}
