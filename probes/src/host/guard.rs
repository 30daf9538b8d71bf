//! The guard: an extension module loads only if the report vetted that very file for this mode.
//!
//! Two parts. `_imp.create_dynamic` of each interpreter is replaced (`glue.py`): what it is to load is read
//! once, hashed as it is read, and written to a private folder; CPython then loads that copy, so that there is
//! no moment between check and load in which the file could change. And an audit hook (PEP 578), which nothing
//! can take away and which holds in every interpreter of the process, refuses whatever else comes to CPython's
//! loader: so the function that was replaced is of no use to whoever finds it.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::ptr::null_mut;
use std::sync::{Mutex, OnceLock, PoisonError};

use sha2::{Digest, Sha256};

use super::config::{Guard, Mode, Vetted};
use super::glue::new_text;
use super::log::say;
use super::worker::detached;
use crate::python::{self, Object, PyObject};

static GUARD: OnceLock<State> = OnceLock::new();

struct State {
    plan: Guard,
    /// Modules by their file, links followed.
    vetted: HashMap<PathBuf, Vetted>,
    /// CPython's own extension modules: what it cannot load, it refuses itself.
    standard_library: Vec<PathBuf>,
    /// The mode of each interpreter that we made.
    interpreters: Mutex<HashMap<i64, Mode>>,
    /// What the hook lets through.
    admitted: Mutex<HashSet<(i64, String)>>,
    /// Copies made, by original.
    copies: Mutex<HashMap<PathBuf, String>>,
}

/// Sets the guard up: from now on nothing loads that it does not let through.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(super) unsafe fn install(plan: Guard) {
    let vetted = plan.vetted.iter().map(|module| (PathBuf::from(&module.path), module.clone())).collect();
    let state = State {
        vetted,
        // SAFETY: the caller's promise.
        standard_library: unsafe { standard_library() },
        plan,
        interpreters: Mutex::default(),
        admitted: Mutex::default(),
        copies: Mutex::default(),
    };
    if GUARD.set(state).is_ok() {
        // SAFETY: the hook is a function of this library, which is never unloaded.
        unsafe { python::PySys_AddAuditHook(hook, null_mut()) };
    }
}

/// Whether there is one. Then `site` has not run yet in an interpreter that begins.
pub(super) fn is_on() -> bool {
    GUARD.get().is_some()
}

/// The current interpreter is of this mode.
///
/// # Safety
/// The thread is attached.
pub(super) unsafe fn enrol(mode: Mode) {
    if let Some(state) = GUARD.get() {
        // SAFETY: the caller's promise.
        let interpreter = unsafe { current() };
        lock(&state.interpreters).insert(interpreter, mode);
    }
}

/// Entries `lib-dynload` of `sys.path` below the Python's own prefix.
unsafe fn standard_library() -> Vec<PathBuf> {
    // SAFETY: borrowed references to objects of `sys`, checked before use.
    unsafe {
        let prefix = python::PySys_GetObject(c"base_exec_prefix".as_ptr());
        let path = python::PySys_GetObject(c"path".as_ptr());
        let Some(prefix) = (!prefix.is_null()).then(|| python::text(prefix)).flatten() else {
            return Vec::new();
        };
        let Ok(prefix) = fs::canonicalize(prefix) else { return Vec::new() };
        let count = if path.is_null() { 0 } else { python::PyList_Size(path).max(0) };
        (0..count)
            .filter_map(|index| fs::canonicalize(python::text(python::PyList_GetItem(path, index))?).ok())
            .filter(|folder| folder.starts_with(&prefix) && folder.ends_with("lib-dynload"))
            .collect()
    }
}

unsafe fn current() -> i64 {
    // SAFETY: the caller is attached.
    unsafe { python::PyInterpreterState_GetID(python::PyInterpreterState_Get()) }
}

/// PEP 578. CPython raises `import` with a file's name right before it opens a shared object
/// (`Python/import.c`), and with `None` for every other import.
unsafe extern "C" fn hook(event: *const c_char, arguments: *mut PyObject, _: *mut c_void) -> c_int {
    // SAFETY: CPython passes a NUL-terminated name and a tuple, and the thread is attached.
    unsafe {
        if CStr::from_ptr(event) != c"import" || python::PyTuple_Size(arguments) < 2 {
            python::PyErr_Clear();
            return 0;
        }
        let Some(path) = python::text(python::PyTuple_GetItem(arguments, 1)) else { return 0 };
        let Some(state) = GUARD.get() else { return 0 };
        if state.is_standard(Path::new(&path)) || lock(&state.admitted).contains(&(current(), path.clone())) {
            return 0;
        }
        let name = python::text(python::PyTuple_GetItem(arguments, 0)).unwrap_or_default();
        let why = match lock(&state.interpreters).contains_key(&current()) {
            true => "it comes to the loader by another way than the import system's",
            false => "the application made this interpreter, and nothing was vetted for it",
        };
        if state.plan.warn_only {
            say(&format!("guard: {name} ({path}) is not vetted: {why}"));
            return 0;
        }
        refuse(&name, &path, &format!("{name} is not loaded by wsgiaudit: {why} ({path})"));
        -1
    }
}

/// `_admit(name, path) -> path`: what to load in place of this file.
///
/// # Safety
/// Called by CPython.
pub(super) unsafe extern "C" fn admit(
    _: *mut PyObject,
    args: *mut *mut PyObject,
    count: isize,
) -> *mut PyObject {
    // SAFETY: CPython calls this attached, with so many arguments.
    unsafe {
        if count != 2 {
            python::PyErr_SetString(python::PyExc_TypeError, c"wrong number of arguments".as_ptr());
            return null_mut();
        }
        let texts = (python::text(*args), python::text(*args.add(1)));
        let (Some(name), Some(path), Some(state)) = (texts.0, texts.1, GUARD.get()) else {
            python::PyErr_SetString(python::PyExc_TypeError, c"name and path must be str".as_ptr());
            return null_mut();
        };
        let interpreter = current();
        let mode = lock(&state.interpreters).get(&interpreter).copied();
        let answer = detached(|| state.admit(&name, &path, mode));
        let load = match answer {
            Ok(load) => load,
            Err(why) if state.plan.warn_only => {
                say(&format!("guard: {why}: loaded all the same (--unvetted warn)"));
                path
            }
            Err(why) => {
                say(&format!("guard: {why}"));
                refuse(&name, &path, &why);
                return null_mut();
            }
        };
        lock(&state.admitted).insert((interpreter, load.clone()));
        new_text(&load).map_or(null_mut(), |text| {
            let pointer = text.as_ptr();
            python::Py_IncRef(pointer);
            pointer
        })
    }
}

unsafe fn refuse(name: &str, path: &str, why: &str) {
    // SAFETY: the caller is attached; references are checked.
    unsafe {
        if let (Some(why), Some(name), Some(path)) = (new_text(why), new_text(name), new_text(path)) {
            drop(Object::new(python::PyErr_SetImportError(why.as_ptr(), name.as_ptr(), path.as_ptr())));
        }
    }
}

impl State {
    fn is_standard(&self, path: &Path) -> bool {
        let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
        // A link in there may lead anywhere.
        folder.is_some_and(|folder| self.standard_library.contains(&folder))
            && fs::canonicalize(path).is_ok_and(|path| {
                path.parent().is_some_and(|folder| self.standard_library.iter().any(|own| own == folder))
            })
    }

    /// What to load, or why not.
    fn admit(&self, name: &str, path: &str, mode: Option<Mode>) -> Result<String, String> {
        if self.is_standard(Path::new(path)) {
            return Ok(path.to_owned());
        }
        let Some(mode) = mode else {
            return Err(format!("{name} is not loaded by wsgiaudit: the application made this interpreter"));
        };
        let cannot = |error: io::Error| format!("{name} is not loaded by wsgiaudit: {path}: {error}");
        let real = fs::canonicalize(path).map_err(cannot)?;
        let mode_name = mode.name();
        let Some(vetted) = self.vetted.get(&real) else {
            return Err(format!(
                "{name} is not vetted for {mode_name}: {} is not in the report; audit the environment again, or \
                 --unvetted warn",
                real.display()
            ));
        };
        let (verdict, reason) = vetted
            .verdicts
            .get(mode_name)
            .map_or(("unknown", "it was not asked"), |(verdict, reason)| (verdict.as_str(), reason.as_str()));
        let is_admitted = verdict == "ready" || (verdict == "degraded" && self.plan.admit_degraded);
        if !is_admitted {
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            return Err(format!("{name} is {verdict} for {mode_name}{reason}; {}", advice(verdict)));
        }
        self.copy(&real, vetted).map_err(|error| {
            if error.kind() != io::ErrorKind::InvalidData {
                return cannot(error);
            }
            format!(
                "{name} is not vetted for {mode_name}: {} has changed since the audit ({error}); audit the \
                 environment again",
                real.display()
            )
        })
    }

    /// A private copy of a file, hashed as it was read.
    fn copy(&self, real: &Path, vetted: &Vetted) -> io::Result<String> {
        let mut copies = lock(&self.copies);
        if let Some(copy) = copies.get(real) {
            return Ok(copy.clone());
        }
        let mut source = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(real)?;
        let target = mirror(Path::new(&self.plan.folder), Path::new(&vetted.folder), real)?;
        drop(fs::remove_file(&target));
        let mut copy = File::options().write(true).create_new(true).mode(0o500).open(&target)?;
        let (mut digest, mut block) = (Sha256::new(), vec![0; 1 << 17]);
        loop {
            let size = source.read(&mut block)?;
            let Some(bytes) = block.get(..size).filter(|bytes| !bytes.is_empty()) else { break };
            digest.update(bytes);
            copy.write_all(bytes)?;
        }
        let mut found = String::new();
        for byte in digest.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(found, "{byte:02x}");
        }
        if found != vetted.sha256 {
            fs::remove_file(&target)?;
            let what = format!("its SHA-256 is {found}, not {}", vetted.sha256);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let target = target.to_string_lossy().into_owned();
        copies.insert(real.to_owned(), target.clone());
        Ok(target)
    }
}

fn advice(verdict: &str) -> &'static str {
    match verdict {
        "degraded" => "--admit degraded lets it load",
        "blocked" | "unsafe" => "what needs it wants a group in the main interpreter",
        _ => "audit the environment again",
    }
}

/// Where a copy goes. Shared objects find what they need beside them (`$ORIGIN/../name.libs`), so the folders
/// above the copy, up to the one on `sys.path`, hold links to everything that is in the originals.
fn mirror(copies: &Path, root: &Path, file: &Path) -> io::Result<PathBuf> {
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
