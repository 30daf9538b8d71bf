//! The words that reasons are made of.

use crate::model::{
    BinaryFacts, InitKind, Mode, PythonError, Refuser, RootCause, SharedPythonObject, SlotDeclaration, Trial,
    TrialOutcome, TrialPhase,
};

/// What a module declares of interpreters with their own GIL, in a few words.
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

/// Whether CPython's check refuses what this module declares in an interpreter that owns its GIL. What could
/// not be read says nothing.
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

/// Whether CPython's check refuses it in a sub-interpreter of a free-threaded build, on whatever GIL: there the check is
/// always on, and single-phase initialisation is for the main interpreter alone (`Python/import.c`).
pub(super) fn is_refused_in_free_threaded_group(facts: &BinaryFacts) -> bool {
    match facts.initialisation {
        InitKind::SinglePhase => true,
        InitKind::None | InitKind::Undetermined => false,
        InitKind::MultiPhase | InitKind::ModExport => {
            facts.multiple_interpreters_slot() == SlotDeclaration::Value(0)
        }
    }
}

/// What a module declares of free-threaded builds, in a few words. A module with single-phase initialisation
/// declares by a call (`PyUnstable_Module_SetGIL`), which its file does not tell.
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

/// Why CPython's check refuses what a module declares.
pub(super) fn describe_refusal(facts: Option<&BinaryFacts>) -> String {
    let Some(facts) = facts else { return "refused by CPython".to_owned() };
    match (facts.initialisation, facts.multiple_interpreters_slot()) {
        (InitKind::SinglePhase, _) => "refused: single-phase initialisation".to_owned(),
        (_, SlotDeclaration::Absent) => "refused: no slot 3".to_owned(),
        (_, SlotDeclaration::Value(0)) => "refused: slot 3 = 0".to_owned(),
        (_, SlotDeclaration::Value(1)) => "refused: slot 3 = 1".to_owned(),
        (_, SlotDeclaration::Undetermined | SlotDeclaration::Value(_)) => {
            "refused: its declaration (not read here)".to_owned()
        }
    }
}

/// Why CPython switches the GIL on for what a module declares.
pub(super) fn describe_gil_activation(facts: Option<&BinaryFacts>) -> String {
    let declares = facts.map_or_else(|| "its declaration was not read".to_owned(), describe_gil_declaration);
    format!("switches the GIL on: {declares}")
}

/// What a trial without success showed, in one line, without naming the culprit.
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
                | TrialPhase::Teardown
                | TrialPhase::Exit
                | TrialPhase::Storm => "refuses to load again after an interpreter ended",
            };
            format!("{what}: {}", first_nonempty_line(&error.text))
        }
        TrialOutcome::Raised { place, error, suspect } => {
            // The control has nobody else to blame.
            let is_known = suspect.is_some() || trial.mode == Mode::Main;
            let cause = if is_known { "" } else { "; cause not known" };
            format!("raises {} {}{cause}", format_exception(error), place.phrase())
        }
        TrialOutcome::Crashed { how, place, .. } => {
            let site = trial.crash.as_ref().and_then(|crash| crash.site.as_ref());
            let site = site.map(|site| format!(" {site}")).unwrap_or_default();
            format!("crashes {} ({how}{site})", place.phrase())
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
        TrialOutcome::NotRun(_) => "was not tried".to_owned(),
    }
}

/// What a module of the standard library does by itself, as what befalls those that import it.
pub(super) fn describe_python_fault(fault: &Trial) -> String {
    format!("a fault of this Python: {}", describe_failure(fault, None))
}

/// A cause as the reason of what it befell: this name, or something that needs it.
pub(super) fn describe_cause(cause: &RootCause, name: &str) -> String {
    match cause.module == name {
        true => cause.what.clone(),
        false => format!("needs {}, {}", cause.module, cause.what),
    }
}

/// What is kept though nobody was seen to use it.
pub(super) fn describe_retained_objects(object: &SharedPythonObject, count: usize) -> String {
    let more = match count {
        0 | 1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    format!(
        "keeps {}{more} of one interpreter for all: not seen to be used by another",
        describe_shared_object(object)
    )
}

/// A shared object, with the way to it.
fn describe_shared_object(object: &SharedPythonObject) -> String {
    let what = match (object.is_type, object.is_static) {
        (true, true) => "the static type",
        (true, false) => "the type",
        (false, _) => "a",
    };
    format!("{what} {} ({})", object.kind, object.ways[1])
}

/// Why an extension module was lost.
pub(super) fn describe_failed_load(error: &PythonError, facts: Option<&BinaryFacts>) -> String {
    match error.is_cpython_refusal() {
        true => describe_refusal(facts),
        false => format_exception(error),
    }
}

/// `ImportError: text`, one line.
pub(super) fn format_exception(error: &PythonError) -> String {
    match first_nonempty_line(&error.text) {
        "" => error.kind.clone(),
        text => format!("{}: {text}", error.kind),
    }
}

/// The first line with words in it: numpy's message, for one, begins with an empty line.
fn first_nonempty_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}
