//! Finds every file that the import system could take for an extension module.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::names::ModuleName;

/// Where a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where the import system finds it.
    OnPath,
    /// In a zip file.
    Archive {
        /// Whether a Python module of the same name lies beside it.
        has_stub: bool,
    },
    /// In the user's own `site-packages`.
    UserSite,
}

/// A file with an extension suffix.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What its name says.
    pub name: ModuleName,
    /// Where it is.
    pub path: PathBuf,
    /// Relative to the folder on `sys.path` that it was found below, with `/`.
    pub file: String,
    /// Position of that folder in `sys.path`.
    pub root: usize,
    /// A symbolic link to nothing.
    pub is_broken_link: bool,
    /// What kind of place that is.
    pub place: Place,
}

/// What a walk found.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Sorted as the import system would find them: by dotted name, folder, suffix.
    pub candidates: Vec<Candidate>,
    /// Folders that could not be read.
    pub trouble: Vec<String>,
}

/// Walks these folders of `sys.path` in parallel. A folder below another of them is walked once, as the
/// import system would find it first.
pub fn walk(site: &[PathBuf], suffixes: &[String]) -> Walk {
    let walks: Vec<Walk> =
        site.par_iter().enumerate().map(|(root, folder)| walk_one(root, folder, site, suffixes)).collect();
    let mut all = Walk::default();
    for walk in walks {
        all.candidates.extend(walk.candidates);
        all.trouble.extend(walk.trouble);
    }
    all.candidates.sort_by(|a, b| {
        let key = |each: &Candidate| (each.name.dotted.clone(), each.root, each.name.rank, each.file.clone());
        key(a).cmp(&key(b))
    });
    all.trouble.sort();
    all
}

fn walk_one(root: usize, folder: &Path, site: &[PathBuf], suffixes: &[String]) -> Walk {
    let mut found = Walk::default();
    let is_wanted = |entry: &DirEntry| {
        entry.depth() == 0
            || !(entry.file_type().is_dir()
                && (site.iter().any(|other| other == entry.path())
                    || entry.path().join("pyvenv.cfg").is_file()
                    || entry.file_name() == ".git"))
    };
    for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(is_wanted) {
        let (path, is_broken_link) = match &entry {
            Ok(entry) if entry.file_type().is_file() => (entry.path(), false),
            Ok(_) => continue,
            Err(error) => match error.path() {
                Some(path) if path.is_symlink() && !path.exists() => (path, true),
                // A link back to a folder on the way here: all that it leads to is walked already.
                _ if error.loop_ancestor().is_some() => continue,
                _ if error.depth() == 0 => continue,
                _ => {
                    found.trouble.push(error.to_string());
                    continue;
                }
            },
        };
        let Ok(file) = path.strip_prefix(folder) else { continue };
        let file = file.to_string_lossy().into_owned();
        if let Some(name) = ModuleName::read(&file, suffixes) {
            found.candidates.push(Candidate {
                name,
                path: path.to_owned(),
                file,
                root,
                is_broken_link,
                place: Place::OnPath,
            });
        }
    }
    found
}
