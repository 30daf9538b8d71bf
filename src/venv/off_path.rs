//! Extension modules outside of the folders on `sys.path`: those served by import hooks, and those in zip
//! files.
//!
//! Also finds the file that shadows a candidate.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::candidates::{Candidate, CandidateOrigin, CandidateScan, find_candidates};
use super::module_name::ModuleName;
use crate::foreign_archive::open_archive;

/// Finds modules below the packages that import hooks serve, given by dotted name and folder.
pub fn find_served_modules(packages: &[(String, PathBuf)], suffixes: &[String]) -> CandidateScan {
    let mut all = CandidateScan::default();
    for (package, folder) in packages.iter().filter(|(_, path)| path.is_dir()) {
        let found = find_candidates(std::slice::from_ref(folder), suffixes);
        let base = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.trouble.extend(found.trouble);
        all.candidates.extend(found.candidates.into_iter().map(|candidate| {
            let inside = candidate.name.dotted.as_str();
            let is_inside = !inside.is_empty();
            let dotted = if is_inside { format!("{package}.{inside}") } else { package.clone() };
            // `__init__.so` is named after its package; the folder may have another name.
            let is_importable = candidate.name.is_importable || !is_inside;
            Candidate {
                name: ModuleName { dotted, is_importable, ..candidate.name },
                file: format!("{base}/{}", candidate.file),
                ..candidate
            }
        }));
    }
    all
}

/// Candidates for files that import hooks serve, given by dotted name and path.
///
/// The hook determines the name, so the suffix of the file does not matter.
pub fn candidates_from_files(files: &[(String, PathBuf)]) -> Vec<Candidate> {
    let candidate = |(dotted, path): &(String, PathBuf)| Candidate {
        name: ModuleName { dotted: dotted.clone(), is_importable: true, is_for_this_python: true, rank: 0 },
        path: path.clone(),
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        root: 0,
        is_broken_link: path.is_symlink() && !path.exists(),
        place: CandidateOrigin::OnPath,
    };
    files.iter().map(candidate).collect()
}

/// Finds extension modules in zip files.
pub fn find_archived_modules(archives: &[PathBuf], suffixes: &[String]) -> CandidateScan {
    let mut all = CandidateScan::default();
    for archive in archives {
        match list_archive(archive) {
            Ok(names) => all.candidates.extend(names.iter().filter_map(|file| {
                let name = ModuleName::from_file(file, suffixes)?;
                let (folder, last) = file.rsplit_once('/').unwrap_or(("", file.as_str()));
                let stem = Path::new(folder).join(last.split('.').next()?);
                let beside = |suffix: &str| names.contains(&format!("{}{suffix}", stem.display()));
                let place = CandidateOrigin::Archive { has_stub: beside(".py") || beside(".pyc") };
                let path = archive.join(file);
                Some(Candidate { name, path, file: file.clone(), root: 0, is_broken_link: false, place })
            })),
            Err(why) => all.trouble.push(format!("{}: {why}", archive.display())),
        }
    }
    all
}

fn list_archive(archive: &Path) -> Result<BTreeSet<String>, String> {
    let archive = open_archive(archive)?;
    Ok(archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect())
}

/// Finds the file that shadows a candidate.
///
/// That is a package in the same folder, or for a top-level name anything in an earlier folder on `sys.path`.
pub fn find_shadowing_file(candidate: &Candidate, site: &[PathBuf], suffixes: &[String]) -> Option<String> {
    let folder = candidate.path.parent()?;
    let stem = candidate.path.file_name()?.to_str()?.split('.').next()?;
    let is_package_itself = stem == "__init__";
    if !is_package_itself && let Some(init) = find_init_file(&folder.join(stem), suffixes) {
        return Some(init.display().to_string());
    }
    let top = candidate.name.dotted.as_str();
    let own = if is_package_itself { folder.parent()? } else { folder };
    let position = site.iter().position(|each| each == own)?;
    if top.contains('.') {
        return None;
    }
    let at = |earlier: &PathBuf| {
        let sources = [".py", ".pyc"].iter().map(|suffix| earlier.join(format!("{top}{suffix}")));
        let source = || sources.into_iter().find(|file| file.is_file());
        find_init_file(&earlier.join(top), suffixes).or_else(source)
    };
    site[..position].iter().find_map(at).map(|file| file.display().to_string())
}

/// The `__init__` file that makes a folder a regular package.
fn find_init_file(folder: &Path, suffixes: &[String]) -> Option<PathBuf> {
    let extensions = suffixes.iter().map(String::as_str);
    let mut files = extensions.chain([".py", ".pyc"]).map(|suffix| folder.join(format!("__init__{suffix}")));
    folder.is_dir().then(|| files.find(|file| file.is_file())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(path: &Path, dotted: &str) -> Candidate {
        candidates_from_files(&[(dotted.to_owned(), path.to_owned())]).remove(0)
    }

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap_or(path)).expect("a folder");
        std::fs::write(path, "").expect("a file");
    }

    #[test]
    fn a_regular_package_comes_before_a_module_beside_it_and_a_bare_folder_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, site) = (folder.path(), [folder.path().to_owned()]);
        let suffixes = [".so".to_owned()];
        touch(&root.join("x.so"));
        touch(&root.join("x/data.txt"));
        let first = || find_shadowing_file(&candidate(&root.join("x.so"), "x"), &site, &suffixes);
        assert_eq!(first(), None);
        touch(&root.join("x/__init__.py"));
        assert_eq!(first(), Some(root.join("x/__init__.py").display().to_string()));
    }

    #[test]
    fn a_source_file_hides_what_lies_in_a_later_folder_and_not_in_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        touch(&a.join("x.py"));
        touch(&b.join("x.so"));
        let suffixes = [".so".to_owned()];
        let first = |site: &[PathBuf]| find_shadowing_file(&candidate(&b.join("x.so"), "x"), site, &suffixes);
        assert_eq!(first(&[a.clone(), b.clone()]), Some(a.join("x.py").display().to_string()));
        assert_eq!(first(&[b.clone(), a.clone()]), None);
        touch(&b.join("x.py"));
        assert_eq!(first(std::slice::from_ref(&b)), None);
    }
}
