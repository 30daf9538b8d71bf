//! Bind mounts for a trial: writable copies of folders, at the paths of the originals. Each child has its own
//! mount namespace, which disappears with it.

use std::ffi::CString;
use std::io;
use std::path::Path;

/// Mounts each folder at its other path, for the calling process, which must have one thread, and its
/// children. Returns those paths. The zygote already has a mount namespace, and with it the right to create
/// another.
///
/// # Errors
/// If the system does not allow it, with the path.
#[cfg(target_os = "linux")]
pub(super) fn bind_folders(shown: &[(String, String)]) -> io::Result<Vec<&Path>> {
    if shown.is_empty() {
        return Ok(Vec::new());
    }
    // SAFETY: system calls with constant arguments and NUL-terminated strings.
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
                return Err(io::Error::other(format!("cannot mount a copy at {path}: {error}")));
            }
        }
    }
    Ok(shown.iter().map(|(_, path)| Path::new(path)).collect())
}

/// Mounts nothing: bind mounts need Linux.
///
/// # Errors
/// If there is something to mount.
#[cfg(not(target_os = "linux"))]
pub(super) fn bind_folders(shown: &[(String, String)]) -> io::Result<Vec<&Path>> {
    match shown {
        [] => Ok(Vec::new()),
        [..] => Err(io::Error::other("this system has no bind mounts")),
    }
}
