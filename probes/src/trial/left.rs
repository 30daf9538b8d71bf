//! What is left in the main interpreter by imports elsewhere: CPython runs an extension module's init function there
//! first (since 3.13, `import_run_extension` in `Python/import.c`), whatever comes of the import.

use std::collections::BTreeSet;
use std::ffi::CStr;

use crate::python::{self, PyObject};

/// The names that everything in an interpreter can see.
pub(super) struct Names(BTreeSet<String>);

/// So many are told.
const MOST: usize = 500;

impl Names {
    /// Those of the interpreter that this thread is attached to.
    ///
    /// # Safety
    /// The thread holds a GIL.
    pub(super) unsafe fn here() -> Self {
        let mut names = BTreeSet::new();
        // SAFETY: borrowed references to modules and dictionaries that the interpreter keeps; no code of Python runs.
        unsafe {
            let modules = python::PySys_GetObject(c"modules".as_ptr());
            names.extend(keys(modules).into_iter().map(|key| format!("sys.modules['{key}']")));
            for (module, shown) in [(c"sys", "sys"), (c"builtins", "builtins")] {
                names.extend(attributes(module).into_iter().map(|key| format!("{shown}.{key}")));
            }
        }
        Self(names)
    }

    /// What has come since.
    pub(super) fn since(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).take(MOST).cloned().collect()
    }
}

/// # Safety
/// The thread holds a GIL.
unsafe fn attributes(module: &CStr) -> Vec<String> {
    // SAFETY: the module is there from the start, and so is its dictionary.
    unsafe {
        let module = python::PyImport_AddModule(module.as_ptr());
        if module.is_null() { Vec::new() } else { keys(python::PyModule_GetDict(module)) }
    }
}

/// # Safety
/// A dictionary or null; the thread holds a GIL.
unsafe fn keys(dictionary: *mut PyObject) -> Vec<String> {
    // SAFETY: the caller's promise; no code of Python runs.
    unsafe { python::entries(dictionary).filter_map(|(key, _)| python::text(key)).collect() }
}
