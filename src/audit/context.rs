//! What the steps of an audit share: its arguments and resources, and an environment that was scanned and tried.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::private_copies::TrialCopies;
use super::request_list::RequestList;
use super::scratch::ScratchFolder;
use wsgiaudit_probes_core::protocol::CopyTrees;

use crate::cache::TrialCache;
use crate::model::{BinaryFacts, Environment, ExtensionFileKind, Interpreter, Judgement, Mode};
use crate::plan::AuditPlan;
use crate::platform;
use crate::report::{AuditEvidence, DecidedBy, PathPlaceholders, Report, assemble_report};
use crate::rules::{ReferenceEnvironment, VerdictInput};
use crate::trial::{
    self, BytecodeFolders, DiagnosticMode, DiagnosticRuns, ProbeLibrary, ProgressListener, SearchPath,
    StopFlag, TrialConfig, TrialInputs, TrialSubject, Trials,
};
use crate::venv::InstalledDistributions;

/// What all steps of an audit share.
pub(super) struct AuditContext<'a> {
    pub(super) plan: &'a AuditPlan,
    pub(super) scratch: &'a ScratchFolder,
    pub(super) library: &'a ProbeLibrary,
    pub(super) given: TrialInputs,
    pub(super) bytecode: BytecodeFolders,
    pub(super) requests: Option<RequestList>,
    pub(super) listener: &'a dyn ProgressListener,
    pub(super) stop: &'a StopFlag,
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
    pub(super) decided_by: DecidedBy,
    pub(super) modes: &'static [Mode],
    pub(super) trials: Trials,
    pub(super) diagnostic_runs: DiagnosticRuns,
    pub(super) no_trials: BTreeMap<Mode, Judgement>,
    pub(super) notes: Vec<String>,
    pub(super) trouble: Vec<String>,
    pub(super) cache: Option<TrialCache>,
    /// The copies for trials in the mode `own-gil-copies`.
    pub(super) copies: Option<TrialCopies>,
}

impl AuditedEnvironment {
    /// Adds placeholders for the folders whose paths do not belong in the report: the environment's, and its
    /// base Python's.
    pub(super) fn add_placeholders(
        &self,
        placeholders: &mut PathPlaceholders,
        [environment, python]: [&str; 2],
    ) {
        placeholders.add_folder(environment, &self.environment.root);
        let interpreter = self.environment.interpreter.as_ref();
        if let Some(prefix) = interpreter.and_then(|interpreter| interpreter.base_prefix.as_deref()) {
            placeholders.add_folder(python, prefix);
        }
    }

    /// The trees of private copies, if there are any.
    pub(super) fn copy_trees(&self) -> Option<&CopyTrees> {
        self.copies.as_ref().map(TrialCopies::trees)
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

    /// The folder in which private copies are kept: the cache, or without one the scratch folder.
    pub(super) fn copies_folder(&self) -> &Path {
        let cache = self.plan.cache.as_ref().and_then(|cache| cache.as_ref().ok());
        cache.map_or(self.scratch.path(), PathBuf::as_path)
    }

    /// Whether trials can write nowhere but to their own folders. If they can, they could forge what later trials read.
    pub(super) fn confines_trials(&self) -> bool {
        self.plan.limits.sandbox && platform::find_unenforced_limits(self.scratch.path()).is_empty()
    }

    /// Prepares a folder for the bytecode of an environment: in its cache, if there is one. There is none where trials are
    /// not confined.
    pub(super) fn add_bytecode(&self, interpreter: &Interpreter, cache: Option<&TrialCache>) {
        if !self.confines_trials() {
            return;
        }
        // A neutral name: foreign code can see it.
        let name = if interpreter.free_threaded { "bytecode-t" } else { "bytecode" };
        let folder = self.scratch.path().join(name);
        let linked = cache.map_or(Ok(()), |cache| {
            let target = cache.bytecode_folder();
            fs::create_dir_all(&target)?;
            symlink(target, &folder)
        });
        if linked.is_ok() {
            self.bytecode.add_environment(&interpreter.executable, &interpreter.site, folder);
        }
    }

    /// Returns how to run trials with this Python.
    pub(super) fn trial_config<'b>(&'b self, python: &'b Path) -> TrialConfig<'b> {
        TrialConfig {
            python,
            library: self.library,
            scratch: self.scratch.path(),
            limits: self.plan.limits,
            given: &self.given,
            jobs: self.plan.jobs,
            variables: &[],
            options: &[],
            path: &NO_EXTRA_PATH,
            copies: None,
            stop: self.stop,
            bytecode: &self.bytecode,
            cache: None,
        }
    }

    /// Tries these subjects only, with additional entries on `sys.path`.
    pub(super) fn try_subjects(
        &self,
        interpreter: &Interpreter,
        path: &SearchPath,
        copies: Option<&CopyTrees>,
        subjects: &[TrialSubject],
        modes: &[Mode],
    ) -> Trials {
        let config = TrialConfig { path, copies, ..self.trial_config(&interpreter.executable) };
        self.run_trials(&config, subjects, modes, DiagnosticMode::Never).0
    }

    /// Runs the trials of these subjects, with those of free threading.
    pub(super) fn run_trials(
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
}

/// Adds nothing to `sys.path`.
static NO_EXTRA_PATH: SearchPath = SearchPath::NONE;
