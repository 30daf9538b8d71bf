//! `left-in-statics`: a module was refused, and its C data still points to objects of the interpreter that it was
//! refused in.

use super::VerdictInput;
use crate::model::{Mode, ModuleFinding, TrialOutcome};

/// What the trial with an own GIL saw. `None` where it saw nothing.
pub fn check_dangling_statics(case: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trial = case.trials.get(name, Mode::OwnGil).filter(|trial| trial.through.is_none())?;
    // What others keep that were loaded before is in their own trials.
    if !matches!(&trial.outcome, TrialOutcome::Refused { module, .. } if module == name) {
        return None;
    }
    let [way, _] = &trial.kept.iter().find(|object| object.module.as_deref() == Some(name))?.ways;
    let text = format!(
        "refused, and yet it keeps an object of the interpreter that refused it ({way}): when that ends, the next import in \
         this process uses freed memory"
    );
    Some(ModuleFinding { rule: "left-in-statics", text, add: &[] })
}
