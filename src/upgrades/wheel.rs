//! What the modules of one version declare, remembered in the user's cache: a released wheel does not change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Asking;
use crate::image;
use crate::model::{Declared, Facts, Initialisation};
use crate::rules;
use crate::venv::ModuleName;

/// What one module declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Says {
    /// Slot 3 = 2; `None` where it could not be read.
    pub(super) own_gil: Option<bool>,
    /// Slot 4 = 1; `None` where it could not be read, or is declared by a call.
    pub(super) no_gil: Option<bool>,
    /// In words, of slot 3 and of slot 4.
    pub(super) words: [String; 2],
}

/// The extension modules of a version, by dotted name.
pub(super) type Wheel = BTreeMap<String, Says>;

/// Reads it, from the cache or from the index.
pub(super) fn read(asking: &Asking<'_>, name: &str, version: &str) -> Result<Wheel, String> {
    let file = remembered(asking, name, &format!("{version}.json"));
    let known = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(wheel) = known {
        return Ok(wheel);
    }
    if asking.is_offline {
        return Err("it is not in the cache, and --offline asks nobody".to_owned());
    }
    let broken = |error: std::io::Error| error.to_string();
    let folder = tempfile::Builder::new().prefix("upgrade-").tempdir_in(asking.scratch).map_err(broken)?;
    asking.installer.fetch(asking.environment, &format!("{name}=={version}"), folder.path())?;
    let wheel = modules(asking, folder.path());
    // Without a cache it is fetched again the next time: no harm.
    drop(remember(&file, &wheel));
    Ok(wheel)
}

/// A file in the cache about this distribution, for this build of Python.
pub(super) fn remembered(asking: &Asking<'_>, name: &str, file: &str) -> PathBuf {
    asking.cache.join("upgrades").join(asking.abi).join(name).join(file)
}

/// Writes it there whole or not at all.
pub(super) fn remember(file: &Path, what: &impl Serialize) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut temporary, what)?;
    temporary.persist(file)?;
    Ok(())
}

fn modules(asking: &Asking<'_>, folder: &Path) -> Wheel {
    let mut files: Vec<(String, Facts)> = Vec::new();
    let wheels = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let wheel = wheels.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    match wheel {
        Some(wheel) => files.extend(image::survey(&wheel, Some(asking.target))),
        None => {
            let below = |(file, facts): (String, Facts)| {
                let file = Path::new(&file).strip_prefix(folder).ok()?.to_string_lossy().into_owned();
                Some((file, facts))
            };
            files.extend(image::survey(folder, Some(asking.target)).into_iter().filter_map(below));
        }
    }
    let named = files.into_iter().filter_map(|(file, facts)| {
        let name = ModuleName::read(&file, asking.suffixes)?;
        let is_module = name.is_for_this_python && facts.initialisation != Initialisation::None;
        is_module.then(|| (name.dotted, says(&facts)))
    });
    named.collect()
}

fn says(facts: &Facts) -> Says {
    let is = |declared: Declared, wanted: u64| match declared {
        Declared::Undetermined => None,
        Declared::Absent => Some(false),
        Declared::Value(value) => Some(value == wanted),
    };
    let is_single = facts.initialisation == Initialisation::SinglePhase;
    Says {
        own_gil: is(facts.multiple_interpreters(), 2),
        no_gil: if is_single { None } else { is(facts.gil(), 1) },
        words: [rules::declaration(facts), rules::gil_declaration(facts)],
    }
}
