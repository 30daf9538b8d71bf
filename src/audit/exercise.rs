//! Scripts that use what is installed (`--exercise`). Each is run in every mode, and in several interpreters
//! or threads at the same time.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::context::{AuditContext, AuditedEnvironment};
use super::shadowed_modules;
use crate::model::{Interpreter, Judgement, Mode, ReasonId};
use crate::report::{ExerciseRow, Report, RequestRow, judge_exercise};
use crate::rules::{VerdictInput, judge_name};
use crate::trial::{SearchPath, TrialSubject, Trials};

/// Adds a row for each script that the plan names, with its results in every audited environment.
///
/// # Errors
/// When a script cannot be read.
pub(super) fn add_exercises(
    context: &AuditContext<'_>,
    environments: &[&AuditedEnvironment],
    report: &mut Report,
) -> Result<()> {
    for (index, named) in context.plan.exercises.iter().enumerate() {
        let file = named.canonicalize().with_context(|| format!("cannot read {}", named.display()))?;
        fs::File::open(&file).with_context(|| format!("cannot read {}", named.display()))?;
        let mut row = ExerciseRow::new(&named.to_string_lossy());
        for (number, audited) in environments.iter().enumerate() {
            let drivers = context.scratch.create_folder(&format!("exercise-{index}-{number}"))?;
            run_exercise(context, audited, &file, &drivers, &mut row)?;
            let interpreter = audited.environment.interpreter.as_ref();
            if let Some((folder, interpreter)) = file.parent().zip(interpreter) {
                shadowed_modules::describe_shadowing(folder, interpreter)
                    .into_iter()
                    .for_each(|note| report.add_note(note));
            }
        }
        report.exercises.push(row);
    }
    Ok(())
}

fn run_exercise(
    context: &AuditContext<'_>,
    audited: &AuditedEnvironment,
    file: &Path,
    drivers: &Path,
    row: &mut ExerciseRow,
) -> Result<()> {
    let Some(interpreter) = audited.environment.interpreter.as_ref() else { return Ok(()) };
    let name = runner_module_name(file);
    let path = SearchPath {
        first: file.parent().map(Path::to_owned).into_iter().collect(),
        plain: context.plan.python_path.clone(),
        last: vec![drivers.to_owned()],
        ..SearchPath::NONE
    };
    fs::write(drivers.join(format!("{name}.py")), runner_source(file)).context("cannot write an exercise")?;
    let modes = audited.possible_modes();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(there) =
        file.parent().and_then(|folder| shadowed_modules::find_installed_module(&stem, folder, interpreter))
    {
        let why = format!(
            "it was not run: the script is named like {stem}, which is installed ({}), and would be imported \
             instead of it: rename the script, e.g. to use_{stem}.py",
            there.display()
        );
        for &mode in &modes {
            row.add_mode(mode, None, Judgement::from_reason_id(ReasonId::LoadsAnotherFile, why.clone()));
        }
        return Ok(());
    }
    let mut trials = audited.trials.clone();
    if interpreter.no_trials.is_none() {
        let subject = TrialSubject { is_exercise: true, ..TrialSubject::from_name(name.clone()) };
        trials.extend(context.try_subjects(interpreter, &path, audited.copy_trees(), &[subject], &modes));
    }
    add_judgements(audited, &modes, &trials, &name, row);
    Ok(())
}

/// Tries a subject twice in the main interpreter, in two processes, and returns the answers of each.
pub(super) fn run_control_twice(
    context: &AuditContext<'_>,
    interpreter: &Interpreter,
    path: &SearchPath,
    subject: &TrialSubject,
    trials: &mut Trials,
) -> [Vec<String>; 2] {
    [(); 2].map(|()| {
        let subject_alone = std::slice::from_ref(subject);
        let control = context.try_subjects(interpreter, path, None, subject_alone, &[Mode::Main]);
        let trial = control.get(&subject.name, Mode::Main);
        let answers = trial.map(|trial| trial.answers.clone()).unwrap_or_default();
        trials.extend(control);
        answers
    })
}

/// Judges the trials of an exercise in these modes, and adds them to the row.
pub(super) fn add_judgements(
    audited: &AuditedEnvironment,
    modes: &[Mode],
    trials: &Trials,
    name: &str,
    row: &mut ExerciseRow,
) {
    let control = trials.get(name, Mode::Main);
    add_judgements_with(audited, modes, trials, name, row, |input, mode, _| {
        judge_exercise(judge_name(input, name, mode), control)
    });
}

/// Judges the trials of a subject in these modes with `judge`, and adds them to the row.
pub(super) fn add_judgements_with(
    audited: &AuditedEnvironment,
    modes: &[Mode],
    trials: &Trials,
    name: &str,
    row: &mut ExerciseRow,
    judge: impl Fn(&VerdictInput<'_>, Mode, &[RequestRow]) -> Judgement,
) {
    let facts = audited.facts_by_module();
    let verdict_input = audited.verdict_input(trials, &facts);
    for &mode in modes {
        let judgement = judge(&verdict_input, mode, &row.requests);
        row.add_mode(mode, trials.get(name, mode).cloned(), judgement);
    }
}

/// Returns the name under which the script is imported. It differs from every installed module's and is
/// recognizable in chains of imports.
fn runner_module_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let letters = stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
    format!("exercise_{}", letters.collect::<String>())
}

/// Returns the source code of a module that runs the script as a program when it is imported, and again in
/// `__exercise__`.
fn runner_source(file: &Path) -> String {
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
