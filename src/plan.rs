//! The plan of an audit: command line arguments and environment variables, resolved before anything runs.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};

use crate::cli::{AuditArgs, Color, IndexArgs, ModuleArgs, TrialArgs, TuneArgs};
use crate::installer::{NoCacheFolder, find_cache_folder};
use crate::model::Mode;
use crate::trial::{StressTest, TrialInputs, TrialLimits};
use crate::venv::{check_environment, choose_environment, suggest_environment};

/// Everything that an audit needs to start.
#[derive(Clone, Debug)]
pub struct AuditPlan {
    /// The Python environment: a virtualenv, a prefix, or an interpreter.
    pub environment: PathBuf,
    /// If set, the extension modules and wheels to audit instead of the whole environment.
    pub only: Option<SelectedModules>,
    /// The free-threaded environment to audit as well.
    pub free_threaded: Option<FreeThreadedSource>,
    /// The applications to audit, as `MODULE:CALLABLE`.
    pub apps: Vec<String>,
    /// Apache's main configuration file, and the names that Apache is started with (`-D`).
    pub apache: Option<(PathBuf, Vec<String>)>,
    /// The folders of `PYTHONPATH`, with which applications and exercises run.
    pub python_path: Vec<PathBuf>,
    /// Exercises: scripts that use the installed packages.
    pub exercises: Vec<PathBuf>,
    /// Distributions whose own tests are run.
    pub suites: Vec<String>,
    /// The `.http` file with the requests to send to the applications.
    pub requests: Option<PathBuf>,
    /// Whether to ask the index for newer versions of blocking distributions.
    pub upgrades: bool,
    /// Whether `upgrades` is answered from the cache alone.
    pub is_offline: bool,
    /// Options for uv or pip.
    pub index: Vec<String>,
    /// The modes that decide the exit status.
    pub require: Vec<Mode>,
    /// Whether to try the mode `own-gil-copies`.
    pub copies: bool,
    /// The limits of each trial.
    pub limits: TrialLimits,
    /// Environment variables, files and writable folders of every trial.
    pub given: TrialInputs,
    /// How many trials run at the same time.
    pub jobs: NonZeroUsize,
    /// The cache folder, or why there is none; `None` to run every trial.
    pub cache: Option<Result<PathBuf, NoCacheFolder>>,
}

/// Extension modules and wheels to audit, and their requirements.
#[derive(Clone, Debug)]
pub struct SelectedModules {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Requirements to install for them.
    pub with: Vec<String>,
    /// Options for uv or pip.
    pub index: Vec<String>,
}

/// Where a free-threaded environment comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FreeThreadedSource {
    /// Find a free-threaded Python, and make an environment with it.
    Auto,
    /// A virtualenv, used as it is, or a Python to make one with.
    Named(PathBuf),
}

impl AuditPlan {
    /// Resolves the arguments of the audit of an environment.
    ///
    /// # Errors
    /// When no environment is named or found, or when a variable, file or folder for trials is not usable.
    pub fn new(args: &AuditArgs, required: &[Mode]) -> Result<Self> {
        let free_threaded = args.free_threaded.as_deref().map(parse_free_threaded).transpose()?;
        let environment = find_environment(args.environment.as_deref(), "wsgiaudit")?;
        let plan = Self::with_trials(environment, required, &args.trials)?;
        let index = index_options(&args.index);
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

    /// Resolves the arguments of `wsgiaudit module`.
    ///
    /// # Errors
    /// When no Python is named or found, or when a variable, file or folder for trials is not usable.
    pub fn for_modules(args: &ModuleArgs, required: &[Mode]) -> Result<Self> {
        let python = match choose_environment(args.python.as_deref(), "--python")? {
            Some(python) => python,
            None => which::which_global("python3")
                .ok()
                .context("no python3 on PATH\nhint: name one: --python path/to/python")?,
        };
        let (files, with) = (args.files.clone(), args.with.clone());
        let named = SelectedModules { files, with, index: index_options(&args.index) };
        Ok(Self { only: Some(named), ..Self::with_trials(python, required, &args.trials)? })
    }

    /// Resolves the arguments of the audit that `wsgiaudit tune` begins with.
    ///
    /// # Errors
    /// As [`AuditPlan::new`].
    pub fn for_tuning(args: &TuneArgs) -> Result<Self> {
        let free_threaded = args.free_threaded.as_deref().map(parse_free_threaded).transpose()?;
        let environment = find_environment(args.environment.as_deref(), "wsgiaudit tune")?;
        Ok(Self {
            free_threaded,
            apps: vec![args.app.clone()],
            python_path: python_path(),
            requests: args.requests.clone(),
            ..Self::with_trials(environment, &[Mode::OwnGil], &args.trials)?
        })
    }

    fn with_trials(environment: PathBuf, required: &[Mode], trials: &TrialArgs) -> Result<Self> {
        let own = |name: &str| std::env::var(name).ok();
        let given =
            TrialInputs::new(&trials.given_variables, &trials.given_files, own).map_err(Error::msg)?;
        let given = given.with_writable_folders(&trials.writable_folders).map_err(Error::msg)?;
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
            copies: trials.copies || required.contains(&Mode::OwnGilCopies),
            limits: TrialLimits {
                timeout: Duration::from_secs_f64(trials.timeout),
                sandbox: !trials.no_sandbox,
                storm: if trials.thorough { StressTest::THOROUGH } else { StressTest::USUAL },
            },
            given,
            jobs: trials.jobs.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN),
            cache: (!trials.no_cache).then(find_cache_folder),
        })
    }
}

/// Returns the folders of `PYTHONPATH`; an empty entry is the current folder.
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

/// Returns the index options in the spelling that uv and pip share.
fn index_options(args: &IndexArgs) -> Vec<String> {
    let each = |option: &str, values: &[String]| -> Vec<String> {
        values.iter().flat_map(|value| [option.to_owned(), value.clone()]).collect()
    };
    let mut options = each("--index-url", args.index_url.as_slice());
    options.extend(each("--extra-index-url", &args.extra_index_url));
    options.extend(each("--find-links", &args.find_links));
    options.extend(args.no_index.then(|| "--no-index".to_owned()));
    options
}

/// Returns the environment to audit; `option` is what stands before its path on the command line.
fn find_environment(named: Option<&Path>, option: &str) -> Result<PathBuf> {
    choose_environment(named, option)?.with_context(|| {
        let hint = suggest_environment(option);
        format!("no environment named, VIRTUAL_ENV is not set, and there is no ./.venv\nhint: {hint}")
    })
}

/// Checks the value of `--free-threaded` before anything runs.
fn parse_free_threaded(named: &Path) -> Result<FreeThreadedSource> {
    if named.as_os_str() == "auto" {
        return Ok(FreeThreadedSource::Auto);
    }
    let option = "--free-threaded";
    let located = check_environment(named, "", option).map_err(|error| {
        let text = error.to_string();
        let cause = text.split("\nhint: ").next().unwrap_or_default();
        match named.exists() {
            true => error.into(),
            false => anyhow!(
                "{option}: {cause}\nhint: `{option} auto` finds a free-threaded Python; or name one, or a \
                 virtualenv of one: {option} path/to/python3.14t"
            ),
        }
    })?;
    match located.python {
        Ok(_) => Ok(FreeThreadedSource::Named(named.to_owned())),
        Err(why) => bail!("{option} {} has no usable Python: {why}", named.display()),
    }
}

/// Whether output to this stream is colored.
pub fn is_colored(color: Color, stream: &impl IsTerminal) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}
