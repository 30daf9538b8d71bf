//! Everything that a path stands for: a file, a wheel, or the extension modules below a folder.

use std::ffi::OsString;
use std::path::Path;

use super::naming::{file_stem, other_names, stem};
use super::siblings::inspect_file;
use super::symbols::init_functions;
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
    with_others(display, path, stem, target)
}

/// What a file declares by its own name, and by each other init function that it exports: `x.so [PyInit_y]`.
fn with_others(display: String, path: &Path, stem: &str, target: Option<Target>) -> Vec<(String, Facts)> {
    let own = inspect_file(path, stem, target);
    let others = other_names(&init_functions(path), stem);
    let others = others
        .into_iter()
        .map(|(function, name)| (format!("{display} [{function}]"), inspect_file(path, &name, target)));
    let others: Vec<_> = others.collect();
    std::iter::once((display, own)).chain(others).collect()
}

/// Links to folders are not followed, so a circle of them ends. What Python keeps compiled sources in is
/// left out: that is every other folder of an environment.
fn folder(path: &Path, target: Option<Target>) -> Vec<(String, Facts)> {
    let mut found = Vec::new();
    // Paths in the reverse of their order.
    let mut waiting = vec![(path.to_owned(), true)];
    while let Some((path, is_folder)) = waiting.pop() {
        if !is_folder {
            let all = stem(&path).map(|stem| with_others(path.display().to_string(), &path, stem, target));
            found.extend(all.unwrap_or_default());
            continue;
        }
        match entries(&path) {
            Ok(mut entries) => {
                entries.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
                waiting.extend(entries.into_iter().map(|(name, is_folder)| (path.join(name), is_folder)));
            }
            Err(error) => {
                let doubt = format!("the folder cannot be read: {error}");
                found.push((path.display().to_string(), Facts::undetermined(doubt)));
            }
        }
    }
    found
}

/// What is to be looked at in a folder: names, and whether they are folders.
fn entries(path: &Path) -> std::io::Result<Vec<(OsString, bool)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let (name, is_folder) = (entry.file_name(), entry.file_type()?.is_dir());
        let is_wanted = if is_folder { name != "__pycache__" } else { file_stem(Path::new(&name)).is_some() };
        entries.extend(is_wanted.then_some((name, is_folder)));
    }
    Ok(entries)
}
