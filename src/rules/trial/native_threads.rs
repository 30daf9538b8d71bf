//! Rule `native-threads`: threads that C code started outlive the interpreters that imported it.

use super::evidence::ModuleEvidence;
use crate::model::{Mode, ModuleFinding, RuleId};

/// Maximum number of names in the text.
const MAX_NAMES: usize = 4;

/// Reports the native threads that the trials in sub-interpreters found.
///
/// Returns `None` if they found none, or if the trial of another subject covers this one.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let (input, name) = (evidence.input, evidence.module.name.as_str());
    let trials = [Mode::OwnGil, Mode::OwnGilCopies, Mode::SharedGil]
        .into_iter()
        .filter_map(|mode| input.trials.get(name, mode));
    let mut trials = trials.filter(|trial| trial.through.is_none() && !trial.native_threads.is_empty());
    let trial = trials.next()?;
    let mut names = trial.native_threads.clone();
    names.sort();
    names.dedup();
    names.truncate(MAX_NAMES);
    let (count, names) = (trial.native_threads.len(), names.join(", "));
    let what = if count == 1 { "1 thread" } else { &format!("{count} threads") };
    let text = format!("still running after its interpreters ended: {what} of its C code (named {names})");
    Some(ModuleFinding { rule: RuleId::NativeThreads, text, add: &[] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Trial;
    use crate::rules::test_evidence::*;

    #[test]
    fn the_threads_are_counted_and_named() {
        let found = |mode, names: &[&str], through: Option<&str>| {
            let own = Trial {
                native_threads: names.iter().map(|name| (*name).to_owned()).collect(),
                through: through.map(str::to_owned),
                ..imported("till", mode)
            };
            let finding = finding(check, &TestEvidence::new([own]), vec![])?;
            assert_eq!(finding.rule, RuleId::NativeThreads);
            Some(finding.text)
        };
        let still = "still running after its interpreters ended:";
        for (mode, names, text) in [
            (Mode::OwnGil, &["pump"][..], "1 thread of its C code (named pump)"),
            (Mode::SharedGil, &["pump", "pump"], "2 threads of its C code (named pump)"),
            (Mode::OwnGil, &["e", "d", "c", "b", "a"], "5 threads of its C code (named a, b, c, d)"),
        ] {
            assert_eq!(found(mode, names, None), Some(format!("{still} {text}")));
        }
        assert_eq!(found(Mode::OwnGil, &[], None), None);
        assert_eq!(found(Mode::OwnGil, &["pump"], Some("shop")), None);
        assert_eq!(found(Mode::Main, &["pump"], None), None);
    }
}
