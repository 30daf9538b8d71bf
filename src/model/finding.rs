//! What an audit found beside its verdicts.

use super::Mode;

/// Something that a maintainer of a module wants to know. It changes no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule found it, e.g. `declare-slot`.
    pub rule: &'static str,
    /// What was found, in one line.
    pub text: String,
    /// Lines of source to add, where that is what it comes to.
    pub add: &'static [&'static str],
}

/// A fault of the Python itself. What imports the module is unsafe in this mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonFinding {
    /// Which rule found it.
    pub rule: &'static str,
    /// The mode in which it shows.
    pub mode: Mode,
    /// The module of the standard library that shows it by itself.
    pub module: String,
    /// What that does, without naming it.
    pub what: String,
    /// The whole in one sentence, with the way out.
    pub text: String,
    /// The first release without it, where that is known.
    pub mended: Option<String>,
    /// CPython's issue, where that is known.
    pub issue: Option<String>,
}
