//! Runs an audit, from the environment's folder to the report. This file calls all steps in their order.

use std::time::Instant;

use anyhow::{Context, Result};

use super::application;
use super::cached_inspection;
use super::context::{AuditContext, AuditedEnvironment, ModeSelection};
use super::deployment::ApacheConfiguration;
use super::environment_audit::audit_environment;
use super::exercise;
use super::free_threaded;
use super::named_files::{self, AuditScope};
use super::request_list::RequestList;
use super::requests;
use super::scratch::ScratchFolder;
use super::test_suites;
use super::upgrade_advice;
use crate::cache::TrialCache;
use crate::plan::AuditPlan;
use crate::report::v1::{self, Header};
use crate::report::{Document, PathPlaceholders, join_free_threaded};
use crate::trial::{self, BytecodeFolders, ProbeLibrary, ProgressListener, StopFlag};
use crate::venv;

/// Audits an environment, and the free-threaded one that the plan asks for.
///
/// # Errors
/// When there is no environment, or the audit's scratch folder cannot be created. Problems inside the
/// environment are part of the report.
pub fn run_audit(plan: &AuditPlan, listener: &dyn ProgressListener, stop: &StopFlag) -> Result<Document> {
    let (started, clock) = (jiff::Timestamp::now(), Instant::now());
    let configuration = plan.apache.as_ref();
    let configuration =
        configuration.map(|(file, names)| ApacheConfiguration::from_file(file, names)).transpose()?;
    let scratch = ScratchFolder::new()?;
    let library =
        ProbeLibrary::install_for_trials(scratch.path()).context("cannot write the probes' library")?;
    let given =
        plan.given.copied_into(scratch.path()).context("cannot copy the files of --file and --writable")?;
    // Errors in it are reported now, not after hours of trials.
    let names: Vec<String> = given.variable_names().map(str::to_owned).collect();
    let requests = plan.requests.as_deref().map(|file| RequestList::from_file(file, &names)).transpose()?;
    let context = AuditContext {
        plan,
        scratch: &scratch,
        library: &library,
        given,
        bytecode: BytecodeFolders::default(),
        requests,
        listener,
        stop,
    };
    free_threaded::check_named_source(&context)?;
    let mut located = venv::locate_environment(&plan.environment)?;
    let mut scope = None;
    if let Some(named) = &plan.only {
        let (around, part) = named_files::prepare_scoped_audit(named, &located, &scratch)?;
        (located, scope) = (around, Some(part));
    }
    let mut first = audit_environment(&context, &located, scope.as_ref(), ModeSelection::AllModes);
    if let Some(scope) = &scope {
        scope.add_to_audit(&mut first);
    }
    first.notes.extend(context.given.describe_for_report());
    first.notes.extend(cached_inspection::describe_foreign_cache(&context));
    let second = free_threaded::audit_free_threaded(&context, &mut first);
    if stop.is_set() {
        first.trouble.push("interrupted: what was not tried by then is unknown".to_owned());
    }
    let mut placeholders = PathPlaceholders::default();
    placeholders.add_folder(trial::SCRATCH.trim_matches(['{', '}']), scratch.path());
    first.add_placeholders(&mut placeholders, ["environment", "python"]);
    if let Some(second) = &second {
        second
            .audited
            .add_placeholders(&mut placeholders, ["free-threaded environment", "free-threaded python"]);
    }
    let report = first.build_report(None);
    let mut report = match &second {
        Some(second) => {
            join_free_threaded(report, second.audited.build_report(Some(&second.reference)), &second.absent)
        }
        None => report,
    };
    if scope.is_some() {
        AuditScope::mark_not_applicable_as_unknown(&mut report);
    }
    let environments: Vec<&AuditedEnvironment> =
        [Some(&first), second.as_ref().map(|second| &second.audited)].into_iter().flatten().collect();
    if plan.upgrades && !stop.is_set() {
        upgrade_advice::add_upgrade_advice(&context, &environments, &mut report);
    }
    let scripts = configuration.as_ref().map(ApacheConfiguration::served_scripts).unwrap_or_default();
    application::add_applications(&context, &first, &scripts, &mut placeholders, &mut report)?;
    exercise::add_exercises(&context, &environments, &mut report)?;
    requests::add_requests(&context, &environments, &scripts, &mut report)?;
    application::downgrade_for_open_imports(&mut report);
    test_suites::add_test_suites(&context, &first, &mut report)?;
    if let Some(configuration) = &configuration {
        configuration.add_to_report(&first.environment, &mut placeholders, &mut report);
    }
    let document = placeholders.redact_document(Document::from(&report));
    let started = started.round(jiff::Unit::Second).unwrap_or(started).to_string();
    let (remembered, all) = environments.iter().fold((0, 0), |(remembered, all), audited| {
        let (hits, asked) = audited.cache.as_ref().map_or((0, 0), TrialCache::hit_count);
        (remembered + hits, all + asked)
    });
    let trials = (all > 0).then_some(v1::Remembered { all, remembered });
    let header = Header {
        started,
        seconds: clock.elapsed().as_secs_f64(),
        places: placeholders.folders_by_name(),
        trials,
        requests: v1::RequestTimes::from_report(&report),
    };
    Ok(Document { header: Some(header), ..document })
}
