//! Sends requests to the applications (`--requests`): first in the main interpreter, which shows the expected
//! replies, then in every mode, and in several interpreters at the same time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::application_folders::ExecutedLines;
use super::context::{AuditContext, AuditedEnvironment};
use super::deployment::ServedScript;
use super::exercise::{add_judgements_with, run_control_twice};
use super::request_driver::{ExpectedReply, request_driver_source};
use super::request_list::RequestList;
use super::resolved_application::{ResolvedApplication, find_applications};
use crate::model::{Interpreter, Mode, Reply, ReplyKind};
use crate::report::{ExerciseRow, Report, RequestRow, judge_request_list};
use crate::rules::{RequestSummary, judge_requests};
use crate::trial::{TrialSubject, Trials};

/// Adds a row for each application that the plan names, with the results in every audited environment.
///
/// # Errors
/// When the requests cannot be read, or an application cannot be found.
pub(super) fn add_requests(
    context: &AuditContext<'_>,
    environments: &[&AuditedEnvironment],
    scripts: &[ServedScript],
    report: &mut Report,
) -> Result<()> {
    let Some(list) = &context.requests else { return Ok(()) };
    for note in &list.notes {
        report.add_note(format!("{}: {note}", list.named.display()));
    }
    for (index, spec) in context.plan.apps.iter().enumerate() {
        let requests = list.requests.iter().map(|request| RequestRow {
            method: request.method.clone(),
            target: request.target.to_string(),
            main: None,
            modes: BTreeMap::new(),
        });
        let mut row = ExerciseRow {
            application: Some(spec.clone()),
            requests: requests.collect(),
            ..ExerciseRow::new(&format!("{} of {spec}", list.named.to_string_lossy()))
        };
        let mut ran = ExecutedLines::default();
        for (number, audited) in environments.iter().enumerate() {
            let drivers = context.scratch.create_folder(&format!("requests-{index}-{number}"))?;
            let Some(interpreter) = audited.environment.interpreter.as_ref() else { continue };
            let applications = find_applications(context.plan, interpreter, scripts)?;
            let Some(application) = applications.get(index) else { continue };
            let run = RequestRun { application, list, drivers: &drivers };
            let result = run_requests(context, audited, interpreter, &run, &mut row)?;
            if number > 0 {
                continue;
            }
            let (file, count) = (row.file.clone(), list.requests.len());
            if result.nondeterministic > 0 {
                report.notes.push(format!(
                    "{file}: {} of {count} responses differ every time: only their status was compared",
                    result.nondeterministic
                ));
            }
            if result.order_dependent > 0 {
                report.notes.push(format!(
                    "{file}: {} of {count} responses depend on earlier requests, and the interpreters of a \
                     trial write to the same folder (--writable): only their status was compared",
                    result.order_dependent
                ));
            }
            ran = result.ran;
        }
        let Report { applications, modules, .. } = &mut *report;
        if let Some(application) = applications.get_mut(index) {
            application
                .join_requests(&row, modules, |spot| ran.has_run_between(&spot.file, spot.line, spot.line));
        }
        report.exercises.push(row);
    }
    Ok(())
}

/// The application and the requests that are sent to it.
struct RequestRun<'a> {
    application: &'a ResolvedApplication,
    list: &'a RequestList,
    /// The folder of the drivers.
    drivers: &'a Path,
}

/// What sending the requests has shown, besides the row.
#[derive(Default)]
struct RequestRunResult {
    /// The number of replies that differ every time.
    nondeterministic: usize,
    /// The number of other replies that depend on earlier requests, whose effects all interpreters share in a
    /// folder.
    order_dependent: usize,
    /// Lines that the control has run.
    ran: ExecutedLines,
}

/// Sends the requests to an application in one environment, and adds the judged results to the row.
fn run_requests(
    context: &AuditContext<'_>,
    audited: &AuditedEnvironment,
    interpreter: &Interpreter,
    run: &RequestRun<'_>,
    row: &mut ExerciseRow,
) -> Result<RequestRunResult> {
    let path = run.application.prepare_search_path(run.drivers)?;
    let name = format!("requests_of_{}", run.application.module.replace('.', "_"));
    let file = run.drivers.join(format!("{name}.py"));
    run.list.write_body_files(run.drivers)?;
    let modes = audited.possible_modes();
    let subject = TrialSubject { is_exercise: true, ..TrialSubject::from_name(name.clone()) };
    let mut trials = audited.trials.clone();
    let mut result = RequestRunResult::default();
    if interpreter.no_trials.is_none() {
        let package = run.application.source_root(interpreter);
        let write = |expected: Option<&[Vec<ExpectedReply>; 2]>| {
            let text = request_driver_source(run.application, &package, run.list, expected);
            fs::write(&file, text).context("cannot write the requests")
        };
        write(None)?;
        let [first, again] = run_control_twice(context, interpreter, &path, &subject, &mut trials);
        result.ran = ExecutedLines::from_answers(&first);
        let replies =
            |lines: &[String]| lines.iter().filter_map(|line| Reply::parse_line(line)).collect::<Vec<_>>();
        let (first, again) = (replies(&first), replies(&again));
        row.add_control_replies(&first, &again);
        if let Some(mut expected) = expected_replies(run.list.requests.len(), &first, &again) {
            let [first, later] = &mut expected;
            result.nondeterministic = first.iter().filter(|each| each.sha256.is_none()).count();
            if context.has_writable_folders() {
                // An interpreter may find what another one has written.
                for (first, later) in first.iter_mut().zip(later) {
                    if first.sha256.is_some() && later.sha256.is_none() {
                        result.order_dependent += 1;
                    }
                    if later.sha256.is_none() {
                        (*first, *later) = (first.status_of_either(later), later.status_of_either(first));
                    }
                }
            }
            write(Some(&expected))?;
            trials.extend(context.try_subjects(interpreter, &path, audited.copy_trees(), &[subject], &modes));
        }
    }
    add_request_judgements(audited, &modes, &trials, &name, row);
    Ok(result)
}

/// Judges the trials of a list of requests in these modes, and adds them to the row.
fn add_request_judgements(
    audited: &AuditedEnvironment,
    modes: &[Mode],
    trials: &Trials,
    name: &str,
    row: &mut ExerciseRow,
) {
    let control = trials.get(name, Mode::Main);
    let summaries = row.requests.iter().map(|request| RequestSummary {
        shown: format!("{} {}", request.method, request.target),
        status: request.main.as_ref().map(|main| main.status.clone()),
    });
    let summaries: Vec<RequestSummary> = summaries.collect();
    add_judgements_with(audited, modes, trials, name, row, |input, mode, requests| {
        judge_request_list(judge_requests(input, name, mode, &summaries), control, requests)
    });
}

/// Returns the expected replies in the first round of an interpreter and in later ones, from two rounds each
/// of two processes. If a body differs between the processes, like a token, only its status is compared. If
/// it differs only between the rounds, it depends on earlier requests, and is compared in the first round.
/// Returns `None` if a request failed.
fn expected_replies(count: usize, first: &[Reply], again: &[Reply]) -> Option<[Vec<ExpectedReply>; 2]> {
    let round = |all: &[Reply], round: usize| -> Option<Vec<Reply>> {
        let of = |index| {
            let mut found = all.iter().filter(|each| each.round == round && each.index == index);
            found.next().filter(|each| each.end == ReplyKind::Answered).cloned()
        };
        (0..count).map(of).collect()
    };
    let (one, one_later) = (round(first, 0)?, round(first, 1)?);
    let (two, two_later) = (round(again, 0)?, round(again, 1)?);
    let is_same = |one: &Reply, two: &Reply| one.status == two.status && one.sha256 == two.sha256;
    let mut expected = [Vec::new(), Vec::new()];
    for ((one, one_later), (two, two_later)) in one.iter().zip(&one_later).zip(two.iter().zip(&two_later)) {
        let is_always = is_same(one, two) && is_same(one_later, two_later) && is_same(one, one_later);
        let [begin, later] = &mut expected;
        begin.push(ExpectedReply::from_reply(one, is_same(one, two)));
        later.push(ExpectedReply::from_reply(one_later, is_always));
    }
    Some(expected)
}
