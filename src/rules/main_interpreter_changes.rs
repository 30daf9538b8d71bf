//! Rule `left-in-main`: an import in an interpreter with its own GIL changed the main interpreter, even if it
//! was refused.

use super::VerdictInput;
use crate::model::{Mode, ModuleFinding, TrialOutcome};

/// Maximum number of names in the text.
const MAX_NAMES: usize = 6;

/// Reports what the trial with an own GIL added to the main interpreter.
///
/// Returns `None` if it added nothing, or if the trial of another subject covers this one.
pub fn check_main_interpreter_changes(input: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trial = input.trials.get(name, Mode::OwnGil).filter(|trial| trial.through.is_none())?;
    if trial.left_in_main.is_empty() {
        return None;
    }
    let how = if matches!(trial.outcome, TrialOutcome::Refused { .. }) { "refused" } else { "imported" };
    // Modules of its own package come first: other imported modules are usually harmless.
    let top = format!("sys.modules['{}", name.split('.').next().unwrap_or_default());
    let mut left: Vec<&str> = trial.left_in_main.iter().map(String::as_str).collect();
    left.sort_by_key(|each| each.starts_with("sys.modules") && !each.starts_with(&top));
    let more = match left.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    left.truncate(MAX_NAMES);
    let left = left.join(", ");
    let text =
        format!("{how} in an interpreter with its own GIL, it added to the main interpreter: {left}{more}");
    Some(ModuleFinding { rule: "left-in-main", text, add: &[] })
}
