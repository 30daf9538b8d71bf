//! The modes: the kinds of interpreters in which a module is tried.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wsgiaudit_probes_core::host_config::InterpreterMode;
use wsgiaudit_probes_core::interpreter_names::{FIRST, FOURTH, MAIN, SECOND, THIRD};

/// A kind of interpreter in which mod_wsgi can run an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The main interpreter: the control. mod_wsgi: `%{GLOBAL}`.
    Main,
    /// A sub-interpreter that shares the process's GIL. mod_wsgi: a default application group.
    SharedGil,
    /// A sub-interpreter with its own GIL. mod_wsgi: `WSGIPerInterpreterGIL On`.
    OwnGil,
    /// A sub-interpreter with its own GIL and private copies of all extension modules and libraries of the
    /// environment. mod_wsgi: `WSGIPerInterpreterGIL On` with `wsgiaudit_guard` and prepared copies.
    OwnGilCopies,
    /// The main interpreter of a free-threaded build with the GIL forced off. In mod_wsgi: `WSGIFreeThreading
    /// On`.
    FreeThreaded,
    /// A sub-interpreter of a free-threaded build, with CPython's check of declarations on. mod_wsgi: an
    /// application group under `WSGIFreeThreading On`.
    FreeThreadedGroup,
}

impl Mode {
    /// The interpreters that import the subject of a trial, in order (`probes/src/trial/scenarios.rs`).
    pub fn interpreters(self) -> &'static [&'static str] {
        match self {
            Self::Main | Self::FreeThreaded => &[MAIN],
            Self::OwnGil | Self::OwnGilCopies => &[FIRST, SECOND, THIRD],
            Self::SharedGil | Self::FreeThreadedGroup => &[FIRST, SECOND, THIRD, FOURTH],
        }
    }

    /// Every mode, the control first.
    pub const ALL: [Self; 6] = [
        Self::Main,
        Self::SharedGil,
        Self::OwnGil,
        Self::OwnGilCopies,
        Self::FreeThreaded,
        Self::FreeThreadedGroup,
    ];

    /// The modes of a build with a GIL.
    pub const WITH_GIL: [Self; 3] = [Self::Main, Self::SharedGil, Self::OwnGil];

    /// The modes of a build with a GIL, with private copies.
    pub const WITH_COPIES: [Self; 4] = [Self::Main, Self::SharedGil, Self::OwnGil, Self::OwnGilCopies];

    /// The modes of a free-threaded build. Private copies are tried on builds with a GIL only.
    pub const OF_FREE_THREADED_BUILD: [Self; 5] =
        [Self::Main, Self::SharedGil, Self::OwnGil, Self::FreeThreaded, Self::FreeThreadedGroup];

    /// The modes that decide about free threading, the control first.
    pub const WITHOUT_GIL: [Self; 3] = [Self::Main, Self::FreeThreaded, Self::FreeThreadedGroup];

    /// Whether its interpreters run with the GIL forced off.
    pub fn is_free_threaded(self) -> bool {
        match self {
            Self::FreeThreaded | Self::FreeThreadedGroup => true,
            Self::Main | Self::SharedGil | Self::OwnGil | Self::OwnGilCopies => false,
        }
    }

    /// The name in reports and tables. The host of `wsgiaudit serve` finds verdicts by it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => InterpreterMode::Main.name(),
            Self::SharedGil => InterpreterMode::SharedGil.name(),
            Self::OwnGil => InterpreterMode::OwnGil.name(),
            Self::OwnGilCopies => InterpreterMode::OwnGilCopies.name(),
            Self::FreeThreaded => InterpreterMode::FreeThreaded.name(),
            Self::FreeThreadedGroup => "free-threaded-group",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
