//! Rule `shared-functions`: private copies call functions of another interpreter's copy.

use super::evidence::ModuleEvidence;
use crate::model::{IsolationDoubt, Mode, ModuleFinding, RuleId};
use crate::rules::messages;

/// Reports the first such function that the trial with private copies found. Returns `None` if it found none, or if the
/// trial of another subject covers this one.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let trial = evidence.input.trials.get(&evidence.module.name, Mode::OwnGilCopies)?;
    let is_function = |doubt: &&IsolationDoubt| matches!(doubt, IsolationDoubt::SharedFunction { .. });
    let doubt = trial.doubts.iter().find(is_function).filter(|_| trial.through.is_none())?;
    let text = messages::describe_doubt(doubt);
    Some(ModuleFinding { rule: RuleId::SharedFunctions, text, add: &[] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Trial;
    use crate::rules::test_evidence::*;

    #[test]
    fn only_functions_are_reported() {
        let (symbol, user, owner) = ("ring".to_owned(), "_user.so".to_owned(), "_core.so".to_owned());
        let function = IsolationDoubt::SharedFunction {
            symbol: symbol.clone(),
            user: user.clone(),
            owner: owner.clone(),
        };
        let variable = IsolationDoubt::SharedVariable { symbol, user, owner };
        let found = |doubt: &IsolationDoubt, mode| {
            let own = Trial { doubts: vec![doubt.clone()], ..imported("till", mode) };
            finding(check, &TestEvidence::new([own]), vec![]).map(|finding| finding.text)
        };
        let text = "the copies of _user.so call ring of one interpreter's copy of _core.so";
        assert_eq!(found(&function, Mode::OwnGilCopies).as_deref(), Some(text));
        assert_eq!(found(&function, Mode::OwnGil), None);
        assert_eq!(found(&variable, Mode::OwnGilCopies), None);
    }
}
