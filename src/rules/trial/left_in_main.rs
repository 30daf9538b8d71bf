//! Rule `left-in-main`: an import in an interpreter with its own GIL changed the main interpreter, even if it
//! was refused.

use super::evidence::ModuleEvidence;
use crate::model::{Mode, ModuleFinding, RuleId, TrialOutcome};

/// Maximum number of names in the text.
const MAX_NAMES: usize = 6;

/// Reports what the trial with an own GIL added to the main interpreter.
///
/// Returns `None` if it added nothing, or if the trial of another subject covers this one.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let name = evidence.module.name.as_str();
    let trial = evidence.input.trials.get(name, Mode::OwnGil).filter(|trial| trial.through.is_none())?;
    if trial.left_in_main.is_empty() {
        return None;
    }
    let how = if matches!(trial.outcome, TrialOutcome::Refused { .. }) { "refused" } else { "imported" };
    // Imported modules of other packages come last: they are usually harmless.
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
    Some(ModuleFinding { rule: RuleId::LeftInMain, text, add: &[] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Refuser, Trial};
    use crate::rules::test_evidence::*;

    fn found(trial: Trial) -> Option<String> {
        let finding = finding(check, &TestEvidence::new([trial]), vec![])?;
        assert_eq!(finding.rule, RuleId::LeftInMain);
        Some(finding.text)
    }

    #[test]
    fn what_the_import_added_is_named_its_own_first() {
        let left = |names: &[&str], outcome| Trial {
            left_in_main: names.iter().map(|name| (*name).to_owned()).collect(),
            ..trial("till", Mode::OwnGil, outcome)
        };
        let modules = ["sys.modules['json']", "builtins.x", "sys.modules['till.a']"];
        assert_eq!(
            found(left(&modules, TrialOutcome::Imported)).as_deref(),
            Some(
                "imported in an interpreter with its own GIL, it added to the main interpreter: builtins.x, \
                 sys.modules['till.a'], sys.modules['json']"
            )
        );
        let many = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert_eq!(
            found(left(&many, refused(Refuser::CPython, "till", ""))).as_deref(),
            Some(
                "refused in an interpreter with its own GIL, it added to the main interpreter: a, b, c, d, e, f and 2 \
                 more"
            )
        );
        assert!(!found(left(&many[..6], TrialOutcome::Imported)).unwrap().contains("more"));
        assert_eq!(found(left(&[], TrialOutcome::Imported)), None);
        let through = Trial { through: Some("shop".to_owned()), ..left(&many, TrialOutcome::Imported) };
        assert_eq!(found(through), None);
    }
}
