//! CPython's own functions of an interpreter, which the hooks ([`import_hooks`](super::import_hooks)) replace.

use std::ffi::{CStr, c_int};
use std::ptr::null_mut;

use crate::python::{self, Object};

pub(super) const CREATE_DYNAMIC: &CStr = c"create_dynamic";
pub(super) const EXEC_DYNAMIC: &CStr = c"exec_dynamic";
pub(super) const CREATE_BUILTIN: &CStr = c"create_builtin";
pub(super) const EXCEPT_HOOK: &CStr = c"excepthook";
pub(super) const UNRAISABLE_HOOK: &CStr = c"unraisablehook";

/// The functions of an interpreter that the hooks replace, and those that they need.
pub(super) struct OriginalFunctions {
    /// The module `_imp`.
    module: Object,
    pub(super) create_dynamic: Object,
    pub(super) exec_dynamic: Object,
    pub(super) create_builtin: Object,
    pub(super) excepthook: Object,
    pub(super) unraisablehook: Object,
    getdlopenflags: Object,
    count_threads: Object,
}

impl OriginalFunctions {
    /// Finds the functions in the current interpreter.
    ///
    /// # Errors
    /// The exception, if one is missing.
    ///
    /// # Safety
    /// The thread holds the GIL, now and whenever the functions are used or dropped.
    pub(super) unsafe fn find() -> Result<Self, String> {
        // SAFETY: guaranteed by the caller; references are checked.
        unsafe {
            let module = Object::new(python::PyImport_ImportModule(c"_imp".as_ptr()));
            let module = module.ok_or_else(|| python::take_error())?;
            let function = |owner: &Object, name: &CStr| {
                let found = Object::new(python::PyObject_GetAttrString(owner.as_ptr(), name.as_ptr()));
                found.ok_or_else(|| python::take_error())
            };
            let sys = Object::new(python::PyImport_ImportModule(c"sys".as_ptr()));
            let sys = sys.ok_or_else(|| python::take_error())?;
            let thread = Object::new(python::PyImport_ImportModule(c"_thread".as_ptr()));
            let thread = thread.ok_or_else(|| python::take_error())?;
            Ok(Self {
                create_dynamic: function(&module, CREATE_DYNAMIC)?,
                exec_dynamic: function(&module, EXEC_DYNAMIC)?,
                create_builtin: function(&module, CREATE_BUILTIN)?,
                excepthook: function(&sys, EXCEPT_HOOK)?,
                unraisablehook: function(&sys, UNRAISABLE_HOOK)?,
                getdlopenflags: function(&sys, c"getdlopenflags")?,
                count_threads: function(&thread, c"_count")?,
                module,
            })
        }
    }

    /// The flags with which CPython opens extension modules in this interpreter (`sys.getdlopenflags`).
    ///
    /// # Safety
    /// The thread holds the GIL, and no exception is pending.
    pub(super) unsafe fn read_open_flags(&self) -> c_int {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let flags = Object::new(python::PyObject_CallObject(self.getdlopenflags.as_ptr(), null_mut()));
            let flags = flags.map(|flags| python::PyLong_AsLong(flags.as_ptr()));
            python::PyErr_Clear();
            flags.and_then(|flags| c_int::try_from(flags).ok()).unwrap_or(libc::RTLD_NOW)
        }
    }

    /// Number of threads that Python has started in this interpreter (`_thread._count`).
    ///
    /// # Errors
    /// The exception.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn count_python_threads(&self) -> Result<i64, String> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let count = Object::new(python::PyObject_CallObject(self.count_threads.as_ptr(), null_mut()));
            Ok(python::PyLong_AsLongLong(count.ok_or_else(|| python::take_error())?.as_ptr()))
        }
    }

    /// Puts the functions of the import system back.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn restore(&self) {
        let all = [
            (CREATE_DYNAMIC, &self.create_dynamic),
            (EXEC_DYNAMIC, &self.exec_dynamic),
            (CREATE_BUILTIN, &self.create_builtin),
        ];
        for (name, function) in all {
            // SAFETY: guaranteed by the caller.
            unsafe { python::PyObject_SetAttrString(self.module.as_ptr(), name.as_ptr(), function.as_ptr()) };
        }
    }
}
