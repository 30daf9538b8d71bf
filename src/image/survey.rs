//! Everything that a path stands for: a file, a wheel, or the extension modules below a folder.

use std::path::Path;

use walkdir::WalkDir;

use super::naming::stem;
use super::siblings::inspect_file;
use super::wheel::inspect_wheel;
use crate::model::{Facts, Target};

/// What `wsgiaudit inspect` shows for one argument: a name to display and the facts, sorted by name.
pub fn survey(path: &Path, target: Option<Target>) -> Vec<(String, Facts)> {
    let display = path.display().to_string();
    if path.is_dir() {
        return folder(path, target);
    }
    if path.extension().is_some_and(|extension| extension == "whl") {
        return inspect_wheel(path, target);
    }
    // A file that is named on the command line is meant, whatever it is called.
    let stem = stem(path).or_else(|| path.file_name()?.to_str()?.split('.').next()).unwrap_or_default();
    vec![(display, inspect_file(path, stem, target))]
}

/// Links to folders are not followed, so a circle of them ends.
fn folder(path: &Path, target: Option<Target>) -> Vec<(String, Facts)> {
    let entries = WalkDir::new(path).sort_by_file_name().into_iter();
    entries
        .filter_map(|entry| match entry {
            Ok(entry) => {
                let stem = stem(entry.path()).filter(|_| !entry.file_type().is_dir())?;
                Some((entry.path().display().to_string(), inspect_file(entry.path(), stem, target)))
            }
            Err(error) => {
                let place = error.path().unwrap_or(path).display().to_string();
                Some((place, Facts::undetermined(format!("the folder cannot be read: {error}"))))
            }
        })
        .collect()
}
