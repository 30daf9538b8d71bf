//! Reads the `PyModuleDef` of a loaded module (`Include/moduleobject.h`). The stable ABI fixes its layout
//! except for the object header, which is longer in a free-threaded build.

use std::ffi::{CStr, c_char};
use std::fs;
use std::path::Path;

use wsgiaudit_probes_core::module_slots;
use wsgiaudit_probes_core::protocol::RuntimeModuleDef;

use crate::copies;
use crate::python::{self, PyObject};

/// Maximum number of slots read, in case the array has no terminator.
const MAX_SLOTS: usize = 64;

/// Reads the definition of a module; `None` if the object is not a module, has no definition, or has nested
/// slots.
///
/// # Safety
/// `module` is an object, and the thread holds its interpreter's GIL.
pub(super) unsafe fn read_module_definition(
    module: *mut PyObject,
    is_free_threaded: bool,
) -> Option<RuntimeModuleDef> {
    // SAFETY: a definition outlives its modules; its fields have these offsets on 64-bit machines, and a zero
    // terminates the array of slots, if there is one.
    unsafe {
        let definition = python::PyModule_GetDef(module).cast::<u8>();
        if definition.is_null() {
            python::PyErr_Clear();
            return None;
        }
        let head = if is_free_threaded { 32 } else { 16 };
        let field = |offset: usize| definition.add(head + offset);
        let m_size = field(40).cast::<i64>().read();
        let array = field(56).cast::<*const u8>().read();
        let mut slots = Vec::new();
        while !array.is_null() && slots.len() < MAX_SLOTS {
            let slot = array.add(slots.len() * 16);
            let id = u16::try_from(slot.cast::<i32>().read()).ok()?;
            if id == 0 {
                break;
            }
            if module_slots::is_nested(id) {
                return None;
            }
            let value = slot.add(8).cast::<u64>().read();
            slots.push((id, module_slots::is_declaration(id).then_some(value)));
        }
        Some(RuntimeModuleDef { m_size, slots })
    }
}

/// Whether a module can be the one of this name in this file: it has no definition, its definition has that name, or
/// lies in that file, which is named like it. Python code may have given another name at each look.
///
/// # Safety
/// As for [`read_module_definition`].
pub(super) unsafe fn can_be_module(
    module: *mut PyObject,
    is_free_threaded: bool,
    (name, file): (&str, &str),
) -> bool {
    // SAFETY: guaranteed by the caller.
    let (made_by, own) = unsafe { (find_defining_file(module), read_own_name(module, is_free_threaded)) };
    let last = name.rsplit('.').next();
    let is_named = own.is_some_and(|own| own.rsplit('.').next() == last);
    is_named || made_by.is_none_or(|made_by| is_same_file(&copies::find_origin(&made_by).file, file, last))
}

/// Whether two paths lead to the same file, which is named like this module, or is the `__init__` of such a package.
fn is_same_file(a: &str, b: &str, module: Option<&str>) -> bool {
    let is_same = a == b || fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b));
    let stem = |path: &Path| Some(path.file_name()?.to_str()?.split('.').next()?.to_owned());
    let own = stem(Path::new(b));
    let own = if own.as_deref() == Some("__init__") { Path::new(b).parent().and_then(stem) } else { own };
    is_same && own.as_deref() == module
}

/// The name in the definition of a module; `None` as for [`read_module_definition`].
///
/// # Safety
/// As for [`read_module_definition`].
unsafe fn read_own_name(module: *mut PyObject, is_free_threaded: bool) -> Option<String> {
    // SAFETY: as in `read_module_definition`; the name is NUL-terminated.
    unsafe {
        let definition = python::PyModule_GetDef(module).cast::<u8>();
        python::PyErr_Clear();
        let head = if is_free_threaded { 32 } else { 16 };
        let name =
            (!definition.is_null()).then(|| definition.add(head + 24).cast::<*const c_char>().read())?;
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// Path of the shared object that contains the definition of a module; `None` if the object is not a module, or
/// C code did not make it.
///
/// # Safety
/// As for [`read_module_definition`].
pub(super) unsafe fn find_defining_file(module: *mut PyObject) -> Option<String> {
    // SAFETY: guaranteed by the caller; dladdr fills the structure or returns 0, and the name outlives the call.
    unsafe {
        let definition = python::PyModule_GetDef(module);
        python::PyErr_Clear();
        let mut found = std::mem::zeroed::<libc::Dl_info>();
        let is_found = !definition.is_null() && libc::dladdr(definition.cast(), &raw mut found) != 0;
        let name = (is_found && !found.dli_fname.is_null()).then(|| CStr::from_ptr(found.dli_fname))?;
        Some(name.to_string_lossy().into_owned())
    }
}
