//! Runs an audit, from the environment's folder to the report. This file calls all steps in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use super::application;
use super::cached_inspection;
use super::deployment::ApacheConfiguration;
use super::environment_scan;
use super::exercise;
use super::free_threaded;
use super::named_files::{self, AuditScope};
use super::request_list::RequestList;
use super::requests;
use super::scratch::ScratchFolder;
use super::test_suites;
use super::upgrade_advice;
use crate::cache::TrialCache;
use crate::model::{
    BinaryFacts, Environment, ExtensionFileKind, Interpreter, Judgement, Mode, ReasonId, RootCause, Verdict,
};
use crate::plan::AuditPlan;
use crate::report::v1::{self, Header};
use crate::report::{
    AuditEvidence, DecidedBy, Document, PathPlaceholders, Report, assemble_report, join_free_threaded,
};
use crate::rules::{ReferenceEnvironment, VerdictInput, is_refused_by_declaration};
use crate::trial::{
    self, DiagnosticMode, DiagnosticRuns, ProbeLibrary, ProgressListener, SearchPath, StopFlag, TrialConfig,
    TrialInputs, TrialSubject, Trials,
};
use crate::venv::{self, InstalledDistributions, LocatedEnvironment};

/// Audits an environment, and the free-threaded one that the plan asks for.
///
/// # Errors
/// When there is no environment, or the audit's scratch folder cannot be created. Problems inside the
/// environment are part of the report.
pub fn run_audit(plan: &AuditPlan, listener: &dyn ProgressListener, stop: &StopFlag) -> Result<Document> {
    let (started, clock) = (jiff::Timestamp::now(), Instant::now());
    let configuration = plan.apache.as_ref();
    let configuration =
        configuration.map(|(file, names)| ApacheConfiguration::from_file(file, names)).transpose()?;
    let scratch = ScratchFolder::new()?;
    let library = ProbeLibrary::install(scratch.path()).context("cannot write the probes' library")?;
    let given =
        plan.given.copied_into(scratch.path()).context("cannot copy the files of --file and --writable")?;
    // Errors in it are reported now, not after hours of trials.
    let names: Vec<String> = given.variable_names().map(str::to_owned).collect();
    let requests = plan.requests.as_deref().map(|file| RequestList::from_file(file, &names)).transpose()?;
    let context =
        AuditContext { plan, scratch: &scratch, library: &library, given, requests, listener, stop };
    let mut located = venv::locate_environment(&plan.environment)?;
    let mut scope = None;
    if let Some(named) = &plan.only {
        let (around, part) = named_files::prepare_scoped_audit(named, &located, &scratch)?;
        (located, scope) = (around, Some(part));
    }
    let mut first = context.audit_environment(&located, scope.as_ref(), ModeSelection::AllModes);
    if let Some(scope) = &scope {
        scope.add_to_audit(&mut first);
    }
    first.notes.extend(context.given.describe_for_report());
    let second = free_threaded::audit_free_threaded(&context, &mut first);
    if stop.is_set() {
        first.trouble.push("interrupted: what was not tried by then is unknown".to_owned());
    }
    let mut placeholders = PathPlaceholders::default();
    placeholders.add_folder(trial::SCRATCH.trim_matches(['{', '}']), scratch.path());
    first.add_placeholders(&mut placeholders, ["environment", "python"]);
    if let Some(second) = &second {
        second
            .audited
            .add_placeholders(&mut placeholders, ["free-threaded environment", "free-threaded python"]);
    }
    let report = first.build_report(None);
    let mut report = match &second {
        Some(second) => {
            join_free_threaded(report, second.audited.build_report(Some(&second.reference)), &second.absent)
        }
        None => report,
    };
    if scope.is_some() {
        AuditScope::mark_not_applicable_as_unknown(&mut report);
    }
    let environments: Vec<&AuditedEnvironment> =
        [Some(&first), second.as_ref().map(|second| &second.audited)].into_iter().flatten().collect();
    if plan.upgrades && !stop.is_set() {
        upgrade_advice::add_upgrade_advice(&context, &environments, &mut report);
    }
    let scripts = configuration.as_ref().map(ApacheConfiguration::served_scripts).unwrap_or_default();
    application::add_applications(&context, &first, &scripts, &mut placeholders, &mut report)?;
    exercise::add_exercises(&context, &environments, &mut report)?;
    requests::add_requests(&context, &environments, &scripts, &mut report)?;
    application::downgrade_for_open_imports(&mut report);
    test_suites::add_test_suites(&context, &first, &mut report)?;
    if let Some(configuration) = &configuration {
        configuration.add_to_report(&first, &mut placeholders, &mut report);
    }
    let document =
        placeholders.redact_document(&Document::from(&report)).context("cannot write the report")?;
    let started = started.round(jiff::Unit::Second).unwrap_or(started).to_string();
    let (remembered, all) = environments.iter().fold((0, 0), |(remembered, all), audited| {
        let (hits, asked) = audited.cache.as_ref().map_or((0, 0), TrialCache::hit_count);
        (remembered + hits, all + asked)
    });
    let trials = (all > 0).then_some(v1::Remembered { all, remembered });
    let header = Header {
        started,
        seconds: clock.elapsed().as_secs_f64(),
        places: placeholders.folders_by_name(),
        trials,
        requests: v1::RequestTimes::from_report(&report),
    };
    Ok(Document { header: Some(header), ..document })
}

/// What all steps of an audit share.
pub(super) struct AuditContext<'a> {
    pub(super) plan: &'a AuditPlan,
    pub(super) scratch: &'a ScratchFolder,
    library: &'a ProbeLibrary,
    given: TrialInputs,
    pub(super) requests: Option<RequestList>,
    listener: &'a dyn ProgressListener,
    stop: &'a StopFlag,
}

/// Which modes an environment is tried in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModeSelection {
    /// All modes that its Python supports.
    AllModes,
    /// The modes of a free-threaded build, in addition to those of another environment.
    FreeThreading,
}

/// An environment that was scanned and tried.
#[derive(Debug)]
pub(super) struct AuditedEnvironment {
    pub(super) environment: Environment,
    pub(super) installed: InstalledDistributions,
    decided_by: DecidedBy,
    pub(super) modes: &'static [Mode],
    pub(super) trials: Trials,
    diagnostic_runs: DiagnosticRuns,
    pub(super) no_trials: BTreeMap<Mode, Judgement>,
    pub(super) notes: Vec<String>,
    pub(super) trouble: Vec<String>,
    cache: Option<TrialCache>,
}

impl AuditedEnvironment {
    /// Adds placeholders for the folders whose paths do not belong in the report: the environment's, and its
    /// base Python's.
    fn add_placeholders(&self, placeholders: &mut PathPlaceholders, [environment, python]: [&str; 2]) {
        placeholders.add_folder(environment, &self.environment.root);
        let interpreter = self.environment.interpreter.as_ref();
        if let Some(prefix) = interpreter.and_then(|interpreter| interpreter.base_prefix.as_deref()) {
            placeholders.add_folder(python, prefix);
        }
    }

    /// Returns the modes in which it could be tried.
    pub(super) fn possible_modes(&self) -> Vec<Mode> {
        self.modes.iter().copied().filter(|mode| !self.no_trials.contains_key(mode)).collect()
    }

    /// Returns what the file of each extension module declares, by the module's name.
    pub(super) fn facts_by_module(&self) -> BTreeMap<&str, &BinaryFacts> {
        let modules = self.environment.modules.iter();
        let modules = modules.filter(|module| module.kind == ExtensionFileKind::ExtensionModule);
        modules.map(|module| (module.name.as_str(), &module.facts)).collect()
    }

    /// Returns the input for judging these trials in this environment.
    pub(super) fn verdict_input<'c>(
        &'c self,
        trials: &'c Trials,
        facts: &'c BTreeMap<&'c str, &'c BinaryFacts>,
    ) -> VerdictInput<'c> {
        let is_free_threaded =
            self.environment.interpreter.as_ref().is_some_and(|python| python.free_threaded);
        VerdictInput { trials, facts, no_trials: &self.no_trials, is_free_threaded, beside: None }
    }

    /// Judges the evidence, and returns the report.
    pub(super) fn build_report(&self, beside: Option<&ReferenceEnvironment>) -> Report {
        assemble_report(AuditEvidence {
            environment: &self.environment,
            decided_by: self.decided_by,
            modes: self.modes,
            beside,
            trials: &self.trials,
            unchecked: &self.diagnostic_runs.unchecked,
            alone: &self.diagnostic_runs.alone,
            no_trials: self.no_trials.clone(),
            notes: self.notes.clone(),
            trouble: self.trouble.clone(),
        })
    }
}

impl AuditContext<'_> {
    /// Whether trials are given writable folders, which all interpreters of a trial share.
    pub(super) fn has_writable_folders(&self) -> bool {
        self.given.has_writable_folders()
    }

    /// Scans an environment and tries what is installed in it.
    pub(super) fn audit_environment(
        &self,
        located: &LocatedEnvironment,
        scope: Option<&AuditScope>,
        selection: ModeSelection,
    ) -> AuditedEnvironment {
        let mut trouble = Vec::new();
        let interpreter = self.query_interpreter(located, &mut trouble);
        let file_cache = if scope.is_none() {
            cached_inspection::open_file_cache(self, interpreter.as_ref())
        } else {
            None
        };
        let (environment, installed) =
            environment_scan::scan_environment(located, interpreter, scope, file_cache.as_ref());
        trouble.extend(environment.trouble.iter().cloned());
        let modes = match (selection, environment.interpreter.as_ref()) {
            (ModeSelection::FreeThreading, _) => &Mode::WITHOUT_GIL,
            (ModeSelection::AllModes, Some(interpreter)) => interpreter.modes(),
            (ModeSelection::AllModes, None) => &Mode::WITH_GIL,
        };
        let (no_trials, mut notes) = find_untriable_modes(environment.interpreter.as_ref());
        let cache = file_cache.and_then(|file_cache| {
            cached_inspection::open_trial_cache(self, file_cache, &environment, &installed)
        });
        let (trials, diagnostic_runs) = match &environment.interpreter {
            Some(interpreter) if interpreter.no_trials.is_none() => {
                if selection == ModeSelection::AllModes {
                    notes.extend(describe_sandbox_gaps(self.plan.limits.sandbox, self.scratch.path()));
                }
                let possible = modes.iter().copied().filter(|mode| !no_trials.contains_key(mode));
                let config =
                    TrialConfig { cache: cache.as_ref(), ..self.trial_config(&interpreter.executable) };
                self.try_environment(&config, &environment, interpreter, &possible.collect::<Vec<_>>())
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
        }
    }

    /// Queries the environment's Python, and its import hooks. If it cannot be run, files are only read.
    fn query_interpreter(
        &self,
        located: &LocatedEnvironment,
        trouble: &mut Vec<String>,
    ) -> Option<Interpreter> {
        let scratch = self.scratch.path();
        let answer = match &located.python {
            Ok(python) => venv::query_interpreter(python, scratch).map_err(|error| error.to_string()),
            Err(missing) => Err(missing.clone()),
        };
        let interpreter =
            answer.map_err(|why| trouble.push(format!("nothing was tried, only read: {why}"))).ok()?;
        Some(if interpreter.has_hooks { self.add_import_hooks(interpreter, trouble) } else { interpreter })
    }

    /// Adds the modules that import hooks serve.
    fn add_import_hooks(&self, interpreter: Interpreter, trouble: &mut Vec<String>) -> Interpreter {
        let scratch = self.scratch.path();
        let ask = || venv::query_import_hooks(&interpreter.executable, scratch);
        let hooked = match self.plan.limits.sandbox {
            true => trial::run_confined(scratch, ask),
            false => Some(ask()),
        };
        let mut hooked = match hooked {
            Some(Ok(hooked)) => hooked,
            answer @ (Some(Err(_)) | None) => {
                let why = answer.and_then(Result::err).map_or_else(String::new, |why| format!(": {why}"));
                trouble.push(format!("the modules that import hooks provide are not known{why}"));
                return interpreter;
            }
        };
        trouble.extend(hooked.trouble.into_iter().map(|what| format!("{what}; {HOOKS_HINT}")));
        hooked.files.extend(interpreter.files);
        Interpreter { editable: hooked.packages, files: hooked.files, ..interpreter }
    }

    fn trial_config<'b>(&'b self, python: &'b Path) -> TrialConfig<'b> {
        TrialConfig {
            python,
            library: self.library,
            scratch: self.scratch.path(),
            limits: self.plan.limits,
            given: &self.given,
            jobs: self.plan.jobs,
            options: &[],
            path: &NO_EXTRA_PATH,
            stop: self.stop,
            cache: None,
        }
    }

    /// Tries these subjects only, with additional entries on `sys.path`.
    pub(super) fn try_subjects(
        &self,
        interpreter: &Interpreter,
        path: &SearchPath,
        subjects: &[TrialSubject],
        modes: &[Mode],
    ) -> Trials {
        let config = TrialConfig { path, ..self.trial_config(&interpreter.executable) };
        self.run_trials(&config, subjects, modes, DiagnosticMode::Never).0
    }

    fn run_trials(
        &self,
        config: &TrialConfig<'_>,
        subjects: &[TrialSubject],
        modes: &[Mode],
        diagnostic_mode: DiagnosticMode,
    ) -> (Trials, DiagnosticRuns) {
        let (mut trials, diagnostic_runs) =
            trial::run_trials(config, subjects, modes, diagnostic_mode, self.listener);
        if modes.contains(&Mode::FreeThreaded) {
            let without_gil = trial::run_free_threaded(config, subjects, &trials, self.listener);
            trials.extend(without_gil);
        }
        (trials, diagnostic_runs)
    }

    /// Tries an application's own extension modules in its environment, with its additions to `sys.path`.
    pub(super) fn audit_application_modules(
        &self,
        first: &AuditedEnvironment,
        environment: Environment,
        path: &SearchPath,
    ) -> AuditedEnvironment {
        let mut trials = first.trials.clone();
        let mut diagnostic_runs = DiagnosticRuns::default();
        if let Some(interpreter) =
            environment.interpreter.as_ref().filter(|python| python.no_trials.is_none())
        {
            let config = TrialConfig { path, ..self.trial_config(&interpreter.executable) };
            let tried;
            (tried, diagnostic_runs) =
                self.try_environment(&config, &environment, interpreter, &first.possible_modes());
            trials.extend(tried);
        }
        AuditedEnvironment {
            environment,
            installed: InstalledDistributions::default(),
            decided_by: first.decided_by,
            modes: first.modes,
            trials,
            diagnostic_runs,
            no_trials: first.no_trials.clone(),
            notes: Vec::new(),
            trouble: Vec::new(),
            cache: None,
        }
    }

    fn try_environment(
        &self,
        config: &TrialConfig<'_>,
        environment: &Environment,
        interpreter: &Interpreter,
        modes: &[Mode],
    ) -> (Trials, DiagnosticRuns) {
        // A free-threaded build does not allow overriding the check (measured on 3.14 and 3.15).
        let diagnostic_mode =
            if interpreter.free_threaded { DiagnosticMode::Alone } else { DiagnosticMode::Unchecked };
        self.run_trials(config, &collect_subjects(environment), modes, diagnostic_mode)
    }
}

/// The consequence of a hook that fails, or does not list its modules, and the workaround.
const HOOKS_HINT: &str = "modules that only this hook finds were not tried (it runs without write access: \
     build a package that rebuilds at import beforehand)";

/// Adds nothing to `sys.path`.
static NO_EXTRA_PATH: SearchPath = SearchPath::NONE;

/// A private /dev/shm needs mount namespaces, which containers and some distributions forbid.
const NO_SHARED_MEMORY: &str = "this system does not allow a private /dev/shm, so trials had no shared \
     memory and no semaphores: a package that uses them may behave differently elsewhere";

/// Returns a note about what the sandbox does not prevent on this system.
fn describe_sandbox_gaps(sandbox: bool, folder: &Path) -> Option<String> {
    if !sandbox {
        return Some("trials ran without a sandbox (--no-sandbox)".to_owned());
    }
    let may = trial::find_unenforced_limits(folder);
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

/// Returns the modes in which this Python cannot be tried, with the judgement of every subject in them, and
/// notes about that.
fn find_untriable_modes(interpreter: Option<&Interpreter>) -> (BTreeMap<Mode, Judgement>, Vec<String>) {
    let in_all = |id, why: &str| {
        Mode::ALL
            .into_iter()
            .map(|mode| (mode, Judgement::from_reason_id(id, why)))
            .collect::<BTreeMap<_, _>>()
    };
    let Some(interpreter) = interpreter else {
        return (in_all(ReasonId::NoTrials, "nothing was tried: the environment has no Python"), Vec::new());
    };
    if let Some(why) = &interpreter.no_trials {
        let is_cpython = interpreter.implementation == "cpython";
        let id = if is_cpython { ReasonId::NoTrials } else { ReasonId::NotCPython };
        return (in_all(id, why), vec![format!("nothing was tried, only read: {why}")]);
    }
    if interpreter.has_own_gil() {
        return (BTreeMap::new(), Vec::new());
    }
    let (major, minor) = Interpreter::FIRST_WITH_OWN_GIL;
    let release = &interpreter.release;
    let what = format!("own GIL needs Python {major}.{minor}, and this is {release}");
    let note = format!("{what}: declarations were read, and the control was run");
    let module = "python".to_owned();
    let cause = RootCause { rule: "python-too-old", chain: vec![module.clone()], module, what: what.clone() };
    let too_old = Judgement::from_evidence(Verdict::Blocked, Some(cause), what);
    let why = format!(
        "was not tried: wsgiaudit needs Python {major}.{minor} or later for sub-interpreters, and this is \
         {release}"
    );
    let not_tried = Judgement::from_reason_id(ReasonId::NoTrials, why);
    (BTreeMap::from([(Mode::SharedGil, not_tried), (Mode::OwnGil, too_old)]), vec![note])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(version: (u8, u8, u8), no_trials: Option<&str>) -> Interpreter {
        Interpreter {
            executable: "python".into(),
            implementation: "cpython".to_owned(),
            version,
            release: format!("{}.{}.{}", version.0, version.1, version.2),
            free_threaded: false,
            abi: String::new(),
            suffixes: Vec::new(),
            platform: String::new(),
            base_prefix: None,
            site: Vec::new(),
            editable: Vec::new(),
            files: Vec::new(),
            archives: Vec::new(),
            user_site: None,
            has_hooks: false,
            no_trials: no_trials.map(str::to_owned),
        }
    }

    #[test]
    fn before_3_12_only_the_control_is_run() {
        let (no_trials, notes) = find_untriable_modes(Some(&interpreter((3, 11, 7), None)));
        assert_eq!(no_trials.keys().copied().collect::<Vec<_>>(), [Mode::SharedGil, Mode::OwnGil]);
        assert!(notes[0].starts_with("own GIL needs Python 3.12, and this is 3.11.7"), "{notes:?}");
        let (own, shared) = (&no_trials[&Mode::OwnGil], &no_trials[&Mode::SharedGil]);
        assert_eq!(own.verdict, Verdict::Blocked);
        assert_eq!(shared.verdict, Verdict::Unknown);
        assert!(own.reason.contains("own GIL needs") && !shared.reason.contains("own GIL"), "{shared:?}");
    }

    #[test]
    fn from_3_12_on_everything_is_run() {
        assert_eq!(find_untriable_modes(Some(&interpreter((3, 12, 0), None))), (BTreeMap::new(), Vec::new()));
    }

    #[test]
    fn without_a_python_that_can_do_it_nothing_is_run() {
        assert_eq!(find_untriable_modes(None).0.len(), Mode::ALL.len());
        assert_eq!(
            find_untriable_modes(Some(&interpreter((3, 14, 0), Some("no ctypes")))).0.len(),
            Mode::ALL.len()
        );
    }
}
