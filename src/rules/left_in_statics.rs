//! `left-in-statics`: a module was refused, and its C data still points to objects of the interpreter that it was
//! refused in.

use super::Case;
use crate::model::{Finding, Mode, Outcome};

/// What the trial with an own GIL saw. `None` where it saw nothing.
pub fn left_in_statics(case: &Case<'_>, name: &str) -> Option<Finding> {
    let trial = case.trials.get(name, Mode::OwnGil).filter(|trial| trial.through.is_none())?;
    // What others keep that were loaded before is in their own trials.
    if !matches!(&trial.outcome, Outcome::Refused { module, .. } if module == name) {
        return None;
    }
    let [way, _] = &trial.kept.iter().find(|object| object.module.as_deref() == Some(name))?.ways;
    let text = format!(
        "refused, and yet it keeps an object of the interpreter that refused it ({way}): when that ends, the next import in \
         this process uses freed memory"
    );
    Some(Finding { rule: "left-in-statics", text, add: &[] })
}
