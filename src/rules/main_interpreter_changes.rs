//! `left-in-main`: an import in an interpreter with its own GIL, refused or not, has changed the main one.

use super::VerdictInput;
use crate::model::{Mode, ModuleFinding, TrialOutcome};

/// So many names are shown.
const SHOWN: usize = 6;

/// What the trial with an own GIL saw. `None` where it saw nothing, or another module's trial answers for this one.
pub fn check_main_interpreter_changes(case: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trial = case.trials.get(name, Mode::OwnGil).filter(|trial| trial.through.is_none())?;
    if trial.left_in_main.is_empty() {
        return None;
    }
    let how = if matches!(trial.outcome, TrialOutcome::Refused { .. }) { "refused" } else { "imported" };
    // Its own first: the standard library's modules that it imported there are harmless.
    let top = format!("sys.modules['{}", name.split('.').next().unwrap_or_default());
    let mut left: Vec<&str> = trial.left_in_main.iter().map(String::as_str).collect();
    left.sort_by_key(|each| each.starts_with("sys.modules") && !each.starts_with(&top));
    let more = match left.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    left.truncate(SHOWN);
    let left = left.join(", ");
    let text = format!("{how} in an interpreter with its own GIL, it has left in the main one: {left}{more}");
    Some(ModuleFinding { rule: "left-in-main", text, add: &[] })
}
