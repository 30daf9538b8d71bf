//! What it means: the arguments and the surroundings, made definite before anything runs.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Error, Result};

use crate::cli::{AuditArgs, Color, IndexArgs, ModuleArgs, TrialArgs};
use crate::installer::{cache, on_path};
use crate::model::Mode;
use crate::trial::{Given, Limits, Storm};
use crate::venv::meant;

/// An audit, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The environment.
    pub environment: PathBuf,
    /// The extension modules and wheels to audit instead of all that the environment holds.
    pub only: Option<Named>,
    /// The free-threaded environment to audit beside it.
    pub free_threaded: Option<FreeThreaded>,
    /// The applications that the environment is for.
    pub apps: Vec<String>,
    /// The Apache that the environment is for, and the names that it is started with.
    pub apache: Option<(PathBuf, Vec<String>)>,
    /// `PYTHONPATH`: applications and scripts run with it.
    pub python_path: Vec<PathBuf>,
    /// Scripts that use what is installed.
    pub exercises: Vec<PathBuf>,
    /// Distributions whose own tests are run.
    pub suites: Vec<String>,
    /// The requests that the applications are asked.
    pub requests: Option<PathBuf>,
    /// Whether the index is asked for newer versions of what stands in the way.
    pub upgrades: bool,
    /// Whether only the cache answers that.
    pub is_offline: bool,
    /// Options for uv or pip.
    pub index: Vec<String>,
    /// The modes that decide the exit status.
    pub require: Vec<Mode>,
    /// What a trial may use.
    pub limits: Limits,
    /// What everything that is tried is given.
    pub given: Given,
    /// Trials at a time.
    pub jobs: NonZeroUsize,
    /// Where answers of earlier audits are kept, if they are to be used.
    pub cache: Option<PathBuf>,
}

/// Extension modules and wheels, and what they need.
#[derive(Clone, Debug)]
pub struct Named {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Requirements to install beside them.
    pub with: Vec<String>,
    /// Options for uv or pip.
    pub index: Vec<String>,
}

/// Where a free-threaded environment comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FreeThreaded {
    /// A Python found, and an environment made.
    Auto,
    /// A virtualenv, used as it is, or a Python to make one with.
    Named(PathBuf),
}

impl Plan {
    /// Makes the arguments definite.
    ///
    /// # Errors
    /// When no environment was named and none is where one is looked for, or when trials cannot be given what they should.
    pub fn new(args: &AuditArgs, required: &[Mode]) -> Result<Self> {
        let free_threaded = args.free_threaded.as_ref().map(|named| match named.as_os_str() == "auto" {
            true => FreeThreaded::Auto,
            false => FreeThreaded::Named(named.clone()),
        });
        let plan = Self::of(environment(args.environment.as_deref())?, required, &args.trials)?;
        let index = index(&args.index);
        let (apps, exercises) = (args.app.clone(), args.exercise.clone());
        let (upgrades, is_offline) = (args.upgrades, args.offline);
        let apache = args.apache_config.clone().map(|file| (file, args.apache_define.clone()));
        let (requests, suites) = (args.requests.clone(), args.exercise_tests.clone());
        Ok(Self {
            free_threaded,
            apps,
            apache,
            python_path: python_path(),
            exercises,
            suites,
            requests,
            upgrades,
            is_offline,
            index,
            ..plan
        })
    }

    /// For extension modules and wheels.
    ///
    /// # Errors
    /// When no Python was named and none is where one is looked for, or when trials cannot be given what they should.
    pub fn of_module(args: &ModuleArgs, required: &[Mode]) -> Result<Self> {
        let python = environment(args.python.as_deref()).or_else(|_| {
            on_path("python3").context("no python3 on PATH\nhint: name one: --python path/to/python")
        })?;
        let (files, with) = (args.files.clone(), args.with.clone());
        let named = Named { files, with, index: index(&args.index) };
        Ok(Self { only: Some(named), ..Self::of(python, required, &args.trials)? })
    }

    fn of(environment: PathBuf, required: &[Mode], trials: &TrialArgs) -> Result<Self> {
        let own = |name: &str| std::env::var(name).ok();
        let given = Given::new(&trials.given_variables, &trials.given_files, own).map_err(Error::msg)?;
        let given = given.with_writable(&trials.writable_folders).map_err(Error::msg)?;
        Ok(Self {
            environment,
            only: None,
            free_threaded: None,
            apps: Vec::new(),
            apache: None,
            python_path: Vec::new(),
            exercises: Vec::new(),
            suites: Vec::new(),
            requests: None,
            upgrades: false,
            is_offline: false,
            index: Vec::new(),
            require: required.to_vec(),
            limits: Limits {
                timeout: Duration::from_secs_f64(trials.timeout),
                sandbox: !trials.no_sandbox,
                storm: if trials.thorough { Storm::THOROUGH } else { Storm::USUAL },
            },
            given,
            jobs: trials.jobs.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
            // Without a folder to keep them in, everything is tried.
            cache: if trials.no_cache { None } else { cache().ok() },
        })
    }
}

/// The folders of `PYTHONPATH`; an empty entry is the current one.
fn python_path() -> Vec<PathBuf> {
    let Some(value) = std::env::var_os("PYTHONPATH").filter(|value| !value.is_empty()) else {
        return Vec::new();
    };
    let folder = |entry: PathBuf| match entry.as_os_str().is_empty() {
        true => std::env::current_dir().ok(),
        false => std::path::absolute(entry).ok(),
    };
    std::env::split_paths(&value).filter_map(folder).collect()
}

/// As uv and pip both name them.
fn index(args: &IndexArgs) -> Vec<String> {
    let each = |option: &str, values: &[String]| -> Vec<String> {
        values.iter().flat_map(|value| [option.to_owned(), value.clone()]).collect()
    };
    let mut options = each("--index-url", args.index_url.as_slice());
    options.extend(each("--extra-index-url", &args.extra_index_url));
    options.extend(each("--find-links", &args.find_links));
    options.extend(args.no_index.then(|| "--no-index".to_owned()));
    options
}

fn environment(named: Option<&Path>) -> Result<PathBuf> {
    meant(named).context(
        "no environment named, VIRTUAL_ENV is not set, and there is no ./.venv\n\
         hint: name one: wsgiaudit path/to/venv",
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
