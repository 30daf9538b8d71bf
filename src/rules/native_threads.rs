//! Rule `native-threads`: threads that C code started outlive the interpreters that imported it.

use super::VerdictInput;
use crate::model::{Mode, ModuleFinding};

/// Maximum number of names in the text.
const MAX_NAMES: usize = 4;

/// Reports the native threads that the trials in sub-interpreters found.
///
/// Returns `None` if they found none, or if the trial of another subject covers this one.
pub fn check_native_threads(input: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trials = [Mode::OwnGil, Mode::SharedGil].into_iter().filter_map(|mode| input.trials.get(name, mode));
    let mut trials = trials.filter(|trial| trial.through.is_none() && !trial.native_threads.is_empty());
    let trial = trials.next()?;
    let mut names = trial.native_threads.clone();
    names.sort();
    names.dedup();
    names.truncate(MAX_NAMES);
    let (count, names) = (trial.native_threads.len(), names.join(", "));
    let what = if count == 1 { "1 thread" } else { &format!("{count} threads") };
    let text = format!("still running after its interpreters ended: {what} of its C code (named {names})");
    Some(ModuleFinding { rule: "native-threads", text, add: &[] })
}
