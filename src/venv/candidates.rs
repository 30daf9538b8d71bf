//! Finds candidates: every file that the import system could load as an extension module.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::DirEntry;

use super::module_name::ModuleName;
use crate::bounded_walk::{WalkLimits, walk_folder};

/// Limit of messages about what cannot be read in a folder.
const MAX_ERRORS: usize = 50;

/// Where a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateOrigin {
    /// In a folder on `sys.path`, or served by an import hook.
    OnPath,
    /// In a zip file.
    Archive {
        /// Whether a Python module of the same name is beside it.
        has_stub: bool,
    },
    /// In the user's own `site-packages`.
    UserSite,
}

/// A file with the suffix of an extension module.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its module name.
    pub name: ModuleName,
    /// Its path.
    pub path: PathBuf,
    /// Its path relative to the folder on `sys.path`, with `/`.
    pub file: String,
    /// Position of that folder in `sys.path`.
    pub root: usize,
    /// Whether it is a broken symbolic link.
    pub is_broken_link: bool,
    /// Where it was found.
    pub place: CandidateOrigin,
}

impl Candidate {
    /// The candidate for a file below `folder`, the folder at position `root` of `sys.path`.
    ///
    /// Returns `None` if the file does not have the suffix of an extension module.
    pub(super) fn from_file(
        path: &Path,
        folder: &Path,
        root: usize,
        is_broken_link: bool,
        suffixes: &[String],
    ) -> Option<Self> {
        let file = path.strip_prefix(folder).ok()?.to_string_lossy().into_owned();
        let name = ModuleName::from_file(&file, suffixes)?;
        Some(Self { name, path: path.to_owned(), file, root, is_broken_link, place: CandidateOrigin::OnPath })
    }
}

/// Result of a search.
#[derive(Clone, Debug, Default)]
pub struct CandidateScan {
    /// Candidates in the order of the import system: by dotted name, folder and suffix.
    pub candidates: Vec<Candidate>,
    /// Messages about folders that could not be read, or not be searched as a whole.
    pub trouble: Vec<String>,
}

/// Searches these folders of `sys.path` in parallel.
///
/// A folder below another one is searched only once, under its own position.
pub fn find_candidates(site: &[PathBuf], suffixes: &[String]) -> CandidateScan {
    let walks: Vec<CandidateScan> = site
        .par_iter()
        .enumerate()
        .map(|(root, folder)| find_candidates_in_folder(root, folder, site, suffixes))
        .collect();
    let mut all = CandidateScan::default();
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

fn find_candidates_in_folder(
    root: usize,
    folder: &Path,
    site: &[PathBuf],
    suffixes: &[String],
) -> CandidateScan {
    let (mut candidates, mut trouble) = (Vec::new(), Vec::new());
    let is_wanted = |entry: &DirEntry| {
        entry.depth() == 0
            || !(entry.file_type().is_dir()
                && (site.iter().any(|other| other == entry.path())
                    || entry.path().join("pyvenv.cfg").is_file()
                    || entry.file_name() == ".git"))
    };
    let missed = walk_folder(folder, WalkLimits::SITE, is_wanted, |entry| {
        let (path, is_broken_link) = match &entry {
            // Python imports regular files only.
            Ok(entry) if entry.file_type().is_file() => (entry.path(), false),
            Ok(_) => return,
            Err(error) => match error.path() {
                Some(path) if path.is_symlink() && !path.exists() => (path, true),
                // A symbolic link to a parent folder: its content is searched already.
                _ if error.loop_ancestor().is_some() => return,
                _ if error.depth() == 0 => return,
                _ => return trouble.push(error.to_string()),
            },
        };
        candidates.extend(Candidate::from_file(path, folder, root, is_broken_link, suffixes));
    });
    if trouble.len() > MAX_ERRORS {
        let more = trouble.len() - MAX_ERRORS;
        trouble.truncate(MAX_ERRORS);
        trouble.push(format!("{}: {more} more files and folders cannot be read", folder.display()));
    }
    trouble.extend(missed);
    CandidateScan { candidates, trouble }
}
