//! Folders that a trial finds in the place of others: copies to write to, under the paths that an application knows. Each
//! child has mounts of its own for it, which end with it.

use std::ffi::CString;
use std::io;
use std::path::Path;

/// Shows each folder under its other path, to the calling process, which has one thread, and to what it starts. Returns those
/// paths. The zygote has a mount namespace already, and in it the right to make another one.
///
/// # Errors
/// When the system does not allow it, with the path.
#[cfg(target_os = "linux")]
pub(super) fn show(shown: &[(String, String)]) -> io::Result<Vec<&Path>> {
    if shown.is_empty() {
        return Ok(Vec::new());
    }
    // SAFETY: system calls with constant arguments and strings that end with NUL.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) != 0 {
            return Err(io::Error::last_os_error());
        }
        let (root, nothing) = (c"/".as_ptr(), std::ptr::null());
        if libc::mount(nothing, root, nothing, libc::MS_REC | libc::MS_PRIVATE, std::ptr::null()) != 0 {
            return Err(io::Error::last_os_error());
        }
        for (folder, path) in shown {
            let (from, to) = (CString::new(folder.as_str())?, CString::new(path.as_str())?);
            if libc::mount(from.as_ptr(), to.as_ptr(), nothing, libc::MS_BIND, std::ptr::null()) != 0 {
                let error = io::Error::last_os_error();
                return Err(io::Error::other(format!("no copy can be shown at {path}: {error}")));
            }
        }
    }
    Ok(shown.iter().map(|(_, path)| Path::new(path)).collect())
}

/// Shows nothing: mounts are Linux's.
///
/// # Errors
/// Where there is something to show.
#[cfg(not(target_os = "linux"))]
pub(super) fn show(shown: &[(String, String)]) -> io::Result<Vec<&Path>> {
    match shown {
        [] => Ok(Vec::new()),
        [..] => Err(io::Error::other("no copy of a folder can be shown in its place on this system")),
    }
}
