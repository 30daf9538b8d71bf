//! All that a judgement may look at.

use std::collections::{BTreeMap, BTreeSet};

use super::{RequestSummary, module_verdict, request_verdict};
use crate::model::{BinaryFacts, Judgement, Mode, ReasonId, Trial, TrialOutcome, Verdict};
use crate::trial::Trials;

/// All that a judgement may look at.
#[derive(Clone, Copy, Debug)]
pub struct VerdictInput<'a> {
    /// Every trial.
    pub trials: &'a Trials,
    /// What each extension module declares, by dotted name.
    pub facts: &'a BTreeMap<&'a str, &'a BinaryFacts>,
    /// The judgement of everything in a mode that could not be tried at all.
    pub no_trials: &'a BTreeMap<Mode, Judgement>,
    /// Whether the Python is built with `--disable-gil`.
    pub is_free_threaded: bool,
    /// The environment that this one, a free-threaded one, is held beside.
    pub beside: Option<&'a ReferenceEnvironment>,
}

/// What is known of an environment for another build of the same Python.
#[derive(Clone, Debug, Default)]
pub struct ReferenceEnvironment {
    /// Names that its main interpreter imports.
    pub imports: BTreeSet<String>,
    /// Extension modules of its distributions that importing one of them loads there.
    pub loads: BTreeMap<String, BTreeSet<String>>,
    /// Top-level names of its distributions that are not here, each with the reason.
    pub absent: BTreeMap<String, String>,
}

impl VerdictInput<'_> {
    /// Judges a distribution's top-level name, extension module or not.
    pub fn judge_name(&self, name: &str, mode: Mode) -> Judgement {
        module_verdict::judge_name(self, name, mode)
    }

    /// The same for a list of requests.
    pub fn judge_requests(&self, name: &str, mode: Mode, asked: &[RequestSummary]) -> Judgement {
        request_verdict::judge_requests(self, name, mode, asked)
    }

    /// The same, for a name that a file of the distribution has: where the import fails for what is wrong with the
    /// file, the file's judgement is the name's.
    pub fn judge_name_of_file(&self, name: &str, file: Option<&Judgement>, mode: Mode) -> Judgement {
        let judgement = self.judge_name(name, mode);
        let is_of_the_file = |file: &&Judgement| match file.reason_id {
            Some(
                ReasonId::PlainLibrary
                | ReasonId::OtherAbi
                | ReasonId::OtherPlatform
                | ReasonId::UnimportableName
                | ReasonId::BrokenLink
                | ReasonId::Unreadable
                | ReasonId::DamagedFile
                | ReasonId::DoneWithout,
            ) => true,
            Some(_) | None => false,
        };
        let fails_at_it =
            || self.trials.get(name, Mode::Main).is_some_and(|control| is_own_file_not_loaded(control, name));
        match file.filter(is_of_the_file) {
            Some(file) if judgement.verdict == Verdict::Unknown && fails_at_it() => file.clone(),
            Some(_) | None => judgement,
        }
    }
}

/// Whether the control found no other file under this name: none at all, or this one, which did not load.
fn is_own_file_not_loaded(control: &Trial, name: &str) -> bool {
    let is_not_found = match &control.outcome {
        TrialOutcome::Raised { error, .. } => error.text == format!("No module named '{name}'"),
        TrialOutcome::Imported
        | TrialOutcome::Refused { .. }
        | TrialOutcome::Crashed { .. }
        | TrialOutcome::TimedOut { .. }
        | TrialOutcome::LosesDescriptors { .. }
        | TrialOutcome::LeftThreads { .. }
        | TrialOutcome::Shares { .. }
        | TrialOutcome::NotRun(_) => false,
    };
    is_not_found || control.loads.iter().any(|load| load.name == name && load.result != Some(Ok(())))
}
