//! Writes the ids of a trial's process and threads to a file. A subject may print them, and they differ
//! between runs, so the auditor removes them from its output.

use std::ffi::CString;
use std::fs::File;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Path of the file, allocated before foreign code runs and never freed.
static ID_FILE: AtomicPtr<libc::c_char> = AtomicPtr::new(null_mut());

/// Creates the file and appends the id of this process.
///
/// # Errors
/// If the file cannot be created.
pub(super) fn open_id_file(path: &Path) -> std::io::Result<()> {
    File::create(path)?;
    ID_FILE.store(CString::new(path.as_os_str().as_encoded_bytes())?.into_raw(), Ordering::Relaxed);
    append_thread_id();
    Ok(())
}

/// Appends the id of this thread. The file is closed at once, since foreign code may close any open
/// descriptor.
pub(super) fn append_thread_id() {
    let path = ID_FILE.load(Ordering::Relaxed);
    if path.is_null() {
        return;
    }
    let line = format!("{}\n", current_thread_id());
    // SAFETY: a NUL-terminated path, and a descriptor opened here.
    unsafe {
        let file = libc::open(path, libc::O_WRONLY | libc::O_APPEND);
        if file >= 0 {
            libc::write(file, line.as_ptr().cast(), line.len());
            libc::close(file);
        }
    }
}

/// Id of this thread; that of a process is the id of its first thread.
pub(super) fn current_thread_id() -> libc::pid_t {
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
