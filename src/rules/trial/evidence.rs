//! The evidence about one extension module.

use crate::model::{ExtensionFile, ModuleFinding};
use crate::rules::VerdictInput;

/// The evidence that findings about one extension module are made from.
#[derive(Clone, Copy, Debug)]
pub struct ModuleEvidence<'a> {
    /// The evidence that verdicts are decided from.
    pub input: &'a VerdictInput<'a>,
    /// The same with diagnostic trials without CPython's check, or where CPython does not check.
    pub unchecked: &'a VerdictInput<'a>,
    /// The same with diagnostic trials without the real parent packages.
    pub alone: &'a VerdictInput<'a>,
    /// The module.
    pub module: &'a ExtensionFile,
}

/// Returns the finding of a rule, if the evidence shows it.
pub type ModuleCheck = fn(&ModuleEvidence<'_>) -> Option<ModuleFinding>;
