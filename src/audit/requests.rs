//! Requests that the applications are asked (`--requests`): in the main interpreter, which tells what the answers
//! should be, and then in every kind of interpreter, and in several at the same time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::application::{Application, find_all};
use super::deployment::Script;
use super::exercise::asked_twice;
use super::own_modules::LinesRun;
use super::request_list::{Expected, RequestList, driver};
use super::run::{Audited, Running};
use crate::model::{Interpreter, Mode, Reply, ReplyEnd};
use crate::report::{ExerciseRow, Report, RequestRow, answered};
use crate::rules::AskedRequest;
use crate::trial::{Subject, Trials};

/// Adds a row for each application that the plan names, with what every environment that was audited makes of it.
///
/// # Errors
/// Where the requests cannot be read, or an application is not to be found.
pub(super) fn add(
    running: &Running<'_>,
    environments: &[&Audited],
    scripts: &[Script],
    report: &mut Report,
) -> Result<()> {
    let Some(list) = &running.requests else { return Ok(()) };
    for note in &list.notes {
        report.note(format!("{}: {note}", list.named.display()));
    }
    for (index, spec) in running.plan.apps.iter().enumerate() {
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
        let mut ran = LinesRun::default();
        for (number, audited) in environments.iter().enumerate() {
            let drivers = running.scratch.folder(&format!("requests-{index}-{number}"))?;
            let Some(interpreter) = audited.environment.interpreter.as_ref() else { continue };
            let applications = find_all(running, interpreter, scripts)?;
            let Some(application) = applications.get(index) else { continue };
            let asking = Asking { application, list, drivers: &drivers };
            let asked = ask(running, audited, interpreter, &asking, &mut row)?;
            if number > 0 {
                continue;
            }
            let (file, count) = (row.file.clone(), list.requests.len());
            if asked.never > 0 {
                report.notes.push(format!(
                    "{file}: {} of {count} answers are never the same twice: their status alone was compared",
                    asked.never
                ));
            }
            if asked.by_what_was_before > 0 {
                report.notes.push(format!(
                    "{file}: {} of {count} answers depend on what was asked before, and the interpreters of a trial \
                     write to the same folder (--writable): their status alone was compared",
                    asked.by_what_was_before
                ));
            }
            ran = asked.ran;
        }
        let Report { applications, modules, .. } = &mut *report;
        if let Some(application) = applications.get_mut(index) {
            application.join_requests(&row, modules, |spot| ran.has(&spot.file, spot.line, spot.line));
        }
        report.exercises.push(row);
    }
    Ok(())
}

/// Who is asked what.
struct Asking<'a> {
    application: &'a Application,
    list: &'a RequestList,
    /// The folder of what asks.
    drivers: &'a Path,
}

/// What asking has shown beside the row.
#[derive(Default)]
struct Asked {
    /// How many answers are never the same twice.
    never: usize,
    /// How many of the others depend on what was asked before, where that is kept in a folder of all interpreters.
    by_what_was_before: usize,
    /// Lines that the control has run.
    ran: LinesRun,
}

/// Asks an application in one environment, and adds to the row what that means.
fn ask(
    running: &Running<'_>,
    audited: &Audited,
    interpreter: &Interpreter,
    asking: &Asking<'_>,
    row: &mut ExerciseRow,
) -> Result<Asked> {
    let path = asking.application.path_with(asking.drivers)?;
    let name = format!("requests_of_{}", asking.application.module.replace('.', "_"));
    let file = asking.drivers.join(format!("{name}.py"));
    asking.list.put_files_into(asking.drivers)?;
    let modes = audited.possible();
    let subject = Subject { is_exercise: true, ..Subject::name(name.clone()) };
    let mut trials = audited.trials.clone();
    let mut asked = Asked::default();
    if interpreter.no_trials.is_none() {
        let package = asking.application.package(interpreter);
        let write = |expected: Option<&[Vec<Expected>; 2]>| {
            let text = driver(asking.application, &package, asking.list, expected);
            fs::write(&file, text).context("cannot write the requests")
        };
        write(None)?;
        let [first, again] = asked_twice(running, interpreter, &path, &subject, &mut trials);
        asked.ran = LinesRun::told(&first);
        let replies = |lines: &[String]| lines.iter().filter_map(|line| Reply::of(line)).collect::<Vec<_>>();
        let (first, again) = (replies(&first), replies(&again));
        row.add_main(&first, &again);
        if let Some(mut expected) = expected(asking.list.requests.len(), &first, &again) {
            let [first, later] = &mut expected;
            asked.never = first.iter().filter(|each| each.sha256.is_none()).count();
            if running.has_writable() {
                // What one interpreter has written another one finds.
                for (first, later) in first.iter_mut().zip(later) {
                    if first.sha256.is_some() && later.sha256.is_none() {
                        asked.by_what_was_before += 1;
                    }
                    if later.sha256.is_none() {
                        (*first, *later) = (first.either(later), later.either(first));
                    }
                }
            }
            write(Some(&expected))?;
            trials.extend(running.try_subjects(interpreter, &path, &[subject], &modes));
        }
    }
    judge(audited, &modes, &trials, &name, row);
    Ok(asked)
}

/// Adds to the row what the trials of a name say, in the modes that it was tried in.
fn judge(audited: &Audited, modes: &[Mode], trials: &Trials, name: &str, row: &mut ExerciseRow) {
    let facts = audited.facts();
    let case = audited.case(trials, &facts);
    let control = trials.get(name, Mode::Main);
    let asked = row.requests.iter().map(|request| AskedRequest {
        shown: format!("{} {}", request.method, request.target),
        status: request.main.as_ref().map(|main| main.status.clone()),
    });
    let asked: Vec<AskedRequest> = asked.collect();
    for &mode in modes {
        let judgement = answered(case.requests(name, mode, &asked), control, &row.requests);
        row.add(mode, trials.get(name, mode).cloned(), judgement);
    }
}

/// What the first round and later ones of an interpreter should answer, from two rounds each of two processes. What
/// differs between the processes is never the same, as a token: its status alone is compared. What differs between
/// the rounds alone depends on what was asked before: it is compared in the first. `None` where one of them failed.
fn expected(count: usize, first: &[Reply], again: &[Reply]) -> Option<[Vec<Expected>; 2]> {
    let round = |all: &[Reply], round: usize| -> Option<Vec<Reply>> {
        let of = |index| {
            let mut found = all.iter().filter(|each| each.round == round && each.index == index);
            found.next().filter(|each| each.end == ReplyEnd::Answered).cloned()
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
        begin.push(Expected::of(one, is_same(one, two)));
        later.push(Expected::of(one_later, is_always));
    }
    Some(expected)
}
