//! Runs the subcommands. Output files are opened before the trials run, so that a bad path fails at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

mod tune_command;

use crate::apache::FileSystem;
use crate::audit;
use crate::cli::{
    AuditArgs, Cli, Color, Command, CopiesArgs, DiffArgs, DiffFormat, DirectiveArgs, ExplainArgs, GateArgs,
    InspectArgs, ListFormat, ManArgs, ModuleArgs, OutputArgs, PolicyArgs, PrintArgs, RenderArgs,
    ReportFormat, RulesArgs, TargetServer, TextFormat, TopArgs,
};
use crate::copies::{AdmittedCopies, CopiesManifest, CopyRequest, OutputFolder, PlannedTrees};
use crate::diff::compare_reports;
use crate::digest;
use crate::directive::{self, ApplicationMount, ConfigurationChange, GeneratedConfiguration, OwnGilModes};
use crate::exit::Exit;
use crate::gate::{Acceptance, Gate, ProjectSettings, decide};
use crate::image;
use crate::manual;
use crate::model::{BinaryFacts, InitKind, Mode, Rule, Term};
use crate::output_file::OutputFile;
use crate::plan::{AuditPlan, is_colored};
use crate::platform::{end_process, sweep_orphans};
use crate::project_files::ProjectFiles;
use crate::regular_file;
use crate::render::escape::escape;
use crate::render::progress::Progress;
use crate::render::sarif::SarifOptions;
use crate::render::style::TextStyle;
use crate::render::table::TableOptions;
use crate::render::{copies, details, diff as changes, github, html, json, junit, markdown, sarif, table};
use crate::report::v1::Remembered;
use crate::report::{Document, MAX_REPORT_SIZE};
use crate::serve::{self, ServeOptions, ServerEnd};
use crate::settings;
use crate::top;
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
        Some(Command::Explain(args)) => explain_words(args),
        Some(Command::Copies(args)) => {
            let admitted = args.report.as_deref().map(read_admitted_copies).transpose()?;
            make_copies(args, admitted.as_ref())
        }
        // The environment and a settings file add to this command's line.
        Some(Command::Serve(_)) => run_server(&ServeOptions::from_process()?),
        Some(Command::Top(args)) => watch_servers(args),
        Some(Command::Tune(args)) => tune_command::tune_application(args),
        Some(Command::Completions(args)) => {
            Output::open(&args.to)?.write(&manual::render_completions(args.shell)).map(|()| Exit::Ready)
        }
        Some(Command::Man(args)) => print_manual(args),
        Some(Command::Audit(args)) => run_audit(args),
        None => run_audit(&cli.audit),
    }
}

fn run_audit(args: &AuditArgs) -> Result<Exit> {
    let gate = GateOptions::from_args(&args.gate)?;
    run_plan(&AuditPlan::new(args, &gate.required)?, &args.print, args.json.as_deref(), &gate, args.quiet)
}

fn run_module_audit(args: &ModuleArgs) -> Result<Exit> {
    for file in &args.files {
        let metadata = file.metadata().with_context(|| format!("cannot read {}", file.display()))?;
        if metadata.is_dir() {
            bail!(
                "{} is a folder, not an extension module or a wheel\nhint: `wsgiaudit inspect {}` reads what is in it",
                file.display(),
                file.display()
            );
        }
    }
    let print = PrintArgs { format: args.format, modules: true, to: args.to.clone(), color: Color::Auto };
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
    let output = Output::open(&print.to)?;
    let json = json.map(open_file).transpose()?;
    let stop = Arc::new(StopFlag::default());
    let reporting = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop, &reporting)?;
    sweep_orphans();

    let progress = Progress::new(is_quiet, text_style(false).is_ascii);
    let audited = audit::run_audit(plan, &progress, &stop);
    progress.finish();
    let document = match audited {
        Err(error) if stop.is_set() => {
            eprintln!("wsgiaudit: interrupted before there was a report: {}", escape(&format!("{error:#}")));
            return Ok(Exit::Interrupted);
        }
        audited => audited?,
    };
    reporting.store(true, Ordering::Relaxed);
    if let Some(line) = describe_cached_trials(&document).filter(|_| !is_quiet) {
        eprintln!("wsgiaudit: {line}");
    }

    // Whatever happens to one output, the other is written: an audit takes long.
    let printed = write_report(&output, &document, print, gate);
    let stored = json.map(|file| store_report(&file, &json::render(&document)?)).transpose();
    let exit = gate.decide_exit(&document)?;
    printed?;
    stored?;
    Ok(if stop.is_set() { Exit::Interrupted } else { exit })
}

/// Writes a report into its file, or, if that fails, into a temporary one.
fn store_report(file: &OutputFile, text: &str) -> Result<()> {
    let Err(error) = file.write(text.as_bytes()) else { return Ok(()) };
    let elsewhere = tempfile::Builder::new().prefix("wsgiaudit-").suffix(".json").tempfile();
    let elsewhere = elsewhere.and_then(|mut temporary| {
        temporary.write_all(text.as_bytes())?;
        Ok(temporary.keep()?.1)
    });
    let hint = match elsewhere {
        Ok(path) => format!("the report is in {} instead", path.display()),
        Err(_) => "make room and run the command again: results of trials are kept in the cache".to_owned(),
    };
    Err(error).with_context(|| format!("cannot write {}\nhint: {hint}", file.path().display()))
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
    Output::Stdout.write(text.as_bytes())?;
    Ok(if manifest.left_out.is_empty() { Exit::Ready } else { Exit::Incomplete })
}

/// Hosts an application until SIGTERM.
fn run_server(options: &ServeOptions) -> Result<Exit> {
    Ok(match serve::supervise(options)? {
        ServerEnd::Clean => Exit::Ready,
        ServerEnd::Unclean => Exit::InTheWay,
        ServerEnd::NotStarted => Exit::Failed,
    })
}

/// Shows what running servers report.
fn watch_servers(args: &TopArgs) -> Result<Exit> {
    let (exit, text) = top::run_top(args, text_style(is_colored(Color::Auto, &io::stdout())))?;
    write_output(&mut io::stdout(), text.as_bytes()).map(|()| exit)
}

fn render_report(args: &RenderArgs) -> Result<Exit> {
    let document = read_report(&args.report)?;
    let gate = GateOptions::from_args(&args.gate)?;
    write_report(&Output::open(&args.print.to)?, &document, &args.print, &gate)?;
    gate.decide_exit(&document)
}

/// Prints what changed between two reports.
fn diff_reports(args: &DiffArgs) -> Result<Exit> {
    if args.old.as_os_str() == "-" && args.new.as_os_str() == "-" {
        bail!("only one of the two reports can be standard input");
    }
    let output = Output::open(&args.to)?;
    let (old, new) = (read_report(&args.old)?, read_report(&args.new)?);
    let comparison = compare_reports(&old, &new);
    let text = match args.format {
        DiffFormat::Text => changes::render_text(&comparison),
        DiffFormat::Markdown => changes::render_markdown(&comparison),
        DiffFormat::Json => json::render_comparison(&comparison)?,
    };
    output.write(text.as_bytes())?;
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

/// Prints the directives that a report supports on standard output, or else the reasons for none on standard error.
fn print_directives(args: &DirectiveArgs) -> Result<Exit> {
    let output = Output::open(&args.to)?;
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
            let allowed = if args.copies { OwnGilModes::WithCopies } else { OwnGilModes::Plain };
            let render = match server {
                TargetServer::ModWsgi => directive::render_apache_configuration,
                TargetServer::Express => directive::render_express_options,
                TargetServer::Serve => directive::render_serve_groups,
            };
            render(&report, &mounts, allowed).map_err(anyhow::Error::msg)?
        }
    };
    if args.format == TextFormat::Json {
        let exit = match configuration {
            GeneratedConfiguration::Lines(_) => Exit::Ready,
            GeneratedConfiguration::Fallback(_) | GeneratedConfiguration::Nothing(_) => Exit::InTheWay,
        };
        return output.write(json::render_value(&configuration.to_json())?.as_bytes()).map(|()| exit);
    }
    match configuration {
        GeneratedConfiguration::Lines(text) => output.write(text.as_bytes()).map(|()| Exit::Ready),
        GeneratedConfiguration::Fallback(text) => output.write(text.as_bytes()).map(|()| Exit::InTheWay),
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
    let name = name_input(path);
    Ok(Document::parse(&read_report_text(path)?, &name)?)
}

/// The name of an input in messages.
fn name_input(path: &Path) -> String {
    match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    }
}

/// Reads the text of a stored report; `-` is standard input. A pipe is read before an audit handles signals.
fn read_report_text(path: &Path) -> Result<String> {
    let text = match path.as_os_str() == "-" {
        true => regular_file::read_open(io::stdin().lock(), MAX_REPORT_SIZE),
        false => regular_file::read_named(path, MAX_REPORT_SIZE),
    };
    let text = text.with_context(|| format!("cannot read {}", name_input(path)))?;
    String::from_utf8(text).with_context(|| format!("cannot read {}", name_input(path)))
}

/// Prints declarations without running anything. Returns [`Exit::Incomplete`] if one could not be determined.
#[expect(clippy::print_stderr, reason = "beside the table, which goes to standard output")]
fn inspect_files(args: &InspectArgs) -> Result<Exit> {
    let output = Output::open(&args.to)?;
    let mut all = Vec::new();
    let mut is_empty = false;
    for path in &args.paths {
        path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
        let found = image::inspect_path(path, None);
        if found.is_empty() {
            eprintln!("wsgiaudit: {} holds no extension module", escape(&path.display().to_string()));
        }
        is_empty |= found.is_empty();
        all.extend(found);
    }
    let text = match args.format {
        ListFormat::Table => table::render_declarations(&all, text_style(false)),
        ListFormat::Json => json::render_declarations(&all)?,
    };
    output.write(text.as_bytes())?;
    let is_open = |facts: &BinaryFacts| facts.initialisation == InitKind::Undetermined;
    Ok(if is_empty || all.iter().any(|(_, facts)| is_open(facts)) { Exit::Incomplete } else { Exit::Ready })
}

fn print_rules(args: &RulesArgs) -> Result<Exit> {
    let text = match args.format {
        ListFormat::Table => table::render_rules(text_style(false)),
        ListFormat::Json => json::render_rules()?,
    };
    Output::open(&args.to)?.write(text.as_bytes()).map(|()| Exit::Ready)
}

fn explain_words(args: &ExplainArgs) -> Result<Exit> {
    let is_term = |term: &Term, word: &str| term.name == word || term.aliases.contains(&word);
    let explain = |word: &String| {
        let term = || Term::all().into_iter().find(|term| is_term(term, word));
        let rule = Rule::find_by_id(word).map(|rule| (rule.id, rule.page.to_owned()));
        rule.or_else(|| term().map(|term| (term.name, term.page())))
    };
    let pages: Vec<(&str, String)> = args.words.iter().filter_map(explain).collect();
    let text = match args.format {
        TextFormat::Text => pages.iter().map(|(_, page)| page.as_str()).collect::<Vec<_>>().join("\n"),
        TextFormat::Json => {
            let page = |(name, page): &(&str, String)| serde_json::json!({"name": name, "page": page});
            json::render_value(&pages.iter().map(page).collect::<Vec<_>>())?
        }
    };
    Output::open(&args.to)?.write(text.as_bytes()).map(|()| Exit::Ready)
}

fn print_manual(args: &ManArgs) -> Result<Exit> {
    match &args.folder {
        Some(folder) => manual::write_pages(folder)
            .with_context(|| format!("cannot write the manual into {}", folder.display()))?,
        None => Output::open(&args.to)?.write(&manual::render_page()?)?,
    }
    Ok(Exit::Ready)
}

/// Where the output of a command goes.
enum Output {
    File(OutputFile),
    Stdout,
}

impl Output {
    /// Opens the destination; called before anything long runs, so that a bad path fails at once.
    fn open(args: &OutputArgs) -> Result<Self> {
        match args.output.as_deref().filter(|path| path.as_os_str() != "-") {
            Some(path) => open_file(path).map(Self::File),
            None => Ok(Self::Stdout),
        }
    }

    /// Writes the whole output. What cannot be written into a file is printed.
    fn write(&self, bytes: &[u8]) -> Result<()> {
        let Self::File(file) = self else { return write_output(&mut io::stdout(), bytes) };
        file.write(bytes).or_else(|error| {
            let printed = write_output(&mut io::stdout(), bytes);
            let hint = if printed.is_ok() { "\nhint: it was printed on standard output instead" } else { "" };
            Err(error).with_context(|| format!("cannot write {}{hint}", file.path().display()))
        })
    }
}

fn write_report(output: &Output, document: &Document, args: &PrintArgs, gate: &GateOptions) -> Result<()> {
    let is_colored = match output {
        Output::File(_) => false,
        Output::Stdout => is_colored(args.color, &io::stdout()),
    };
    output.write(render_document(document, args, gate, is_colored)?.as_bytes())
}

fn render_document(
    document: &Document,
    args: &PrintArgs,
    gate: &GateOptions,
    is_colored: bool,
) -> Result<String> {
    let files = || ProjectFiles::find(&std::env::current_dir().unwrap_or_default());
    let annotations = || github::render(&document.with_real_paths(), &gate.required, &files());
    Ok(match args.format {
        ReportFormat::Table => {
            let style = TableOptions { style: text_style(is_colored), modules: args.modules };
            let table = table::render(&document.with_real_paths(), &gate.required, style);
            let is_action = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
            if is_action && args.to.output.is_none() { table + "\n" + &annotations() } else { table }
        }
        ReportFormat::Json => json::render(document)?,
        ReportFormat::Sarif => {
            let (required, is_strict) = (gate.required.as_slice(), gate.is_strict);
            sarif::render(document, &SarifOptions { required, is_strict, files: &files() })?
        }
        ReportFormat::Junit => junit::render(&document.with_real_paths(), gate.is_strict)?,
        ReportFormat::Markdown => markdown::render(&document.with_real_paths(), &gate.required),
        ReportFormat::Github => annotations(),
        ReportFormat::Details => details::render(&document.with_real_paths(), &gate.required),
        ReportFormat::Html => html::render(document)?,
    })
}

/// Returns how to draw text on the terminal. Without one, its width is `COLUMNS`, or else 120.
fn text_style(is_colored: bool) -> TextStyle {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let columns = || variable("COLUMNS").and_then(|columns| columns.parse().ok());
    let terminal = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    // The order in which the C library looks for the character set.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    let has_unicode = locale.is_empty() || locale.contains("utf-8") || locale.contains("utf8");
    TextStyle {
        width: terminal.or_else(columns).unwrap_or(120).clamp(40, 1000),
        is_colored,
        is_ascii: !has_unicode || variable("TERM").is_some_and(|terminal| terminal == "dumb"),
    }
}

fn open_file(path: &Path) -> Result<OutputFile> {
    OutputFile::new(path).with_context(|| format!("cannot write {}", path.display()))
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

/// Time for an audit to end with a report after a signal, and then to print it.
const END_TIME: Duration = Duration::from_millis(600);
const PRINT_TIME: Duration = Duration::from_millis(250);
const MESSAGE_TIME: Duration = Duration::from_millis(5);

/// Stops the trials on SIGINT or SIGTERM; the results so far are reported. Whatever the audit does then, the
/// process ends within a second. `reporting` is set when the report is ready.
#[expect(clippy::print_stderr, reason = "the process ends here")]
fn stop_on_signals(stop: &Arc<StopFlag>, reporting: &Arc<AtomicBool>) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot watch for signals")?;
    let (stop, reporting) = (Arc::clone(stop), Arc::clone(reporting));
    std::thread::spawn(move || {
        signals.forever().next();
        stop.request_stop();
        std::thread::sleep(END_TIME);
        let is_reporting = reporting.load(Ordering::Relaxed);
        if is_reporting {
            std::thread::sleep(PRINT_TIME);
        }
        let when = if is_reporting { "while it printed its report" } else { "before there was a report" };
        // In another thread: standard error may be a pipe that nobody reads.
        std::thread::spawn(move || eprintln!("wsgiaudit: interrupted {when}"));
        std::thread::sleep(MESSAGE_TIME);
        end_process(Exit::Interrupted.status().into())
    });
    Ok(())
}
