//! Every exit status.

use std::process::ExitCode;

/// The table for `--help`.
pub const HELP: &str = "Exit status:
  0    the answer is yes for every required mode: ready (or degraded, without --strict; or accepted)
  1    something is blocked or unsafe (with --strict: or degraded; with --baseline: and was not before)
  2    wrong usage, or the audit itself failed
  3    not known: nothing bad was found, and not everything was judged, or nothing was tried
  130  interrupted; what was found by then is reported
With --app or --apache-config, the applications decide in place of the distributions.";

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every required mode is ready.
    Ready,
    /// Something is blocked, unsafe, or (strictly) degraded.
    InTheWay,
    /// Wrong usage, or the audit itself failed.
    Failed,
    /// Nothing bad was found, and something is unknown.
    Incomplete,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn status(self) -> u8 {
        match self {
            Self::Ready => 0,
            Self::InTheWay => 1,
            Self::Failed => 2,
            Self::Incomplete => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.status().into()
    }
}
