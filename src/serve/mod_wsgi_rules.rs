//! mod_wsgi's rules about groups, with the ids of its messages, so that what is tried here holds there.

use anyhow::{Result, bail};

use super::protocol::{GroupConfig, InterpreterMode};

/// mod_wsgi's name for the main interpreter.
const GLOBAL: &str = "%{GLOBAL}";

/// Changes what mod_wsgi would change, and says so.
///
/// # Errors
/// Where mod_wsgi would go on without what was asked for, or with more of it.
pub(super) fn apply_mod_wsgi_rules(
    groups: &mut [GroupConfig],
    is_free_threaded_build: bool,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let is_free = groups.iter().any(|group| group.mode == InterpreterMode::FreeThreaded);
    if is_free && !is_free_threaded_build {
        bail!("free threading is asked of a Python that has a GIL (mod_wsgi: WSGI0200)");
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
                "group {name}: an own GIL is skipped, since free threading is on (mod_wsgi: WSGI0202)"
            ));
            group.mode = InterpreterMode::SharedGil;
        }
        if group.interpreters > 1 && group.mode != InterpreterMode::OwnGil {
            bail!(
                "group {name}: {} interpreters want an own GIL each, not {}\nhint: threads",
                group.interpreters,
                group.mode.name()
            );
        }
        if let Some(interval) = group.switch_interval {
            if is_free {
                bail!(
                    "group {name}: a switch interval means nothing under free threading (mod_wsgi: WSGI0203)"
                );
            }
            if group.mode != InterpreterMode::OwnGil {
                bail!(
                    "group {name}: a switch interval without an own GIL would be the whole process's \
                     (mod_wsgi: WSGI0199)"
                );
            }
            if !(interval > 0.0 && interval <= 60.0) {
                bail!("group {name}: a switch interval is seconds, more than 0, at most 60");
            }
        }
    }
    Ok(notes)
}
