//! The evidence that a judgement may use.

use std::collections::{BTreeMap, BTreeSet};

use super::{RequestSummary, module_verdict, request_verdict};
use crate::model::{BinaryFacts, Judgement, Mode, ReasonId, Trial, TrialOutcome, Verdict};
use crate::trial::Trials;

/// The evidence that a judgement may use.
#[derive(Clone, Copy, Debug)]
pub struct VerdictInput<'a> {
    /// Every trial.
    pub trials: &'a Trials,
    /// The declaration of each extension module, by dotted name.
    pub facts: &'a BTreeMap<&'a str, &'a BinaryFacts>,
    /// For each mode in which no trial was possible: the judgement of everything in that mode.
    pub no_trials: &'a BTreeMap<Mode, Judgement>,
    /// Whether the Python is built with `--disable-gil`.
    pub is_free_threaded: bool,
    /// The environment of the ordinary build that this one, a free-threaded one, is compared with.
    pub beside: Option<&'a ReferenceEnvironment>,
}

/// The evidence from an environment for another build of the same Python.
#[derive(Clone, Debug, Default)]
pub struct ReferenceEnvironment {
    /// Names that its main interpreter can import.
    pub imports: BTreeSet<String>,
    /// For each name: the extension modules of its distributions that importing the name loads.
    pub loads: BTreeMap<String, BTreeSet<String>>,
    /// Top-level names of its distributions that are missing in the environment under audit, each with the
    /// reason.
    pub absent: BTreeMap<String, String>,
}

impl VerdictInput<'_> {
    /// Judges a distribution's top-level name, extension module or not.
    pub fn judge_name(&self, name: &str, mode: Mode) -> Judgement {
        module_verdict::judge_name(self, name, mode)
    }

    /// Judges a list of requests.
    pub fn judge_requests(&self, name: &str, mode: Mode, asked: &[RequestSummary]) -> Judgement {
        request_verdict::judge_requests(self, name, mode, asked)
    }

    /// Judges a top-level name that is also the name of a file of the distribution. If the import fails
    /// because of a defect of the file, the name gets the file's judgement.
    pub fn judge_name_of_file(&self, name: &str, file: Option<&Judgement>, mode: Mode) -> Judgement {
        let judgement = self.judge_name(name, mode);
        let is_file_defect = |file: &&Judgement| match file.reason_id {
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
        let is_not_loaded =
            || self.trials.get(name, Mode::Main).is_some_and(|control| is_own_file_not_loaded(control, name));
        match file.filter(is_file_defect) {
            Some(file) if judgement.verdict == Verdict::Unknown && is_not_loaded() => file.clone(),
            Some(_) | None => judgement,
        }
    }
}

/// Whether the control found no file under this name, or only this one, which did not load.
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
