//! Rule `left-in-statics`: the C data of a refused module still points to objects of the interpreter that
//! refused it.

use super::VerdictInput;
use crate::model::{Mode, ModuleFinding, TrialOutcome};

/// Reports the retained object that the trial with an own GIL found. Returns `None` if it found none.
pub fn check_dangling_statics(input: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trial = input.trials.get(name, Mode::OwnGil).filter(|trial| trial.through.is_none())?;
    // Objects that other loaded modules retain are reported by their own trials.
    if !matches!(&trial.outcome, TrialOutcome::Refused { module, .. } if module == name) {
        return None;
    }
    let [path, _] = &trial.kept.iter().find(|object| object.module.as_deref() == Some(name))?.ways;
    let text = format!(
        "refused, but its C data still refers to an object of the interpreter that refused it ({path}): after that \
         interpreter ends, the next import in this process uses freed memory"
    );
    Some(ModuleFinding { rule: "left-in-statics", text, add: &[] })
}
