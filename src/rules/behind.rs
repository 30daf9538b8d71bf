//! `behind`: what a module does by itself that a package above it keeps from being imported.

use super::cause::root;
use super::{Case, words};
use crate::model::{Finding, Mode, NotRun, Outcome};

/// What would come next if what stands in its way were gone. `alone` holds the trials without the packages around a
/// module. `None` where there was none, since nothing stands in its way or its declaration says enough, and where it
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
        words::because_of(&cause, name)
    };
    Some(Finding { rule: "behind", text: format!("by itself, without its packages, it {does}"), add: &[] })
}
