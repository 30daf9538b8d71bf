//! Decides whether a shared object is legitimately CPython's: its static objects, and immortal objects that
//! Python code cannot change. All other shared objects were leaked from one interpreter to the other.

use std::collections::HashSet;

use super::heap::HeapSnapshot;
use super::loaded_images::LoadedImages;
use crate::python::{self, Object, PyObject};
use crate::trial::original_functions::ObjectFunction;

/// A shared object that CPython does not share itself.
pub(in crate::trial) struct LeakedObject {
    /// Its address.
    pub(in crate::trial) address: usize,
    /// Name of its type; for a type, its own name.
    pub(in crate::trial) kind: String,
    /// Whether it is a type.
    pub(in crate::trial) is_type: bool,
    /// The shared object file whose static data contains it; `None` if it lies on the heap.
    pub(in crate::trial) file: Option<String>,
}

/// Finds the objects that this interpreter shares with that of the other heap, except for objects reached
/// through another shared object. `before` is what the main interpreter could reach before anything was
/// loaded.
///
/// # Errors
/// The exception, if `sys.getrefcount` cannot be called.
///
/// # Safety
/// The thread holds the GIL of this heap's interpreter. Both interpreters are alive, and no code runs in the
/// other one.
pub(in crate::trial) unsafe fn find_leaks(
    here: &HeapSnapshot,
    there: &HeapSnapshot,
    before: &HeapSnapshot,
) -> Result<Vec<LeakedObject>, String> {
    // SAFETY: guaranteed by the caller: all addresses are those of objects that are alive.
    unsafe {
        let owner = OwnershipCheck::new(LoadedImages::list_loaded(), before)?;
        let foreign: Vec<(usize, Option<usize>)> = here
            .shared_with(there)
            .filter(|(address, _)| here.is_in_scope(*address))
            .map(|(address, from)| Ok((address, from, owner.is_owned_by_cpython(address)?)))
            .filter_map(|shared: Result<_, String>| match shared {
                Ok((_, _, true)) => None,
                Ok((address, from, false)) => Some(Ok((address, from))),
                Err(error) => Some(Err(error)),
            })
            .collect::<Result<_, String>>()?;
        let all: HashSet<usize> = foreign.iter().map(|(address, _)| *address).collect();
        Ok(foreign
            .into_iter()
            .filter(|(_, from)| from.is_none_or(|from| !all.contains(&from)))
            .map(|(address, _)| LeakedObject {
                address,
                kind: owner.type_name(address),
                is_type: is_type(address as *mut PyObject),
                file: owner.images.file_at(address).map(str::to_owned),
            })
            .collect())
    }
}

/// Checks whether objects are shared by CPython itself.
pub(super) struct OwnershipCheck<'a> {
    images: LoadedImages,
    before: &'a HeapSnapshot,
    /// `sys.getrefcount`.
    count: Object,
}

/// `_Py_TPFLAGS_STATIC_BUILTIN` (3.12+, `Include/object.h`): a static type with separate state for each
/// interpreter, whichever file it lies in.
const STATIC_BUILTIN: std::ffi::c_ulong = 1 << 1;

impl<'a> OwnershipCheck<'a> {
    /// Creates a check for the loaded shared objects and what the main interpreter could reach before the
    /// trial.
    ///
    /// # Safety
    /// The thread holds a GIL.
    pub(super) unsafe fn new(images: LoadedImages, before: &'a HeapSnapshot) -> Result<Self, String> {
        // SAFETY: guaranteed by the caller.
        Ok(Self { images, before, count: unsafe { ObjectFunction::GetReferenceCount.find() }? })
    }

    /// Whether CPython itself shares this object between interpreters.
    ///
    /// # Safety
    /// The object is alive; the thread holds a GIL.
    pub(super) unsafe fn is_owned_by_cpython(&self, address: usize) -> Result<bool, String> {
        if self.images.is_in_cpython(address) {
            return Ok(true);
        }
        let object = address as *mut PyObject;
        // SAFETY: guaranteed by the caller.
        unsafe {
            if is_static_builtin(object) || self.is_static_builtin_instance(object) {
                return Ok(true);
            }
            Ok(self.before.can_reach(address) && is_constant(object) && self.is_immortal(object)?)
        }
    }

    /// Whether the object is a static instance of a static built-in type in the same file, e.g.
    /// `_datetime.UTC` of 3.13.
    ///
    /// # Safety
    /// As above.
    unsafe fn is_static_builtin_instance(&self, object: *mut PyObject) -> bool {
        // SAFETY: guaranteed by the caller.
        let Some(kind) = (unsafe { python::type_of(object) }) else { return false };
        let file = self.images.file_at(object as usize);
        // SAFETY: as above.
        let is_cpythons = unsafe { is_static_builtin(kind.as_ptr()) };
        is_cpythons && file.is_some() && file == self.images.file_at(kind.as_ptr() as usize)
    }

    /// Whether the object is immortal (PEP 683). Tested by a reference count that does not change, since its
    /// representation differs between builds.
    ///
    /// # Safety
    /// As above.
    unsafe fn is_immortal(&self, object: *mut PyObject) -> Result<bool, String> {
        // SAFETY: guaranteed by the caller; the reference taken is released.
        unsafe {
            let before = self.reference_count(object)?;
            python::Py_IncRef(object);
            let after = self.reference_count(object);
            python::Py_DecRef(object);
            Ok(before == after?)
        }
    }

    unsafe fn reference_count(&self, object: *mut PyObject) -> Result<i64, String> {
        // SAFETY: the object is alive; the result is checked.
        unsafe {
            let count = Object::new(python::PyObject_CallFunctionObjArgs(
                self.count.as_ptr(),
                object,
                std::ptr::null_mut::<PyObject>(),
            ));
            Ok(python::PyLong_AsLongLong(count.ok_or_else(|| python::take_error())?.as_ptr()))
        }
    }

    /// Returns the name of an object's type; for a type, its own name.
    pub(super) unsafe fn type_name(&self, address: usize) -> String {
        let object = address as *mut PyObject;
        // SAFETY: the object is alive.
        unsafe {
            let kind = match is_type(object) {
                false => python::type_of(object),
                true => {
                    python::Py_IncRef(object);
                    Object::new(object)
                }
            };
            kind.and_then(|kind| Object::new(python::PyType_GetName(kind.as_ptr().cast())))
                .and_then(|name| python::str_to_string(name.as_ptr()))
                .unwrap_or_default()
        }
    }
}

pub(super) unsafe fn is_type(object: *mut PyObject) -> bool {
    // SAFETY: the object is alive.
    unsafe { python::has_type_flag(object, python::Py_TPFLAGS_TYPE_SUBCLASS) }
}

unsafe fn is_static_builtin(object: *mut PyObject) -> bool {
    // SAFETY: the object is alive, and known to be a type before its flags are read.
    unsafe { is_type(object) && python::PyType_GetFlags(object.cast()) & STATIC_BUILTIN != 0 }
}

/// Whether Python code cannot change this object's value.
unsafe fn is_constant(object: *mut PyObject) -> bool {
    // SAFETY: the object is alive; the types are static.
    unsafe {
        let constant = [
            &raw mut python::PyUnicode_Type,
            &raw mut python::PyBytes_Type,
            &raw mut python::PyLong_Type,
            &raw mut python::PyFloat_Type,
            &raw mut python::PyTuple_Type,
        ];
        python::type_of(object).is_some_and(|kind| constant.contains(&kind.as_ptr().cast()))
    }
}
