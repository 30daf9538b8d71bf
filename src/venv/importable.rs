//! Extension modules in folders without distributions, such as an application's own.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use walkdir::DirEntry;

use super::candidates::Candidate;
use super::module_name::is_identifier;
use crate::bounded_walk::{WalkLimits, walk_folder};

/// Maximum depth of packages.
const MAX_DEPTH: usize = 16;

/// Limits of a search. An application's own code has fewer files, so the rest are data.
const LIMITS: WalkLimits = WalkLimits { entries: 100_000, depth: MAX_DEPTH, ..WalkLimits::SITE };

/// The extension modules in a folder.
#[derive(Clone, Debug, Default)]
pub struct ImportableModules {
    /// Candidates, sorted by path.
    pub candidates: Vec<Candidate>,
    /// Whether the whole folder was searched.
    pub is_complete: bool,
    /// Messages about folders that could not be read.
    pub trouble: Vec<String>,
}

/// Finds extension modules that can be imported from this folder of `sys.path`.
///
/// Skips virtualenvs, the folders in `apart`, and folders whose names are no identifiers. With `only`, finds
/// just the top-level packages and modules of these names.
pub fn find_importable_modules(
    folder: &Path,
    apart: &[PathBuf],
    only: Option<&BTreeSet<String>>,
    suffixes: &[String],
) -> ImportableModules {
    let (mut candidates, mut trouble, mut is_complete) = (Vec::new(), Vec::new(), true);
    let is_wanted = |entry: &DirEntry| {
        let is_named =
            |only: &BTreeSet<String>| only.contains(module_stem(entry.file_name())) || entry.depth() != 1;
        entry.depth() == 0
            || (only.is_none_or(is_named)
                && (!entry.file_type().is_dir() || may_be_package(entry.path(), entry.file_name(), apart)))
    };
    let missed = walk_folder(folder, LIMITS, is_wanted, |entry| {
        let (path, is_broken_link) = match &entry {
            Ok(entry) if entry.file_type().is_dir() => return is_complete &= entry.depth() < MAX_DEPTH,
            Ok(entry) if entry.file_type().is_file() => (entry.path(), false),
            Ok(_) => return,
            Err(error) => match error.path() {
                Some(path) if path.is_symlink() && !path.exists() => (path, true),
                _ if error.loop_ancestor().is_some() => return,
                _ => return trouble.push(error.to_string()),
            },
        };
        candidates.extend(Candidate::from_file(path, folder, 0, is_broken_link, suffixes));
    });
    is_complete &= missed.is_empty();
    ImportableModules { candidates, is_complete, trouble }
}

fn module_stem(name: &OsStr) -> &str {
    name.to_str().and_then(|name| name.split('.').next()).unwrap_or_default()
}

/// Whether a folder may be a package: its name is an identifier, and it is no virtualenv.
fn may_be_package(path: &Path, name: &OsStr, apart: &[PathBuf]) -> bool {
    let is_name = name.to_str().is_some_and(|name| is_identifier(name) && name != "node_modules");
    is_name && !apart.iter().any(|folder| folder == path) && !path.join("pyvenv.cfg").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_imported_is_looked_at() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        for file in ["shop/_fast.so", "shop/deep/_er.so", "other.so", "build/lib.linux-x86_64/shop/_old.so"] {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap_or(root.path()))?;
            std::fs::write(file, "")?;
        }
        let names = |only: Option<&BTreeSet<String>>, apart: &[PathBuf]| {
            let found = find_importable_modules(root.path(), apart, only, &[".so".to_owned()]);
            assert!(found.is_complete && found.trouble.is_empty());
            found.candidates.into_iter().map(|each| each.name.dotted).collect::<Vec<_>>()
        };
        assert_eq!(names(None, &[]), ["other", "shop._fast", "shop.deep._er"]);
        assert_eq!(names(None, &[root.path().join("shop/deep")]), ["other", "shop._fast"]);
        assert_eq!(names(Some(&["shop".to_owned()].into()), &[]), ["shop._fast", "shop.deep._er"]);
        Ok(())
    }
}
