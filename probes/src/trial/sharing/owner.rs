//! Whose a shared object is. CPython shares some by itself: its static objects, and immortal ones that no
//! Python code can change. Everything else was carried from one interpreter to the other.

use std::collections::HashSet;

use super::heap::Heap;
use super::images::Images;
use crate::python::{self, Object, PyObject};

/// A shared object that is not CPython's to share.
pub(in crate::trial) struct Leak {
    /// Where it lies.
    pub(in crate::trial) address: usize,
    /// Its type's name; of a type its own.
    pub(in crate::trial) kind: String,
    /// Whether it is a type.
    pub(in crate::trial) is_type: bool,
    /// The shared object whose data it is part of; `None` on the heap.
    pub(in crate::trial) file: Option<String>,
}

/// What this interpreter shares with the one of the other heap, without what hangs on something that is
/// shared itself. `before`: what the main interpreter could reach when nothing was loaded yet.
///
/// # Errors
/// The exception, when `sys.getrefcount` cannot be called.
///
/// # Safety
/// The thread holds the GIL of this heap's interpreter. Both interpreters live, and the other stands still.
pub(in crate::trial) unsafe fn leaks(here: &Heap, there: &Heap, before: &Heap) -> Result<Vec<Leak>, String> {
    // SAFETY: the caller's promise: every address is that of a living object.
    unsafe {
        let owner = Owner::new(Images::loaded(), before)?;
        let foreign: Vec<(usize, Option<usize>)> = here
            .shared_with(there)
            .filter(|(address, _)| here.concerns(*address))
            .map(|(address, from)| Ok((address, from, owner.is_cpythons(address)?)))
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
            .map(|(address, _)| Leak {
                address,
                kind: owner.kind(address),
                is_type: is_type(address as *mut PyObject),
                file: owner.images.file(address).map(str::to_owned),
            })
            .collect())
    }
}

/// Knows what is CPython's.
pub(super) struct Owner<'a> {
    images: Images,
    before: &'a Heap,
    /// `sys.getrefcount`.
    count: Object,
}

/// `_Py_TPFLAGS_STATIC_BUILTIN` (3.12+, `Include/object.h`): a static type of which each interpreter has its
/// own state, whatever file it lies in.
const STATIC_BUILTIN: std::ffi::c_ulong = 1 << 1;

impl<'a> Owner<'a> {
    /// For the shared objects loaded, and what the main interpreter could reach when nothing was loaded yet.
    ///
    /// # Safety
    /// The thread holds a GIL.
    pub(super) unsafe fn new(images: Images, before: &'a Heap) -> Result<Self, String> {
        // SAFETY: the caller's promise.
        Ok(Self { images, before, count: unsafe { getrefcount() }? })
    }

    /// Whether CPython shares this object by itself.
    ///
    /// # Safety
    /// A living object; the thread holds a GIL.
    pub(super) unsafe fn is_cpythons(&self, address: usize) -> Result<bool, String> {
        if self.images.is_cpythons(address) {
            return Ok(true);
        }
        let object = address as *mut PyObject;
        // SAFETY: the caller's promise.
        unsafe {
            if is_static_builtin(object) || self.is_one_of_a_static_builtin(object) {
                return Ok(true);
            }
            Ok(self.before.reaches(address) && is_constant(object) && self.is_immortal(object)?)
        }
    }

    /// Whether it is part of the same file as its type, which is CPython's: `_datetime.UTC` of 3.13.
    ///
    /// # Safety
    /// As above.
    unsafe fn is_one_of_a_static_builtin(&self, object: *mut PyObject) -> bool {
        // SAFETY: the caller's promise.
        let Some(kind) = (unsafe { python::type_of(object) }) else { return false };
        let file = self.images.file(object as usize);
        // SAFETY: as above.
        let is_cpythons = unsafe { is_static_builtin(kind.as_ptr()) };
        is_cpythons && file.is_some() && file == self.images.file(kind.as_ptr() as usize)
    }

    /// Whether the object's reference count stands still (PEP 683): every layout has its own way to say so.
    ///
    /// # Safety
    /// As above.
    unsafe fn is_immortal(&self, object: *mut PyObject) -> Result<bool, String> {
        // SAFETY: the caller's promise; the reference taken is given back.
        unsafe {
            let before = self.count(object)?;
            python::Py_IncRef(object);
            let after = self.count(object);
            python::Py_DecRef(object);
            Ok(before == after?)
        }
    }

    unsafe fn count(&self, object: *mut PyObject) -> Result<i64, String> {
        // SAFETY: a living object; the result is checked.
        unsafe {
            let count = Object::new(python::PyObject_CallFunctionObjArgs(
                self.count.as_ptr(),
                object,
                std::ptr::null_mut::<PyObject>(),
            ));
            Ok(python::PyLong_AsLongLong(count.ok_or_else(|| python::take_error())?.as_ptr()))
        }
    }

    /// The name of an object's type; of a type its own.
    pub(super) unsafe fn kind(&self, address: usize) -> String {
        let object = address as *mut PyObject;
        // SAFETY: a living object.
        unsafe {
            let kind = match is_type(object) {
                false => python::type_of(object),
                true => {
                    python::Py_IncRef(object);
                    Object::new(object)
                }
            };
            kind.and_then(|kind| Object::new(python::PyType_GetName(kind.as_ptr().cast())))
                .and_then(|name| python::text(name.as_ptr()))
                .unwrap_or_default()
        }
    }
}

pub(super) unsafe fn is_type(object: *mut PyObject) -> bool {
    // SAFETY: a living object.
    unsafe { python::is_a(object, python::Py_TPFLAGS_TYPE_SUBCLASS) }
}

unsafe fn is_static_builtin(object: *mut PyObject) -> bool {
    // SAFETY: a living object, and a type before it is asked as one.
    unsafe { is_type(object) && python::PyType_GetFlags(object.cast()) & STATIC_BUILTIN != 0 }
}

/// Whether no code of Python can change this object's value.
unsafe fn is_constant(object: *mut PyObject) -> bool {
    // SAFETY: a living object; types that outlive everything.
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

unsafe fn getrefcount() -> Result<Object, String> {
    // SAFETY: borrowed from `sys`, then owned.
    unsafe {
        let function = python::PySys_GetObject(c"getrefcount".as_ptr());
        if function.is_null() {
            return Err("there is no sys.getrefcount".to_owned());
        }
        python::Py_IncRef(function);
        Object::new(function).ok_or_else(|| python::take_error())
    }
}
