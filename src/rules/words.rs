//! The words that reasons are made of.

use crate::model::{
    Cause, Declared, Facts, Initialisation, Mode, Outcome, Place, PythonError, Refuser, SharedObject, Trial,
};

/// What a module declares of interpreters with their own GIL, in a few words.
pub fn declaration(facts: &Facts) -> String {
    match (facts.initialisation, facts.multiple_interpreters()) {
        (Initialisation::SinglePhase, _) => "single-phase".to_owned(),
        (Initialisation::None, _) => "no init function".to_owned(),
        (Initialisation::Undetermined, _) | (_, Declared::Undetermined) => "undetermined".to_owned(),
        (Initialisation::MultiPhase | Initialisation::ModExport, Declared::Absent) => "no slot 3".to_owned(),
        (Initialisation::MultiPhase | Initialisation::ModExport, Declared::Value(value)) => {
            format!("slot 3 = {value}")
        }
    }
}

/// Whether CPython's check refuses what this module declares in an interpreter that owns its GIL. What could
/// not be read says nothing.
pub fn refused_by_declaration(facts: &Facts) -> bool {
    match facts.initialisation {
        Initialisation::SinglePhase => true,
        Initialisation::None | Initialisation::Undetermined => false,
        Initialisation::MultiPhase | Initialisation::ModExport => match facts.multiple_interpreters() {
            Declared::Undetermined | Declared::Value(2) => false,
            Declared::Absent | Declared::Value(_) => true,
        },
    }
}

/// Whether CPython's check refuses it in a sub-interpreter of a free-threaded build, on whatever GIL: there the check is
/// always on, and single-phase initialisation is for the main interpreter alone (`Python/import.c`).
pub(super) fn refused_in_free_threaded_group(facts: &Facts) -> bool {
    match facts.initialisation {
        Initialisation::SinglePhase => true,
        Initialisation::None | Initialisation::Undetermined => false,
        Initialisation::MultiPhase | Initialisation::ModExport => {
            facts.multiple_interpreters() == Declared::Value(0)
        }
    }
}

/// What a module declares of free-threaded builds, in a few words. A module with single-phase initialisation
/// declares by a call (`PyUnstable_Module_SetGIL`), which its file does not tell.
pub fn gil_declaration(facts: &Facts) -> String {
    match (facts.initialisation, facts.gil()) {
        (Initialisation::SinglePhase, _) => "single-phase initialisation".to_owned(),
        (Initialisation::None, _) => "no init function".to_owned(),
        (Initialisation::Undetermined, _) | (_, Declared::Undetermined) => "undetermined".to_owned(),
        (Initialisation::MultiPhase | Initialisation::ModExport, Declared::Absent) => "no slot 4".to_owned(),
        (Initialisation::MultiPhase | Initialisation::ModExport, Declared::Value(value)) => {
            format!("slot 4 = {value}")
        }
    }
}

/// Why CPython's check refuses what a module declares.
pub(super) fn refusal(facts: Option<&Facts>) -> String {
    let Some(facts) = facts else { return "refused by CPython".to_owned() };
    match (facts.initialisation, facts.multiple_interpreters()) {
        (Initialisation::SinglePhase, _) => "refused: single-phase initialisation".to_owned(),
        (_, Declared::Absent) => "refused: no slot 3".to_owned(),
        (_, Declared::Value(0)) => "refused: slot 3 = 0".to_owned(),
        (_, Declared::Value(1)) => "refused: slot 3 = 1".to_owned(),
        (_, Declared::Undetermined | Declared::Value(_)) => {
            "refused: its declaration (not read here)".to_owned()
        }
    }
}

/// Why CPython switches the GIL on for what a module declares.
pub(super) fn switches_gil_on(facts: Option<&Facts>) -> String {
    let declares = facts.map_or_else(|| "its declaration was not read".to_owned(), gil_declaration);
    format!("switches the GIL on: {declares}")
}

/// What a trial without success showed, in one line, without naming the culprit.
pub(super) fn did(trial: &Trial, facts: Option<&Facts>) -> String {
    match &trial.outcome {
        Outcome::Imported => String::new(),
        Outcome::Refused { by: Refuser::CPython, .. } => refusal(facts),
        Outcome::Refused { by: Refuser::Module, place, error, .. } => {
            let what = match place {
                _ if trial.mode == Mode::FreeThreaded => "refuses to load without the GIL by itself",
                Place::Startup | Place::Import => "refuses sub-interpreters by itself",
                Place::SecondInterpreter => "refuses a second interpreter by itself",
                Place::UseAfterEnd
                | Place::AfterAnotherEnded
                | Place::Teardown
                | Place::Exit
                | Place::Storm => "refuses to load again after an interpreter ended",
            };
            format!("{what}: {}", first_line(&error.text))
        }
        Outcome::Raised { place, error, suspect } => {
            // The control has nobody else to blame.
            let is_known = suspect.is_some() || trial.mode == Mode::Main;
            let cause = if is_known { "" } else { "; cause not known" };
            format!("raises {} {}{cause}", exception(error), place.phrase())
        }
        Outcome::Crashed { how, place, .. } => {
            let site = trial.crash.as_ref().and_then(|crash| crash.site.as_ref());
            let site = site.map(|site| format!(" {site}")).unwrap_or_default();
            format!("crashes {} ({how}{site})", place.phrase())
        }
        Outcome::TimedOut { place, .. } => format!("hangs {}", place.phrase()),
        Outcome::LosesDescriptors { place, .. } => {
            format!("closes or replaces file descriptors that are not its own {}", place.phrase())
        }
        Outcome::LeftThreads { names } => {
            format!("leaves threads behind when its interpreter ends: {}", names.join(", "))
        }
        Outcome::Shares { count, objects } => {
            let first = objects.first().map(shared).unwrap_or_default();
            let more = match count {
                0 | 1 => String::new(),
                more => format!(" and {} more", more - 1),
            };
            format!("shares {first}{more} between interpreters")
        }
        Outcome::NotRun(_) => "was not tried".to_owned(),
    }
}

/// What a module of the standard library does by itself, as what befalls those that import it.
pub(super) fn of_the_python(fault: &Trial) -> String {
    format!("a fault of this Python: {}", did(fault, None))
}

/// A cause as the reason of what it befell: this name, or something that needs it.
pub(super) fn because_of(cause: &Cause, name: &str) -> String {
    match cause.module == name {
        true => cause.what.clone(),
        false => format!("needs {}, {}", cause.module, cause.what),
    }
}

/// What is kept though nobody was seen to use it.
pub(super) fn kept(object: &SharedObject, count: usize) -> String {
    let more = match count {
        0 | 1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    format!("keeps {}{more} of one interpreter for all: not seen to be used by another", shared(object))
}

/// A shared object, with the way to it.
fn shared(object: &SharedObject) -> String {
    let what = match (object.is_type, object.is_static) {
        (true, true) => "the static type",
        (true, false) => "the type",
        (false, _) => "a",
    };
    format!("{what} {} ({})", object.kind, object.ways[1])
}

/// Why an extension module was lost.
pub(super) fn lost(error: &PythonError, facts: Option<&Facts>) -> String {
    match error.is_cpythons_refusal() {
        true => refusal(facts),
        false => exception(error),
    }
}

/// `ImportError: text`, one line.
pub(super) fn exception(error: &PythonError) -> String {
    match first_line(&error.text) {
        "" => error.kind.clone(),
        text => format!("{}: {text}", error.kind),
    }
}

/// The first line with words in it: numpy's message, for one, begins with an empty line.
fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}
