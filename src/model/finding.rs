//! Findings: what an audit reports besides verdicts.

use super::{Mode, RuleId};

/// A finding for the maintainer of a module. It changes no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleFinding {
    /// Which rule found it, e.g. `declare-slot`.
    pub rule: RuleId,
    /// What was found, in one line.
    pub text: String,
    /// Lines of source code to add, if that is the fix.
    pub add: &'static [&'static str],
}

/// A defect of the Python interpreter itself. What imports the module is unsafe in this mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonDefect {
    /// Which rule found it.
    pub rule: RuleId,
    /// The mode in which it shows.
    pub mode: Mode,
    /// The module of the standard library that shows the defect when it is imported alone.
    pub module: String,
    /// What that module does, without its name.
    pub what: String,
    /// The defect and the workaround, in one sentence.
    pub text: String,
    /// The first release with the fix, if known.
    pub mended: Option<String>,
    /// The CPython issue, if known.
    pub issue: Option<String>,
}
