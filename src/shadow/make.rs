//! Makes a shadow environment, or finds the one that an earlier audit made, and says of everything that it
//! lacks why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::python;
use crate::installer::{Found, Installer, cache, on_path};
use crate::model::Distribution;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The free-threaded Python to make it with; without one, that of `version` is looked for.
    pub python: Option<&'a Path>,
    /// Major and minor version of the environment's Python.
    pub version: (u8, u8),
    /// What it is to hold.
    pub distributions: &'a [Distribution],
    /// Options for uv or pip: `--index-url` and the like.
    pub options: &'a [String],
}

/// A shadow environment.
#[derive(Clone, Debug)]
pub struct Shadow {
    /// Its folder.
    pub root: PathBuf,
    /// The distributions that it lacks, by their index in what was wanted.
    pub absent: BTreeMap<usize, Absent>,
}

/// Why a distribution is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// No wheel of this version fits. The newest version of which one does, if any.
    NoWheel(Option<String>),
    /// Whether there is a wheel is not known; why.
    Unknown(String),
}

/// Makes it.
///
/// # Errors
/// In words, when there is no free-threaded Python or no virtualenv of it. What cannot be installed is no error.
pub fn make(wanted: &Wanted<'_>) -> Result<Shadow, String> {
    let python = match wanted.python {
        Some(python) => python.to_owned(),
        None => python::free_threaded(wanted.version)?,
    };
    let has_uv = on_path("uv").is_some();
    let installer = Installer { has_uv, python: &python, options: wanted.options };
    let pins: Vec<Option<String>> = wanted.distributions.iter().map(pin).collect();
    let folder = folder(&python, &pins, wanted.options)?;
    let broken = |error: std::io::Error| format!("cannot use {}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(broken)?;
    let lock = File::create(folder.join("lock")).map_err(broken)?;
    lock.lock().map_err(broken)?;

    let root = folder.join("environment");
    let complete = folder.join("installed");
    if !complete.exists() {
        if root.exists() {
            fs::remove_dir_all(&root).map_err(broken)?;
        }
        installer
            .virtualenv(&root)
            .map_err(|said| format!("{} makes no virtualenv: {said}", python.display()))?;
    }
    let before: BTreeSet<String> =
        fs::read_to_string(&complete).unwrap_or_default().lines().map(str::to_owned).collect();
    let open: Vec<&String> = pins.iter().flatten().filter(|pin| !before.contains(*pin)).collect();
    let (installed, failed) = add(installer, &root, &open, !before.is_empty());
    let all: Vec<String> = before.into_iter().chain(installed).collect();
    fs::write(&complete, all.join("\n")).map_err(broken)?;

    let absent = wanted.distributions.iter().zip(&pins).enumerate().filter_map(|(index, (each, pin))| {
        let why = match pin {
            None if each.editable => {
                Absent::Unknown("it is an editable install, and nothing is built".to_owned())
            }
            None => Absent::Unknown("its version is a local one, which no index has".to_owned()),
            Some(pin) => failed.get(pin)?.clone(),
        };
        Some((index, why))
    });
    Ok(Shadow { root, absent: absent.collect() })
}

/// Installs what can be: all in one go, or, where that fails, what the index turns out to have. `is_known` says
/// whether the index has been seen to have anything.
fn add(
    installer: Installer<'_>,
    root: &Path,
    open: &[&String],
    is_known: bool,
) -> (Vec<String>, BTreeMap<String, Absent>) {
    let pins = |which: &[&String]| which.iter().map(|&pin| pin.clone()).collect::<Vec<_>>();
    if open.is_empty() || installer.install(root, &pins(open)).is_ok() {
        return (pins(open), BTreeMap::new());
    }
    let silent = OnceLock::new();
    let asked: Vec<(&String, Found)> =
        open.par_iter().map(|&pin| (pin, ask(installer, root, pin, &silent))).collect();
    let is_known =
        is_known || asked.iter().any(|(_, found)| matches!(found, Found::Version(_) | Found::Nothing));
    let mut there: Vec<&String> = Vec::new();
    let mut failed: BTreeMap<String, Absent> = BTreeMap::new();
    for (pin, found) in asked {
        match absent(installer, root, pin, found, is_known) {
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
                failed.insert(pin.clone(), Absent::Unknown(format!("its wheel was not installed: {last}")));
            }
        }
    }
    (installed, failed)
}

/// An index that takes longer than this to give no answer is not asked again.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the index has of a pin. Once it has kept one waiting in vain, nothing more is asked.
fn ask(installer: Installer<'_>, root: &Path, pin: &str, silent: &OnceLock<String>) -> Found {
    if let Some(why) = silent.get() {
        return Found::NoAnswer(why.clone());
    }
    let begun = Instant::now();
    let found = installer.resolve(root, pin);
    if let Found::NoAnswer(why) = &found
        && begun.elapsed() > PATIENCE
    {
        silent.get_or_init(|| format!("the index did not answer in time: {why}"));
    }
    found
}

/// Why a pin cannot be installed, by what was found of it; `None` where it can.
fn absent(installer: Installer<'_>, root: &Path, pin: &str, found: Found, is_known: bool) -> Option<Absent> {
    let name = pin.split_once("==").map_or(pin, |(name, _)| name);
    Some(match found {
        Found::Version(_) => return None,
        Found::NoAnswer(why) => Absent::Unknown(why),
        Found::NoProject if is_known => Absent::NoWheel(None),
        Found::NoProject => Absent::Unknown(
            "the index has no project of this name, nor any other of this environment: is its address right?"
                .to_owned(),
        ),
        Found::Nothing => match installer.resolve(root, name) {
            Found::Version(newest) => Absent::NoWheel(Some(newest)),
            Found::Nothing | Found::NoProject => Absent::NoWheel(None),
            Found::NoAnswer(why) => Absent::Unknown(why),
        },
    })
}

/// `name==version`; `None` for what no index can have.
fn pin(distribution: &Distribution) -> Option<String> {
    let is_plain =
        |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_!".contains(letter));
    let is_public = is_plain(&distribution.name) && is_plain(&distribution.version);
    (is_public && !distribution.editable).then(|| format!("{}=={}", distribution.name, distribution.version))
}

/// Where it lives: a folder for these pins, this Python and these options, in the user's cache.
fn folder(python: &Path, pins: &[Option<String>], options: &[String]) -> Result<PathBuf, String> {
    let cache = cache()?;
    let mut hasher = DefaultHasher::new();
    let is_new_as = python.metadata().and_then(|metadata| metadata.modified()).ok();
    (python, is_new_as, pins, options).hash(&mut hasher);
    Ok(cache.join("shadows").join(format!("{:016x}", hasher.finish())))
}
