//! Tests that distributions bring along (`--exercise-tests`): pytest runs them in the main interpreter, which tells which
//! of them pass, and those then in every kind of interpreter, and in several at the same time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::exercise::{asked_twice, judge};
use super::request_list::literal;
use super::run::{Audited, Running};
use crate::model::{Interpreter, Mode};
use crate::report::{ExerciseRow, Report, normalised};
use crate::trial::{SearchPath, Subject};
use crate::venv::Installed;

const DRIVER: &str = include_str!("suites.py");

/// The share of a trial's time in which tests of a suite are looked for: several interpreters run them at the same time, each
/// several times.
const SHARE: u32 = 30;

/// Adds a row for each distribution that the plan names.
///
/// # Errors
/// Where one is not installed, brings no tests, or pytest is missing.
pub(super) fn add(running: &Running<'_>, audited: &Audited, report: &mut Report) -> Result<()> {
    let Some(interpreter) = audited.environment.interpreter.as_ref() else { return Ok(()) };
    for (index, named) in running.plan.suites.iter().enumerate() {
        let suite = Suite::find(named, interpreter, &audited.installed)?;
        let drivers = running.scratch.folder(&format!("suite-{index}"))?;
        let mut row = ExerciseRow::new(&format!("tests of {}", suite.name));
        report.notes.extend(suite.run(running, audited, &drivers, &mut row)?);
        report.exercises.push(row);
    }
    Ok(())
}

/// The tests of a distribution.
struct Suite<'a> {
    name: String,
    interpreter: &'a Interpreter,
    /// The folder that it is installed in.
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl<'a> Suite<'a> {
    fn find(named: &str, interpreter: &'a Interpreter, installed: &Installed) -> Result<Self> {
        let of = |name: &str| {
            installed.all.iter().find(|each| normalised(&each.distribution.name) == normalised(name))
        };
        let Some(found) = of(named) else {
            bail!(
                "{named} is not installed in the environment: --exercise-tests wants a distribution's name"
            );
        };
        if of("pytest").is_none() {
            bail!(
                "--exercise-tests runs tests with pytest, which the environment has not\n\
                 hint: {} -m pip install pytest",
                interpreter.executable.display()
            );
        }
        let mut files: Vec<PathBuf> =
            found.files().iter().filter(|file| holds_tests(file)).cloned().collect();
        files.sort();
        let is_root = |folder: &&PathBuf| files.first().is_some_and(|file| file.starts_with(folder));
        let Some(root) = interpreter.site.iter().find(is_root).cloned() else {
            bail!("{named} brings no tests along: its wheel holds no test_*.py and no *_test.py");
        };
        files.retain(|file| file.starts_with(&root));
        Ok(Self { name: found.distribution.name.clone(), interpreter, root, files })
    }

    /// Returns what a reader must know.
    fn run(
        &self,
        running: &Running<'_>,
        audited: &Audited,
        drivers: &Path,
        row: &mut ExerciseRow,
    ) -> Result<Vec<String>> {
        let path = SearchPath {
            plain: running.plan.python_path.clone(),
            last: vec![drivers.to_owned()],
            ..SearchPath::NONE
        };
        let name = format!("tests_of_{}", normalised(&self.name).replace('-', "_"));
        let file = drivers.join(format!("{name}.py"));
        let write = |expected: Option<&[String]>| {
            fs::write(&file, self.driver(expected, running)).context("cannot write a driver of tests")
        };
        let subject = Subject { is_exercise: true, ..Subject::name(name.clone()) };
        let (without_gil, modes): (Vec<Mode>, _) =
            audited.possible().into_iter().partition(|mode| mode.is_free_threaded());
        let mut trials = audited.trials.clone();
        let mut notes = Vec::new();
        if !without_gil.is_empty() {
            notes.push(format!(
                "{}: not run without a GIL, where several threads of one interpreter would have to: pytest cannot",
                row.file
            ));
        }
        if self.interpreter.no_trials.is_none() {
            write(None)?;
            let [mut passing, again] = asked_twice(running, self.interpreter, &path, &subject, &mut trials);
            passing.retain(|name| again.contains(name));
            if !passing.is_empty() {
                write(Some(&passing))?;
                trials.extend(running.try_subjects(self.interpreter, &path, &[subject], &modes));
                notes.push(format!(
                    "{}: {} that pass in the main interpreter were run",
                    row.file,
                    passing.len()
                ));
            }
            let left_out = modes.iter().filter(|mode| **mode != Mode::Main).filter_map(|mode| {
                let answers = &trials.get(&name, *mode)?.answers;
                let first = answers.first()?;
                let (file, count) = (&row.file, answers.len());
                Some(format!("{file}: {count} want what no sub-interpreter has ({mode}): {first}"))
            });
            notes.extend(left_out);
        }
        judge(audited, &modes, &trials, &name, row);
        Ok(notes)
    }

    fn driver(&self, expected: Option<&[String]>, running: &Running<'_>) -> String {
        let list =
            |texts: &mut dyn Iterator<Item = String>| texts.map(|text| text + ", ").collect::<String>();
        let files = list(&mut self.files.iter().map(|file| literal(&file.to_string_lossy())));
        let expected = expected.map_or_else(
            || "None".to_owned(),
            |names| format!("[{}]", list(&mut names.iter().map(|name| literal(name)))),
        );
        let budget = running.plan.limits.timeout / SHARE;
        format!(
            "ROOT = {}\nFILES = [{files}]\nEXPECTED = {expected}\nBUDGET = {}\n\n{DRIVER}",
            literal(&self.root.to_string_lossy()),
            budget.as_secs_f64()
        )
    }
}

/// By pytest's own default.
fn holds_tests(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
}
