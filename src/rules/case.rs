//! All that a judgement may look at.

use std::collections::{BTreeMap, BTreeSet};

use super::module;
use crate::model::{Facts, Judgement, Mode};
use crate::trial::Trials;

/// All that a judgement may look at.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Every trial.
    pub trials: &'a Trials,
    /// What each extension module declares, by dotted name.
    pub facts: &'a BTreeMap<&'a str, &'a Facts>,
    /// Why a mode could not be tried at all.
    pub no_trials: &'a BTreeMap<Mode, String>,
    /// The environment that this one, a free-threaded one, is held beside.
    pub beside: Option<&'a Beside>,
}

/// What is known of an environment for another build of the same Python.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Names that its main interpreter imports.
    pub imports: BTreeSet<String>,
    /// Extension modules of its distributions that importing one of them loads there.
    pub loads: BTreeMap<String, BTreeSet<String>>,
    /// Top-level names of its distributions that are not here, each with the reason.
    pub absent: BTreeMap<String, String>,
}

impl Case<'_> {
    /// Judges a distribution's top-level name, extension module or not.
    pub fn name(&self, name: &str, mode: Mode) -> Judgement {
        module::name(self, name, mode)
    }
}
