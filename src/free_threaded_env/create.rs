//! Creates a free-threaded environment, or reuses the one of an earlier audit. Gives a reason for every
//! distribution that is missing in it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::find_python;
use crate::installer::{Installer, Resolution, find_cache_folder};
use crate::model::InstalledDistribution;
use crate::platform::{create_private_folder, remove_folder};
use crate::regular_file;

/// Size limit of the list of what is installed.
const MAX_LIST_SIZE: u64 = 16 << 20;

/// What to create.
#[derive(Clone, Copy, Debug)]
pub struct FreeThreadedEnvironmentSpec<'a> {
    /// The free-threaded Python to use; without it, one of `version` is searched for.
    pub python: Option<&'a Path>,
    /// Major and minor version of the environment's Python.
    pub version: (u8, u8),
    /// Distributions to install.
    pub distributions: &'a [InstalledDistribution],
    /// Options for uv or pip, such as `--index-url`.
    pub options: &'a [String],
}

/// An environment of a free-threaded Python.
#[derive(Clone, Debug)]
pub struct FreeThreadedEnvironment {
    /// Folder of the environment.
    pub root: PathBuf,
    /// Missing distributions, by their index in the specification.
    pub absent: BTreeMap<usize, AbsenceReason>,
}

/// Why a distribution is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbsenceReason {
    /// This version has no suitable wheel. Contains the newest version that has one, if any.
    NoWheel(Option<String>),
    /// It is unknown whether there is a wheel; the reason.
    Unknown(String),
}

/// Creates the environment, or updates an existing one.
///
/// # Errors
/// Returns a message if there is no free-threaded Python, or its virtualenv cannot be created. Distributions
/// that cannot be installed are not an error.
pub fn create_environment(spec: &FreeThreadedEnvironmentSpec<'_>) -> Result<FreeThreadedEnvironment, String> {
    let python = match spec.python {
        Some(python) => python.to_owned(),
        None => find_python::find_free_threaded_python(spec.version)?,
    };
    let has_uv = which::which_global("uv").is_ok();
    let installer = Installer { has_uv, python: &python, options: spec.options };
    let pins: Vec<Option<String>> = spec.distributions.iter().map(pin_of_distribution).collect();
    let folder = environment_folder(&python, &pins, spec.options)?;
    let broken = |error: std::io::Error| format!("cannot use {}: {error}", folder.display());
    create_private_folder(&folder).map_err(broken)?;
    let lock = regular_file::open_lock(&folder.join("lock")).map_err(broken)?;
    lock.lock().map_err(broken)?;

    let root = folder.join("environment");
    let complete = folder.join("installed");
    if !complete.exists() {
        if root.exists() {
            remove_folder(&root).map_err(broken)?;
        }
        installer
            .create_virtualenv(&root)
            .map_err(|said| format!("{} failed to create a virtualenv: {said}", python.display()))?;
    }
    let before: BTreeSet<String> = regular_file::read_text(&complete, MAX_LIST_SIZE)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    let open: Vec<&String> = pins.iter().flatten().filter(|pin| !before.contains(*pin)).collect();
    let (installed, failed) = install_available(installer, &root, &open, !before.is_empty());
    let all: Vec<String> = before.into_iter().chain(installed).collect();
    regular_file::replace(&complete, all.join("\n").as_bytes()).map_err(broken)?;

    let absent = spec.distributions.iter().zip(&pins).enumerate().filter_map(|(index, (each, pin))| {
        let why = match pin {
            None if each.editable => {
                AbsenceReason::Unknown("it is an editable install, and only wheels are installed".to_owned())
            }
            None => AbsenceReason::Unknown("it has a local version, which no index provides".to_owned()),
            Some(pin) => failed.get(pin)?.clone(),
        };
        Some((index, why))
    });
    Ok(FreeThreadedEnvironment { root, absent: absent.collect() })
}

/// Installs pins: all at once, or if that fails, those that the index has.
///
/// `is_known` says whether the index has ever provided a distribution. Returns the installed pins, and the
/// reasons for the others.
fn install_available(
    installer: Installer<'_>,
    root: &Path,
    open: &[&String],
    is_known: bool,
) -> (Vec<String>, BTreeMap<String, AbsenceReason>) {
    let pins = |which: &[&String]| which.iter().map(|&pin| pin.clone()).collect::<Vec<_>>();
    if open.is_empty() || installer.install(root, &pins(open)).is_ok() {
        return (pins(open), BTreeMap::new());
    }
    let index_error = OnceLock::new();
    let asked: Vec<(&String, Resolution)> =
        open.par_iter().map(|&pin| (pin, query_index(installer, root, pin, &index_error))).collect();
    let is_known = is_known
        || asked.iter().any(|(_, found)| matches!(found, Resolution::Version(_) | Resolution::Nothing));
    let mut there: Vec<&String> = Vec::new();
    let mut failed: BTreeMap<String, AbsenceReason> = BTreeMap::new();
    for (pin, found) in asked {
        match absence_reason(installer, root, pin, found, is_known) {
            Some(absent) => drop(failed.insert(pin.clone(), absent)),
            None => there.push(pin),
        }
    }
    if there.is_empty() || installer.install(root, &pins(&there)).is_ok() {
        return (pins(&there), failed);
    }
    let mut installed = Vec::new();
    for pin in there {
        match installer.install(root, std::slice::from_ref(pin)) {
            Ok(()) => installed.push(pin.clone()),
            Err(said) => {
                let last = said.lines().last().unwrap_or_default().trim().to_owned();
                failed.insert(
                    pin.clone(),
                    AbsenceReason::Unknown(format!("its wheel was not installed: {last}")),
                );
            }
        }
    }
    (installed, failed)
}

/// After a failed query that took longer than this, the index is not queried again.
const SLOW_QUERY: Duration = Duration::from_secs(20);

/// Queries the index for a pin. `index_error` holds the error once a query took too long; later pins are not
/// queried then.
fn query_index(
    installer: Installer<'_>,
    root: &Path,
    pin: &str,
    index_error: &OnceLock<String>,
) -> Resolution {
    if let Some(why) = index_error.get() {
        return Resolution::NoAnswer(why.clone());
    }
    let begun = Instant::now();
    let found = installer.resolve_version(root, pin);
    if let Resolution::NoAnswer(why) = &found
        && begun.elapsed() > SLOW_QUERY
    {
        index_error.get_or_init(|| format!("the index did not answer in time: {why}"));
    }
    found
}

/// Returns why a pin cannot be installed, given the index's answer; `None` if it can.
fn absence_reason(
    installer: Installer<'_>,
    root: &Path,
    pin: &str,
    found: Resolution,
    is_known: bool,
) -> Option<AbsenceReason> {
    let name = pin.split_once("==").map_or(pin, |(name, _)| name);
    Some(match found {
        Resolution::Version(_) => return None,
        Resolution::NoAnswer(why) => AbsenceReason::Unknown(why),
        Resolution::NoProject if is_known => AbsenceReason::NoWheel(None),
        Resolution::NoProject => AbsenceReason::Unknown(
            "the index has neither this project nor any other of this environment: is its address correct?"
                .to_owned(),
        ),
        Resolution::Nothing => match installer.resolve_version(root, name) {
            Resolution::Version(newest) => AbsenceReason::NoWheel(Some(newest)),
            Resolution::Nothing | Resolution::NoProject => AbsenceReason::NoWheel(None),
            Resolution::NoAnswer(why) => AbsenceReason::Unknown(why),
        },
    })
}

/// `name==version`; `None` for editable installs and versions that no index can have.
fn pin_of_distribution(distribution: &InstalledDistribution) -> Option<String> {
    let is_plain =
        |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_!".contains(letter));
    let is_public = is_plain(&distribution.name) && is_plain(&distribution.version);
    (is_public && !distribution.editable).then(|| format!("{}=={}", distribution.name, distribution.version))
}

/// Folder in the user's cache for these pins, this Python and these options.
fn environment_folder(python: &Path, pins: &[Option<String>], options: &[String]) -> Result<PathBuf, String> {
    let cache = find_cache_folder().map_err(|why| why.to_string())?;
    let mut hasher = DefaultHasher::new();
    let is_new_as = python.metadata().and_then(|metadata| metadata.modified()).ok();
    (python, is_new_as, pins, options).hash(&mut hasher);
    Ok(cache.join("shadows").join(format!("{:016x}", hasher.finish())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_that_an_index_can_have_are_pinned() {
        for (name, version, editable, expected) in [
            ("numpy", "2.3.5", false, Some("numpy==2.3.5")),
            ("a.b_c-d", "1!2.0rc1", false, Some("a.b_c-d==1!2.0rc1")),
            ("numpy", "2.3.5", true, None),
            ("numpy", "2.3.5+cpu", false, None),
            ("numpy; x", "1", false, None),
        ] {
            let distribution = InstalledDistribution {
                name: name.to_owned(),
                version: version.to_owned(),
                top_level: Vec::new(),
                tags: Vec::new(),
                editable,
            };
            assert_eq!(pin_of_distribution(&distribution).as_deref(), expected);
        }
    }
}
