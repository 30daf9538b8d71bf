//! The program's folder in the user's cache.

use std::path::PathBuf;

use crate::platform::find_foreign_access;

/// The folders in it: of trials, of upgrade checks, and of environments that audits made.
const SUBFOLDERS: [&str; 3] = ["trials", "upgrades", "shadows"];

/// Why there is no cache.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCacheFolder {
    /// The environment names no cache folder.
    #[error("there is no cache folder\nhint: set HOME or XDG_CACHE_HOME")]
    Unnamed,
    /// Somebody else could have written what lies in it.
    #[error("the cache is not used, since others can write to it ({0})")]
    Foreign(String),
}

/// wsgiaudit's folder in the user's cache.
///
/// # Errors
/// If the user has no cache folder, or if somebody else owns it or can write to it: what it holds is believed
/// and, in a cached environment, run.
pub fn find_cache_folder() -> Result<PathBuf, NoCacheFolder> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let folder = cache.ok_or(NoCacheFolder::Unnamed)?.join("wsgiaudit");
    let inner = SUBFOLDERS.map(|name| folder.join(name));
    let foreign = std::iter::once(&folder).chain(&inner).find_map(|folder| find_foreign_access(folder));
    foreign.map_or(Ok(folder), |why| Err(NoCacheFolder::Foreign(why)))
}
