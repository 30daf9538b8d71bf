//! Finds the extension modules that a distribution works without in the control.
//!
//! The evidence is a failed load: importing one of the distribution's names tried to load the module, the
//! load raised an exception, and the import went on. A module that no import tried to load is not included,
//! because it may be imported later.

use std::collections::BTreeSet;

use super::declared_refusal::is_import_error;
use super::{VerdictInput, messages};
use crate::model::{ExtensionFile, ExtensionFileKind, Mode, NotRunReason, Trial, TrialOutcome};

/// Returns the names of those `modules` that the distribution works without. `names` are its top-level names.
pub fn find_optional_modules(
    input: &VerdictInput<'_>,
    names: &[String],
    modules: &[&ExtensionFile],
) -> BTreeSet<String> {
    let public = names.iter().filter(|name| !name.starts_with('_'));
    let controls: Option<Vec<&Trial>> = public.map(|name| find_imported_control(input, name)).collect();
    let controls = controls.unwrap_or_default();
    let is_optional = |module: &&&ExtensionFile| {
        module.kind == ExtensionFileKind::ExtensionModule
            && fails_in_control(input, &module.name)
            && !controls.iter().any(|control| control.successful_loads().any(|load| load.name == module.name))
            && controls.iter().any(|control| survives_failed_load(input, control, &module.name))
    };
    modules.iter().filter(is_optional).map(|module| module.name.clone()).collect()
}

/// Returns the control of a name, if it imported the name.
fn find_imported_control<'a>(input: &'a VerdictInput<'_>, name: &str) -> Option<&'a Trial> {
    input.trials.get(name, Mode::Main).filter(|trial| trial.outcome == TrialOutcome::Imported)
}

/// Whether the control of a module failed. A trial that did not take place is no failure.
fn fails_in_control(input: &VerdictInput<'_>, name: &str) -> bool {
    input.trials.get(name, Mode::Main).is_some_and(|trial| {
        trial.outcome.is_failure() || matches!(trial.outcome, TrialOutcome::NotRun(NotRunReason::Behind(_)))
    })
}

/// Whether this import went on after it had failed to load the module.
///
/// For a module that CPython refuses, only an `ImportError` counts: code that catches another exception may
/// not catch the `ImportError` of the refusal.
fn survives_failed_load(input: &VerdictInput<'_>, control: &Trial, module: &str) -> bool {
    let is_refused = input.facts.get(module).is_some_and(|facts| messages::is_refused_by_declaration(facts));
    control.loads.iter().filter(|load| load.name == module).any(|load| match &load.result {
        Some(Err(error)) => !is_refused || is_import_error(error),
        Some(Ok(())) | None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InitKind, ReasonId, TrialPhase};
    use crate::rules::test_evidence::*;

    /// Whether `shop._till` is optional: this is its own control, and that of `shop` with these loads.
    fn is_optional(own: TrialOutcome, shop: Trial, evidence: impl Fn(TestEvidence) -> TestEvidence) -> bool {
        let trials = [shop, trial("shop._till", Mode::Main, own)];
        let module = file("shop._till", ExtensionFileKind::ExtensionModule);
        let found = evidence(TestEvidence::new(trials))
            .ask(|input| find_optional_modules(input, &["shop".to_owned(), "_x".to_owned()], &[&module]));
        found.contains("shop._till")
    }

    fn shop(outcome: TrialOutcome, loads: Vec<crate::model::ModuleLoad>) -> Trial {
        with_loads(trial("shop", Mode::Main, outcome), loads)
    }

    #[test]
    fn a_module_is_optional_if_an_import_survives_its_failed_load() {
        let fails = |kind: &str| vec![load("main", "shop._till", Err(error(kind, "x")))];
        let passes = || vec![load("main", "shop._till", Ok(()))];
        let imported = || TrialOutcome::Imported;
        let same = |evidence| evidence;
        let own = || raised("ImportError", "x");
        assert!(is_optional(own(), shop(imported(), fails("OSError")), same));
        assert!(is_optional(crashed(TrialPhase::Import), shop(imported(), fails("OSError")), same));
        assert!(is_optional(behind("lamp"), shop(imported(), fails("OSError")), same));
        assert!(!is_optional(imported(), shop(imported(), fails("OSError")), same));
        assert!(!is_optional(because(ReasonId::Killed, "x"), shop(imported(), fails("OSError")), same));
        assert!(!is_optional(own(), shop(own(), fails("OSError")), same));
        assert!(!is_optional(own(), shop(imported(), vec![]), same));
        assert!(!is_optional(
            own(),
            shop(imported(), vec![load("main", "lamp", Err(error("OSError", "x")))]),
            same
        ));
        let both = passes().into_iter().chain(fails("OSError")).collect();
        assert!(!is_optional(own(), shop(imported(), both), same));
    }

    #[test]
    fn of_a_refused_module_only_an_import_error_counts() {
        let refused =
            |evidence: TestEvidence| evidence.with_facts("shop._till", facts(InitKind::SinglePhase, &[]));
        for (kind, expected) in [("ImportError", true), ("ModuleNotFoundError", true), ("OSError", false)] {
            let loads = vec![load("main", "shop._till", Err(error(kind, "x")))];
            let own = raised("ImportError", "x");
            assert_eq!(is_optional(own, shop(TrialOutcome::Imported, loads), refused), expected, "{kind}");
        }
    }

    #[test]
    fn every_public_name_must_import() {
        let loads = vec![load("main", "shop._till", Err(error("OSError", "x")))];
        let trials =
            [shop(TrialOutcome::Imported, loads), trial("shop._till", Mode::Main, raised("OSError", "x"))];
        let names = ["shop", "lamp"].map(str::to_owned);
        let plain = file("shop._till", ExtensionFileKind::PlainLibrary);
        let module = file("shop._till", ExtensionFileKind::ExtensionModule);
        let found = TestEvidence::new(trials).ask(|input| {
            [(&names[..], &module), (&names[..1], &plain), (&names[..1], &module)]
                .map(|(names, module)| find_optional_modules(input, names, &[module]).len())
        });
        assert_eq!(found, [0, 0, 1]);
    }
}
