//! Texts for the reasons of judgements, and the predicates on declarations that they share.

use crate::model::{
    BinaryFacts, InitKind, Mode, PythonError, Refuser, RootCause, SharedPythonObject, SlotDeclaration, Trial,
    TrialOutcome, TrialPhase,
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
