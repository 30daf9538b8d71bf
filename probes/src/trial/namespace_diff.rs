//! Names that imports in other interpreters leave in the main one: since 3.13, CPython runs an extension
//! module's init function in the main interpreter first (`import_run_extension` in `Python/import.c`), even
//! if the import fails.

use std::collections::BTreeSet;
use std::ffi::CStr;

use crate::python::{self, PyObject};

/// The names that all code of an interpreter can see: `sys.modules`, and the attributes of `sys` and
/// `builtins`.
pub(super) struct NamespaceSnapshot(BTreeSet<String>);

/// Maximum number of names recorded.
const MAX_NAMES: usize = 500;

impl NamespaceSnapshot {
    /// Captures the names of the interpreter that this thread is attached to.
    ///
    /// # Safety
    /// The thread holds a GIL.
    pub(super) unsafe fn capture_current() -> Self {
        let mut names = BTreeSet::new();
        // SAFETY: borrowed references to modules and dictionaries that the interpreter owns; no Python code
        // runs.
        unsafe {
            let modules = python::PySys_GetObject(c"modules".as_ptr());
            names.extend(dict_keys(modules).into_iter().map(|key| format!("sys.modules['{key}']")));
            for (module, shown) in [(c"sys", "sys"), (c"builtins", "builtins")] {
                names.extend(module_attributes(module).into_iter().map(|key| format!("{shown}.{key}")));
            }
        }
        Self(names)
    }

    /// Returns the names added since `before`.
    pub(super) fn names_added_since(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).take(MAX_NAMES).cloned().collect()
    }
}

/// Returns the attribute names of a module.
///
/// # Safety
/// The thread holds a GIL.
unsafe fn module_attributes(module: &CStr) -> Vec<String> {
    // SAFETY: both modules always exist, and so do their dictionaries.
    unsafe {
        let module = python::PyImport_AddModule(module.as_ptr());
        if module.is_null() { Vec::new() } else { dict_keys(python::PyModule_GetDict(module)) }
    }
}

/// Returns the keys of a dictionary that are strings.
///
/// # Safety
/// `dictionary` is a dictionary or null; the thread holds a GIL.
unsafe fn dict_keys(dictionary: *mut PyObject) -> Vec<String> {
    // SAFETY: guaranteed by the caller; no Python code runs.
    unsafe { python::dict_entries(dictionary).filter_map(|(key, _)| python::str_to_string(key)).collect() }
}
