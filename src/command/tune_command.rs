//! `wsgiaudit tune`: an audit, unless a report is named, and the comparison.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};

use super::{Output, read_report, stop_on_signals, text_style};
use crate::audit;
use crate::cli::{TuneArgs, TuneFormat};
use crate::exit::Exit;
use crate::plan::AuditPlan;
use crate::platform::sweep_orphans;
use crate::render::escape::escape;
use crate::render::json;
use crate::render::progress::Progress;
use crate::report::Document;
use crate::trial::StopFlag;
use crate::tune::{self, Sureness, TuneDocument};

/// Compares the configurations that an audit allows, and prints the result.
///
/// # Errors
/// On wrong usage, and when the audit or a measurement fails.
#[expect(clippy::print_stderr, reason = "beside the result, which goes to standard output")]
pub(super) fn tune_application(args: &TuneArgs) -> Result<Exit> {
    let output = Output::open(&args.to)?;
    let source = tune::prepare_requests(args)?;
    let stored = args.report.as_deref().map(read_report).transpose()?;
    let plan = stored.is_none().then(|| AuditPlan::for_tuning(args)).transpose()?;
    let (stop, reporting) = (Arc::new(StopFlag::default()), Arc::new(AtomicBool::new(false)));
    stop_on_signals(&stop, &reporting)?;
    sweep_orphans();
    let report = match (stored, &plan) {
        (Some(report), _) => report,
        (None, Some(plan)) => audit_application(args, plan, &stop)?,
        (None, None) => bail!("there is no report"),
    };
    if stop.is_set() {
        eprintln!("wsgiaudit: interrupted before anything was compared");
        return Ok(Exit::Interrupted);
    }
    let report = report.with_real_paths();
    let say = |line: &str| {
        if !args.quiet {
            eprintln!("wsgiaudit: {}", escape(line));
        }
    };
    let document = tune::run_comparison(args, &source, &report, &|| stop.is_set(), &say)?;
    reporting.store(true, Ordering::Relaxed);
    let text = match args.format {
        TuneFormat::Table => tune::render_table(&document, text_style(false)),
        TuneFormat::Json => json::render_value(&document)?,
        TuneFormat::Markdown => tune::render_markdown(&document),
        TuneFormat::Html => tune::render_html(&document)?,
    };
    output.write(text.as_bytes())?;
    Ok(decide_exit(&document, &report, &args.app))
}

fn audit_application(args: &TuneArgs, plan: &AuditPlan, stop: &StopFlag) -> Result<Document> {
    let progress = Progress::new(args.quiet, text_style(false).is_ascii);
    let audited = audit::run_audit(plan, &progress, stop);
    progress.finish();
    audited
}

fn decide_exit(document: &TuneDocument, report: &Document, application: &str) -> Exit {
    match &document.recommendation {
        _ if document.interrupted => Exit::Interrupted,
        Some(recommendation) => match recommendation.sureness {
            Sureness::Clear | Sureness::SimplestOfEqual | Sureness::SimplestThatKeepsTarget => Exit::Ready,
            Sureness::Unsure => Exit::Incomplete,
        },
        None if document.configurations.is_empty() && tune::is_unknown(report, application) => {
            Exit::Incomplete
        }
        None => Exit::InTheWay,
    }
}
