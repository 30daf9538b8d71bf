//! Declarations of the modules in one version's wheel. They are cached, since a released wheel does not
//! change.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::context::UpgradeContext;
use super::lookup_error::LookupError;
use crate::image;
use crate::model::{BinaryFacts, InitKind, SlotDeclaration};
use crate::platform::create_private_folder;
use crate::regular_file;
use crate::rules;
use crate::venv::ModuleName;

/// The declarations of one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ModuleDeclarations {
    /// Whether slot 3 is 2; `None` if it could not be read.
    pub(super) own_gil: Option<bool>,
    /// Whether slot 4 is 1; `None` if it could not be read, or is declared by a function call.
    pub(super) no_gil: Option<bool>,
    /// Descriptions of slot 3 and slot 4.
    pub(super) words: [String; 2],
}

/// The extension modules of a version, by dotted name.
pub(super) type WheelDeclarations = BTreeMap<String, ModuleDeclarations>;

/// Reads the declarations of a version, from the cache or from the index.
pub(super) fn read_wheel(
    context: &UpgradeContext<'_>,
    name: &str,
    version: &str,
) -> Result<WheelDeclarations, LookupError> {
    let file = context.cache_file(name, &format!("{version}.json"));
    let known = read_cache_file(&file);
    if let Some(wheel) = known {
        return Ok(wheel);
    }
    if context.is_offline {
        return Err(LookupError::NotInCache);
    }
    let folder = tempfile::Builder::new().prefix("upgrade-").tempdir_in(context.scratch)?;
    let requirement = format!("{name}=={version}");
    let fetched = context.installer.fetch_wheel(context.environment, &requirement, folder.path());
    fetched.map_err(LookupError::Installer)?;
    let wheel = read_modules(context, folder.path());
    // If the cache cannot be written, the wheel is fetched again next time.
    drop(write_cache_file(&file, &wheel));
    Ok(wheel)
}

/// Size limit of a cache file.
const MAX_CACHE_FILE_SIZE: u64 = 16 << 20;

/// Reads a cache file; `None` if it is missing or invalid.
pub(super) fn read_cache_file<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let text = regular_file::read_limited(file, MAX_CACHE_FILE_SIZE).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes a cache file atomically.
pub(super) fn write_cache_file(file: &Path, what: &impl Serialize) -> std::io::Result<()> {
    file.parent().map_or(Ok(()), create_private_folder)?;
    regular_file::replace(file, &serde_json::to_vec(what)?)
}

/// Reads the declarations of all extension modules in a fetched wheel, packed or unpacked.
fn read_modules(context: &UpgradeContext<'_>, folder: &Path) -> WheelDeclarations {
    let mut files: Vec<(String, BinaryFacts)> = Vec::new();
    let wheels = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let wheel = wheels.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    match wheel {
        Some(wheel) => files.extend(image::inspect_path(&wheel, Some(context.target))),
        None => {
            let below = |(file, facts): (String, BinaryFacts)| {
                let file = Path::new(&file).strip_prefix(folder).ok()?.to_string_lossy().into_owned();
                Some((file, facts))
            };
            files.extend(image::inspect_path(folder, Some(context.target)).into_iter().filter_map(below));
        }
    }
    let named = files.into_iter().filter_map(|(file, facts)| {
        let name = ModuleName::from_file(&file, context.suffixes)?;
        let is_module = name.is_for_this_python && facts.initialisation != InitKind::None;
        is_module.then(|| (name.dotted, declarations_of_module(&facts)))
    });
    named.collect()
}

fn declarations_of_module(facts: &BinaryFacts) -> ModuleDeclarations {
    let is = |declared: SlotDeclaration, wanted: u64| match declared {
        SlotDeclaration::Undetermined => None,
        SlotDeclaration::Absent => Some(false),
        SlotDeclaration::Value(value) => Some(value == wanted),
    };
    let is_single = facts.initialisation == InitKind::SinglePhase;
    ModuleDeclarations {
        own_gil: is(facts.multiple_interpreters_slot(), 2),
        no_gil: if is_single { None } else { is(facts.gil_slot(), 1) },
        words: [rules::describe_slot_declaration(facts), rules::describe_gil_declaration(facts)],
    }
}
