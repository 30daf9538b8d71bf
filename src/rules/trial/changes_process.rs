//! Rule `changes-process`: an import changes what the process has once for all its interpreters.

use super::evidence::ModuleEvidence;
use crate::model::{IsolationDoubt, Mode, ModuleFinding, RuleId};

/// Maximum number of changes in the text.
const MAX_CHANGES: usize = 6;

/// Reports the changes that the trials with an own GIL found. Returns `None` if they found none, or if the trial of
/// another subject covers this one.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let (input, name) = (evidence.input, evidence.module.name.as_str());
    let trials =
        [Mode::OwnGil, Mode::OwnGilCopies].into_iter().filter_map(|mode| input.trials.get(name, mode));
    let changes = trials.filter(|trial| trial.through.is_none()).find_map(|trial| {
        let changes: Vec<&str> = trial.doubts.iter().filter_map(changed_state).collect();
        (!changes.is_empty()).then_some(changes)
    })?;
    let more = match changes.len().saturating_sub(MAX_CHANGES) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let changes = changes.into_iter().take(MAX_CHANGES).collect::<Vec<_>>().join(", ");
    let text = format!("importing and using it changes for the whole process: {changes}{more}");
    Some(ModuleFinding { rule: RuleId::ChangesProcess, text, add: &[] })
}

fn changed_state(doubt: &IsolationDoubt) -> Option<&str> {
    match doubt {
        IsolationDoubt::ProcessState(what) => Some(what),
        IsolationDoubt::SharedLibrary { .. }
        | IsolationDoubt::SharedVariable { .. }
        | IsolationDoubt::SignalHandler { .. }
        | IsolationDoubt::SharedFunction { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Trial;
    use crate::rules::test_evidence::*;

    #[test]
    fn the_changes_are_named() {
        let found = |count: usize, mode, through: Option<&str>| {
            let change = |number| IsolationDoubt::ProcessState(format!("x{number}"));
            let own = Trial {
                doubts: (0..count).map(change).collect(),
                through: through.map(str::to_owned),
                ..imported("till", mode)
            };
            finding(check, &TestEvidence::new([own]), vec![]).map(|finding| finding.text)
        };
        let text = "importing and using it changes for the whole process:";
        assert_eq!(found(1, Mode::OwnGil, None), Some(format!("{text} x0")));
        assert_eq!(
            found(8, Mode::OwnGilCopies, None),
            Some(format!("{text} x0, x1, x2, x3, x4, x5 and 2 more"))
        );
        assert_eq!(found(0, Mode::OwnGil, None), None);
        assert_eq!(found(1, Mode::SharedGil, None), None);
        assert_eq!(found(1, Mode::OwnGil, Some("shop")), None);
    }
}
