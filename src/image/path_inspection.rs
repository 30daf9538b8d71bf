//! Inspects everything that a path refers to: a file, a wheel, or the extension modules below a folder.

use std::ffi::OsString;
use std::path::Path;

use super::file_names::{file_stem, module_stem, other_init_functions};
use super::siblings::inspect_file;
use super::symbols::read_init_functions;
use super::wheel::inspect_wheel;
use crate::model::{BinaryFacts, TargetPython};

/// Inspects one argument of `wsgiaudit inspect`. Returns display names and facts, sorted by name.
pub fn inspect_path(path: &Path, target: Option<TargetPython>) -> Vec<(String, BinaryFacts)> {
    let display = path.display().to_string();
    if path.is_dir() {
        return inspect_folder(path, target);
    }
    if path.extension().is_some_and(|extension| extension == "whl") {
        return inspect_wheel(path, target);
    }
    // A file named on the command line is inspected whatever its suffix is.
    let stem =
        module_stem(path).or_else(|| path.file_name()?.to_str()?.split('.').next()).unwrap_or_default();
    inspect_all_init_functions(display, path, stem, target)
}

/// Inspects the init function of a file's own name and every other init function that it exports, shown as
/// `x.so [PyInit_y]`.
fn inspect_all_init_functions(
    display: String,
    path: &Path,
    stem: &str,
    target: Option<TargetPython>,
) -> Vec<(String, BinaryFacts)> {
    let own = inspect_file(path, stem, target);
    let others = other_init_functions(&read_init_functions(path), stem);
    let others = others
        .into_iter()
        .map(|(function, name)| (format!("{display} [{function}]"), inspect_file(path, &name, target)));
    let others: Vec<_> = others.collect();
    std::iter::once((display, own)).chain(others).collect()
}

/// Inspects the extension modules below a folder.
///
/// Symbolic links to folders are not followed, which avoids loops. `__pycache__` is skipped: it makes up half
/// of the folders of an environment.
fn inspect_folder(path: &Path, target: Option<TargetPython>) -> Vec<(String, BinaryFacts)> {
    let mut found = Vec::new();
    // A stack: sorted in reverse order.
    let mut waiting = vec![(path.to_owned(), true)];
    while let Some((path, is_folder)) = waiting.pop() {
        if !is_folder {
            let all = module_stem(&path)
                .map(|stem| inspect_all_init_functions(path.display().to_string(), &path, stem, target));
            found.extend(all.unwrap_or_default());
            continue;
        }
        match list_entries(&path) {
            Ok(mut entries) => {
                entries.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
                waiting.extend(entries.into_iter().map(|(name, is_folder)| (path.join(name), is_folder)));
            }
            Err(error) => {
                let doubt = format!("the folder cannot be read: {error}");
                found.push((path.display().to_string(), BinaryFacts::undetermined(doubt)));
            }
        }
    }
    found
}

/// Lists the subfolders and extension modules of a folder: their names, and whether they are folders.
fn list_entries(path: &Path) -> std::io::Result<Vec<(OsString, bool)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let (name, is_folder) = (entry.file_name(), entry.file_type()?.is_dir());
        let is_wanted = if is_folder { name != "__pycache__" } else { file_stem(Path::new(&name)).is_some() };
        entries.extend(is_wanted.then_some((name, is_folder)));
    }
    Ok(entries)
}
