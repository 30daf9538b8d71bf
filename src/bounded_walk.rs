//! Walks folders that others have filled: through links, as Python follows them, but not over the whole machine.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, FilterEntry, IntoIter, WalkDir};

/// The limits of a walk.
#[derive(Clone, Copy, Debug)]
pub struct WalkLimits {
    /// Files and folders in all.
    pub entries: usize,
    /// Those of them below links to folders, all links together.
    pub linked: usize,
    /// Levels of folders.
    pub depth: usize,
}

impl WalkLimits {
    /// For folders of installed packages. The largest known environments have some 500,000 entries, the largest
    /// packages some 20,000; a path of more levels is too long for the system.
    pub const SITE: Self = Self { entries: 1_000_000, linked: 50_000, depth: 2048 };
}

/// Limit of messages about one walk.
const MAX_MESSAGES: usize = 20;

/// Walks the files and folders below a folder, in the order of their names. Links are followed, except for those
/// to a folder that contains the walk's own folder.
///
/// Leaves out what `is_wanted` refuses, with all that is below it. `visit` gets everything else, and errors.
///
/// Returns messages about what was left out because of the limits.
pub fn walk_folder(
    folder: &Path,
    limits: WalkLimits,
    is_wanted: impl FnMut(&DirEntry) -> bool,
    mut visit: impl FnMut(walkdir::Result<DirEntry>),
) -> Vec<String> {
    let walk = WalkDir::new(folder).follow_links(true).max_depth(limits.depth).sort_by_file_name();
    let mut links = FollowedLinks {
        folder: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()),
        most: limits.linked,
        entries: 0,
        inside: None,
        leaving: None,
        missed: Vec::new(),
    };
    let mut walk = walk.into_iter().filter_entry(is_wanted);
    let mut entries = 0_usize;
    while let Some(found) = walk.next() {
        if !links.may_visit(&found, &mut walk) {
            continue;
        }
        entries += 1;
        if entries > limits.entries {
            let (shown, most) = (folder.display(), limits.entries);
            links.missed.push(format!("{shown}: only the first {most} files and folders were searched"));
            break;
        }
        visit(found);
    }
    links.missed
}

/// The links to folders on the way of a walk.
struct FollowedLinks {
    /// The walk's own folder, links resolved.
    folder: PathBuf,
    /// Limit of entries below links.
    most: usize,
    /// Entries below links so far.
    entries: usize,
    /// Depth of the link that the present entry is below.
    inside: Option<usize>,
    /// Depth of the link whose content is left out from here on.
    leaving: Option<usize>,
    missed: Vec<String>,
}

impl FollowedLinks {
    /// Whether to visit an entry. If it is a link that is not followed, or below one, the walk skips it.
    fn may_visit<F: FnMut(&DirEntry) -> bool>(
        &mut self,
        found: &walkdir::Result<DirEntry>,
        walk: &mut FilterEntry<IntoIter, F>,
    ) -> bool {
        let depth = found.as_ref().map_or_else(walkdir::Error::depth, DirEntry::depth);
        if self.leaving.is_some_and(|link| depth > link) {
            walk.skip_current_dir();
            return false;
        }
        self.leaving = None;
        self.inside = self.inside.filter(|link| depth > *link);
        if self.inside.is_some() {
            self.entries += 1;
            if self.entries > self.most {
                self.leaving = self.inside.take();
                self.report(format!(
                    "{}: links to folders were followed for {} files and folders, and then no more",
                    self.folder.display(),
                    self.most
                ));
                walk.skip_current_dir();
                return false;
            }
            return true;
        }
        let Some(entry) = found
            .as_ref()
            .ok()
            .filter(|entry| entry.depth() > 0 && entry.file_type().is_dir() && entry.path_is_symlink())
        else {
            return true;
        };
        let target = entry.path().canonicalize().unwrap_or_default();
        if self.entries > self.most || self.folder.starts_with(&target) {
            let (path, target) = (entry.path().display(), target.display());
            self.report(format!("{path}: this link to {target} was not followed"));
            walk.skip_current_dir();
            return false;
        }
        self.inside = Some(depth);
        true
    }

    fn report(&mut self, message: String) {
        if self.missed.len() < MAX_MESSAGES {
            self.missed.push(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The files that a walk finds, relative to the folder, and its messages.
    fn walk(folder: &Path, limits: WalkLimits) -> (Vec<String>, Vec<String>) {
        let mut files = Vec::new();
        let missed = walk_folder(
            folder,
            limits,
            |entry| entry.file_name() != "apart",
            |found| {
                if let Ok(entry) = found
                    && entry.file_type().is_file()
                {
                    files.push(entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned());
                }
            },
        );
        (files, missed)
    }

    fn touch(folder: &Path, files: &[&str]) {
        for file in files {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
    }

    #[test]
    fn links_are_followed_but_for_those_to_what_is_around() {
        let all = tempfile::tempdir().unwrap();
        let site = all.path().join("around/site");
        touch(all.path(), &["around/site/a/b/x", "around/site/apart/y", "elsewhere/deep/z"]);
        symlink("/", site.join("a/root")).unwrap();
        symlink("../..", site.join("a/up")).unwrap();
        symlink(all.path().join("elsewhere"), site.join("c")).unwrap();
        symlink(all.path().join("elsewhere/deep/z"), site.join("file")).unwrap();
        let (files, missed) = walk(&site, WalkLimits::SITE);
        assert_eq!(files, ["a/b/x", "c/deep/z", "file"]);
        let around = all.path().join("around").canonicalize().unwrap();
        let shown = |name: &str, target: &Path| {
            format!("{}: this link to {} was not followed", site.join(name).display(), target.display())
        };
        assert_eq!(missed, [shown("a/root", Path::new("/")), shown("a/up", &around)]);
    }

    #[test]
    fn a_walk_ends_at_its_limits() {
        let all = tempfile::tempdir().unwrap();
        let site = all.path().join("site");
        touch(
            all.path(),
            &["site/a/x", "site/z", "elsewhere/1", "elsewhere/2", "elsewhere/3/4", "elsewhere/5"],
        );
        for name in ["b", "c"] {
            symlink(all.path().join("elsewhere"), site.join(name)).unwrap();
        }
        let (files, missed) = walk(&site, WalkLimits { linked: 4, ..WalkLimits::SITE });
        assert_eq!(files, ["a/x", "b/1", "b/2", "b/3/4", "z"]);
        assert_eq!(missed.len(), 2, "{missed:?}");
        assert!(missed[0].contains("for 4 files and folders") && missed[1].contains("site/c"), "{missed:?}");
        let (files, missed) = walk(&site, WalkLimits { entries: 3, ..WalkLimits::SITE });
        assert_eq!((files, missed.len()), (vec!["a/x".to_owned()], 1));
        let (files, _) = walk(&site, WalkLimits { depth: 1, ..WalkLimits::SITE });
        assert_eq!(files, ["z"]);
    }
}
