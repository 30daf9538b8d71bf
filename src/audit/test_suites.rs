//! Runs the tests that distributions contain (`--exercise-tests`): pytest runs them in the main interpreter
//! first. Those that pass are then run in every mode, and in several interpreters at the same time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::context::{AuditContext, AuditedEnvironment};
use super::exercise::{add_judgements, run_control_twice};
use super::python_source::python_literal;
use crate::model::{Interpreter, Mode};
use crate::report::{ExerciseRow, Report, normalize_name};
use crate::trial::{SearchPath, TrialSubject};
use crate::venv::InstalledDistributions;

const DRIVER: &str = include_str!("suites.py");

/// The share of a trial's time limit in which passing tests are looked for: several interpreters then run
/// them at the same time, each several times.
const TIME_SHARE: u32 = 30;

/// Adds a row for each distribution that the plan names.
///
/// # Errors
/// When one is not installed or contains no tests, or pytest is missing.
pub(super) fn add_test_suites(
    context: &AuditContext<'_>,
    audited: &AuditedEnvironment,
    report: &mut Report,
) -> Result<()> {
    let Some(interpreter) = audited.environment.interpreter.as_ref() else { return Ok(()) };
    for (index, named) in context.plan.suites.iter().enumerate() {
        let suite = DistributionTests::find_in_environment(named, interpreter, &audited.installed)?;
        let drivers = context.scratch.create_folder(&format!("suite-{index}"))?;
        let mut row = ExerciseRow::new(&format!("tests of {}", suite.name));
        report.notes.extend(suite.run_tests(context, audited, &drivers, &mut row)?);
        report.exercises.push(row);
    }
    Ok(())
}

/// The tests of a distribution.
struct DistributionTests<'a> {
    name: String,
    interpreter: &'a Interpreter,
    /// The folder that it is installed in.
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl<'a> DistributionTests<'a> {
    fn find_in_environment(
        named: &str,
        interpreter: &'a Interpreter,
        installed: &InstalledDistributions,
    ) -> Result<Self> {
        let of = |name: &str| {
            installed.all.iter().find(|each| normalize_name(&each.distribution.name) == normalize_name(name))
        };
        let Some(found) = of(named) else {
            bail!(
                "{named} is not installed in the environment: --exercise-tests takes the name of \
                 a distribution"
            );
        };
        if of("pytest").is_none() {
            bail!(
                "--exercise-tests runs tests with pytest, which is not installed in the environment\n\
                 hint: {} -m pip install pytest",
                interpreter.executable.display()
            );
        }
        let mut files: Vec<PathBuf> =
            found.files().iter().filter(|file| is_test_file(file)).cloned().collect();
        files.sort();
        let is_root = |folder: &&PathBuf| files.first().is_some_and(|file| file.starts_with(folder));
        let Some(root) = interpreter.site.iter().find(is_root).cloned() else {
            bail!("{named} contains no tests: its wheel has no test_*.py and no *_test.py");
        };
        files.retain(|file| file.starts_with(&root));
        Ok(Self { name: found.distribution.name.clone(), interpreter, root, files })
    }

    /// Runs the tests, adds the results to the row, and returns notes for the reader.
    fn run_tests(
        &self,
        context: &AuditContext<'_>,
        audited: &AuditedEnvironment,
        drivers: &Path,
        row: &mut ExerciseRow,
    ) -> Result<Vec<String>> {
        let path = SearchPath {
            plain: context.plan.python_path.clone(),
            last: vec![drivers.to_owned()],
            ..SearchPath::NONE
        };
        let name = format!("tests_of_{}", normalize_name(&self.name).replace('-', "_"));
        let file = drivers.join(format!("{name}.py"));
        let write = |expected: Option<&[String]>| {
            fs::write(&file, self.driver_source(expected, context)).context("cannot write a driver of tests")
        };
        let subject = TrialSubject { is_exercise: true, ..TrialSubject::from_name(name.clone()) };
        let (without_gil, modes): (Vec<Mode>, _) =
            audited.possible_modes().into_iter().partition(|mode| mode.is_free_threaded());
        let mut trials = audited.trials.clone();
        let mut notes = Vec::new();
        if !without_gil.is_empty() {
            notes.push(format!(
                "{}: not run in free-threaded modes, which need several threads in one interpreter: \
                 pytest cannot do that",
                row.file
            ));
        }
        if self.interpreter.no_trials.is_none() {
            write(None)?;
            let [mut passing, again] =
                run_control_twice(context, self.interpreter, &path, &subject, &mut trials);
            passing.retain(|name| again.contains(name));
            if !passing.is_empty() {
                write(Some(&passing))?;
                let copies = audited.copy_trees();
                trials.extend(context.try_subjects(self.interpreter, &path, copies, &[subject], &modes));
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
                Some(format!("{file}: {count} need what sub-interpreters do not support ({mode}): {first}"))
            });
            notes.extend(left_out);
        }
        add_judgements(audited, &modes, &trials, &name, row);
        Ok(notes)
    }

    fn driver_source(&self, expected: Option<&[String]>, context: &AuditContext<'_>) -> String {
        let list =
            |texts: &mut dyn Iterator<Item = String>| texts.map(|text| text + ", ").collect::<String>();
        let files = list(&mut self.files.iter().map(|file| python_literal(&file.to_string_lossy())));
        let expected = expected.map_or_else(
            || "None".to_owned(),
            |names| format!("[{}]", list(&mut names.iter().map(|name| python_literal(name)))),
        );
        let budget = context.plan.limits.timeout / TIME_SHARE;
        format!(
            "ROOT = {}\nFILES = [{files}]\nEXPECTED = {expected}\nBUDGET = {}\n\n{DRIVER}",
            python_literal(&self.root.to_string_lossy()),
            budget.as_secs_f64()
        )
    }
}

/// Whether a file contains tests, by pytest's default.
fn is_test_file(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
}
