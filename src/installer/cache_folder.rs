//! The program's folder in the user's cache.

use std::path::PathBuf;

/// wsgiaudit's folder in the user's cache.
///
/// # Errors
/// Returns a message if the user has no cache folder.
pub fn find_cache_folder() -> Result<PathBuf, String> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Ok(cache.ok_or("there is no cache folder\nhint: set HOME or XDG_CACHE_HOME")?.join("wsgiaudit"))
}
