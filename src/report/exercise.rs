//! An exercise's row: how a script that uses what is installed fared. Pure.

use std::collections::BTreeMap;

use super::application::not_imported;
use crate::model::{Judgement, Mode, Outcome, Trial};

/// A script that was run in each mode.
#[derive(Clone, Debug)]
pub struct ExerciseRow {
    /// Its file, as it was named.
    pub file: String,
    /// The application that answered, of a list of requests.
    pub application: Option<String>,
    /// How running it ended.
    pub trials: BTreeMap<Mode, Trial>,
    /// What that means.
    pub judgements: BTreeMap<Mode, Judgement>,
}

impl ExerciseRow {
    /// For a script that was not run yet.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            application: None,
            trials: BTreeMap::new(),
            judgements: BTreeMap::new(),
        }
    }

    /// Adds a mode. The first environment's main interpreter is the control of the row.
    pub fn add(&mut self, mode: Mode, trial: Option<Trial>, judgement: Judgement) {
        if self.judgements.contains_key(&mode) {
            return;
        }
        self.trials.extend(trial.map(|trial| (mode, trial)));
        self.judgements.insert(mode, judgement);
    }
}

/// What it means: a script that fails in the control tells nothing.
pub fn exercise(own: Judgement, control: Option<&Trial>) -> Judgement {
    match control.map(|trial| &trial.outcome) {
        Some(Outcome::Imported) => own,
        Some(_) | None => not_imported(own),
    }
}
