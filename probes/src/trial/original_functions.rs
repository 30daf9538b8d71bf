//! CPython's own functions of an interpreter, as they were when its observer was installed: those that the hooks
//! ([`import_hooks`](super::import_hooks)) replace, and those that foreign code could replace.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};
use std::ptr::null_mut;
use std::sync::Mutex;

use crate::python::{self, Object, PyObject, current_interpreter_id};
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

pub(super) const CREATE_DYNAMIC: &CStr = c"create_dynamic";
pub(super) const EXEC_DYNAMIC: &CStr = c"exec_dynamic";
pub(super) const CREATE_BUILTIN: &CStr = c"create_builtin";
pub(super) const EXCEPT_HOOK: &CStr = c"excepthook";
pub(super) const UNRAISABLE_HOOK: &CStr = c"unraisablehook";

/// A function that shows the objects of an interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ObjectFunction {
    /// `gc.get_objects`.
    GetObjects,
    /// `sys.getrefcount`.
    GetReferenceCount,
}

/// Addresses of these functions, by interpreter. The interpreter's [`OriginalFunctions`] hold them.
static OBJECT_FUNCTIONS: Mutex<BTreeMap<(i64, ObjectFunction), usize>> = Mutex::new(BTreeMap::new());

impl ObjectFunction {
    /// Returns the function of the current interpreter. Before an observer is installed, no foreign code can have
    /// replaced it.
    ///
    /// # Errors
    /// The exception, if it is missing.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn find(self) -> Result<Object, String> {
        // SAFETY: guaranteed by the caller. The function is alive: its owner forgets the address before it drops it.
        unsafe {
            let key = (current_interpreter_id(), self);
            let Some(address) = lock_ignoring_poison(&OBJECT_FUNCTIONS).get(&key).copied() else {
                return self.find_in_module();
            };
            Object::from_borrowed(address as *mut PyObject).ok_or_else(|| python::take_error())
        }
    }

    /// # Safety
    /// The thread holds the GIL.
    unsafe fn find_in_module(self) -> Result<Object, String> {
        let (module, name) = match self {
            Self::GetObjects => (c"gc", c"get_objects"),
            Self::GetReferenceCount => (c"sys", c"getrefcount"),
        };
        // SAFETY: guaranteed by the caller.
        unsafe { python::import_attribute(module, name).ok_or_else(|| python::take_error()) }
    }

    /// Finds the function and remembers it for this interpreter.
    ///
    /// # Safety
    /// As for [`OriginalFunctions::find`].
    unsafe fn keep(self) -> Result<Object, String> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let function = self.find_in_module()?;
            let key = (current_interpreter_id(), self);
            lock_ignoring_poison(&OBJECT_FUNCTIONS).insert(key, function.as_ptr() as usize);
            Ok(function)
        }
    }
}

/// The functions of an interpreter that the hooks replace, and those that the probes need.
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
    /// `None` before 3.13, which has no build without a GIL.
    is_gil_enabled: Option<Object>,
    object_functions: [Object; 2],
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
            let function = |module: &CStr, name: &CStr| {
                python::import_attribute(module, name).ok_or_else(|| python::take_error())
            };
            Ok(Self {
                create_dynamic: function(c"_imp", CREATE_DYNAMIC)?,
                exec_dynamic: function(c"_imp", EXEC_DYNAMIC)?,
                create_builtin: function(c"_imp", CREATE_BUILTIN)?,
                excepthook: function(c"sys", EXCEPT_HOOK)?,
                unraisablehook: function(c"sys", UNRAISABLE_HOOK)?,
                getdlopenflags: function(c"sys", c"getdlopenflags")?,
                count_threads: function(c"_thread", c"_count")?,
                is_gil_enabled: function(c"sys", c"_is_gil_enabled").ok(),
                object_functions: [
                    ObjectFunction::GetObjects.keep()?,
                    ObjectFunction::GetReferenceCount.keep()?,
                ],
                module: python::import_module(c"_imp").ok_or_else(|| python::take_error())?,
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

    /// Whether this process runs with a GIL (`sys._is_gil_enabled`). Always true except on a free-threaded build.
    ///
    /// # Safety
    /// The thread holds the GIL, or is attached to the interpreter, and no exception is pending.
    pub(super) unsafe fn has_gil(&self) -> bool {
        let Some(function) = self.is_gil_enabled.as_ref().filter(|_| python::is_free_threaded()) else {
            return true;
        };
        // SAFETY: guaranteed by the caller.
        unsafe {
            let answer = Object::new(python::PyObject_CallObject(function.as_ptr(), null_mut()));
            python::PyErr_Clear();
            answer.is_none_or(|answer| python::PyObject_IsTrue(answer.as_ptr()) == 1)
        }
    }

    /// Puts the functions of the import system back, and forgets the others.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn restore(&self) {
        let is_own =
            |address: usize| self.object_functions.iter().any(|own| own.as_ptr() as usize == address);
        lock_ignoring_poison(&OBJECT_FUNCTIONS).retain(|_, address| !is_own(*address));
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
