//! Queries the package index about blocking distributions (`--upgrades`).

use super::context::{AuditContext, AuditedEnvironment};
use crate::installer::{Installer, find_cache_folder};
use crate::model::{Interpreter, Mode, RuleId};
use crate::report::Report;
use crate::upgrades::{UpgradeContext, UpgradeQuery, check_upgrade};

/// Adds what newer versions declare to every blocker under an own GIL and under free threading. Only
/// distributions that block others are looked up.
pub(super) fn add_upgrade_advice(
    context: &AuditContext<'_>,
    environments: &[&AuditedEnvironment],
    report: &mut Report,
) {
    let cache = match find_cache_folder() {
        Ok(cache) => cache,
        Err(why) => return report.notes.push(format!("newer versions were not looked up: {why}")),
    };
    let has_uv = which::which_global("uv").is_ok();
    let versions: Vec<(String, String)> = report
        .distributions
        .iter()
        .filter_map(|row| Some((row.name.clone()?, row.version.clone())))
        .collect();
    for mode in [Mode::OwnGil, Mode::FreeThreaded] {
        let fits = |each: &&&AuditedEnvironment| {
            let interpreter = each.environment.interpreter.as_ref();
            interpreter.is_some_and(|python| mode == Mode::OwnGil || python.free_threaded)
        };
        let Some(audited) = environments.iter().find(fits) else { continue };
        let Some(interpreter) = audited.environment.interpreter.as_ref() else { continue };
        let base = base_python(interpreter);
        let asking = UpgradeContext {
            installer: Installer { has_uv, python: &base, options: &context.plan.index },
            environment: &audited.environment.root,
            target: interpreter.target(),
            suffixes: &interpreter.suffixes,
            abi: &interpreter.abi,
            scratch: context.scratch.path(),
            cache: &cache,
            is_offline: context.plan.is_offline,
        };
        for blocker in report.blockers.get_mut(&mode).into_iter().flatten() {
            let Some(name) = blocker.distribution.as_deref() else { continue };
            let Some((_, version)) = versions.iter().find(|(each, _)| each == name) else { continue };
            let roots: Vec<&str> = blocker
                .roots
                .iter()
                .filter(|root| {
                    [RuleId::Refused, RuleId::SwitchesGilOn, RuleId::RefusesByItself]
                        .iter()
                        .any(|rule| rule.id() == root.rule)
                })
                .map(|root| root.module.as_str())
                .collect();
            if !roots.is_empty() {
                blocker.upgrade = Some(check_upgrade(&asking, &UpgradeQuery { name, version, roots, mode }));
            }
        }
    }
}

/// Returns the Python that an environment was created with. If any has pip, it does.
pub(super) fn base_python(interpreter: &Interpreter) -> std::path::PathBuf {
    let base = interpreter.base_prefix.as_ref().map(|prefix| prefix.join("bin/python3"));
    base.filter(|python| python.is_file()).unwrap_or_else(|| interpreter.executable.clone())
}
