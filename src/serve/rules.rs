//! mod_wsgi's rules about groups, with the ids of its messages, so that what is tried here holds there.

use anyhow::{Result, bail};

use super::protocol::{Group, Mode};

/// mod_wsgi's name for the main interpreter.
const GLOBAL: &str = "%{GLOBAL}";

/// Changes what mod_wsgi would change, and says so.
///
/// # Errors
/// Where mod_wsgi would go on without what was asked for, or with more of it.
pub(super) fn apply(groups: &mut [Group], is_free_threaded_build: bool) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let is_free = groups.iter().any(|group| group.mode == Mode::FreeThreaded);
    if is_free && !is_free_threaded_build {
        bail!("free threading is asked of a Python that has a GIL (mod_wsgi: WSGI0200)");
    }
    for group in groups {
        let name = group.name.clone();
        if name == GLOBAL && matches!(group.mode, Mode::OwnGil | Mode::SharedGil) {
            notes.push(format!(
                "group {GLOBAL} is the main interpreter: {} has no effect there (mod_wsgi says nothing)",
                group.mode.name()
            ));
            group.mode = Mode::Main;
        }
        if is_free && group.mode == Mode::OwnGil {
            notes.push(format!(
                "group {name}: an own GIL is skipped, since free threading is on (mod_wsgi: WSGI0202)"
            ));
            group.mode = Mode::SharedGil;
        }
        if group.interpreters > 1 && group.mode != Mode::OwnGil {
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
            if group.mode != Mode::OwnGil {
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
