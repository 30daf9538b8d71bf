//! Applies mod_wsgi's rules about groups, so that an application behaves here as under mod_wsgi. Messages
//! name the ids of mod_wsgi's log messages.

use anyhow::{Result, bail};
use wsgiaudit_probes_core::host_config::{GroupConfig, InterpreterMode};

/// mod_wsgi's name for the application group of the main interpreter.
const GLOBAL: &str = "%{GLOBAL}";

/// Changes settings that mod_wsgi would change. Returns a note for each.
///
/// # Errors
/// If mod_wsgi would ignore a setting, or apply it to more than the group.
pub(super) fn apply_mod_wsgi_rules(
    groups: &mut [GroupConfig],
    is_free_threaded_build: bool,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let is_free = groups.iter().any(|group| group.mode == InterpreterMode::FreeThreaded);
    if is_free && !is_free_threaded_build {
        bail!("mode free-threaded needs a free-threaded build of Python (mod_wsgi: WSGI0200)");
    }
    for group in groups {
        let name = group.name.clone();
        if name == GLOBAL && (has_own_gil(group.mode) || group.mode == InterpreterMode::SharedGil) {
            notes.push(format!(
                "group {GLOBAL} is the main interpreter: {} has no effect there (mod_wsgi says nothing)",
                group.mode.name()
            ));
            group.mode = InterpreterMode::Main;
        }
        if is_free && has_own_gil(group.mode) {
            notes.push(format!(
                "group {name}: an own GIL is ignored because free threading is on (mod_wsgi: WSGI0202)"
            ));
            group.mode = InterpreterMode::SharedGil;
        }
        if group.interpreters > 1 && !has_own_gil(group.mode) {
            bail!(
                "group {name}: {} interpreters need the mode own-gil, not {}\nhint: use threads",
                group.interpreters,
                group.mode.name()
            );
        }
        if let Some(interval) = group.switch_interval {
            if is_free {
                bail!(
                    "group {name}: a switch interval has no effect under free threading (mod_wsgi: WSGI0203)"
                );
            }
            if !has_own_gil(group.mode) {
                bail!(
                    "group {name}: a switch interval without an own GIL would apply to the whole process \
                     (mod_wsgi: WSGI0199)"
                );
            }
            if !(interval > 0.0 && interval <= 60.0) {
                bail!("group {name}: a switch interval must be more than 0 and at most 60 seconds");
            }
        }
    }
    Ok(notes)
}

/// Whether the group's interpreters have their own GIL.
fn has_own_gil(mode: InterpreterMode) -> bool {
    match mode {
        InterpreterMode::OwnGil | InterpreterMode::OwnGilCopies => true,
        InterpreterMode::Main | InterpreterMode::SharedGil | InterpreterMode::FreeThreaded => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::application::parse_application;

    fn group(name: &str, mode: InterpreterMode, interpreters: usize, interval: Option<f64>) -> GroupConfig {
        GroupConfig {
            name: name.to_owned(),
            mode,
            interpreters,
            threads: 1,
            queue: 1,
            application: parse_application("shop:application").unwrap(),
            routes: Vec::new(),
            is_mounted: true,
            processes: 1,
            switch_interval: interval,
            reads_stacks: false,
        }
    }

    #[test]
    fn modes_are_those_of_mod_wsgi() {
        use InterpreterMode::{FreeThreaded, Main, OwnGil, SharedGil};
        for (groups, expected, notes) in [
            (vec![("a", OwnGil), ("b", SharedGil)], vec![OwnGil, SharedGil], 0),
            (vec![(GLOBAL, OwnGil)], vec![Main], 1),
            (vec![(GLOBAL, Main)], vec![Main], 0),
            (vec![("a", FreeThreaded), ("b", OwnGil)], vec![FreeThreaded, SharedGil], 1),
        ] {
            let mut groups: Vec<_> = groups.iter().map(|(name, mode)| group(name, *mode, 1, None)).collect();
            let said = apply_mod_wsgi_rules(&mut groups, true).unwrap();
            let modes: Vec<_> = groups.iter().map(|group| group.mode).collect();
            assert_eq!((modes, said.len()), (expected, notes));
        }
    }

    #[test]
    fn what_mod_wsgi_would_ignore_is_an_error() {
        use InterpreterMode::{FreeThreaded, OwnGil, SharedGil};
        for (mode, interpreters, interval, is_free_threaded, said) in [
            (FreeThreaded, 1, None, false, Some("WSGI0200")),
            (SharedGil, 2, None, false, Some("need the mode own-gil")),
            (OwnGil, 2, Some(0.005), false, None),
            (SharedGil, 1, Some(0.005), false, Some("WSGI0199")),
            (FreeThreaded, 1, Some(0.005), true, Some("WSGI0203")),
            (OwnGil, 1, Some(60.0), false, None),
            (OwnGil, 1, Some(60.1), false, Some("at most 60 seconds")),
            (OwnGil, 1, Some(0.0), false, Some("more than 0")),
        ] {
            let applied =
                apply_mod_wsgi_rules(&mut [group("a", mode, interpreters, interval)], is_free_threaded);
            match (applied, said) {
                (Ok(_), None) => {}
                (Err(error), Some(said)) => assert!(error.to_string().contains(said), "{error}"),
                (applied, said) => panic!("{applied:?}, but expected {said:?}"),
            }
        }
    }
}
