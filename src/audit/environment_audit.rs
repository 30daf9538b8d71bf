//! Audits one environment: scans it, and tries what is installed in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::cached_inspection;
use super::context::{AuditContext, AuditedEnvironment, ModeSelection};
use super::environment_scan;
use super::environment_state::EnvironmentState;
use super::interpreter_query::query_interpreter;
use super::named_files::AuditScope;
use super::private_copies::{TrialCopies, judge_without_copies};
use super::untriable_modes::find_untriable_modes;
use crate::model::{Environment, ExtensionFileKind, Interpreter, Mode};
use crate::platform;
use crate::report::DecidedBy;
use crate::rules::is_refused_by_declaration;
use crate::trial::{DiagnosticMode, DiagnosticRuns, SearchPath, TrialConfig, TrialSubject, Trials};
use crate::venv::{InstalledDistributions, LocatedEnvironment, list_copy_roots};

/// Scans an environment and tries what is installed in it.
pub(super) fn audit_environment(
    context: &AuditContext<'_>,
    located: &LocatedEnvironment,
    scope: Option<&AuditScope>,
    selection: ModeSelection,
) -> AuditedEnvironment {
    let mut trouble = Vec::new();
    let interpreter = query_interpreter(context, located, &mut trouble);
    let file_cache = if scope.is_none() {
        cached_inspection::open_file_cache(context, interpreter.as_ref())
    } else {
        None
    };
    let (environment, installed) =
        environment_scan::scan_environment(located, interpreter, scope, file_cache.as_ref());
    trouble.extend(environment.trouble.iter().cloned());
    let modes = match (selection, environment.interpreter.as_ref()) {
        (ModeSelection::FreeThreading, _) => &Mode::WITHOUT_GIL,
        (ModeSelection::AllModes, Some(interpreter)) => interpreter.modes(context.plan.copies),
        (ModeSelection::AllModes, None) => &Mode::WITH_GIL,
    };
    let (mut no_trials, mut notes) = find_untriable_modes(environment.interpreter.as_ref());
    let mut copies = None;
    if let Some(interpreter) = environment.interpreter.as_ref()
        && modes.contains(&Mode::OwnGilCopies)
        && !no_trials.contains_key(&Mode::OwnGilCopies)
    {
        let roots = list_copy_roots(interpreter, &environment.root);
        match TrialCopies::prepare(context.copies_folder(), &roots) {
            Ok(made) => {
                notes.extend(made.describe_needs());
                copies = Some(made);
            }
            Err(error) => {
                no_trials.insert(Mode::OwnGilCopies, judge_without_copies(&error));
            }
        }
    }
    let cache = file_cache.and_then(|file_cache| {
        cached_inspection::open_trial_cache(context, file_cache, &environment, &installed)
    });
    let (trials, diagnostic_runs) = match &environment.interpreter {
        Some(interpreter) if interpreter.no_trials.is_none() => {
            if selection == ModeSelection::AllModes {
                notes.extend(describe_sandbox_gaps(context.plan.limits.sandbox, context.scratch.path()));
            }
            context.add_bytecode(interpreter, cache.as_ref());
            let possible = modes.iter().copied().filter(|mode| !no_trials.contains_key(mode));
            let config = TrialConfig {
                cache: cache.as_ref(),
                copies: copies.as_ref().map(TrialCopies::trees),
                ..context.trial_config(&interpreter.executable)
            };
            let modes = possible.collect::<Vec<_>>();
            let state = || EnvironmentState::read(interpreter.site.iter().map(PathBuf::as_path));
            let before = state();
            let tried = try_environment(context, &config, &environment, interpreter, &modes);
            trouble.extend(before.describe_changes(&state()));
            tried
        }
        Some(_) | None => (Trials::default(), DiagnosticRuns::default()),
    };
    if trials.without_shared_memory() && selection == ModeSelection::AllModes {
        notes.push(NO_SHARED_MEMORY.to_owned());
    }
    if let Some(cache) = &cache {
        cache.close();
    }
    let decided_by = if scope.is_some() { DecidedBy::Modules } else { DecidedBy::Distributions };
    AuditedEnvironment {
        environment,
        installed,
        decided_by,
        modes,
        trials,
        diagnostic_runs,
        no_trials,
        notes,
        trouble,
        cache,
        copies,
    }
}

/// Tries an application's own extension modules in its environment, with its additions to `sys.path`.
pub(super) fn audit_application_modules(
    context: &AuditContext<'_>,
    first: &AuditedEnvironment,
    environment: Environment,
    path: &SearchPath,
) -> AuditedEnvironment {
    let mut trials = first.trials.clone();
    let mut diagnostic_runs = DiagnosticRuns::default();
    let mut no_trials = first.no_trials.clone();
    let mut copies = None;
    if let Some(interpreter) = environment.interpreter.as_ref().filter(|python| python.no_trials.is_none()) {
        let folders = environment.modules.iter().filter_map(|module| module.path.parent());
        let folders: BTreeSet<PathBuf> = folders.map(Path::to_owned).collect();
        let mut roots = list_copy_roots(interpreter, &environment.root);
        roots.extend(folders);
        let mut modes = first.possible_modes();
        if modes.contains(&Mode::OwnGilCopies) {
            match TrialCopies::prepare(context.copies_folder(), &roots) {
                Ok(made) => copies = Some(made),
                Err(error) => {
                    no_trials.insert(Mode::OwnGilCopies, judge_without_copies(&error));
                    modes.retain(|mode| *mode != Mode::OwnGilCopies);
                }
            }
        }
        let config = TrialConfig {
            path,
            copies: copies.as_ref().map(TrialCopies::trees),
            ..context.trial_config(&interpreter.executable)
        };
        let tried;
        (tried, diagnostic_runs) = try_environment(context, &config, &environment, interpreter, &modes);
        trials.extend(tried);
    }
    AuditedEnvironment {
        environment,
        installed: InstalledDistributions::default(),
        decided_by: first.decided_by,
        modes: first.modes,
        trials,
        diagnostic_runs,
        no_trials,
        notes: Vec::new(),
        trouble: Vec::new(),
        cache: None,
        copies,
    }
}

fn try_environment(
    context: &AuditContext<'_>,
    config: &TrialConfig<'_>,
    environment: &Environment,
    interpreter: &Interpreter,
    modes: &[Mode],
) -> (Trials, DiagnosticRuns) {
    // A free-threaded build does not allow overriding the check (measured on 3.14 and 3.15).
    let diagnostic_mode =
        if interpreter.free_threaded { DiagnosticMode::Alone } else { DiagnosticMode::Unchecked };
    context.run_trials(config, &collect_subjects(environment), modes, diagnostic_mode)
}

/// A private /dev/shm needs mount namespaces, which containers and some distributions forbid.
const NO_SHARED_MEMORY: &str = "this system does not allow a private /dev/shm, so trials had no shared \
     memory and no semaphores: a package that uses them may behave differently elsewhere";

/// Returns a note about what the sandbox does not prevent on this system.
fn describe_sandbox_gaps(sandbox: bool, folder: &Path) -> Option<String> {
    if !sandbox {
        return Some("trials ran without a sandbox (--no-sandbox)".to_owned());
    }
    let may = platform::find_unenforced_limits(folder);
    let may = may.first().map(|_| may.join(", "))?;
    Some(format!("this system's kernel cannot enforce the whole sandbox: trials may {may}"))
}

/// Collects the subjects of an environment: every extension module and every distribution's top-level names,
/// each name once.
fn collect_subjects(environment: &Environment) -> Vec<TrialSubject> {
    let modules = environment.modules.iter().filter(|module| module.is_trial_subject());
    let mut subjects: BTreeMap<String, TrialSubject> = modules
        .map(|module| {
            let subject = TrialSubject {
                name: module.name.clone(),
                file: (!matches!(module.kind, ExtensionFileKind::Archived { .. }))
                    .then(|| module.path.clone()),
                could_declare: module.facts.could_declare_own_gil(),
                is_refused: is_refused_by_declaration(&module.facts),
                is_exercise: false,
            };
            (module.name.clone(), subject)
        })
        .collect();
    let names: BTreeSet<&String> =
        environment.distributions.iter().flat_map(|each| &each.top_level).collect();
    for name in names {
        subjects.entry(name.clone()).or_insert_with(|| TrialSubject::from_name(name.clone()));
    }
    subjects.into_values().collect()
}
