//! `behind`: what a module does by itself that a package above it keeps from being imported.

use super::Case;
use super::cause::root;
use crate::model::{Finding, Mode, NotRun, Outcome};

/// What would come next if what stands in its way were gone. `alone` holds the trials without the packages around a
/// module; `None` where there was none: nothing stands in its way, or it would be refused for what it declares. And where it
/// does not import without what its packages do.
pub fn behind(case: &Case<'_>, alone: &Case<'_>, name: &str) -> Option<Finding> {
    let Outcome::NotRun(NotRun::Behind(_)) = case.trials.get(name, Mode::OwnGil)?.outcome else {
        return None;
    };
    let does = if alone.trials.get(name, Mode::OwnGil)?.outcome == Outcome::Imported {
        "is imported by each interpreter, and nothing was found".to_owned()
    } else {
        let cause = root(alone, name, Mode::OwnGil)?.cause;
        // Without its packages it lacks what they do: an exception is no wonder.
        if cause.rule == "raises" {
            return None;
        }
        if cause.module == name { cause.what } else { format!("needs {}, {}", cause.module, cause.what) }
    };
    Some(Finding { rule: "behind", text: format!("by itself, without its packages, it {does}"), add: &[] })
}
