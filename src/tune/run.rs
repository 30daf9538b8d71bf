//! Runs a comparison from the command line's arguments and a report to the result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};

use super::allowed_modes::{AllowedModes, find_allowed_modes};
use super::build_document::{DocumentParts, build_document};
use super::document::TuneDocument;
use super::goal::Goal;
use super::request_source::RequestSource;
use super::search::{SearchOptions, SearchResult, search_configurations};
use super::serve_measurer::ServeMeasurer;
use super::server_process::ServerLaunch;
use super::transport::build_request;
use crate::cli::TuneArgs;
use crate::model::Mode;
use crate::platform::TemporaryFolder;
use crate::report::Document;
use crate::trial::TrialInputs;

/// Reads the requests, and checks what else can be checked before an audit.
///
/// # Errors
/// If the requests cannot be read or sent, or there are not as many cores.
pub fn prepare_requests(args: &TuneArgs) -> Result<RequestSource> {
    count_cores(args)?;
    read_requests(args)
}

/// Compares the configurations that a report, with its real paths, allows the application. `say` is told what goes on.
///
/// # Errors
/// If the report is not about the application, the application is not served, or something else than a server fails.
pub fn run_comparison(
    args: &TuneArgs,
    source: &RequestSource,
    report: &Document,
    is_stopped: &dyn Fn() -> bool,
    say: &dyn Fn(&str),
) -> Result<TuneDocument> {
    let mut allowed = find_allowed_modes(report, &args.app).map_err(Error::msg)?;
    let environment = find_environment(args, report)?;
    let free_threaded = find_free_threaded(report, &environment);
    if free_threaded.is_none() {
        refuse_free_threading(&mut allowed);
    }
    let options = SearchOptions {
        allowed: allowed.modes.clone(),
        cores: count_cores(args)?,
        threads: args.max_threads.get(),
        memory: args.memory.unwrap_or_else(machine_memory),
        goal: Goal { rate: args.rate, target: args.target },
        rounds: args.rounds.get(),
        duration: Duration::from_secs_f64(args.duration),
    };
    let result = match allowed.modes.is_empty() {
        true => SearchResult::default(),
        false => {
            let launch = ServerLaunch {
                program: std::env::current_exe().context("cannot find this program")?,
                environment: environment.clone(),
                free_threaded: free_threaded.clone(),
                application: args.app.clone(),
                variables: given_variables(args)?.into_iter().collect(),
                processors: (options.cores < available_cores()).then_some(options.cores),
            };
            let mut measurer = ServeMeasurer {
                launch,
                requests: Rc::from(source.requests.as_slice()),
                folder: TemporaryFolder::new().context("cannot make a temporary folder")?,
                is_stopped,
            };
            search_configurations(&mut measurer, &options, say)?
        }
    };
    Ok(build_document(&DocumentParts {
        report,
        application: &args.app,
        environment: &environment,
        free_threaded: free_threaded.as_deref(),
        allowed: &allowed,
        source,
        options: &options,
        result: &result,
    }))
}

/// Reads the requests, and checks that they can be sent.
fn read_requests(args: &TuneArgs) -> Result<RequestSource> {
    let source = match (&args.requests, &args.replay) {
        (Some(file), _) => RequestSource::from_http_file(file, &given_variables(args)?)?,
        (None, Some(log)) => RequestSource::from_access_log(log)?,
        (None, None) => RequestSource::root_path(),
    };
    for request in &source.requests {
        build_request(request).map_err(Error::msg)?;
    }
    Ok(source)
}

/// Returns the variables of `--env`, with their values.
fn given_variables(args: &TuneArgs) -> Result<BTreeMap<String, String>> {
    let own = |name: &str| std::env::var(name).ok();
    let given = TrialInputs::new(&args.trials.given_variables, &[], own).map_err(Error::msg)?;
    Ok(given.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The environment: the one that is named, which must be that of the report, or else that of the report.
fn find_environment(args: &TuneArgs, report: &Document) -> Result<PathBuf> {
    let of_report =
        report.header.as_ref().and_then(|header| header.places.get("environment")).map(PathBuf::from);
    match (&args.environment, of_report) {
        (Some(named), Some(of_report)) if args.report.is_some() => {
            let is_same =
                named.canonicalize().ok() == of_report.canonicalize().ok() || named.starts_with(&of_report);
            match is_same {
                true => Ok(named.clone()),
                false => bail!(
                    "the report is about {}, not {}\nhint: leave --report out, or name its environment",
                    of_report.display(),
                    named.display()
                ),
            }
        }
        (Some(named), _) => Ok(named.clone()),
        (None, Some(of_report)) => Ok(of_report),
        (None, None) => bail!("the report does not say which environment it is about\nhint: name it"),
    }
}

/// The environment for the mode `free-threaded`, if the report knows one.
fn find_free_threaded(report: &Document, environment: &Path) -> Option<PathBuf> {
    if report.environment.as_ref().is_some_and(|python| python.free_threaded) {
        return Some(environment.to_owned());
    }
    report.header.as_ref()?.places.get("free-threaded environment").map(PathBuf::from)
}

/// Takes free threading out of what is allowed: there is no environment for it.
fn refuse_free_threading(allowed: &mut AllowedModes) {
    let (free, others): (Vec<Mode>, Vec<Mode>) =
        allowed.modes.iter().partition(|mode| mode.is_free_threaded());
    allowed.modes = others;
    let refused = free.iter().map(|mode| format!("{mode}: the report does not say with which environment"));
    allowed.refused.extend(refused);
}

/// Number of cores for the server.
///
/// # Errors
/// If there are fewer than were asked for.
fn count_cores(args: &TuneArgs) -> Result<usize> {
    let available = available_cores();
    match args.cores.map(std::num::NonZeroUsize::get) {
        Some(cores) if cores > available => bail!(
            "--cores {cores}: this process may use {available} only, and what is not there cannot be measured\n\
             hint: run it on a machine like the one that will serve"
        ),
        Some(cores) => Ok(cores),
        None => Ok(available),
    }
}

/// Number of cores that this process may use.
fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Memory of the machine in bytes.
fn machine_memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}
