//! The exit statuses of the program.

use std::process::ExitCode;

/// The table for `--help`.
pub const HELP: &str = "Exit status:
  0    every required mode is ready (or degraded, without --strict; or accepted)
  1    something is blocked or unsafe (with --strict: or degraded; with --baseline: only if it got worse)
  2    wrong usage, or the audit itself failed
  3    unknown: nothing bad was found, but not everything could be judged, or nothing was tried
  130  interrupted; the report holds what was found until then
With --app or --apache-config, the applications decide instead of the distributions.";

/// The table for `tune --help`.
pub const TUNE_HELP: &str = "Exit status:
  0    a configuration is recommended
  1    none is: the audit allows none, all fail, or none keeps the target
  2    wrong usage, or the audit or a measurement itself failed
  3    not sure: too few rounds, the generator of load was at its limit, or no verdict is known
  130  interrupted; the result is that of the rounds until then";

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every required mode is ready, or degraded without `--strict`.
    Ready,
    /// Something is blocked, unsafe, or (strictly) degraded.
    InTheWay,
    /// Wrong usage, or the audit itself failed.
    Failed,
    /// Nothing bad was found, but something is unknown.
    Incomplete,
    /// SIGINT or SIGTERM.
    Interrupted,
}

impl Exit {
    /// Returns the number.
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
