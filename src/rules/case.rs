//! All that a judgement may look at.

use std::collections::BTreeMap;

use super::module;
use crate::model::{Facts, Judgement, Mode};
use crate::trial::Trials;

/// All that a judgement may look at.
#[derive(Debug)]
pub struct Case<'a> {
    /// Every trial.
    pub trials: &'a Trials,
    /// What each extension module declares, by dotted name.
    pub facts: &'a BTreeMap<&'a str, &'a Facts>,
    /// Why a mode could not be tried at all.
    pub no_trials: &'a BTreeMap<Mode, String>,
}

impl Case<'_> {
    /// Judges a distribution's top-level name, extension module or not.
    pub fn name(&self, name: &str, mode: Mode) -> Judgement {
        module::name(self, name, mode)
    }
}
