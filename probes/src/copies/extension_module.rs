//! This library as the extension module `wsgiaudit_copies`: the native part of the guard for mod_wsgi.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

use super::install::{NEEDS_GIL, explain_no_support, install_copy_loader};
use super::package_context;
use crate::python::{self, PyMethodDef, PyModuleDef, PyModuleDef_Slot, PyObject};

/// Data that CPython writes to.
struct CpythonData<T>(UnsafeCell<T>);

// SAFETY: only CPython uses the contents, under its own rules.
unsafe impl<T> Sync for CpythonData<T> {}

static METHODS: CpythonData<[PyMethodDef; 3]> = CpythonData(UnsafeCell::new([
    PyMethodDef {
        ml_name: c"install".as_ptr(),
        ml_meth: python::PyMethodDefPointer { PyCFunction: py_install },
        ml_flags: python::METH_O,
        ml_doc: c"install(tree)\n--\n\nMake this interpreter load extension modules from the private copies in a folder.".as_ptr(),
    },
    PyMethodDef {
        ml_name: c"explain_no_support".as_ptr(),
        ml_meth: python::PyMethodDefPointer { PyCFunction: py_explain_no_support },
        ml_flags: python::METH_NOARGS,
        ml_doc: c"explain_no_support()\n--\n\nWhy private copies cannot be loaded in this Python; None if they can.".as_ptr(),
    },
    PyMethodDef::zeroed(),
]));

/// `Py_MOD_PER_INTERPRETER_GIL_SUPPORTED`: a definition is all that the interpreters share.
static SLOTS: CpythonData<[PyModuleDef_Slot; 2]> = CpythonData(UnsafeCell::new([
    PyModuleDef_Slot { slot: 3, value: std::ptr::without_provenance_mut::<c_void>(2) },
    PyModuleDef_Slot { slot: 0, value: null_mut() },
]));

static DEFINITION: CpythonData<PyModuleDef> = CpythonData(UnsafeCell::new(PyModuleDef {
    m_base: python::PyModuleDef_HEAD_INIT,
    m_name: c"wsgiaudit_copies".as_ptr(),
    m_doc: null(),
    m_size: 0,
    m_methods: METHODS.0.get().cast::<PyMethodDef>(),
    m_slots: SLOTS.0.get().cast::<PyModuleDef_Slot>(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
}));

/// The init function of the module, which ends in [`package_context::MODULE_NAME`].
///
/// # Safety
/// Called by the import system with a GIL held.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn PyInit_wsgiaudit_copies() -> *mut PyObject {
    // SAFETY: guaranteed by the caller. The definition has the layout of a Python with a GIL, 3.5 or later.
    unsafe {
        if python::is_free_threaded() {
            python::raise_error(python::PyExc_ImportError, NEEDS_GIL);
            return null_mut();
        }
        package_context::note_words();
        python::PyModuleDef_Init(DEFINITION.0.get())
    }
}

unsafe extern "C" fn py_install(_: *mut PyObject, tree: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes an object and holds the GIL.
    unsafe {
        let Some(tree) = python::str_to_string(tree) else {
            python::PyErr_SetString(python::PyExc_TypeError, c"tree must be a str".as_ptr());
            return null_mut();
        };
        match install_copy_loader(&tree) {
            Ok(()) => python::new_none(),
            Err(error) => {
                python::raise_error(python::PyExc_RuntimeError, &error);
                null_mut()
            }
        }
    }
}

unsafe extern "C" fn py_explain_no_support(_: *mut PyObject, _: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython holds the GIL.
    unsafe {
        match explain_no_support() {
            Some(why) => python::new_str(&why).map_or(null_mut(), python::Object::into_ptr),
            None => python::new_none(),
        }
    }
}
