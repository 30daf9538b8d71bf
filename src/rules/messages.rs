//! Texts for the reasons of judgements, and the predicates on declarations that they share.

use crate::model::{
    BinaryFacts, InitKind, IsolationBreach, IsolationDoubt, Mode, PythonError, Refuser, RootCause,
    SharedPythonObject, SlotDeclaration, Trial, TrialOutcome, TrialPhase,
};

/// Describes what a module declares about interpreters with their own GIL.
pub fn describe_slot_declaration(facts: &BinaryFacts) -> String {
    match (facts.initialisation, facts.multiple_interpreters_slot()) {
        (InitKind::SinglePhase, _) => "single-phase".to_owned(),
        (InitKind::None, _) => "no init function".to_owned(),
        (InitKind::Undetermined, _) | (_, SlotDeclaration::Undetermined) => "undetermined".to_owned(),
        (InitKind::MultiPhase | InitKind::ModExport, SlotDeclaration::Absent) => "no slot 3".to_owned(),
        (InitKind::MultiPhase | InitKind::ModExport, SlotDeclaration::Value(value)) => {
            format!("slot 3 = {value}")
        }
    }
}

/// Whether CPython's check refuses this declaration in an interpreter that owns its GIL. `false` if the
/// declaration could not be read.
pub fn is_refused_by_declaration(facts: &BinaryFacts) -> bool {
    match facts.initialisation {
        InitKind::SinglePhase => true,
        InitKind::None | InitKind::Undetermined => false,
        InitKind::MultiPhase | InitKind::ModExport => match facts.multiple_interpreters_slot() {
            SlotDeclaration::Undetermined | SlotDeclaration::Value(2) => false,
            SlotDeclaration::Absent | SlotDeclaration::Value(_) => true,
        },
    }
}

/// Whether CPython's check refuses this declaration in a sub-interpreter of a free-threaded build, with any
/// GIL.
///
/// There the check is always on, and single-phase initialisation is allowed in the main interpreter only
/// (`Python/import.c`).
pub(super) fn is_refused_in_free_threaded_group(facts: &BinaryFacts) -> bool {
    match facts.initialisation {
        InitKind::SinglePhase => true,
        InitKind::None | InitKind::Undetermined => false,
        InitKind::MultiPhase | InitKind::ModExport => {
            facts.multiple_interpreters_slot() == SlotDeclaration::Value(0)
        }
    }
}

/// Describes what a module declares about free-threaded builds. A module with single-phase initialisation
/// declares by a call (`PyUnstable_Module_SetGIL`), which cannot be read from its file.
pub fn describe_gil_declaration(facts: &BinaryFacts) -> String {
    match (facts.initialisation, facts.gil_slot()) {
        (InitKind::SinglePhase, _) => "single-phase initialisation".to_owned(),
        (InitKind::None, _) => "no init function".to_owned(),
        (InitKind::Undetermined, _) | (_, SlotDeclaration::Undetermined) => "undetermined".to_owned(),
        (InitKind::MultiPhase | InitKind::ModExport, SlotDeclaration::Absent) => "no slot 4".to_owned(),
        (InitKind::MultiPhase | InitKind::ModExport, SlotDeclaration::Value(value)) => {
            format!("slot 4 = {value}")
        }
    }
}

/// Describes why CPython's check refuses a module.
pub(super) fn describe_refusal(facts: Option<&BinaryFacts>) -> String {
    let Some(facts) = facts else { return "refused by CPython".to_owned() };
    match (facts.initialisation, facts.multiple_interpreters_slot()) {
        (InitKind::SinglePhase, _) => "refused: single-phase initialisation".to_owned(),
        (_, SlotDeclaration::Absent) => "refused: no slot 3".to_owned(),
        (_, SlotDeclaration::Value(0)) => "refused: slot 3 = 0".to_owned(),
        (_, SlotDeclaration::Value(1)) => "refused: slot 3 = 1".to_owned(),
        (_, SlotDeclaration::Undetermined | SlotDeclaration::Value(_)) => {
            "refused: its declaration (could not be read)".to_owned()
        }
    }
}

/// Describes why CPython switches the GIL on for a module.
pub(super) fn describe_gil_activation(facts: Option<&BinaryFacts>) -> String {
    let declares = facts.map_or_else(|| "its declaration was not read".to_owned(), describe_gil_declaration);
    format!("switches the GIL on: {declares}")
}

/// Describes a failed trial in one line, without the name of the module that failed.
pub(super) fn describe_failure(trial: &Trial, facts: Option<&BinaryFacts>) -> String {
    match &trial.outcome {
        TrialOutcome::Imported => String::new(),
        TrialOutcome::Refused { by: Refuser::CPython, .. } => describe_refusal(facts),
        TrialOutcome::Refused { by: Refuser::Module, place, error, .. } => {
            let what = match place {
                _ if trial.mode == Mode::FreeThreaded => "refuses to load without the GIL by itself",
                TrialPhase::Startup | TrialPhase::Import => "refuses sub-interpreters by itself",
                TrialPhase::SecondInterpreter => "refuses a second interpreter by itself",
                TrialPhase::UseAfterEnd
                | TrialPhase::AfterAnotherEnded
                | TrialPhase::Call
                | TrialPhase::Teardown
                | TrialPhase::Exit
                | TrialPhase::Storm => "refuses to load again after an interpreter ended",
            };
            format!("{what}: {}", first_nonempty_line(&error.text))
        }
        TrialOutcome::Raised { place, error, suspect } => {
            // In the control there is nothing but the subject to attribute the failure to.
            let is_known = suspect.is_some() || trial.mode == Mode::Main;
            let cause = if is_known { "" } else { "; cause not known" };
            let limit = error.process_limit().map(|limit| format!("; a limit of the process: {limit}"));
            let limit = limit.unwrap_or_default();
            format!("raises {} {}{cause}{limit}", format_exception(error), place.phrase())
        }
        TrialOutcome::Crashed { how, place, .. } => {
            let site = trial.crash.as_ref().and_then(|crash| crash.site.as_ref());
            let site = site.map(|site| format!(" {site}")).unwrap_or_default();
            let called = trial.called.as_ref().filter(|_| *place == TrialPhase::Call);
            let phrase = called.map_or_else(
                || place.phrase().to_owned(),
                |function| format!("when {function} is called, though not in the main interpreter"),
            );
            format!("crashes {phrase} ({how}{site})")
        }
        TrialOutcome::TimedOut { place, .. } => format!("hangs {}", place.phrase()),
        TrialOutcome::LosesDescriptors { place, .. } => {
            format!("closes or replaces file descriptors that are not its own {}", place.phrase())
        }
        TrialOutcome::LeftThreads { names } => {
            format!("leaves threads behind when its interpreter ends: {}", names.join(", "))
        }
        TrialOutcome::Shares { count, objects } => {
            let first = objects.first().map(describe_shared_object).unwrap_or_default();
            let more = match count {
                0 | 1 => String::new(),
                more => format!(" and {} more", more - 1),
            };
            format!("shares {first}{more} between interpreters")
        }
        TrialOutcome::BreaksIsolation { how, place, .. } => {
            format!("{} {}", describe_breach(how), place.phrase())
        }
        TrialOutcome::NotRun(_) => "was not tried".to_owned(),
    }
}

/// Describes how C code reached beyond its interpreter.
fn describe_breach(how: &IsolationBreach) -> String {
    match how {
        IsolationBreach::EntersMain { thread } => {
            format!("its C code runs in the main interpreter instead of its own (thread {thread})")
        }
        IsolationBreach::ReplacesAllocator { domain } => {
            format!("replaces CPython's allocator for all interpreters ({domain})")
        }
    }
}

/// Describes what all interpreters have in common.
pub(super) fn describe_doubt(doubt: &IsolationDoubt) -> String {
    match doubt {
        IsolationDoubt::SharedLibrary { file, is_copy: true, .. } => {
            format!("all interpreters share the first one's private copy of {file}")
        }
        IsolationDoubt::SharedLibrary { file, module, is_copy: false } => {
            let loader = module.as_ref().map(|module| format!(", loaded by {module}")).unwrap_or_default();
            format!("all interpreters share the library {file}{loader}: it has no private copies")
        }
        IsolationDoubt::SharedVariable { symbol, user, owner } => {
            format!("the copies of {user} use the variable {symbol} of one interpreter's copy of {owner}")
        }
        IsolationDoubt::SignalHandler { signal, file } => {
            let file = file.as_ref().map(|file| format!(" in {file}")).unwrap_or_default();
            format!("installs a handler{file} for signal {signal}, which every thread of the process may run")
        }
        IsolationDoubt::SharedFunction { symbol, user, owner } => {
            format!("the copies of {user} call {symbol} of one interpreter's copy of {owner}")
        }
        IsolationDoubt::ProcessState(what) => format!("changes {what}"),
    }
}

/// Describes a defect of a standard library module as the cause for subjects that import the module.
pub(super) fn describe_python_fault(fault: &Trial) -> String {
    format!("a defect of this Python: {}", describe_failure(fault, None))
}

/// Describes a cause as the reason of `name`, which failed itself or needs the module that failed.
pub(super) fn describe_cause(cause: &RootCause, name: &str) -> String {
    match cause.module == name {
        true => cause.what.clone(),
        false => format!("needs {}, {}", cause.module, cause.what),
    }
}

/// Describes retained objects, of which no use was observed.
pub(super) fn describe_retained_objects(object: &SharedPythonObject, count: usize) -> String {
    let more = match count {
        0 | 1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    format!(
        "keeps {}{more} of one interpreter for all: no use by another was observed",
        describe_shared_object(object)
    )
}

/// Describes a shared object, with the reference path to it.
fn describe_shared_object(object: &SharedPythonObject) -> String {
    let what = match (object.is_type, object.is_static) {
        (true, true) => "the static type",
        (true, false) => "the type",
        (false, _) => "a",
    };
    format!("{what} {} ({})", object.kind, object.ways[1])
}

/// Describes why an extension module could not be loaded.
pub(super) fn describe_failed_load(error: &PythonError, facts: Option<&BinaryFacts>) -> String {
    match error.is_cpython_refusal() {
        true => describe_refusal(facts),
        false => format_exception(error),
    }
}

/// Formats an exception as one line: `ImportError: text`.
pub(super) fn format_exception(error: &PythonError) -> String {
    match first_nonempty_line(&error.text) {
        "" => error.kind.clone(),
        text => format!("{}: {text}", error.kind),
    }
}

/// Returns the first line that is not blank. numpy's error message, for example, begins with an empty line.
fn first_nonempty_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AbnormalExit, CrashLocation, CrashReport};
    use crate::rules::test_evidence::*;

    #[test]
    fn declarations_are_described_and_judged() {
        let slots = |slots: &[(u16, u64)]| facts(InitKind::MultiPhase, slots);
        let unread = BinaryFacts { slots: None, ..slots(&[]) };
        // Description, refused with an own GIL, refused in a group without the GIL, refusal.
        for (facts, described, own_gil, group, refusal) in [
            (
                facts(InitKind::SinglePhase, &[]),
                "single-phase",
                true,
                true,
                "refused: single-phase initialisation",
            ),
            (facts(InitKind::None, &[]), "no init function", false, false, "refused: no slot 3"),
            (facts(InitKind::Undetermined, &[]), "undetermined", false, false, "refused: no slot 3"),
            (unread, "undetermined", false, false, "refused: its declaration (could not be read)"),
            (slots(&[]), "no slot 3", true, false, "refused: no slot 3"),
            (facts(InitKind::ModExport, &[]), "no slot 3", true, false, "refused: no slot 3"),
            (slots(&[(3, 0)]), "slot 3 = 0", true, true, "refused: slot 3 = 0"),
            (facts(InitKind::ModExport, &[(86, 0)]), "slot 3 = 0", true, true, "refused: slot 3 = 0"),
            (slots(&[(3, 1)]), "slot 3 = 1", true, false, "refused: slot 3 = 1"),
            (slots(&[(3, 2)]), "slot 3 = 2", false, false, "refused: its declaration (could not be read)"),
        ] {
            assert_eq!(describe_slot_declaration(&facts), described);
            assert_eq!(is_refused_by_declaration(&facts), own_gil, "{described}");
            assert_eq!(is_refused_in_free_threaded_group(&facts), group, "{described}");
            assert_eq!(describe_refusal(Some(&facts)), refusal, "{described}");
        }
        assert_eq!(describe_refusal(None), "refused by CPython");
    }

    #[test]
    fn declarations_about_the_gil_are_described() {
        for (facts, described) in [
            (facts(InitKind::SinglePhase, &[]), "single-phase initialisation"),
            (facts(InitKind::None, &[]), "no init function"),
            (facts(InitKind::Undetermined, &[]), "undetermined"),
            (BinaryFacts { slots: None, ..facts(InitKind::MultiPhase, &[]) }, "undetermined"),
            (facts(InitKind::MultiPhase, &[]), "no slot 4"),
            (facts(InitKind::ModExport, &[(87, 1)]), "slot 4 = 1"),
        ] {
            assert_eq!(describe_gil_declaration(&facts), described);
            assert_eq!(describe_gil_activation(Some(&facts)), format!("switches the GIL on: {described}"));
        }
        assert_eq!(describe_gil_activation(None), "switches the GIL on: its declaration was not read");
    }

    #[test]
    fn a_failure_is_described_in_a_line() {
        let refuses = |place| TrialOutcome::Refused {
            by: Refuser::Module,
            module: "till".to_owned(),
            place,
            error: error("ImportError", "\n  no\nmore"),
        };
        let place = TrialPhase::Import;
        let suspect = Some("till".to_owned());
        let blamed = TrialOutcome::Raised { place, error: error("ValueError", ""), suspect };
        let exits = TrialOutcome::Crashed { how: AbnormalExit::Exit(3), place, loading: None };
        for (mode, outcome, described) in [
            (Mode::OwnGil, TrialOutcome::Imported, ""),
            (Mode::OwnGil, refuses(TrialPhase::Startup), "refuses sub-interpreters by itself: no"),
            (Mode::OwnGil, refuses(place), "refuses sub-interpreters by itself: no"),
            (
                Mode::OwnGil,
                refuses(TrialPhase::SecondInterpreter),
                "refuses a second interpreter by itself: no",
            ),
            (
                Mode::OwnGil,
                refuses(TrialPhase::UseAfterEnd),
                "refuses to load again after an interpreter ended: no",
            ),
            (Mode::FreeThreaded, refuses(place), "refuses to load without the GIL by itself: no"),
            (Mode::OwnGil, blamed, "raises ValueError at import"),
            (Mode::OwnGil, raised("ValueError", "x"), "raises ValueError: x at import; cause not known"),
            (Mode::Main, raised("ValueError", "x"), "raises ValueError: x at import"),
            (Mode::OwnGil, exits, "crashes at import (exit status 3 without an answer)"),
            (
                Mode::OwnGil,
                shares(None, 3),
                "shares a dict (till.two -> dict) and 2 more between interpreters",
            ),
            (Mode::OwnGil, behind("lamp"), "was not tried"),
        ] {
            assert_eq!(describe_failure(&trial("till", mode, outcome), None), described);
        }
        let site = CrashLocation { object: "till.so".to_owned(), symbol: None, offset: 0 };
        let crash = CrashReport { address: None, site: Some(site), stack: String::new() };
        let own = Trial { crash: Some(crash), ..trial("till", Mode::OwnGil, crashed(place)) };
        assert_eq!(describe_failure(&own, None), "crashes at import (SIGSEGV in till.so)");
    }

    #[test]
    fn shared_and_retained_objects_are_described() {
        for (is_type, is_static, described) in [
            (true, true, "the static type dict (till.two -> dict)"),
            (true, false, "the type dict (till.two -> dict)"),
            (false, true, "a dict (till.two -> dict)"),
        ] {
            let object = SharedPythonObject { is_type, is_static, ..shared_object(None) };
            assert_eq!(describe_shared_object(&object), described);
        }
        let kept = |count| describe_retained_objects(&shared_object(None), count);
        let rest = "of one interpreter for all: no use by another was observed";
        for (count, more) in [(0, ""), (1, ""), (2, " and 1 more")] {
            assert_eq!(kept(count), format!("keeps a dict (till.two -> dict){more} {rest}"));
        }
    }

    #[test]
    fn a_failed_load_is_a_refusal_or_an_exception() {
        let text = "module till does not support loading in subinterpreters";
        assert_eq!(describe_failed_load(&error("ImportError", text), None), "refused by CPython");
        assert_eq!(describe_failed_load(&error("ImportError", "x"), None), "ImportError: x");
    }
}
