//! Requests that the applications are asked (`--requests`): in the main interpreter, which tells what the answers
//! should be, and then in every kind of interpreter, and in several at the same time.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::application::{Application, find_all};
use super::deployment::Script;
use super::exercise::{asked_twice, judge};
use super::own_modules::LinesRun;
use super::run::{Audited, Running};
use crate::app::{Request, requests};
use crate::model::Interpreter;
use crate::report::{ExerciseRow, Report};
use crate::trial::Subject;

const DRIVER: &str = concat!(include_str!("lines_run.py"), include_str!("requests.py"));

/// What an answer should begin with: its status, and all of it where it is always the same.
type Expected = (String, Option<String>);

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
    let Some(file) = &running.plan.requests else { return Ok(()) };
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let asked = requests(&text).map_err(|why| anyhow!("{}: {why}", file.display()))?;
    for (index, spec) in running.plan.apps.iter().enumerate() {
        let mut row = ExerciseRow {
            application: Some(spec.clone()),
            ..ExerciseRow::new(&format!("{} of {spec}", file.to_string_lossy()))
        };
        let mut ran = LinesRun::default();
        for (number, audited) in environments.iter().enumerate() {
            let drivers = running.scratch.folder(&format!("requests-{index}-{number}"))?;
            let Some(interpreter) = audited.environment.interpreter.as_ref() else { continue };
            let applications = find_all(running, interpreter, scripts)?;
            let Some(application) = applications.get(index) else { continue };
            let asking = Asking { application, requests: &asked, drivers: &drivers };
            let (never, lines) = ask(running, audited, interpreter, &asking, &mut row)?;
            if number == 0 {
                ran = lines;
            }
            if never > 0 && number == 0 {
                report.notes.push(format!(
                    "{}: {never} of {} answers are never the same twice: their status alone was compared",
                    row.file,
                    asked.len()
                ));
            }
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
    requests: &'a [Request],
    /// The folder of what asks.
    drivers: &'a Path,
}

/// Returns of how many answers the status alone was compared, and which lines the control has run.
fn ask(
    running: &Running<'_>,
    audited: &Audited,
    interpreter: &Interpreter,
    asking: &Asking<'_>,
    row: &mut ExerciseRow,
) -> Result<(usize, LinesRun)> {
    let path = asking.application.path_with(asking.drivers)?;
    let name = format!("requests_of_{}", asking.application.module.replace('.', "_"));
    let file = asking.drivers.join(format!("{name}.py"));
    let modes = audited.possible();
    let subject = Subject { is_exercise: true, ..Subject::name(name.clone()) };
    let mut trials = audited.trials.clone();
    let (mut never, mut ran) = (0, LinesRun::default());
    if interpreter.no_trials.is_none() {
        let write = |expected: Option<&[Vec<Expected>; 2]>| {
            fs::write(&file, driver(asking, interpreter, expected)).context("cannot write the requests")
        };
        write(None)?;
        let [first, again] = asked_twice(running, interpreter, &path, &subject, &mut trials);
        ran = LinesRun::told(&first);
        if let Some(expected) = expected(asking.requests.len(), &first, &again) {
            write(Some(&expected))?;
            trials.extend(running.try_subjects(interpreter, &path, &[subject], &modes));
            let [first, _] = &expected;
            never = first.iter().filter(|(_, whole)| whole.is_none()).count();
        }
    }
    judge(audited, &modes, &trials, &name, row);
    Ok((never, ran))
}

/// What the first round and later ones of an interpreter should answer, from two rounds each of two processes. What
/// differs between the processes is never the same, as a token: its status alone is compared. What differs between
/// the rounds alone depends on what was asked before: it is compared in the first.
fn expected(count: usize, first: &[String], again: &[String]) -> Option<[Vec<Expected>; 2]> {
    let rounds = |all: &[String]| Some((all.get(..count)?.to_vec(), all.get(count..2 * count)?.to_vec()));
    let ((one, one_later), (two, two_later)) = (rounds(first)?, rounds(again)?);
    let status = |answer: &str| answer.get(..3).unwrap_or_default().to_owned();
    let mut expected = [Vec::new(), Vec::new()];
    for ((one, one_later), (two, two_later)) in one.iter().zip(&one_later).zip(two.iter().zip(&two_later)) {
        let is_same = one == two;
        let is_always = is_same && one_later == two_later && one == one_later;
        let [begin, later] = &mut expected;
        begin.push((status(one), is_same.then(|| one.clone())));
        later.push((status(one_later), is_always.then(|| one.clone())));
    }
    Some(expected)
}

/// The driver's source, as a module.
fn driver(asking: &Asking<'_>, interpreter: &Interpreter, expected: Option<&[Vec<Expected>; 2]>) -> String {
    let mut text = format!(
        "MODULE = {}\nCALLABLE = {}\nFOLDERS = [{}]\nREQUESTS = [\n",
        literal(&asking.application.module),
        literal(asking.application.callable()),
        literal(&asking.application.package(interpreter).to_string_lossy())
    );
    for request in asking.requests {
        let (method, target) = (literal(&request.method), literal(&request.target));
        let headers: String = request
            .headers
            .iter()
            .map(|(name, value)| format!("({}, {}), ", literal(name), literal(value)))
            .collect();
        let body = literal(&request.body);
        let _ = writeln!(text, "    ({method}, {target}, [{headers}], {body}.encode()),");
    }
    text.push_str("]\nEXPECTED = ");
    match expected {
        None => text.push_str("None"),
        Some(rounds) => {
            text.push('[');
            for round in rounds {
                text.push('[');
                for (status, whole) in round {
                    let whole = whole.as_deref().map_or_else(|| "None".to_owned(), literal);
                    let _ = write!(text, "({}, {whole}), ", literal(status));
                }
                text.push_str("], ");
            }
            text.push(']');
        }
    }
    text + "\n\n" + DRIVER
}

/// A string as Python writes it.
pub(super) fn literal(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        ' '..='~' => letter.to_string(),
        letter => format!("\\U{:08x}", u32::from(letter)),
    });
    format!("\"{}\"", letters.collect::<String>())
}
