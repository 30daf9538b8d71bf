//! A private `/dev/shm` for trials.
//!
//! POSIX shared memory and semaphores are files there, and packages create some to test whether they work.
//! With a private one, trials can do so without touching those of other processes.

use std::path::Path;

/// Where glibc and musl keep shared memory and semaphores.
pub(crate) const FOLDER: &str = "/dev/shm";

/// Mounts an empty [`FOLDER`] for the calling process, which must have one thread. Returns whether that
/// succeeded: containers and some distributions forbid it.
#[cfg(target_os = "linux")]
pub(super) fn mount_private() -> bool {
    Path::new(FOLDER).is_dir() && linux::can_mount_private() && linux::mount_private_tmpfs()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mount_private() -> bool {
    false
}

/// Removes all files in [`FOLDER`]. Only to be called if it is private.
pub(super) fn remove_all_files() {
    for entry in std::fs::read_dir(Path::new(FOLDER)).into_iter().flatten().flatten() {
        let _is_file = std::fs::remove_file(entry.path()).or_else(|_| std::fs::remove_dir_all(entry.path()));
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CStr;
    use std::fs;
    use std::ptr::null;

    const FOLDER: &CStr = c"/dev/shm";
    const OPTIONS: &CStr = c"size=256m,mode=1777";

    /// Tries it in a child first, since a process that fails halfway cannot go back.
    pub(super) fn can_mount_private() -> bool {
        // SAFETY: the caller has one thread; the child only makes system calls and exits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(i32::from(!mount_private_tmpfs()));
            }
            let mut status = 0;
            child > 0 && libc::waitpid(child, &raw mut status, 0) == child && status == 0
        }
    }

    /// Creates a mount namespace with a tmpfs at [`FOLDER`]. Without root, that needs a user namespace, in
    /// which user and group ids stay the same.
    pub(super) fn mount_private_tmpfs() -> bool {
        // SAFETY: system calls with constant arguments and NUL-terminated strings.
        unsafe {
            let (user, group) = (libc::geteuid(), libc::getegid());
            if libc::unshare(libc::CLONE_NEWNS) != 0 {
                let is_alone = libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0
                    && fs::write("/proc/self/setgroups", "deny").is_ok()
                    && fs::write("/proc/self/uid_map", format!("{user} {user} 1")).is_ok()
                    && fs::write("/proc/self/gid_map", format!("{group} {group} 1")).is_ok();
                if !is_alone {
                    return false;
                }
            }
            let keep_to_us = libc::MS_REC | libc::MS_PRIVATE;
            let plain = libc::MS_NOSUID | libc::MS_NODEV;
            libc::mount(null(), c"/".as_ptr(), null(), keep_to_us, null()) == 0
                && libc::mount(
                    c"tmpfs".as_ptr(),
                    FOLDER.as_ptr(),
                    c"tmpfs".as_ptr(),
                    plain,
                    OPTIONS.as_ptr().cast(),
                ) == 0
        }
    }
}
