//! Records which files a trial reads, from its Python's audit events (PEP 578).
//!
//! A cached result of the trial stays valid while these files are unchanged. Files that C code opens itself
//! are not seen, but usually belong to that module's distribution.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::Mutex;

use wsgiaudit_probes_core::accessed_path::{
    PathClass, classify_path, normalize_path, source_of_prefixed_bytecode,
};
use wsgiaudit_probes_core::protocol::{FileAccessScope, TrialEvent};

use super::record;
use crate::python::{self, Object, PyObject};
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Maximum number of recorded files outside of the watched folders.
const MAX_FILES: usize = 300;

/// The audit event by which `wsgiaudit_guard` asks whether it runs in a trial, where there is no report yet: it does if
/// the event raises InterruptedError. Unlike an environment variable, only code that raises this event sees the answer.
const ASKED_BY_GUARD: &[u8] = b"wsgiaudit_guard.begin";

/// Recorded instead of further files.
const TOO_MANY: &str = "*";

struct FileAccessLog {
    watched: FileAccessScope,
    /// What has been recorded; child processes inherit it.
    recorded: BTreeSet<String>,
}

static ACCESS_LOG: Mutex<Option<FileAccessLog>> = Mutex::new(None);

/// Maximum number of recorded sources, and of bytes in the path of one: they share the record with the events of the trial.
const MAX_SOURCES: usize = 5000;
const MAX_SOURCE_PATH: usize = 300;

/// The sources that were compiled although there is a folder of bytecode.
struct CompiledSources {
    bytecode: String,
    recorded: BTreeSet<String>,
}

static COMPILED_SOURCES: Mutex<Option<CompiledSources>> = Mutex::new(None);

/// Installs the audit hook of this process and its children. With `watched` it records what they read, including the files
/// of modules imported so far, since `site` imports what `.pth` files name when an interpreter starts. With a folder of
/// `bytecode` it records the sources that they compile nevertheless.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn install_hook(watched: Option<FileAccessScope>, bytecode: Option<String>) {
    let log = watched.map(|watched| FileAccessLog { watched, recorded: BTreeSet::new() });
    *lock_ignoring_poison(&COMPILED_SOURCES) =
        bytecode.map(|bytecode| CompiledSources { bytecode, recorded: BTreeSet::new() });
    let records = log.is_some();
    *lock_ignoring_poison(&ACCESS_LOG) = log;
    // SAFETY: the hook is a function of this library, which is never unloaded; the caller holds the GIL.
    unsafe {
        python::PySys_AddAuditHook(audit_hook, null_mut());
        if records {
            module_files().into_iter().for_each(|file| record_access(file));
        }
    }
}

/// Returns the `__file__` of each imported module, borrowed.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn module_files() -> Vec<*mut PyObject> {
    // SAFETY: borrowed references from dictionaries that stay alive while no Python code runs; objects that
    // are not modules are skipped.
    unsafe {
        let file = |module| {
            let names = python::PyModule_GetDict(module);
            if names.is_null() {
                python::PyErr_Clear();
                return None;
            }
            let file = python::PyDict_GetItemString(names, c"__file__".as_ptr());
            (!file.is_null()).then_some(file)
        };
        let modules = python::PySys_GetObject(c"modules".as_ptr());
        python::dict_entries(modules).filter_map(|(_, module)| file(module)).collect()
    }
}

/// Writes to a new record what this process had read before.
pub(super) fn record_inherited() {
    let touched = lock_ignoring_poison(&ACCESS_LOG);
    touched.iter().flat_map(|touched| &touched.recorded).for_each(|path| write_access(path));
}

/// Discards what was recorded, so that each subject's accesses are recorded with that subject.
pub(super) fn clear_recorded() {
    let mut touched = lock_ignoring_poison(&ACCESS_LOG);
    touched.iter_mut().for_each(|touched| touched.recorded.clear());
}

fn write_access(path: &str) {
    record::write_event(&TrialEvent::Touched(path.to_owned()));
}

/// Audit hook: CPython calls it for every audit event of every interpreter.
unsafe extern "C" fn audit_hook(event: *const c_char, arguments: *mut PyObject, _: *mut c_void) -> c_int {
    // SAFETY: CPython passes a NUL-terminated name, and a tuple for these events; the thread holds a GIL.
    unsafe {
        let index = match CStr::from_ptr(event).to_bytes() {
            b"open" | b"os.listdir" | b"os.scandir" | b"ctypes.dlopen" => 0,
            b"import" => 1,
            b"compile" if python::PyTuple_Size(arguments) > 1 => {
                record_compiled_source(python::PyTuple_GetItem(arguments, 1));
                return 0;
            }
            ASKED_BY_GUARD => {
                python::PyErr_SetString(python::PyExc_InterruptedError, c"a trial".as_ptr());
                return -1;
            }
            _ => return 0,
        };
        if python::PyTuple_Size(arguments) > index {
            record_access(python::PyTuple_GetItem(arguments, index));
        }
    }
    0
}

/// Records an access to the file that an audit event names.
///
/// # Safety
/// The object is alive; the thread holds a GIL.
unsafe fn record_access(named: *mut PyObject) {
    // SAFETY: guaranteed by the caller.
    let path = unsafe {
        // An open file descriptor was recorded when it was opened, and `None` is the working folder.
        if named == python::Py_None() || python::has_type_flag(named, python::Py_TPFLAGS_LONG_SUBCLASS) {
            return;
        }
        path_from_object(named)
    };
    let path = path.map(source_of_bytecode);
    let mut touched = lock_ignoring_poison(&ACCESS_LOG);
    let Some(FileAccessLog { watched, recorded }) = touched.as_mut() else { return };
    let path = match path.as_deref().map(|path| classify_path(path, watched)) {
        None => TOO_MANY.to_owned(),
        Some(PathClass::Apart) => return,
        Some(PathClass::Within(path)) => path,
        Some(PathClass::Elsewhere(path)) if recorded.len() < MAX_FILES => path,
        Some(PathClass::Elsewhere(_)) => TOO_MANY.to_owned(),
    };
    if recorded.insert(path.clone()) {
        write_access(&path);
    }
}

/// The source, if this path is in the folder of bytecode.
fn source_of_bytecode(path: PathBuf) -> PathBuf {
    let compiled = lock_ignoring_poison(&COMPILED_SOURCES);
    source_of_prefixed_bytecode(path, compiled.as_ref().map(|compiled| compiled.bytecode.as_str()))
}

/// Records the source that an audit event says is compiled, if it is a file.
///
/// # Safety
/// As for [`record_access`].
unsafe fn record_compiled_source(named: *mut PyObject) {
    let mut compiled = lock_ignoring_poison(&COMPILED_SOURCES);
    let Some(CompiledSources { recorded, .. }) = compiled.as_mut() else { return };
    // SAFETY: guaranteed by the caller; only `str` is looked at.
    let path = unsafe {
        let is_text = python::has_type_flag(named, python::Py_TPFLAGS_UNICODE_SUBCLASS);
        if is_text { python::str_to_string(named) } else { None }
    };
    let is_source =
        |path: &String| path.starts_with('/') && path.ends_with(".py") && path.len() <= MAX_SOURCE_PATH;
    let Some(path) = path.filter(is_source) else { return };
    if recorded.len() < MAX_SOURCES && recorded.insert(path.clone()) {
        record::write_event(&TrialEvent::Compiled(path));
    }
}

/// Converts the argument of an audit event to an absolute path.
///
/// # Safety
/// As for [`record_access`].
unsafe fn path_from_object(named: *mut PyObject) -> Option<PathBuf> {
    // SAFETY: guaranteed by the caller; the converter stores a new `str` in its second argument, or fails.
    unsafe {
        let mut text = null_mut::<PyObject>();
        if python::PyUnicode_FSDecoder(named, (&raw mut text).cast()) == 0 {
            python::PyErr_Clear();
            return None;
        }
        let text = Object::new(text)?;
        std::path::absolute(python::str_to_string(text.as_ptr())?).ok().map(|path| normalize_path(&path))
    }
}
