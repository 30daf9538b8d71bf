//! POSIX shared memory and semaphores: files in `/dev/shm`, which packages make to see whether they can. The
//! zygote gets a `/dev/shm` of its own, so that trials have one and touch nobody's.

use std::path::Path;

/// Where glibc and musl keep them.
pub(crate) const FOLDER: &str = "/dev/shm";

/// Gives the calling process, which has one thread, an empty [`FOLDER`] of its own. Returns whether it has:
/// containers and some distributions forbid it.
#[cfg(target_os = "linux")]
pub(super) fn make_own() -> bool {
    Path::new(FOLDER).is_dir() && linux::can_separate() && linux::separate()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn make_own() -> bool {
    false
}

/// Empties it. Only for one's own.
pub(super) fn clear() {
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

    /// Tries it in a child: a process that gets half of the way has no way back.
    pub(super) fn can_separate() -> bool {
        // SAFETY: the caller has one thread; the child only makes system calls and leaves.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(i32::from(!separate()));
            }
            let mut status = 0;
            child > 0 && libc::waitpid(child, &raw mut status, 0) == child && status == 0
        }
    }

    /// A mount namespace with a fresh file system there; who is not root needs a user namespace for it, in
    /// which everybody keeps their number.
    pub(super) fn separate() -> bool {
        // SAFETY: system calls with constant arguments and strings that end with NUL.
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
