//! What a trial reads from disk, told by its Python's audit events (PEP 578): as long as all of that is the same, so is
//! the trial's answer. What C code opens by itself is not seen; it lies with the module that does.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Component, Path, PathBuf};
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use super::record;
use crate::protocol::{Event, Watched};
use crate::python::{self, Object, PyObject};

/// So many files outside of the folders watched are told.
const MOST: usize = 300;

/// What stands for more than is told.
const TOO_MUCH: &str = "*";

struct Touched {
    watched: Watched,
    /// What was told; children of this process inherit it.
    told: BTreeSet<String>,
}

static TOUCHED: Mutex<Option<Touched>> = Mutex::new(None);

/// Has everything told that this process and its children read from now on, and what has been imported so far: `site`
/// imports what `.pth` files name as an interpreter starts.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn watch(watched: Watched) {
    *TOUCHED.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Touched { watched, told: BTreeSet::new() });
    // SAFETY: the hook is a function of this library, which is never unloaded; the caller's promise.
    unsafe {
        python::PySys_AddAuditHook(hook, null_mut());
        files_of_modules().into_iter().for_each(|file| touch(file));
    }
}

/// The `__file__` of each module that was imported, borrowed.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn files_of_modules() -> Vec<*mut PyObject> {
    // SAFETY: borrowed references from dictionaries that live while no code of Python runs; what is no module has none.
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
        python::entries(modules).filter_map(|(_, module)| file(module)).collect()
    }
}

/// Tells a new record what this process had read before it.
pub(super) fn tell_again() {
    let touched = TOUCHED.lock().unwrap_or_else(PoisonError::into_inner);
    touched.iter().flat_map(|touched| &touched.told).for_each(|path| tell(path));
}

/// Forgets what was told: who reads it again reads it too.
pub(super) fn forget() {
    let mut touched = TOUCHED.lock().unwrap_or_else(PoisonError::into_inner);
    touched.iter_mut().for_each(|touched| touched.told.clear());
}

fn tell(path: &str) {
    record::write(&Event::Touched(path.to_owned()));
}

/// What CPython calls for every audit event, in whatever interpreter raises it.
unsafe extern "C" fn hook(event: *const c_char, arguments: *mut PyObject, _: *mut c_void) -> c_int {
    // SAFETY: CPython passes a NUL-terminated name, and a tuple for these events; the thread holds a GIL.
    unsafe {
        let index = match CStr::from_ptr(event).to_bytes() {
            b"open" | b"os.listdir" | b"os.scandir" | b"ctypes.dlopen" => 0,
            b"import" => 1,
            _ => return 0,
        };
        if python::PyTuple_Size(arguments) > index {
            touch(python::PyTuple_GetItem(arguments, index));
        }
    }
    0
}

/// # Safety
/// A living object; the thread holds a GIL.
unsafe fn touch(named: *mut PyObject) {
    // SAFETY: the caller's promise.
    let path = unsafe {
        // A descriptor was opened before, and nothing is the working folder.
        if named == python::Py_None() || python::is_a(named, python::Py_TPFLAGS_LONG_SUBCLASS) {
            return;
        }
        path(named)
    };
    let mut touched = TOUCHED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Touched { watched, told }) = touched.as_mut() else { return };
    let path = match path.as_deref().map(|path| unit(path, watched)) {
        None => TOO_MUCH.to_owned(),
        Some(Unit::Apart) => return,
        Some(Unit::Within(path)) => path,
        Some(Unit::Elsewhere(path)) if told.len() < MOST => path,
        Some(Unit::Elsewhere(_)) => TOO_MUCH.to_owned(),
    };
    if told.insert(path.clone()) {
        tell(&path);
    }
}

/// # Safety
/// As for [`touch`].
unsafe fn path(named: *mut PyObject) -> Option<PathBuf> {
    // SAFETY: the caller's promise; the converter puts a new `str` into its second argument, or fails.
    unsafe {
        let mut text = null_mut::<PyObject>();
        if python::PyUnicode_FSDecoder(named, (&raw mut text).cast()) == 0 {
            python::PyErr_Clear();
            return None;
        }
        let text = Object::new(text)?;
        std::path::absolute(python::text(text.as_ptr())?).ok().map(|path| plain(&path))
    }
}

/// Without `..`, by the text alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// `x.py` for `x.cpython-314.pyc` (PEP 3147): what it is checked against.
fn source_of(compiled: &Path) -> PathBuf {
    let name = compiled.to_string_lossy();
    PathBuf::from(format!("{}.py", name.split('.').next().unwrap_or_default()))
}

/// What of a path is told.
enum Unit {
    /// Nothing: it is part of what runs the trial.
    Apart,
    /// The entry of a folder watched that it lies in, or a file of a distribution's metadata.
    Within(String),
    /// All of it.
    Elsewhere(String),
}

fn unit(path: &Path, watched: &Watched) -> Unit {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    for folder in &watched.folders {
        let Ok(rest) = path.strip_prefix(folder) else { continue };
        let mut parts = rest.components().map(|part| Path::new(part.as_os_str()));
        let told = match (parts.next(), parts.next()) {
            // The import system lists the folder itself; which names there are is known to the auditor, and so is what
            // its `.pth` files say.
            (None, _) => return Unit::Apart,
            (Some(first), None) if first.extension().is_some_and(|suffix| suffix == "pth") => {
                return Unit::Apart;
            }
            (Some(first), Some(compiled)) if first == "__pycache__" => source_of(compiled),
            // Whoever looks for plug-ins reads one file of each distribution.
            (Some(first), _) if first.extension().is_some_and(|suffix| suffix == "dist-info") => {
                rest.to_owned()
            }
            (Some(first), _) => first.to_owned(),
        };
        return Unit::Within(text(&Path::new(folder).join(told)));
    }
    match watched.apart.iter().any(|folder| path.starts_with(folder)) {
        true => Unit::Apart,
        false => Unit::Elsewhere(text(path)),
    }
}
