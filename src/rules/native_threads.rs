//! `native-threads`: threads that C code has started live on when the interpreters that imported it have ended.

use super::VerdictInput;
use crate::model::{Mode, ModuleFinding};

/// So many names are shown.
const SHOWN: usize = 4;

/// What the trials in sub-interpreters saw. `None` where they saw nothing, or another module's trial answers for this
/// one.
pub fn check_native_threads(case: &VerdictInput<'_>, name: &str) -> Option<ModuleFinding> {
    let trials = [Mode::OwnGil, Mode::SharedGil].into_iter().filter_map(|mode| case.trials.get(name, mode));
    let mut trials = trials.filter(|trial| trial.through.is_none() && !trial.native_threads.is_empty());
    let trial = trials.next()?;
    let mut names = trial.native_threads.clone();
    names.sort();
    names.dedup();
    names.truncate(SHOWN);
    let (count, names) = (trial.native_threads.len(), names.join(", "));
    let what = if count == 1 { "1 thread" } else { &format!("{count} threads") };
    let text = format!("{what} of its C code (named {names}) live on when its interpreters have ended");
    Some(ModuleFinding { rule: "native-threads", text, add: &[] })
}
