//! The C API: `pyo3::ffi`, and what the limited API lacks, declared by hand.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr::{NonNull, null_mut};

pub(crate) use pyo3::ffi::*;

/// `PyInterpreterConfig` (3.12+, `Include/cpython/pylifecycle.h`): seven C ints, in this order.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PyInterpreterConfig {
    pub(crate) use_main_obmalloc: c_int,
    pub(crate) allow_fork: c_int,
    pub(crate) allow_exec: c_int,
    pub(crate) allow_threads: c_int,
    pub(crate) allow_daemon_threads: c_int,
    pub(crate) check_multi_interp_extensions: c_int,
    pub(crate) gil: c_int,
}

/// `PyInterpreterConfig_SHARED_GIL`.
pub(crate) const SHARED_GIL: c_int = 1;
/// `PyInterpreterConfig_OWN_GIL`.
pub(crate) const OWN_GIL: c_int = 2;

/// `PyStatus` (`Include/cpython/initconfig.h`).
#[repr(C)]
pub(crate) struct PyStatus {
    kind: c_int,
    function: *const c_char,
    message: *const c_char,
    exit_code: c_int,
}

impl PyStatus {
    /// The error, if it is one (`_PyStatus_TYPE_OK` is 0).
    pub(crate) fn error(&self) -> Option<String> {
        if self.kind == 0 {
            return None;
        }
        if self.message.is_null() {
            return Some(format!("status {}", self.exit_code));
        }
        // SAFETY: CPython points it at a string literal.
        Some(unsafe { CStr::from_ptr(self.message) }.to_string_lossy().into_owned())
    }
}

/// `PyMemAllocatorEx` (`Include/cpython/pymem.h`).
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PyMemAllocatorEx {
    context: *mut c_void,
    malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    pub(crate) realloc: Realloc,
    pub(crate) free: Free,
}

/// Its functions that give memory back: the context that they are called with, the block and, to move it, its new size.
pub(crate) type Realloc = unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void;
pub(crate) type Free = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// `PyObjectArenaAllocator` (`Include/cpython/objimpl.h`).
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PyObjectArenaAllocator {
    pub(crate) context: *mut c_void,
    pub(crate) alloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub(crate) free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
}

// SAFETY: a table of functions; what its context points at is used under CPython's rules alone.
unsafe impl Send for PyObjectArenaAllocator {}
// SAFETY: as above.
unsafe impl Sync for PyObjectArenaAllocator {}

/// `PYMEM_DOMAIN_OBJ` of `PyMemAllocatorDomain`.
pub(crate) const PYMEM_DOMAIN_OBJ: c_int = 2;

// Exported by every CPython, outside the limited API (`Include/cpython/pystate.h`, `sysmodule.h`, `pymem.h`,
// `objimpl.h`).
unsafe extern "C" {
    pub(crate) fn PyMem_GetAllocator(domain: c_int, allocator: *mut PyMemAllocatorEx);
    pub(crate) fn PyMem_SetAllocator(domain: c_int, allocator: *const PyMemAllocatorEx);
    pub(crate) fn PyObject_GetArenaAllocator(allocator: *mut PyObjectArenaAllocator);
    pub(crate) fn PyObject_SetArenaAllocator(allocator: *const PyObjectArenaAllocator);
    pub(crate) fn PySys_AddAuditHook(
        hook: unsafe extern "C" fn(*const c_char, *mut PyObject, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    pub(crate) fn PyThreadState_DeleteCurrent();
    pub(crate) fn PyInterpreterState_ThreadHead(interpreter: *mut PyInterpreterState) -> *mut PyThreadState;
    pub(crate) fn PyThreadState_Next(state: *mut PyThreadState) -> *mut PyThreadState;
}

type NewInterpreter = unsafe extern "C" fn(*mut *mut PyThreadState, *const PyInterpreterConfig) -> PyStatus;

/// `Py_NewInterpreterFromConfig` of the running Python; `None` before 3.12. Looked up at run time, so that
/// the library also loads into an older Python, for the control.
pub(crate) fn new_interpreter() -> Option<NewInterpreter> {
    // SAFETY: dlsym with a NUL-terminated name; the symbol has this signature since 3.12.
    unsafe {
        let symbol = libc::dlsym(libc::RTLD_DEFAULT, c"Py_NewInterpreterFromConfig".as_ptr());
        NonNull::new(symbol).map(|symbol| transmute::<*mut c_void, NewInterpreter>(symbol.as_ptr()))
    }
}

/// Whether the running Python has this symbol.
pub(crate) fn exports(symbol: &CStr) -> bool {
    // SAFETY: dlsym with a NUL-terminated name.
    unsafe { !libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()).is_null() }
}

/// An owned reference. Lives and dies under the GIL of one interpreter; never crosses to another.
pub(crate) struct Object(NonNull<PyObject>);

impl Object {
    /// Takes over a new reference; `None` where the call set an exception instead.
    ///
    /// # Safety
    /// `reference` is null or a new reference, and the thread holds its interpreter's GIL for as long as the
    /// object lives.
    pub(crate) unsafe fn new(reference: *mut PyObject) -> Option<Self> {
        NonNull::new(reference).map(Self)
    }

    pub(crate) fn as_ptr(&self) -> *mut PyObject {
        self.0.as_ptr()
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the reference is ours (see `new`). The function, not the macro: its layout is not ours.
        unsafe { Py_DecRef(self.as_ptr()) }
    }
}

/// The keys and values of a dictionary, borrowed; none of null.
///
/// # Safety
/// A dictionary or null that lives, and does not change, while they are gone through; the thread holds the GIL.
pub(crate) unsafe fn entries(
    dictionary: *mut PyObject,
) -> impl Iterator<Item = (*mut PyObject, *mut PyObject)> {
    let (mut at, mut key, mut value) = (0, null_mut(), null_mut());
    std::iter::from_fn(move || {
        // SAFETY: the caller's promise; `PyDict_Next` sets an exception for nothing, and changes nothing.
        let is_one =
            !dictionary.is_null() && unsafe { PyDict_Next(dictionary, &mut at, &mut key, &mut value) } != 0;
        is_one.then_some((key, value))
    })
}

/// The text of a `str`, with lone surrogates escaped. `None` for anything else.
///
/// # Safety
/// `object` is a valid reference and the thread holds the GIL.
pub(crate) unsafe fn text(object: *mut PyObject) -> Option<String> {
    // SAFETY: both calls accept any object or fail; the bytes are copied while the reference is held.
    unsafe {
        let bytes =
            Object::new(PyUnicode_AsEncodedString(object, c"utf-8".as_ptr(), c"backslashreplace".as_ptr()));
        let Some(bytes) = bytes else {
            PyErr_Clear();
            return None;
        };
        let (mut data, mut length) = (null_mut(), 0);
        if PyBytes_AsStringAndSize(bytes.as_ptr(), &mut data, &mut length) != 0 {
            PyErr_Clear();
            return None;
        }
        let slice = std::slice::from_raw_parts(data.cast::<u8>(), usize::try_from(length).ok()?);
        Some(String::from_utf8_lossy(slice).into_owned())
    }
}

/// The pending exception as one line, cleared. For the probe's own failures.
///
/// # Safety
/// The thread holds the GIL.
#[expect(deprecated, reason = "PyErr_GetRaisedException is 3.12+; the control also runs on older ones")]
pub(crate) unsafe fn take_error() -> String {
    // SAFETY: the three pointers become owned references or null.
    unsafe {
        let (mut kind, mut value, mut trace) = (null_mut(), null_mut(), null_mut());
        PyErr_Fetch(&mut kind, &mut value, &mut trace);
        let (_kind, value, _trace) = (Object::new(kind), Object::new(value), Object::new(trace));
        value
            .and_then(|value| Object::new(PyObject_Repr(value.as_ptr())))
            .and_then(|repr| text(repr.as_ptr()))
            .unwrap_or_else(|| "no exception".to_owned())
    }
}

/// Runs Python source in the current interpreter, with names of its own. An exception is dropped.
///
/// # Safety
/// The thread holds the GIL.
pub(crate) unsafe fn run(source: &CStr) {
    // SAFETY: each reference is checked before use; the builtins are borrowed while the dictionary takes one.
    unsafe {
        let names = Object::new(PyDict_New());
        let code = Object::new(Py_CompileString(source.as_ptr(), c"<wsgiaudit>".as_ptr(), Py_file_input));
        if let (Some(names), Some(code)) = (names, code) {
            PyDict_SetItemString(names.as_ptr(), c"__builtins__".as_ptr(), PyEval_GetBuiltins());
            drop(Object::new(PyEval_EvalCode(code.as_ptr(), names.as_ptr(), names.as_ptr())));
        }
        PyErr_Clear();
    }
}

/// An object's type. The function, not the macro: the layout of the object's head is not ours to know.
///
/// # Safety
/// A living object; the thread holds a GIL.
pub(crate) unsafe fn type_of(object: *mut PyObject) -> Option<Object> {
    // SAFETY: the caller's promise.
    unsafe { Object::new(PyObject_Type(object)) }
}

/// Whether an object's type is a subclass of what this flag stands for, e.g. `Py_TPFLAGS_DICT_SUBCLASS`.
///
/// # Safety
/// As for [`type_of`].
pub(crate) unsafe fn is_a(object: *mut PyObject, flag: std::ffi::c_ulong) -> bool {
    // SAFETY: the caller's promise.
    unsafe { type_of(object).is_some_and(|kind| PyType_GetFlags(kind.as_ptr().cast()) & flag != 0) }
}
