//! What the trial of a package that passes without one of its modules says of that module: that it was refused. To
//! import it by itself begins with the package, and would load it once more to be refused once more.

use std::path::Path;
use std::sync::Arc;

use super::schedule::Subject;
use crate::image::Missing;
use crate::model::{Load, Outcome, Place, PythonError, Refuser, Trial};

/// How this file was refused in a trial that passed without it, and what had been loaded by then: in the first
/// interpreter by CPython, or in the second, after the first had loaded it. `None` where it was refused because of
/// another one, or at another time loaded.
pub(super) fn refusal(trial: &Trial, subject: &Subject) -> Option<(Arc<[Load]>, Outcome)> {
    let name = &subject.name;
    let here = |interpreter: &'static str| {
        trial.loads.iter().filter(move |load| load.interpreter == interpreter && load.name == *name)
    };
    let is_file = |load: &Load| Some(Path::new(&load.path)) == subject.file.as_deref();
    let is_loaded = here("A").all(|load| load.result == Some(Ok(())));
    let (interpreter, place) = if is_loaded { ("B", Place::SecondInterpreter) } else { ("A", Place::Import) };
    if here("A").next().is_none() || !here("A").chain(here("B")).all(is_file) {
        return None;
    }
    let error = here(interpreter).next()?.result.as_ref()?.as_ref().err()?;
    let is_a_refusal = |load: &Load| {
        load.behind.as_ref().is_none_or(|other| other == name)
            && load.raised_in.is_none()
            && matches!(&load.result, Some(Err(other)) if other.kind == "ImportError" && other.text == error.text)
    };
    let by = if error.is_cpythons_refusal() { Refuser::CPython } else { Refuser::Module };
    let is_the_loaders = Missing::read(&error.text).is_some();
    if !here(interpreter).all(is_a_refusal) || is_the_loaders || (by == Refuser::Module && !is_loaded) {
        return None;
    }
    let is_last = |load: &Load| load.interpreter == interpreter && load.name == *name;
    let loads = trial.loads.get(..=trial.loads.iter().rposition(is_last)?)?.into();
    // Whoever asks for the module itself goes no way to it.
    let error = PythonError { chain: vec![name.clone()], ..error.clone() };
    Some((loads, Outcome::Refused { by, module: name.clone(), place, error }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mode, NotRun, ReasonId};

    const FILE: &str = "/site-packages/shop/_till.so";
    const CPYTHONS: &str = "module shop._till does not support loading in subinterpreters";
    const ITS_OWN: &str = "Interpreter change detected";

    fn load(interpreter: &str, refused: Option<&str>) -> Load {
        let error = |text: &str| PythonError {
            kind: "ImportError".to_owned(),
            text: text.to_owned(),
            chain: vec!["shop".to_owned(), "shop._till".to_owned()],
        };
        Load {
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

    fn refused_in(loads: Vec<Load>) -> Option<(usize, Refuser, Place)> {
        let loads = loads.into();
        let subject = Subject { file: Some(FILE.into()), ..Subject::name("shop._till".to_owned()) };
        let because = NotRun::Because(ReasonId::NotTried, String::new());
        let shop =
            Trial { outcome: Outcome::Imported, loads, ..Trial::not_run("shop", Mode::OwnGil, because) };
        let (loads, outcome) = refusal(&shop, &subject)?;
        if let Outcome::Refused { by, place, .. } = outcome { Some((loads.len(), by, place)) } else { None }
    }

    #[test]
    fn cpython_refuses_in_the_first_interpreter() {
        let loads = ["A", "B", "C"].map(|each| load(each, Some(CPYTHONS)));
        assert_eq!(refused_in(loads.into()), Some((1, Refuser::CPython, Place::Import)));
    }

    #[test]
    fn a_module_refuses_in_the_second() {
        let loads = [load("A", None), load("B", Some(ITS_OWN)), load("C", Some(ITS_OWN))];
        assert_eq!(refused_in(loads.into()), Some((2, Refuser::Module, Place::SecondInterpreter)));
    }

    #[test]
    fn nothing_else_is_said_of_it() {
        let of_another = |interpreter, refused, behind: &str| Load {
            behind: Some(behind.to_owned()),
            ..load(interpreter, refused)
        };
        let in_another_place =
            Load { path: "/elsewhere/shop/_till.so".to_owned(), ..load("A", Some(CPYTHONS)) };
        let dead = Load { result: None, ..load("B", None) };
        for loads in [
            Vec::new(),
            // The first time it refuses, it may lack something.
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
