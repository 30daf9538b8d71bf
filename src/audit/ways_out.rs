//! Asks the index about what stands in the way, where the user wants that.

use super::run::{Audited, Running};
use crate::installer::{Installer, cache, on_path};
use crate::model::{Interpreter, Mode};
use crate::report::Report;
use crate::upgrades::{Asking, Question, ask};

/// Adds to every root cause of an own GIL, and of free threading, what newer versions declare. Only the
/// distributions that stand in the way are asked about.
pub(super) fn add(running: &Running<'_>, environments: &[&Audited], report: &mut Report) {
    let cache = match cache() {
        Ok(cache) => cache,
        Err(why) => return report.notes.push(format!("newer versions were not asked for: {why}")),
    };
    let has_uv = on_path("uv").is_some();
    let versions: Vec<(String, String)> = report
        .distributions
        .iter()
        .filter_map(|row| Some((row.name.clone()?, row.version.clone())))
        .collect();
    for mode in [Mode::OwnGil, Mode::FreeThreaded] {
        let fits = |each: &&&Audited| {
            let interpreter = each.environment.interpreter.as_ref();
            interpreter.is_some_and(|python| mode == Mode::OwnGil || python.free_threaded)
        };
        let Some(audited) = environments.iter().find(fits) else { continue };
        let Some(interpreter) = audited.environment.interpreter.as_ref() else { continue };
        let base = base_python(interpreter);
        let asking = Asking {
            installer: Installer { has_uv, python: &base, options: &running.plan.index },
            environment: &audited.environment.root,
            target: interpreter.target(),
            suffixes: &interpreter.suffixes,
            abi: &interpreter.abi,
            scratch: running.scratch.path(),
            cache: &cache,
            is_offline: running.plan.is_offline,
        };
        for blocker in report.blockers.get_mut(&mode).into_iter().flatten() {
            let Some(name) = blocker.distribution.as_deref() else { continue };
            let Some((_, version)) = versions.iter().find(|(each, _)| each == name) else { continue };
            let roots: Vec<&str> = blocker
                .roots
                .iter()
                .filter(|root| ["refused", "switches-gil-on", "refuses-by-itself"].contains(&root.rule))
                .map(|root| root.module.as_str())
                .collect();
            if !roots.is_empty() {
                blocker.upgrade = Some(ask(&asking, &Question { name, version, roots, mode }));
            }
        }
    }
}

/// The Python that an environment was made with: its pip is the one that is surely there, if any.
pub(super) fn base_python(interpreter: &Interpreter) -> std::path::PathBuf {
    let base = interpreter.base_prefix.as_ref().map(|prefix| prefix.join("bin/python3"));
    base.filter(|python| python.is_file()).unwrap_or_else(|| interpreter.executable.clone())
}
