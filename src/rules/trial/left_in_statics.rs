//! Rule `left-in-statics`: the C data of a refused module still points to objects of the interpreter that
//! refused it.

use super::evidence::ModuleEvidence;
use crate::model::{Mode, ModuleFinding, RuleId, TrialOutcome};

/// Reports the retained object that the trial with an own GIL found. Returns `None` if it found none.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let name = evidence.module.name.as_str();
    let trial = evidence.input.trials.get(name, Mode::OwnGil).filter(|trial| trial.through.is_none())?;
    // Objects that other loaded modules retain are reported by their own trials.
    if !matches!(&trial.outcome, TrialOutcome::Refused { module, .. } if module == name) {
        return None;
    }
    let [path, _] = &trial.kept.iter().find(|object| object.module.as_deref() == Some(name))?.ways;
    let text = format!(
        "refused, but its C data still refers to an object of the interpreter that refused it ({path}): after that \
         interpreter ends, the next import in this process uses freed memory"
    );
    Some(ModuleFinding { rule: RuleId::LeftInStatics, text, add: &[] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Refuser, Trial};
    use crate::rules::test_evidence::*;

    #[test]
    fn only_its_own_objects_after_its_own_refusal_count() {
        let found = |refused_module: &str, owner: Option<&str>, through: Option<&str>| {
            let own = Trial {
                kept: vec![shared_object(owner)],
                through: through.map(str::to_owned),
                ..trial("till", Mode::OwnGil, refused(Refuser::CPython, refused_module, ""))
            };
            finding(check, &TestEvidence::new([own]), vec![])
        };
        let finding = found("till", Some("till"), None).unwrap();
        assert_eq!(finding.rule, RuleId::LeftInStatics);
        assert!(finding.text.contains("refused it (till.one -> dict): after"), "{}", finding.text);
        assert_eq!(found("lamp", Some("till"), None), None);
        assert_eq!(found("till", Some("lamp"), None), None);
        assert_eq!(found("till", None, None), None);
        assert_eq!(found("till", Some("till"), Some("shop")), None);
    }
}
