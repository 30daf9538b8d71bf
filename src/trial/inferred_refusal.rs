//! Infers that a module was refused from the trial of a package that passes without it.
//!
//! A trial of the module would import the package first and show the same refusal.

use std::path::Path;
use std::sync::Arc;

use wsgiaudit_probes_core::interpreter_names::{FIRST, SECOND};

use super::trials::TrialSubject;
use crate::image::MissingDependency;
use crate::model::{ModuleLoad, PythonError, Refuser, Trial, TrialOutcome, TrialPhase};

/// Infers how the subject's file was refused in a trial that passed without it, with the loads up to then.
///
/// Two cases count: CPython refused it in the first interpreter, or the module refused itself in the second
/// one after the first had loaded it. Returns `None` if another module caused the refusal, or if it was also
/// loaded.
pub(super) fn infer_refusal(
    trial: &Trial,
    subject: &TrialSubject,
) -> Option<(Arc<[ModuleLoad]>, TrialOutcome)> {
    let name = &subject.name;
    let here = |interpreter: &'static str| {
        trial.loads.iter().filter(move |load| load.interpreter == interpreter && load.name == *name)
    };
    let is_file = |load: &ModuleLoad| Some(Path::new(&load.path)) == subject.file.as_deref();
    let is_loaded = here(FIRST).all(|load| load.result == Some(Ok(())));
    let (interpreter, place) =
        if is_loaded { (SECOND, TrialPhase::SecondInterpreter) } else { (FIRST, TrialPhase::Import) };
    if here(FIRST).next().is_none() || !here(FIRST).chain(here(SECOND)).all(is_file) {
        return None;
    }
    let error = here(interpreter).next()?.result.as_ref()?.as_ref().err()?;
    let is_a_refusal = |load: &ModuleLoad| {
        load.behind.as_ref().is_none_or(|other| other == name)
            && load.raised_in.is_none()
            && matches!(&load.result, Some(Err(other)) if other.kind == "ImportError" && other.text == error.text)
    };
    let by = if error.is_cpython_refusal() { Refuser::CPython } else { Refuser::Module };
    let is_the_loaders = MissingDependency::parse_message(&error.text).is_some();
    if !here(interpreter).all(is_a_refusal) || is_the_loaders || (by == Refuser::Module && !is_loaded) {
        return None;
    }
    let is_last = |load: &ModuleLoad| load.interpreter == interpreter && load.name == *name;
    let loads = trial.loads.get(..=trial.loads.iter().rposition(is_last)?)?.into();
    // A direct import of the module has no import chain.
    let error = PythonError { chain: vec![name.clone()], ..error.clone() };
    Some((loads, TrialOutcome::Refused { by, module: name.clone(), place, error }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mode, NotRunReason, ReasonId};

    const FILE: &str = "/site-packages/shop/_till.so";
    const CPYTHONS: &str = "module shop._till does not support loading in subinterpreters";
    const ITS_OWN: &str = "Interpreter change detected";

    fn load(interpreter: &str, refused: Option<&str>) -> ModuleLoad {
        let error = |text: &str| PythonError {
            kind: "ImportError".to_owned(),
            text: text.to_owned(),
            chain: vec!["shop".to_owned(), "shop._till".to_owned()],
        };
        ModuleLoad {
            interpreter: interpreter.to_owned(),
            name: "shop._till".to_owned(),
            path: FILE.to_owned(),
            chain: Vec::new(),
            enables_gil: false,
            declared: None,
            behind: None,
            raised_in: None,
            result: Some(refused.map_or(Ok(()), |text| Err(error(text)))),
        }
    }

    fn refused_in(loads: Vec<ModuleLoad>) -> Option<(usize, Refuser, TrialPhase)> {
        let loads = loads.into();
        let subject =
            TrialSubject { file: Some(FILE.into()), ..TrialSubject::from_name("shop._till".to_owned()) };
        let because = NotRunReason::Because(ReasonId::NotTried, String::new());
        let shop =
            Trial { outcome: TrialOutcome::Imported, loads, ..Trial::not_run("shop", Mode::OwnGil, because) };
        let (loads, outcome) = infer_refusal(&shop, &subject)?;
        if let TrialOutcome::Refused { by, place, .. } = outcome {
            Some((loads.len(), by, place))
        } else {
            None
        }
    }

    #[test]
    fn cpython_refuses_in_the_first_interpreter() {
        let loads = ["A", "B", "C"].map(|each| load(each, Some(CPYTHONS)));
        assert_eq!(refused_in(loads.into()), Some((1, Refuser::CPython, TrialPhase::Import)));
    }

    #[test]
    fn a_module_refuses_in_the_second() {
        let loads = [load("A", None), load("B", Some(ITS_OWN)), load("C", Some(ITS_OWN))];
        assert_eq!(refused_in(loads.into()), Some((2, Refuser::Module, TrialPhase::SecondInterpreter)));
    }

    #[test]
    fn nothing_else_is_said_of_it() {
        let of_another = |interpreter, refused, behind: &str| ModuleLoad {
            behind: Some(behind.to_owned()),
            ..load(interpreter, refused)
        };
        let in_another_place =
            ModuleLoad { path: "/elsewhere/shop/_till.so".to_owned(), ..load("A", Some(CPYTHONS)) };
        let dead = ModuleLoad { result: None, ..load("B", None) };
        for loads in [
            Vec::new(),
            // A module that refuses itself in the first interpreter may lack a dependency.
            vec![load("A", Some(ITS_OWN))],
            vec![load("A", None), load("B", None), load("C", Some(ITS_OWN))],
            vec![load("A", Some(CPYTHONS)), load("A", None)],
            vec![load("A", None), load("B", Some(ITS_OWN)), load("B", None)],
            vec![of_another("A", Some(CPYTHONS), "shop._shelf")],
            vec![load("A", None), of_another("B", Some(ITS_OWN), "shop._shelf")],
            vec![in_another_place],
            vec![load("A", None), dead],
        ] {
            assert_eq!(refused_in(loads.clone()), None, "{loads:?}");
        }
    }
}
