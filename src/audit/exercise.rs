//! Scripts that use what is installed (`--exercise`): each is run in every mode, and in several interpreters or threads
//! at the same time.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::run::{Audited, Running};
use super::shadows;
use crate::model::{Interpreter, Judgement, Mode, ReasonId};
use crate::report::{ExerciseRow, Report, exercise};
use crate::trial::{SearchPath, Subject, Trials};

/// Adds a row for each script that the plan names, with what every environment that was audited makes of it.
///
/// # Errors
/// Where a script cannot be read.
pub(super) fn add(running: &Running<'_>, environments: &[&Audited], report: &mut Report) -> Result<()> {
    for (index, named) in running.plan.exercises.iter().enumerate() {
        let file = named.canonicalize().with_context(|| format!("cannot read {}", named.display()))?;
        fs::File::open(&file).with_context(|| format!("cannot read {}", named.display()))?;
        let mut row = ExerciseRow::new(&named.to_string_lossy());
        for (number, audited) in environments.iter().enumerate() {
            let drivers = running.scratch.folder(&format!("exercise-{index}-{number}"))?;
            run(running, audited, &file, &drivers, &mut row)?;
            let interpreter = audited.environment.interpreter.as_ref();
            if let Some((folder, interpreter)) = file.parent().zip(interpreter) {
                shadows::of_folder(folder, interpreter).into_iter().for_each(|note| report.note(note));
            }
        }
        report.exercises.push(row);
    }
    Ok(())
}

fn run(
    running: &Running<'_>,
    audited: &Audited,
    file: &Path,
    drivers: &Path,
    row: &mut ExerciseRow,
) -> Result<()> {
    let Some(interpreter) = audited.environment.interpreter.as_ref() else { return Ok(()) };
    let name = module_name(file);
    let path = SearchPath {
        first: file.parent().map(Path::to_owned).into_iter().collect(),
        plain: running.plan.python_path.clone(),
        last: vec![drivers.to_owned()],
        ..SearchPath::NONE
    };
    fs::write(drivers.join(format!("{name}.py")), module(file)).context("cannot write an exercise")?;
    let modes = audited.possible();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(there) = file.parent().and_then(|folder| shadows::installed(&stem, folder, interpreter)) {
        let why = format!(
            "it was not run: the script is named like {stem}, which is installed ({}), and would be imported \
             instead of it: rename the script, as to use_{stem}.py",
            there.display()
        );
        for &mode in &modes {
            row.add(mode, None, Judgement::open(ReasonId::LoadsAnotherFile, why.clone()));
        }
        return Ok(());
    }
    let mut trials = audited.trials.clone();
    if interpreter.no_trials.is_none() {
        let subject = Subject { is_exercise: true, ..Subject::name(name.clone()) };
        trials.extend(running.try_subjects(interpreter, &path, &[subject], &modes));
    }
    judge(audited, &modes, &trials, &name, row);
    Ok(())
}

/// Tries a subject twice in the main interpreter, each time in a process of its own, and returns what it answered.
pub(super) fn asked_twice(
    running: &Running<'_>,
    interpreter: &Interpreter,
    path: &SearchPath,
    subject: &Subject,
    trials: &mut Trials,
) -> [Vec<String>; 2] {
    [(); 2].map(|()| {
        let subject_alone = std::slice::from_ref(subject);
        let control = running.try_subjects(interpreter, path, subject_alone, &[Mode::Main]);
        let trial = control.get(&subject.name, Mode::Main);
        let answers = trial.map(|trial| trial.answers.clone()).unwrap_or_default();
        trials.extend(control);
        answers
    })
}

/// Adds to the row what the trials of a name say, in the modes that it was tried in.
pub(super) fn judge(audited: &Audited, modes: &[Mode], trials: &Trials, name: &str, row: &mut ExerciseRow) {
    let facts = audited.facts();
    let case = audited.case(trials, &facts);
    for &mode in modes {
        let judgement = exercise(case.name(name, mode), trials.get(name, Mode::Main));
        row.add(mode, trials.get(name, mode).cloned(), judgement);
    }
}

/// The name under which the script is imported: no module's, and told by chains of imports.
fn module_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let letters = stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
    format!("exercise_{}", letters.collect::<String>())
}

/// A module whose import runs the script, as a program, and which can do so again.
fn module(file: &Path) -> String {
    format!(
        "FILE = {:?}\n\
         with open(FILE, 'rb') as source:\n    \
             CODE = compile(source.read(), FILE, 'exec')\n\n\n\
         def __exercise__():\n    \
             try:\n        \
                 exec(CODE, {{'__name__': '__main__', '__file__': FILE, '__builtins__': __builtins__}})\n    \
             except SystemExit as end:\n        \
                 if end.code:\n            \
                     raise\n\n\n\
         __exercise__()\n",
        file.to_string_lossy()
    )
}
