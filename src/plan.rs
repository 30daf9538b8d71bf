//! What it means: the arguments and the surroundings, made definite before anything runs.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::cli::{AuditArgs, Color};
use crate::trial::Limits;

/// An audit, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The environment.
    pub environment: PathBuf,
    /// What a trial may use.
    pub limits: Limits,
    /// Trials at a time.
    pub jobs: NonZeroUsize,
}

impl Plan {
    /// Makes the arguments definite.
    ///
    /// # Errors
    /// When no environment was named and none is where one is looked for.
    pub fn new(args: &AuditArgs) -> Result<Self> {
        Ok(Self {
            environment: environment(args)?,
            limits: Limits { timeout: Duration::from_secs_f64(args.timeout), sandbox: !args.no_sandbox },
            jobs: args.jobs.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
        })
    }
}

fn environment(args: &AuditArgs) -> Result<PathBuf> {
    if let Some(named) = &args.environment {
        return Ok(named.clone());
    }
    if let Some(active) = std::env::var_os("VIRTUAL_ENV").filter(|active| !active.is_empty()) {
        return Ok(active.into());
    }
    let default = PathBuf::from(".venv");
    if default.is_dir() {
        return Ok(default);
    }
    bail!(
        "no environment named, VIRTUAL_ENV is not set, and there is no ./.venv\n\
         hint: name one: wsgiaudit path/to/venv"
    )
}

/// Whether output to this stream is coloured.
pub fn is_coloured(color: Color, stream: &impl IsTerminal) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}
