//! The Python C API: `pyo3::ffi`, and declarations of functions and types outside the limited API.

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
    /// Returns the error message, if the status is an error (`_PyStatus_TYPE_OK` is 0).
    pub(crate) fn error_message(&self) -> Option<String> {
        if self.kind == 0 {
            return None;
        }
        if self.message.is_null() {
            return Some(format!("status {}", self.exit_code));
        }
        // SAFETY: CPython stores a pointer to a string literal here.
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
    pub(crate) realloc: ReallocFunction,
    pub(crate) free: FreeFunction,
}

/// Functions of an allocator: the first argument is its context, the second the block, the third the new
/// size.
pub(crate) type ReallocFunction = unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void;
pub(crate) type FreeFunction = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// `PyObjectArenaAllocator` (`Include/cpython/objimpl.h`).
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PyObjectArenaAllocator {
    pub(crate) context: *mut c_void,
    pub(crate) alloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub(crate) free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
}

// SAFETY: a table of functions; its context is only used through them, under CPython's rules.
unsafe impl Send for PyObjectArenaAllocator {}
// SAFETY: as above.
unsafe impl Sync for PyObjectArenaAllocator {}

/// `PYMEM_DOMAIN_OBJ` of `PyMemAllocatorDomain`.
pub(crate) const PYMEM_DOMAIN_OBJ: c_int = 2;

// Exported by every CPython, outside the limited API (`Include/cpython/pystate.h`, `pyframe.h`, `sysmodule.h`,
// `pymem.h`, `objimpl.h`).
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
    pub(crate) fn PyInterpreterState_Head() -> *mut PyInterpreterState;
    pub(crate) fn PyInterpreterState_Next(interpreter: *mut PyInterpreterState) -> *mut PyInterpreterState;
    pub(crate) fn PyInterpreterState_ThreadHead(interpreter: *mut PyInterpreterState) -> *mut PyThreadState;
    pub(crate) fn PyThreadState_Next(state: *mut PyThreadState) -> *mut PyThreadState;
    pub(crate) fn PyFrame_GetBack(frame: *mut PyFrameObject) -> *mut PyFrameObject;
    pub(crate) fn PySys_Audit(event: *const c_char, format: *const c_char, ...) -> c_int;
}

type NewInterpreterFunction =
    unsafe extern "C" fn(*mut *mut PyThreadState, *const PyInterpreterConfig) -> PyStatus;

/// Looks up `Py_NewInterpreterFromConfig` in the running Python; `None` before 3.12. Resolved at run time so
/// that the library also loads into older versions, which can run the control.
pub(crate) fn find_new_interpreter_function() -> Option<NewInterpreterFunction> {
    let symbol = find_symbol(c"Py_NewInterpreterFromConfig")?;
    // SAFETY: the symbol has this signature since 3.12.
    Some(unsafe { transmute::<*mut c_void, NewInterpreterFunction>(symbol.as_ptr()) })
}

/// Id of the interpreter that this thread is attached to. CPython uses no id twice in a process.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(crate) unsafe fn current_interpreter_id() -> i64 {
    // SAFETY: guaranteed by the caller.
    unsafe { PyInterpreterState_GetID(PyInterpreterState_Get()) }
}

/// Looks up a symbol of the running Python.
pub(crate) fn find_symbol(symbol: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: dlsym with a NUL-terminated name.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) })
}

/// Whether the running Python exports this symbol.
pub(crate) fn has_symbol(symbol: &CStr) -> bool {
    find_symbol(symbol).is_some()
}

/// Whether this Python was built with `--disable-gil`: only such builds export `_Py_MergeZeroLocalRefcount`
/// (`Include/refcount.h`, since 3.13).
pub(crate) fn is_free_threaded() -> bool {
    has_symbol(c"_Py_MergeZeroLocalRefcount")
}

/// The version of the running Python, e.g. `3.14.7`.
pub(crate) fn read_version() -> String {
    // SAFETY: a constant text of the running Python.
    let version = unsafe { CStr::from_ptr(Py_GetVersion()) }.to_string_lossy().into_owned();
    version.split(' ').next().unwrap_or_default().to_owned()
}

/// Whether CPython runs an init function in the importing interpreter and refuses the module only afterwards.
/// Since 3.13, which added `Py_GetConstant`, it runs in the main interpreter first (`Python/import.c`).
pub(crate) fn runs_init_in_importer() -> bool {
    !has_symbol(c"Py_GetConstant")
}

/// Whether a garbage collection in one interpreter visits the objects that `faulthandler` keeps for the whole process: before
/// 3.14, which added `PyImport_ImportModuleAttrString`, the module had a function for that (`faulthandler_traverse`).
pub(crate) fn collects_for_faulthandler() -> bool {
    !has_symbol(c"PyImport_ImportModuleAttrString")
}

/// An owned reference to a Python object. Must not be used with another interpreter than its own.
pub(crate) struct Object(NonNull<PyObject>);

impl Object {
    /// Takes ownership of a new reference; `None` if it is null because the call set an exception.
    ///
    /// # Safety
    /// `reference` is null or a new reference, and the thread holds its interpreter's GIL for as long as the
    /// object lives.
    pub(crate) unsafe fn new(reference: *mut PyObject) -> Option<Self> {
        NonNull::new(reference).map(Self)
    }

    /// Takes a new reference to an object that is borrowed; `None` if it is null.
    ///
    /// # Safety
    /// `object` is null or alive; otherwise as for [`Object::new`].
    pub(crate) unsafe fn from_borrowed(object: *mut PyObject) -> Option<Self> {
        let object = NonNull::new(object)?;
        // SAFETY: guaranteed by the caller.
        unsafe { Py_IncRef(object.as_ptr()) };
        Some(Self(object))
    }

    pub(crate) fn as_ptr(&self) -> *mut PyObject {
        self.0.as_ptr()
    }

    /// Gives up the reference, e.g. to return it to CPython.
    pub(crate) fn into_ptr(self) -> *mut PyObject {
        std::mem::ManuallyDrop::new(self).as_ptr()
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the reference is owned (see `new`). Uses the function, since the macro depends on the
        // object layout.
        unsafe { Py_DecRef(self.as_ptr()) }
    }
}

/// The definition of a function that takes a tuple of arguments: constant C data, shared by all interpreters.
pub(crate) struct FunctionDef(PyMethodDef);

// SAFETY: CPython only reads it; its pointers refer to constants and code.
unsafe impl Sync for FunctionDef {}
// SAFETY: as above.
unsafe impl Send for FunctionDef {}

impl FunctionDef {
    pub(crate) const fn new(name: &'static CStr, function: PyCFunction) -> Self {
        Self(PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: PyMethodDefPointer { PyCFunction: function },
            ml_flags: METH_VARARGS,
            ml_doc: std::ptr::null(),
        })
    }

    /// The same with documentation, which CPython splits into `__text_signature__` and `__doc__`.
    pub(crate) const fn with_doc(self, doc: &'static CStr) -> Self {
        Self(PyMethodDef { ml_doc: doc.as_ptr(), ..self.0 })
    }

    /// Creates the function in the current interpreter. CPython passes it `state` as the first argument; `module`
    /// is its `__module__`. `None` with a Python exception set.
    ///
    /// # Safety
    /// The thread holds the GIL, and both are null or alive.
    pub(crate) unsafe fn new_function(
        &'static self,
        state: *mut PyObject,
        module: *mut PyObject,
    ) -> Option<Object> {
        // SAFETY: guaranteed by the caller; the definition is static.
        unsafe { Object::new(PyCFunction_NewEx((&raw const self.0).cast_mut(), state, module)) }
    }
}

/// Iterates over the borrowed keys and values of a dictionary; empty for null.
///
/// # Safety
/// `dictionary` is null or a dictionary that stays alive and unchanged during the iteration; the thread holds
/// the GIL.
pub(crate) unsafe fn dict_entries(
    dictionary: *mut PyObject,
) -> impl Iterator<Item = (*mut PyObject, *mut PyObject)> {
    let (mut at, mut key, mut value) = (0, null_mut(), null_mut());
    std::iter::from_fn(move || {
        // SAFETY: guaranteed by the caller; `PyDict_Next` changes nothing and sets no exception.
        let is_one =
            !dictionary.is_null() && unsafe { PyDict_Next(dictionary, &mut at, &mut key, &mut value) } != 0;
        is_one.then_some((key, value))
    })
}

/// Converts a `str` to a `String`, escaping lone surrogates. `None` for any other type.
///
/// # Safety
/// `object` is a valid reference and the thread holds the GIL.
pub(crate) unsafe fn str_to_string(object: *mut PyObject) -> Option<String> {
    // SAFETY: both calls accept any object or fail; the bytes are copied while the reference is held.
    unsafe {
        let bytes =
            Object::new(PyUnicode_AsEncodedString(object, c"utf-8".as_ptr(), c"backslashreplace".as_ptr()));
        let Some(bytes) = bytes else {
            PyErr_Clear();
            return None;
        };
        Some(String::from_utf8_lossy(&copy_bytes(bytes.as_ptr())?).into_owned())
    }
}

/// Copies the contents of a `bytes`. `None` for any other type.
///
/// # Safety
/// `object` is a valid reference and the thread holds the GIL.
pub(crate) unsafe fn copy_bytes(object: *mut PyObject) -> Option<Vec<u8>> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let bytes = require_bytes(object);
        if bytes.is_none() {
            PyErr_Clear();
        }
        bytes
    }
}

/// Copies the contents of a `bytes`. `None` with a Python exception set for any other type.
///
/// # Safety
/// As for [`copy_bytes`].
pub(crate) unsafe fn require_bytes(object: *mut PyObject) -> Option<Vec<u8>> {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: the pointer is valid for `length` bytes while the object is alive.
    unsafe {
        if PyBytes_AsStringAndSize(object, &mut data, &mut length) != 0 {
            return None;
        }
        Some(std::slice::from_raw_parts(data.cast::<u8>(), usize::try_from(length).ok()?).to_vec())
    }
}

/// Returns the arguments of a call if there are `N`. `None` with a Python exception set otherwise.
///
/// # Safety
/// Called by CPython, with `count` arguments.
pub(crate) unsafe fn take_arguments<'a, const N: usize>(
    arguments: *mut *mut PyObject,
    count: isize,
) -> Option<&'a [*mut PyObject]> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if count != N as isize {
            PyErr_SetString(PyExc_TypeError, c"wrong number of arguments".as_ptr());
            return None;
        }
        Some(std::slice::from_raw_parts(arguments, N))
    }
}

/// Returns a new reference to `None`, e.g. to return it to CPython.
///
/// # Safety
/// The thread holds a GIL.
pub(crate) unsafe fn new_none() -> *mut PyObject {
    // SAFETY: `None` is always alive.
    unsafe {
        let none = Py_None();
        Py_IncRef(none);
        none
    }
}

/// Creates a Python `str`; `None` with a Python exception set.
///
/// # Safety
/// The thread holds a GIL.
pub(crate) unsafe fn new_str(text: &str) -> Option<Object> {
    // SAFETY: pointer and length belong to a string that is alive.
    unsafe { Object::new(PyUnicode_FromStringAndSize(text.as_ptr().cast::<c_char>(), text.len() as isize)) }
}

/// Imports a module; `None` with an exception set if that fails.
///
/// # Safety
/// The thread holds the GIL.
pub(crate) unsafe fn import_module(name: &CStr) -> Option<Object> {
    // SAFETY: guaranteed by the caller.
    unsafe { Object::new(PyImport_ImportModule(name.as_ptr())) }
}

/// Imports a module and returns one of its attributes; `None` with an exception set if that fails.
///
/// # Safety
/// The thread holds the GIL.
pub(crate) unsafe fn import_attribute(module: &CStr, attribute: &CStr) -> Option<Object> {
    // SAFETY: guaranteed by the caller.
    unsafe { Object::new(PyObject_GetAttrString(import_module(module)?.as_ptr(), attribute.as_ptr())) }
}

/// Creates a Python `str` by decoding bytes as latin-1, as PEP 3333 requires.
///
/// # Safety
/// The thread holds a GIL.
pub(crate) unsafe fn new_latin1_str(bytes: &[u8]) -> Option<Object> {
    // SAFETY: pointer and length belong to a slice that is alive.
    unsafe {
        Object::new(PyUnicode_DecodeLatin1(
            bytes.as_ptr().cast::<c_char>(),
            bytes.len() as isize,
            std::ptr::null(),
        ))
    }
}

/// Creates a Python `bytes`.
///
/// # Safety
/// The thread holds a GIL.
pub(crate) unsafe fn new_bytes(bytes: &[u8]) -> Option<Object> {
    // SAFETY: pointer and length belong to a slice that is alive.
    unsafe { Object::new(PyBytes_FromStringAndSize(bytes.as_ptr().cast::<c_char>(), bytes.len() as isize)) }
}

/// Sets an exception of this type with this text.
///
/// # Safety
/// The thread holds a GIL; `kind` is an exception type.
pub(crate) unsafe fn raise_error(kind: *mut PyObject, text: &str) {
    // SAFETY: guaranteed by the caller. If the text cannot be created, that has set an exception.
    unsafe {
        if let Some(text) = new_str(text) {
            PyErr_SetObject(kind, text.as_ptr());
        }
    }
}

/// Takes the pending exception and returns its `repr`. For failures of the probe itself.
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
            .and_then(|repr| str_to_string(repr.as_ptr()))
            .unwrap_or_else(|| "no exception".to_owned())
    }
}

/// File name of the probes' own Python code in trials, which foreign code sees in tracebacks: that of the program of the
/// process. `observe.py` knows it too.
pub(crate) const SOURCE_NAME: &CStr = c"<stdin>";

/// Runs Python source code in the current interpreter, in a new namespace. Ignores exceptions.
///
/// # Safety
/// The thread holds the GIL.
pub(crate) unsafe fn run_source(source: &CStr) {
    // SAFETY: each reference is checked before use; the dictionary takes its own reference to the builtins.
    unsafe {
        let names = Object::new(PyDict_New());
        let code = Object::new(Py_CompileString(source.as_ptr(), SOURCE_NAME.as_ptr(), Py_file_input));
        if let (Some(names), Some(code)) = (names, code) {
            PyDict_SetItemString(names.as_ptr(), c"__builtins__".as_ptr(), PyEval_GetBuiltins());
            drop(Object::new(PyEval_EvalCode(code.as_ptr(), names.as_ptr(), names.as_ptr())));
        }
        PyErr_Clear();
    }
}

/// Returns the type of an object. Uses the function, since the macro depends on the object layout.
///
/// # Safety
/// The object is alive; the thread holds a GIL.
pub(crate) unsafe fn type_of(object: *mut PyObject) -> Option<Object> {
    // SAFETY: guaranteed by the caller.
    unsafe { Object::new(PyObject_Type(object)) }
}

/// Whether the type of an object has this flag, e.g. `Py_TPFLAGS_DICT_SUBCLASS`.
///
/// # Safety
/// As for [`type_of`].
pub(crate) unsafe fn has_type_flag(object: *mut PyObject, flag: std::ffi::c_ulong) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe { type_of(object).is_some_and(|kind| PyType_GetFlags(kind.as_ptr().cast()) & flag != 0) }
}
