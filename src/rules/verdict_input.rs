//! The evidence that a judgement may use.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{BinaryFacts, Judgement, LoadedModuleDef, Mode};
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

impl<'a> VerdictInput<'a> {
    /// Returns the definition of this module that the control recorded; with a `file`, only if it came from
    /// there.
    pub(super) fn find_running_definition(
        &self,
        name: &str,
        file: Option<&str>,
    ) -> Option<&'a LoadedModuleDef> {
        let loads = self.trials.get(name, Mode::Main)?.loads.iter();
        let mut same =
            loads.filter(|load| load.name == name && file.is_none_or(|file| load.path.ends_with(file)));
        same.find_map(|load| load.declared.as_ref())
    }
}
