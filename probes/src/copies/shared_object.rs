//! Opens a private copy and finds its functions, as `Python/dynload_shlib.c` does.

use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr::NonNull;

use wsgiaudit_probes_core::export_function::symbol_of_function;

use super::loader_state::{LoaderState, keys};
use super::module_file::ModuleFile;
use super::raise::{Raised, own, raise_import_error};
use crate::python::{self, Object};

/// An open shared object. Never closed, like CPython's.
pub(super) struct SharedObject(NonNull<c_void>);

impl SharedObject {
    /// Opens the copy with the interpreter's flags.
    ///
    /// # Safety
    /// The thread holds the GIL of the state's interpreter.
    pub(super) unsafe fn open(state: LoaderState, file: &ModuleFile) -> Result<Self, Raised> {
        // SAFETY: guaranteed by the caller; the path is NUL-terminated.
        unsafe {
            let flags = state.require(keys::FLAGS)?;
            let flags = own(python::PyObject_CallObject(flags, std::ptr::null_mut()))?;
            let flags = c_int::try_from(python::PyLong_AsLong(flags.as_ptr())).unwrap_or(libc::RTLD_NOW);
            match NonNull::new(libc::dlopen(file.copy.as_ptr(), flags)) {
                Some(handle) => Ok(Self(handle)),
                None => Err(raise_open_error(file)),
            }
        }
    }

    /// Finds a function of the shared object or, as the dynamic linker does, of the libraries it needs.
    pub(super) fn find_function(&self, function: &str) -> Option<NonNull<c_void>> {
        let symbol = CString::new(symbol_of_function(function)).ok()?;
        // SAFETY: the handle is open, and the symbol NUL-terminated.
        NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), symbol.as_ptr()) })
    }
}

/// Raises the dynamic linker's error. Its text names the file of the environment instead of the copy.
///
/// # Safety
/// The thread holds the GIL, and `dlopen` has just failed.
unsafe fn raise_open_error(file: &ModuleFile) -> Raised {
    // SAFETY: guaranteed by the caller; the text is copied at once.
    unsafe {
        let text = libc::dlerror();
        let text = if text.is_null() { c"unknown dlopen() error" } else { CStr::from_ptr(text) };
        let text = decode_locale(text);
        let (copy, name) = (decode_locale(&file.copy), python::new_str(&file.encoded.to_string_lossy()));
        let (Some(text), Some(copy), Some(name)) = (text, copy, name) else { return Raised };
        let is_bare = python::str_to_string(file.origin.as_ptr()).is_some_and(|path| !path.contains('/'));
        let path =
            if is_bare { prefix_folder(&file.origin) } else { Object::from_borrowed(file.origin.as_ptr()) };
        let Some(path) = path else { return Raised };
        match own(python::PyUnicode_Replace(text.as_ptr(), copy.as_ptr(), path.as_ptr(), -1)) {
            Ok(text) => raise_import_error(&text, &name, &path),
            Err(raised) => raised,
        }
    }
}

/// # Safety
/// The thread holds the GIL.
unsafe fn decode_locale(text: &CStr) -> Option<Object> {
    // SAFETY: NUL-terminated texts.
    unsafe { Object::new(python::PyUnicode_DecodeLocale(text.as_ptr(), c"surrogateescape".as_ptr())) }
}

/// `./` and a bare file name, as CPython opens it.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn prefix_folder(name: &Object) -> Option<Object> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let folder = python::new_str("./")?;
        Object::new(python::PyUnicode_Concat(folder.as_ptr(), name.as_ptr()))
    }
}

/// A file that is held open during a load.
pub(super) struct OpenFile(NonNull<libc::FILE>);

impl OpenFile {
    /// Opens the file of the environment for reading, as `_Py_fopen_obj` (`Python/fileutils.c`).
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn open(origin: &Object) -> Result<Self, Raised> {
        // SAFETY: guaranteed by the caller; the bytes are NUL-terminated and alive.
        unsafe {
            let zero: c_int = 0;
            let event = (c"open".as_ptr(), c"Osi".as_ptr());
            if python::PySys_Audit(event.0, event.1, origin.as_ptr(), c"r".as_ptr(), zero) < 0 {
                return Err(Raised);
            }
            let path = own(python::PyUnicode_EncodeFSDefault(origin.as_ptr()))?;
            let file = libc::fopen(python::PyBytes_AsString(path.as_ptr()), c"re".as_ptr());
            match NonNull::new(file) {
                Some(file) => Ok(Self(file)),
                None => {
                    python::PyErr_SetFromErrnoWithFilenameObject(python::PyExc_OSError, origin.as_ptr());
                    Err(Raised)
                }
            }
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        // SAFETY: the file is open and owned.
        unsafe { libc::fclose(self.0.as_ptr()) };
    }
}
