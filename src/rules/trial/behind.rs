//! Rule `behind`: the behavior of a module whose parent package fails to import.

use super::evidence::ModuleEvidence;
use crate::model::{Mode, ModuleFinding, NotRunReason, RuleId, TrialOutcome};
use crate::rules::failure_trace::trace_failure;
use crate::rules::messages;

/// Reports what a module would do if its parent package did not fail.
///
/// Returns `None` if there was no such trial, because no package fails or the module's declaration decides
/// already, and if the module does not import without its packages.
pub(super) fn check(evidence: &ModuleEvidence<'_>) -> Option<ModuleFinding> {
    let ModuleEvidence { input, alone, module, .. } = evidence;
    let name = module.name.as_str();
    let TrialOutcome::NotRun(NotRunReason::Behind(_)) = input.trials.get(name, Mode::OwnGil)?.outcome else {
        return None;
    };
    let does = if alone.trials.get(name, Mode::OwnGil)?.outcome == TrialOutcome::Imported {
        "is imported by each interpreter, and no problem was found".to_owned()
    } else {
        let cause = trace_failure(alone, name, Mode::OwnGil)?.cause;
        // The module may need something that its packages provide. An exception without them shows nothing.
        if cause.rule == RuleId::Raises {
            return None;
        }
        messages::describe_cause(&cause, name)
    };
    Some(ModuleFinding {
        rule: RuleId::Behind,
        text: format!("by itself, without its packages, it {does}"),
        add: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ReasonId, Refuser, Trial, TrialPhase};
    use crate::rules::test_evidence::*;

    fn found(own: TrialOutcome, alone: Vec<Trial>) -> Option<String> {
        let evidence = TestEvidence::new([trial("till", Mode::OwnGil, own)]);
        let finding = finding(check, &evidence, alone)?;
        assert_eq!(finding.rule, RuleId::Behind);
        Some(finding.text)
    }

    #[test]
    fn the_module_alone_tells_what_it_would_do() {
        let alone = |outcome| vec![trial("till", Mode::OwnGil, outcome)];
        let refused_alone = refused(Refuser::CPython, "till", "");
        for (outcome, text) in [
            (
                TrialOutcome::Imported,
                "by itself, without its packages, it is imported by each interpreter, and no problem was found",
            ),
            (refused_alone, "by itself, without its packages, it refused by CPython"),
            (crashed(TrialPhase::Import), "by itself, without its packages, it crashes at import (SIGSEGV)"),
        ] {
            assert_eq!(found(behind("shop"), alone(outcome)).as_deref(), Some(text));
        }
        assert_eq!(found(behind("shop"), alone(raised("ImportError", "x"))), None);
        assert_eq!(found(behind("shop"), alone(because(ReasonId::Killed, "x"))), None);
        assert_eq!(found(behind("shop"), vec![]), None);
        assert_eq!(found(TrialOutcome::Imported, alone(TrialOutcome::Imported)), None);
    }
}
