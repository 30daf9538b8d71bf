//! CPython's package context: the full name of the module whose init function runs. `PyModule_Create2` gives that
//! name to the module instead of the last part, which is all that the init function knows.
//!
//! It is a thread-local variable of CPython (`pkgcontext` in `Python/import.c`), and no version exports it or the
//! function that sets it. It is found by its value: in the init function of this library, the variable points to
//! the UTF-8 form of the name that this library was imported with.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use super::raise;
use crate::python::{self, Object, PyObject};

/// Where the variable lies in the thread-local data of CPython's shared object or executable.
static OFFSET: OnceLock<usize> = OnceLock::new();

/// The last part of the name of this library as an extension module.
pub(super) const MODULE_NAME: &str = "wsgiaudit_copies";

thread_local! {
    /// What the variable points to while this thread looks for it; null at other times.
    static WANTED: Cell<*const c_char> = const { Cell::new(null()) };
    /// Where a word has the wanted value.
    static FOUND: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Finds CPython's package context, once for the process and its children. Imports this library as an extension
/// module, which creates no more than a module object that is dropped.
///
/// # Errors
/// A text if the variable was not found. Private copies cannot be loaded then.
///
/// # Safety
/// The thread holds the GIL of an interpreter.
pub(crate) unsafe fn find_package_context() -> Result<(), String> {
    if OFFSET.get().is_some() {
        return Ok(());
    }
    // Two names, so that a word that has one of the values by chance is not taken for the variable.
    // SAFETY: guaranteed by the caller.
    let (first, second) = unsafe { (find_words("wsgiaudit.first")?, find_words("wsgiaudit.second")?) };
    let both = first.into_iter().filter(|offset| second.contains(offset)).collect::<Vec<_>>();
    match both.as_slice() {
        [offset] => {
            // Another interpreter may have found the same at the same time.
            let _ = OFFSET.set(*offset);
            Ok(())
        }
        found => Err(format!("CPython's package context was not found: {} candidates", found.len())),
    }
}

/// Imports this library as a module of `package`. Returns where CPython's thread-local data have a pointer to the
/// module's name meanwhile.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn find_words(package: &str) -> Result<Vec<usize>, String> {
    // SAFETY: each reference is checked before use; the name outlives the import.
    unsafe {
        let name = python::new_str(&format!("{package}.{}", MODULE_NAME));
        let name = name.ok_or_else(|| python::take_error())?;
        let spec = new_spec(&name, &library_path()?).ok_or_else(|| python::take_error())?;
        WANTED.set(python::PyUnicode_AsUTF8AndSize(name.as_ptr(), null_mut()));
        let module = python::import_attribute(c"_imp", c"create_dynamic")
            .and_then(|create| call_with(&create, spec.as_ptr()));
        WANTED.set(null());
        module.ok_or_else(|| python::take_error())?;
        Ok(FOUND.take())
    }
}

/// Called by the init function of this library.
pub(super) fn note_words() {
    let wanted = WANTED.get();
    if wanted.is_null() {
        return;
    }
    let Some(block) = find_thread_block() else { return };
    let words = block.size / size_of::<*const c_char>();
    let is_wanted = |index: &usize| {
        // SAFETY: the block has this many words and belongs to this thread.
        unsafe { block.start.cast::<*const c_char>().add(*index).read_volatile() == wanted }
    };
    FOUND.set((0..words).filter(is_wanted).map(|index| index * size_of::<*const c_char>()).collect());
}

/// Calls a function while the context is `name`. The context must have been found.
///
/// # Safety
/// `name` is null or NUL-terminated and outlives the call; the thread holds the GIL and is attached to CPython.
pub(super) unsafe fn call_with_context<T>(name: *const c_char, call: impl FnOnce() -> T) -> T {
    let block = find_thread_block();
    let place = match (block, OFFSET.get()) {
        (Some(block), Some(offset)) => block.start.wrapping_add(*offset).cast::<*const c_char>(),
        (None, _) | (_, None) => return call(),
    };
    // SAFETY: the variable lives as long as this thread.
    unsafe {
        let outer = place.replace(name);
        let result = call();
        place.write(outer);
        result
    }
}

/// The thread-local data of CPython in this thread.
struct ThreadBlock {
    start: *mut u8,
    /// In bytes.
    size: usize,
}

/// Finds the thread-local data of the shared object or executable that holds CPython.
#[cfg(target_os = "linux")]
fn find_thread_block() -> Option<ThreadBlock> {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
        let inside = python::PyModule_Create2 as *const () as usize;
        // SAFETY: the dynamic linker passes valid headers, and `found` is the variable below.
        unsafe {
            let (info, found) = (&*info, &mut *found.cast::<Option<ThreadBlock>>());
            if info.dlpi_phdr.is_null() {
                return 0;
            }
            let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
            let is_cpython = headers.iter().any(|header| {
                let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
                header.p_type == libc::PT_LOAD && inside.wrapping_sub(start) < header.p_memsz as usize
            });
            if !is_cpython {
                return 0;
            }
            let own = headers.iter().find(|header| header.p_type == libc::PT_TLS);
            let start = info.dlpi_tls_data.cast::<u8>();
            *found = own
                .filter(|_| !start.is_null())
                .map(|header| ThreadBlock { start, size: header.p_memsz as usize });
            1
        }
    }

    let mut found = None;
    // SAFETY: `visit` has the signature that is asked for, and `found` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut found).cast()) };
    found
}

#[cfg(not(target_os = "linux"))]
fn find_thread_block() -> Option<ThreadBlock> {
    None
}

/// The path of this library.
fn library_path() -> Result<String, String> {
    // SAFETY: dladdr fills the structure or fails; the name belongs to the dynamic linker.
    unsafe {
        let mut info = std::mem::zeroed::<libc::Dl_info>();
        let inside = note_words as *const () as *const std::ffi::c_void;
        if libc::dladdr(inside, &raw mut info) == 0 || info.dli_fname.is_null() {
            return Err("the dynamic linker does not know this library".to_owned());
        }
        Ok(CStr::from_ptr(info.dli_fname).to_string_lossy().into_owned())
    }
}

/// Creates a module spec.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn new_spec(name: &Object, origin: &str) -> Option<Object> {
    // SAFETY: each reference is checked before use.
    unsafe {
        let kind = python::import_attribute(c"_frozen_importlib", c"ModuleSpec")?;
        let none = python::Py_None();
        let spec = Object::new(python::PyObject_CallFunctionObjArgs(
            kind.as_ptr(),
            name.as_ptr(),
            none,
            null_mut::<PyObject>(),
        ))?;
        let origin = python::new_str(origin)?;
        let status = python::PyObject_SetAttrString(spec.as_ptr(), c"origin".as_ptr(), origin.as_ptr());
        raise::check(status).ok().map(|()| spec)
    }
}

/// # Safety
/// The thread holds the GIL; the argument is alive.
unsafe fn call_with(function: &Object, argument: *mut PyObject) -> Option<Object> {
    // SAFETY: guaranteed by the caller; a null ends the arguments.
    unsafe {
        Object::new(python::PyObject_CallFunctionObjArgs(function.as_ptr(), argument, null_mut::<PyObject>()))
    }
}
