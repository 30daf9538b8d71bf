//! The interpreters that a module is tried in.

use std::fmt;

/// One interpreter configuration, named as mod_wsgi's users meet it (design: Modes and verdicts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// The main interpreter: the control. mod_wsgi: `%{GLOBAL}`.
    Main,
    /// A legacy sub-interpreter on the process's one GIL. mod_wsgi: a default application group.
    SharedGil,
    /// A sub-interpreter with its own GIL. mod_wsgi: `WSGIPerInterpreterGIL On`.
    OwnGil,
}

impl Mode {
    /// Every mode, the control first.
    pub const ALL: [Self; 3] = [Self::Main, Self::SharedGil, Self::OwnGil];

    /// The name in reports and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::SharedGil => "shared-gil",
            Self::OwnGil => "own-gil",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
