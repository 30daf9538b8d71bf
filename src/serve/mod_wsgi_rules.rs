//! Applies mod_wsgi's rules about groups, so that an application behaves here as under mod_wsgi. Messages
//! name the ids of mod_wsgi's log messages.

use anyhow::{Result, bail};

use super::protocol::{GroupConfig, InterpreterMode};

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
        if name == GLOBAL && matches!(group.mode, InterpreterMode::OwnGil | InterpreterMode::SharedGil) {
            notes.push(format!(
                "group {GLOBAL} is the main interpreter: {} has no effect there (mod_wsgi says nothing)",
                group.mode.name()
            ));
            group.mode = InterpreterMode::Main;
        }
        if is_free && group.mode == InterpreterMode::OwnGil {
            notes.push(format!(
                "group {name}: own-gil is ignored because free threading is on (mod_wsgi: WSGI0202)"
            ));
            group.mode = InterpreterMode::SharedGil;
        }
        if group.interpreters > 1 && group.mode != InterpreterMode::OwnGil {
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
            if group.mode != InterpreterMode::OwnGil {
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
