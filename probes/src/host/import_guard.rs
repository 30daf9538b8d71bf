//! The import guard: an extension module is loaded only if the report vetted that exact file for this mode.
//!
//! It has two parts. First, `glue.py` replaces `_imp.create_dynamic` in each interpreter: the file is read
//! once, hashed while it is read, and written to a private folder. CPython loads that copy, so the file
//! cannot change between check and load. CPython's own extension modules are hashed too, and loaded from where
//! they are. Second, an audit hook (PEP 578), which cannot be removed and applies
//! to every interpreter of the process, refuses every other load. So calling the original
//! `_imp.create_dynamic` does not bypass the guard.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::{Mutex, OnceLock};

use sha2::{Digest, Sha256};
use wsgiaudit_probes_core::host_config::{GuardConfig, InterpreterMode, VettedModule};
use wsgiaudit_probes_core::module_admission::{AdmissionError, VettedModules};

use super::gil::run_detached;
use super::log::{log_error, log_warning};
use crate::copies;
use crate::python::{self, Object, PyObject};
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

static GUARD: OnceLock<GuardState> = OnceLock::new();

struct GuardState {
    plan: GuardConfig,
    vetted: VettedModules,
    /// Mode of each interpreter created by this server, by interpreter id.
    interpreters: Mutex<HashMap<i64, InterpreterMode>>,
    /// Interpreter id and path of each file that the audit hook allows.
    admitted: Mutex<HashSet<(i64, String)>>,
    /// Verified copies, by original path.
    copies: Mutex<HashMap<PathBuf, String>>,
}

/// Installs the guard. From now on, only admitted extension modules can be loaded.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(super) unsafe fn install_guard(plan: GuardConfig) {
    let state = GuardState {
        vetted: VettedModules::new(&plan),
        plan,
        interpreters: Mutex::default(),
        admitted: Mutex::default(),
        copies: Mutex::default(),
    };
    if GUARD.set(state).is_ok() {
        // SAFETY: the hook is a function of this library, which is never unloaded.
        unsafe { python::PySys_AddAuditHook(audit_hook, null_mut()) };
    }
}

/// Whether the guard is installed. If so, new interpreters start without `site`; `glue.py` runs it later.
pub(super) fn is_installed() -> bool {
    GUARD.get().is_some()
}

/// Registers the mode of the current interpreter.
///
/// # Safety
/// The thread is attached.
pub(super) unsafe fn register_interpreter(mode: InterpreterMode) {
    if let Some(state) = GUARD.get() {
        // SAFETY: guaranteed by the caller.
        let interpreter = unsafe { python::current_interpreter_id() };
        lock_ignoring_poison(&state.interpreters).insert(interpreter, mode);
    }
}

/// Audit hook (PEP 578). CPython raises `import` with a file name just before it opens a shared object
/// (`Python/import.c`), and with `None` for every other import.
unsafe extern "C" fn audit_hook(event: *const c_char, arguments: *mut PyObject, _: *mut c_void) -> c_int {
    // SAFETY: CPython passes a NUL-terminated name and a tuple, and the thread is attached.
    unsafe {
        if CStr::from_ptr(event) != c"import" || python::PyTuple_Size(arguments) < 2 {
            python::PyErr_Clear();
            return 0;
        }
        let Some(path) = python::str_to_string(python::PyTuple_GetItem(arguments, 1)) else { return 0 };
        let Some(state) = GUARD.get() else { return 0 };
        if lock_ignoring_poison(&state.admitted).contains(&(python::current_interpreter_id(), path.clone()))
            || state.is_standard_module(Path::new(&path))
        {
            return 0;
        }
        let name = python::str_to_string(python::PyTuple_GetItem(arguments, 0)).unwrap_or_default();
        let why =
            match lock_ignoring_poison(&state.interpreters).contains_key(&python::current_interpreter_id()) {
                true => "it was not loaded through the import system",
                false => "the application created this interpreter, and nothing was vetted for it",
            };
        if state.plan.warn_only {
            log_warning(&format!("guard: {name} ({path}) is not vetted: {why}"));
            return 0;
        }
        raise_import_error(&name, &path, &format!("{name} is not loaded by wsgiaudit: {why} ({path})"));
        -1
    }
}

/// `_admit(name, path) -> path`: returns the verified copy to load instead of this file.
///
/// # Safety
/// Called by CPython.
pub(super) unsafe extern "C" fn py_admit(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls this with the thread attached and with `count` arguments.
    unsafe {
        let Some(arguments) = python::take_arguments::<2>(args, count) else { return null_mut() };
        let texts = (python::str_to_string(arguments[0]), python::str_to_string(arguments[1]));
        let (Some(name), Some(path), Some(state)) = (texts.0, texts.1, GUARD.get()) else {
            python::PyErr_SetString(python::PyExc_TypeError, c"name and path must be str".as_ptr());
            return null_mut();
        };
        let interpreter = python::current_interpreter_id();
        let mode = lock_ignoring_poison(&state.interpreters).get(&interpreter).copied();
        let result = run_detached(|| state.admit_module(&name, &path, mode));
        let load = match result {
            Ok(load) => load,
            Err(error) if state.plan.warn_only => {
                log_warning(&format!("guard: {error}: loaded anyway (--unvetted warn)"));
                path
            }
            Err(error) => {
                log_error(&format!("guard: {error}"));
                raise_import_error(&name, &path, &error.to_string());
                return null_mut();
            }
        };
        lock_ignoring_poison(&state.admitted).insert((interpreter, load.clone()));
        python::new_str(&load).map_or(null_mut(), |text| {
            let pointer = text.as_ptr();
            python::Py_IncRef(pointer);
            pointer
        })
    }
}

unsafe fn raise_import_error(name: &str, path: &str, why: &str) {
    // SAFETY: the caller is attached; references are checked.
    unsafe {
        if let (Some(why), Some(name), Some(path)) =
            (python::new_str(why), python::new_str(name), python::new_str(path))
        {
            drop(Object::new(python::PyErr_SetImportError(why.as_ptr(), name.as_ptr(), path.as_ptr())));
        }
    }
}

impl GuardState {
    /// Whether a file is one of CPython's own extension modules, and still what it was at the audit.
    fn is_standard_module(&self, path: &Path) -> bool {
        let real = fs::canonicalize(path).unwrap_or_default();
        let expected = self.vetted.digest_of_standard_module(&real);
        expected.is_some_and(|expected| {
            copy_and_hash(&real, &mut io::sink()).is_ok_and(|found| found == expected)
        })
    }

    /// Returns the path to load, or the reason for refusing.
    fn admit_module(
        &self,
        name: &str,
        path: &str,
        mode: Option<InterpreterMode>,
    ) -> Result<String, AdmissionError> {
        let module = || name.to_owned();
        let unreadable = |error: io::Error| AdmissionError::Unreadable {
            name: module(),
            path: path.to_owned(),
            error: error.to_string(),
        };
        let real = fs::canonicalize(path).map_err(unreadable)?;
        if let Some(expected) = self.vetted.digest_of_standard_module(&real) {
            let found = copy_and_hash(&real, &mut io::sink()).map_err(unreadable)?;
            if found == expected {
                return Ok(path.to_owned());
            }
            let mode = mode.map_or("any interpreter", InterpreterMode::name);
            let (file, change) = (real.display().to_string(), describe_change(&found, expected));
            return Err(AdmissionError::Changed { name: module(), mode, file, change });
        }
        let Some(mode) = mode else { return Err(AdmissionError::ForeignInterpreter { name: module() }) };
        let vetted = self.vetted.admit_module(name, &real, mode)?;
        if mode == InterpreterMode::OwnGilCopies && copies::has_copy(&real) {
            // The interpreter's loader opens its private copy, whose source had the vetted digest when it was made.
            return Ok(path.to_owned());
        }
        self.copy_verified(&real, vetted).map_err(|error| {
            if error.kind() != io::ErrorKind::InvalidData {
                return unreadable(error);
            }
            let (file, change) = (real.display().to_string(), error.to_string());
            AdmissionError::Changed { name: module(), mode: mode.name(), file, change }
        })
    }

    /// Makes a private copy of a file, hashing the bytes as they are copied.
    fn copy_verified(&self, real: &Path, vetted: &VettedModule) -> io::Result<String> {
        let mut copies = lock_ignoring_poison(&self.copies);
        if let Some(copy) = copies.get(real) {
            return Ok(copy.clone());
        }
        let target = mirror_folders(Path::new(&self.plan.folder), Path::new(&vetted.folder), real)?;
        drop(fs::remove_file(&target));
        let mut copy = File::options().write(true).create_new(true).mode(0o500).open(&target)?;
        let found = copy_and_hash(real, &mut copy)?;
        if found != vetted.sha256 {
            fs::remove_file(&target)?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, describe_change(&found, &vetted.sha256)));
        }
        let target = target.to_string_lossy().into_owned();
        copies.insert(real.to_owned(), target.clone());
        Ok(target)
    }
}

/// Copies a regular file, and returns the SHA-256 of the bytes that were copied.
fn copy_and_hash(real: &Path, copy: &mut impl Write) -> io::Result<String> {
    // Opening a FIFO would block.
    let mut source =
        File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(real)?;
    if !source.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let (mut digest, mut block) = (Sha256::new(), vec![0; 1 << 17]);
    loop {
        let size = source.read(&mut block)?;
        let Some(bytes) = block.get(..size).filter(|bytes| !bytes.is_empty()) else { break };
        digest.update(bytes);
        copy.write_all(bytes)?;
    }
    let mut found = String::new();
    for byte in digest.finalize() {
        // Writing to a `String` cannot fail.
        let _ = write!(found, "{byte:02x}");
    }
    Ok(found)
}

fn describe_change(found: &str, expected: &str) -> String {
    format!("its SHA-256 is {found}, not {expected}")
}

/// Returns the path for a copy, with its folders created.
///
/// Shared objects find their dependencies relative to their own folder (`$ORIGIN/../name.libs`), so every
/// folder between the copy and the `sys.path` entry gets symbolic links to the other entries of the original
/// folder.
fn mirror_folders(copies: &Path, root: &Path, file: &Path) -> io::Result<PathBuf> {
    let inside = file.strip_prefix(root).map_err(io::Error::other)?;
    let (mut original, mut mirrored) = (root.to_owned(), copies.to_owned());
    mirrored.extend(root.iter().skip(1));
    fs::create_dir_all(&mirrored)?;
    for part in inside {
        for entry in fs::read_dir(&original)?.flatten() {
            let link = mirrored.join(entry.file_name());
            if entry.file_name() != part && fs::symlink_metadata(&link).is_err() {
                symlink(entry.path(), link)?;
            }
        }
        original.push(part);
        mirrored.push(part);
        if original.is_dir() {
            if fs::symlink_metadata(&mirrored).is_ok_and(|metadata| metadata.is_symlink()) {
                fs::remove_file(&mirrored)?;
            }
            fs::create_dir_all(&mirrored)?;
        }
    }
    Ok(mirrored)
}
