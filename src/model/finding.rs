//! What an audit found beside its verdicts.

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
