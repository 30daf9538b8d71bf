//! The numbers of a trial's process and threads, for the auditor: they are others in each run, and what is on trial may print
//! them.

use std::ffi::CString;
use std::fs::File;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Where they are written, made before anything foreign runs and never freed.
static IDS: AtomicPtr<libc::c_char> = AtomicPtr::new(null_mut());

/// Begins with this process.
///
/// # Errors
/// When the file cannot be made.
pub(super) fn begin(path: &Path) -> std::io::Result<()> {
    File::create(path)?;
    IDS.store(CString::new(path.as_os_str().as_encoded_bytes())?.into_raw(), Ordering::Relaxed);
    tell();
    Ok(())
}

/// Adds this thread. The file is open for no longer than that: descriptors are foreign code's to close.
pub(super) fn tell() {
    let path = IDS.load(Ordering::Relaxed);
    if path.is_null() {
        return;
    }
    let line = format!("{}\n", number());
    // SAFETY: a path that ends with NUL, and a descriptor opened here.
    unsafe {
        let file = libc::open(path, libc::O_WRONLY | libc::O_APPEND);
        if file >= 0 {
            libc::write(file, line.as_ptr().cast(), line.len());
            libc::close(file);
        }
    }
}

/// This thread's number; the process's is that of its first.
pub(super) fn number() -> libc::pid_t {
    #[cfg(target_os = "linux")]
    // SAFETY: cannot fail.
    unsafe {
        libc::gettid()
    }
    #[cfg(not(target_os = "linux"))]
    // SAFETY: cannot fail.
    unsafe {
        libc::getpid()
    }
}
