//! Turns what the probes recorded about isolation into breaches, which decide an outcome, and doubts.

use std::collections::BTreeSet;
use std::path::Path;

use wsgiaudit_probes_core::interpreter_names::{FIRST, SECOND};
use wsgiaudit_probes_core::isolation::IsolationEvent;
use wsgiaudit_probes_core::protocol::TrialEvent;

use super::last_phase::last_phase;
use crate::model::{IsolationBreach, IsolationDoubt, ModuleLoad, TrialOutcome};

/// The outcome of a trial whose C code reached beyond its interpreter; `None` if it did not.
///
/// Code of modules that could not be loaded does not count: CPython runs their init functions in the main
/// interpreter and refuses them after that.
pub(super) fn find_breach(events: &[TrialEvent], loads: &[ModuleLoad]) -> Option<TrialOutcome> {
    events.iter().enumerate().find_map(|(index, event)| {
        let TrialEvent::Isolation(event) = event else { return None };
        let (how, file) = match event {
            IsolationEvent::EntersMain { thread, file } => {
                (IsolationBreach::EntersMain { thread: thread.clone() }, file)
            }
            IsolationEvent::ReplacesAllocator { domain, file } => {
                (IsolationBreach::ReplacesAllocator { domain: domain.clone() }, file)
            }
            IsolationEvent::SharedLibrary { .. }
            | IsolationEvent::CrossingSymbol { .. }
            | IsolationEvent::SignalHandler { .. }
            | IsolationEvent::ProcessState(_) => return None,
        };
        let of_file = || loads.iter().filter(|load| Some(&load.path) == file.as_ref());
        let is_refused =
            of_file().next().is_some() && of_file().all(|load| matches!(load.result, Some(Err(_))));
        let place = last_phase(&events[..index]);
        let module = of_file().next().map(|load| load.name.clone());
        (!is_refused).then_some(TrialOutcome::BreaksIsolation { how, place, module })
    })
}

/// What makes it doubtful that the interpreters are isolated, without repetitions.
///
/// A module that only the first interpreter has loaded, and its libraries, are not what interpreters share.
pub(super) fn collect_doubts(events: &[TrialEvent], loads: &[ModuleLoad]) -> Vec<IsolationDoubt> {
    let is_module = |file: &str| loads.iter().any(|load| load.path == file);
    let mut doubts = BTreeSet::new();
    for event in events {
        let TrialEvent::Isolation(event) = event else { continue };
        match event {
            IsolationEvent::SharedLibrary { file, module, is_copy } => {
                let is_lost = *is_copy && (is_module(file) || has_lost_module(loads));
                if !is_lost {
                    let (file, module, is_copy) = (file.clone(), module.clone(), *is_copy);
                    doubts.insert(IsolationDoubt::SharedLibrary { file, module, is_copy });
                }
            }
            IsolationEvent::CrossingSymbol { symbol, file, target, is_data } => {
                let (symbol, user, owner) = (symbol.clone(), file_name(file), file_name(target));
                doubts.insert(match is_data {
                    true => IsolationDoubt::SharedVariable { symbol, user, owner },
                    false => IsolationDoubt::SharedFunction { symbol, user, owner },
                });
            }
            IsolationEvent::SignalHandler { signal, file } => {
                let file = file.as_deref().map(file_name);
                doubts.insert(IsolationDoubt::SignalHandler { signal: *signal, file });
            }
            IsolationEvent::ProcessState(changes) => {
                doubts.extend(changes.iter().cloned().map(IsolationDoubt::ProcessState));
            }
            IsolationEvent::EntersMain { .. } | IsolationEvent::ReplacesAllocator { .. } => {}
        }
    }
    doubts.into_iter().collect()
}

/// Whether the second interpreter has not loaded a module that the first one has loaded.
fn has_lost_module(loads: &[ModuleLoad]) -> bool {
    let loaded = |interpreter: &str| -> BTreeSet<&str> {
        let of_it =
            loads.iter().filter(|load| load.interpreter == interpreter && load.result == Some(Ok(())));
        of_it.map(|load| load.name.as_str()).collect()
    };
    !loaded(FIRST).is_subset(&loaded(SECOND))
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use wsgiaudit_probes_core::protocol::ProtocolPhase;

    use super::*;
    use crate::model::{PythonError, TrialPhase};

    const FILE: &str = "/site/shop/_till.so";

    fn load(result: Option<Result<(), PythonError>>) -> ModuleLoad {
        ModuleLoad {
            interpreter: FIRST.to_owned(),
            name: "shop._till".to_owned(),
            path: FILE.to_owned(),
            chain: Vec::new(),
            enables_gil: false,
            declared: None,
            behind: None,
            raised_in: None,
            result,
        }
    }

    fn entered(file: Option<&str>) -> TrialEvent {
        let (thread, file) = ("pump".to_owned(), file.map(str::to_owned));
        TrialEvent::Isolation(IsolationEvent::EntersMain { thread, file })
    }

    #[test]
    fn a_breach_names_phase_and_module() {
        let step = |name: &str, phase| TrialEvent::Step(name.to_owned(), phase);
        let later = step(SECOND, ProtocolPhase::End);
        let outcome = |file, loads: &[ModuleLoad]| {
            find_breach(&[step(FIRST, ProtocolPhase::Import), entered(file), later.clone()], loads)
        };
        let found = outcome(Some(FILE), &[load(Some(Ok(())))]).unwrap();
        let how = IsolationBreach::EntersMain { thread: "pump".to_owned() };
        let module = Some("shop._till".to_owned());
        assert_eq!(found, TrialOutcome::BreaksIsolation { how, place: TrialPhase::Import, module });
        // A library is no module.
        let found = outcome(Some("/site/shop.libs/libpump.so"), &[load(Some(Ok(())))]).unwrap();
        assert_eq!(found.suspect(), None);
        assert!(outcome(None, &[]).is_some());
    }

    #[test]
    fn a_refused_module_breaks_nothing() {
        let error = PythonError { kind: "ImportError".to_owned(), text: String::new(), chain: Vec::new() };
        assert_eq!(find_breach(&[entered(Some(FILE))], &[load(Some(Err(error)))]), None);
        assert!(find_breach(&[entered(Some(FILE))], &[load(None)]).is_some());
    }

    #[test]
    fn doubts_are_listed_once_and_without_lost_modules() {
        let shared = |file: &str, module: Option<&str>| {
            let (file, is_copy) = (file.to_owned(), module.is_none());
            let module = module.map(str::to_owned);
            TrialEvent::Isolation(IsolationEvent::SharedLibrary { file, module, is_copy })
        };
        let state = TrialEvent::Isolation(IsolationEvent::ProcessState(vec!["the locale".to_owned()]));
        let events = [
            shared("/site/libx.so", Some("shop._till")),
            shared("/site/libx.so", Some("shop._till")),
            shared("/site/liby.so", None),
            // Only the first interpreter has loaded this module.
            shared(FILE, None),
            state.clone(),
            state,
            entered(None),
        ];
        let of_first = load(Some(Ok(())));
        let of_second = ModuleLoad { interpreter: SECOND.to_owned(), ..load(Some(Ok(()))) };
        let library = |file: &str, module: Option<&str>| {
            let (file, is_copy) = (file.to_owned(), module.is_none());
            IsolationDoubt::SharedLibrary { file, module: module.map(str::to_owned), is_copy }
        };
        let (x, y) = (library("/site/libx.so", Some("shop._till")), library("/site/liby.so", None));
        let locale = || IsolationDoubt::ProcessState("the locale".to_owned());
        assert_eq!(collect_doubts(&events, std::slice::from_ref(&of_first)), [x.clone(), locale()]);
        assert_eq!(collect_doubts(&events, &[of_first, of_second]), [x, y, locale()]);
    }

    #[test]
    fn a_symbol_is_a_variable_or_a_function() {
        let crossing = |is_data| {
            TrialEvent::Isolation(IsolationEvent::CrossingSymbol {
                symbol: "kept".to_owned(),
                file: "/site/_user.so".to_owned(),
                target: "/site/_core.so".to_owned(),
                is_data,
            })
        };
        let (symbol, user, owner) = ("kept".to_owned(), "_user.so".to_owned(), "_core.so".to_owned());
        let variable = IsolationDoubt::SharedVariable {
            symbol: symbol.clone(),
            user: user.clone(),
            owner: owner.clone(),
        };
        assert_eq!(collect_doubts(&[crossing(true)], &[]), [variable]);
        assert_eq!(
            collect_doubts(&[crossing(false)], &[]),
            [IsolationDoubt::SharedFunction { symbol, user, owner }]
        );
    }
}
