//! Runs what was typed: the audit with its outputs. Output files are opened before the long run, so that a
//! bad path fails at once.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::audit;
use crate::cli::{AuditArgs, Cli, Command, Format, InspectArgs, ManArgs};
use crate::exit::Exit;
use crate::image;
use crate::manual;
use crate::model::{Facts, Initialisation};
use crate::plan::{Plan, is_coloured};
use crate::render::progress::Progress;
use crate::render::table::Style;
use crate::render::{json, table};
use crate::report::Report;
use crate::trial::{Stop, sweep_orphans};

/// Runs the command.
///
/// # Errors
/// Whatever keeps it from an answer.
pub fn run(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Some(Command::Inspect(args)) => inspect(args),
        Some(Command::Completions(args)) => print(&manual::completions(args.shell)).map(|()| Exit::Ready),
        Some(Command::Man(args)) => man(args),
        None => audit(&cli.audit),
    }
}

fn audit(args: &AuditArgs) -> Result<Exit> {
    let plan = Plan::new(args)?;
    let mut output = args.output.as_deref().map(create).transpose()?;
    let mut document = args.json.as_deref().map(create).transpose()?;
    let stop = Arc::new(Stop::default());
    stop_on_signals(&stop)?;
    sweep_orphans();

    let progress = Progress::new(args.quiet);
    let audited = audit::run(&plan, &progress, &stop);
    progress.finish();
    let report = audited?;

    if let Some(file) = &mut document {
        write(file, &json::render(&report)?)?;
    }
    match &mut output {
        Some(file) => write(file, &text(&report, args, false)?)?,
        None => write(&mut io::stdout(), &text(&report, args, is_coloured(args.color, &io::stdout()))?)?,
    }
    Ok(if stop.is_set() { Exit::Interrupted } else { Exit::of(&report, &plan.require, args.strict) })
}

/// Declarations only. What cannot be read at all ends it with [`Exit::Incomplete`].
fn inspect(args: &InspectArgs) -> Result<Exit> {
    let mut all = Vec::new();
    for path in &args.paths {
        path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
        all.extend(image::survey(path, None));
    }
    let text = match args.format {
        Format::Table => table::declarations(&all, width()),
        Format::Json => json::declarations(&all)?,
    };
    print(text.as_bytes())?;
    let is_open = |facts: &Facts| facts.initialisation == Initialisation::Undetermined;
    Ok(if all.iter().any(|(_, facts)| is_open(facts)) { Exit::Incomplete } else { Exit::Ready })
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

fn text(report: &Report, args: &AuditArgs, colour: bool) -> Result<String> {
    Ok(match args.format {
        Format::Table => table::render(report, Style { width: width(), colour, modules: args.modules }),
        Format::Json => json::render(report)?,
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
