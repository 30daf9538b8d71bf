//! What is loaded: a module's name, the file that it is imported from, and the private copy that is opened.

use std::ffi::{CStr, CString, c_char};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr::null_mut;

use wsgiaudit_probes_core::export_function::{ExportFunctions, last_part};

use super::loader_state::{LoaderState, object_to_path};
use super::raise::{Raised, own};
use crate::python::{self, Object, PyObject};

/// The two attributes of a spec that CPython's loader reads, and the path of the copy.
pub(super) struct CopiedSpec {
    /// `spec.name`
    name: Object,
    /// `spec.origin`
    origin: Object,
    copy: PathBuf,
}

/// A module to load from a private copy.
pub(super) struct ModuleFile {
    /// `spec.name`
    pub(super) name: Object,
    /// `spec.origin`: the file of the environment.
    pub(super) origin: Object,
    /// The path of the private copy.
    pub(super) copy: CString,
    /// The last part of the name as in the names of functions.
    pub(super) encoded: CString,
    /// Whether the last part of the name is in ASCII.
    pub(super) is_ascii: bool,
    pub(super) functions: ExportFunctions,
}

impl CopiedSpec {
    /// `None` if the file has no private copy or CPython's loader would refuse the spec.
    ///
    /// # Safety
    /// `spec` is alive, and the thread holds the GIL.
    pub(super) unsafe fn new(state: LoaderState, spec: *mut PyObject) -> Result<Option<Self>, Raised> {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let attribute = |name: &CStr| {
                let value = Object::new(python::PyObject_GetAttrString(spec, name.as_ptr()));
                if value.is_none() {
                    python::PyErr_Clear();
                }
                value.filter(|value| {
                    python::has_type_flag(value.as_ptr(), python::Py_TPFLAGS_UNICODE_SUBCLASS)
                })
            };
            let (Some(name), Some(origin)) = (attribute(c"name"), attribute(c"origin")) else {
                return Ok(None);
            };
            let Some(file) = object_to_path(origin.as_ptr()) else { return Ok(None) };
            Ok(state.find_copy(&file)?.map(|copy| Self { name, origin, copy }))
        }
    }
}

impl ModuleFile {
    /// As `_Py_ext_module_loader_info_init` of `Python/importdl.c`.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn new(spec: CopiedSpec) -> Result<Self, Raised> {
        let CopiedSpec { name, origin, copy } = spec;
        // SAFETY: guaranteed by the caller.
        let (encoded, is_ascii) = unsafe { encode_last_part(&name)? };
        let functions = ExportFunctions::of_encoded_name(&encoded, is_ascii);
        // Neither has a NUL: CPython's path and the file system's have none.
        let copy = CString::new(copy.into_os_string().into_vec()).map_err(|_| Raised)?;
        let encoded = CString::new(encoded).unwrap_or_default();
        Ok(Self { name, origin, copy, encoded, is_ascii, functions })
    }

    /// The name in UTF-8, which belongs to the object.
    ///
    /// # Safety
    /// The thread holds the GIL.
    pub(super) unsafe fn utf8_name(&self) -> Result<*const c_char, Raised> {
        // SAFETY: guaranteed by the caller.
        unsafe { utf8_of(&self.name) }
    }
}

/// # Safety
/// The thread holds the GIL.
unsafe fn utf8_of(text: &Object) -> Result<*const c_char, Raised> {
    // SAFETY: guaranteed by the caller.
    let utf8 = unsafe { python::PyUnicode_AsUTF8AndSize(text.as_ptr(), null_mut()) };
    if utf8.is_null() { Err(Raised) } else { Ok(utf8) }
}

/// Encodes the last part of a name as in names of functions, like `get_encoded_name` of `Python/importdl.c`.
/// Returns also whether it is in ASCII.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn encode_last_part(name: &Object) -> Result<(String, bool), Raised> {
    // SAFETY: guaranteed by the caller; the UTF-8 form lives as long as the name.
    unsafe {
        let name = CStr::from_ptr(utf8_of(name)?).to_string_lossy();
        let last = last_part(&name);
        if last.is_ascii() {
            return Ok((last.replace('-', "_"), true));
        }
        let last = python::new_str(last).ok_or(Raised)?;
        let bytes =
            own(python::PyUnicode_AsEncodedString(last.as_ptr(), c"punycode".as_ptr(), std::ptr::null()))?;
        let encoded = CStr::from_ptr(python::PyBytes_AsString(bytes.as_ptr())).to_string_lossy();
        Ok((encoded.replace('-', "_"), false))
    }
}
