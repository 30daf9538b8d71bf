//! Every object that an interpreter can reach, by address.
//!
//! What the collector tracks is asked for what it refers to, as the collector does it (`tp_traverse`); no code
//! of Python runs meanwhile, so the addresses stay true while the interpreter's thread stands still.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::ptr::NonNull;

use foldhash::{HashMap, HashMapExt};

use crate::python::{self, Object, PyObject, PyTypeObject};

/// Every object that one interpreter can reach.
pub(in crate::trial) struct Heap {
    found: Vec<Found>,
    places: HashMap<usize, u32>,
    reach: Reach,
}

/// How far a walk goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::trial) enum Reach {
    /// To all that code can come to.
    Code,
    /// To what the interpreter's collector comes to. It passes by what a static type's dictionary holds.
    Collector,
}

/// One object, and the object that led to it.
struct Found {
    address: usize,
    from: Option<u32>,
}

impl Heap {
    /// Walks the current interpreter, from the modules of these names, the others, and all that the collector
    /// tracks: an object is found through the nearest of them.
    ///
    /// # Errors
    /// The exception, when the collector or the list of modules cannot be asked.
    ///
    /// # Safety
    /// The thread holds the interpreter's GIL, and no other thread runs in it.
    pub(in crate::trial) unsafe fn walk(first: &[String], reach: Reach) -> Result<Self, String> {
        // SAFETY: the caller's promise; references are checked, and those of containers borrowed while the
        // container is held. Everything visited stays alive, since nothing runs that could release it.
        unsafe {
            let functions = Functions::find().ok_or("this Python has no PyType_GetDict")?;
            let tracked = tracked()?;
            let modules = python::PyImport_GetModuleDict();
            // What is not tracked, numbers and texts, is about as much.
            let size = 2 * usize::try_from(python::PyList_Size(tracked.as_ptr())).unwrap_or(0);
            let mut heap =
                Self { found: Vec::with_capacity(size), places: HashMap::with_capacity(size), reach };
            for name in first {
                if let Some(module) = module(modules, name) {
                    heap.add(module, None);
                }
            }
            python::entries(modules).for_each(|(_, module)| heap.add(module, None));
            heap.expand(&functions, 0);
            let named = heap.found.len();
            for index in 0..python::PyList_Size(tracked.as_ptr()) {
                heap.add(python::PyList_GetItem(tracked.as_ptr(), index), None);
            }
            heap.expand(&functions, named);
            // The list itself goes.
            heap.places.remove(&(tracked.as_ptr() as usize));
            Ok(heap)
        }
    }

    /// Where each object lies that the interpreter can reach.
    pub(in crate::trial) fn addresses(&self) -> impl Iterator<Item = usize> {
        self.places.keys().copied()
    }

    /// Whether the interpreter can reach what lies at this address.
    pub(super) fn reaches(&self, address: usize) -> bool {
        self.places.contains_key(&address)
    }

    /// Whether the walk is about what lies at this address: one as the collector's is about what a collector tracks.
    ///
    /// # Safety
    /// A living object; the thread holds the GIL.
    pub(super) unsafe fn concerns(&self, address: usize) -> bool {
        // SAFETY: the caller's promise.
        self.reach == Reach::Code || unsafe { python::PyObject_GC_IsTracked(address as *mut PyObject) } != 0
    }

    /// Addresses that both can reach, each with whether what led to it here is shared too.
    pub(super) fn shared_with<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (usize, Option<usize>)> {
        self.found
            .iter()
            .filter(|found| self.reaches(found.address) && other.reaches(found.address))
            .map(|found| (found.address, found.from.map(|from| self.found[from as usize].address)))
    }

    /// The addresses that lead to this one, outermost first, itself last. Empty where it was not found.
    pub(super) fn way_to(&self, address: usize) -> Vec<usize> {
        let mut way = Vec::new();
        let mut next = self.places.get(&address).copied();
        while let Some(found) = next.and_then(|index| self.found.get(index as usize)) {
            way.push(found.address);
            next = found.from;
        }
        way.reverse();
        way
    }

    fn add(&mut self, object: *mut PyObject, from: Option<u32>) {
        let Ok(index) = u32::try_from(self.found.len()) else { return };
        let address = object as usize;
        if address != 0 && !self.places.contains_key(&address) {
            self.places.insert(address, index);
            self.found.push(Found { address, from });
        }
    }

    /// Follows everything from this position on to all that it refers to.
    ///
    /// # Safety
    /// As for [`Heap::walk`].
    unsafe fn expand(&mut self, functions: &Functions, start: usize) {
        let mut position = start;
        while let Some(found) = self.found.get(position) {
            let object = found.address as *mut PyObject;
            let mut visit = Visit { from: u32::try_from(position).ok(), heap: self };
            // SAFETY: an object that the interpreter can reach.
            unsafe { functions.visit(object, &mut visit) };
            position += 1;
        }
    }
}

/// What is being followed.
struct Visit<'a> {
    from: Option<u32>,
    heap: &'a mut Heap,
}

/// The collector's `visitproc`.
unsafe extern "C" fn visited(object: *mut PyObject, visit: *mut c_void) -> c_int {
    // SAFETY: `Functions::visit` passes its own argument.
    let visit = unsafe { &mut *visit.cast::<Visit<'_>>() };
    visit.heap.add(object, visit.from);
    0
}

/// Functions that every CPython from 3.12 on exports, though its limited API lacks them.
struct Functions {
    is_collected: unsafe extern "C" fn(*mut PyObject) -> c_int,
    dictionary: unsafe extern "C" fn(*mut PyTypeObject) -> *mut PyObject,
}

impl Functions {
    fn find() -> Option<Self> {
        // SAFETY: dlsym with NUL-terminated names; these are their signatures since 3.12
        // (`Include/cpython/objimpl.h`, `Include/cpython/object.h`).
        unsafe {
            let is_collected = NonNull::new(libc::dlsym(libc::RTLD_DEFAULT, c"PyObject_IS_GC".as_ptr()))?;
            let dictionary = NonNull::new(libc::dlsym(libc::RTLD_DEFAULT, c"PyType_GetDict".as_ptr()))?;
            Some(Self {
                is_collected: transmute::<*mut c_void, unsafe extern "C" fn(*mut PyObject) -> c_int>(
                    is_collected.as_ptr(),
                ),
                dictionary: transmute::<*mut c_void, unsafe extern "C" fn(*mut PyTypeObject) -> *mut PyObject>(
                    dictionary.as_ptr(),
                ),
            })
        }
    }

    /// Visits what an object refers to: its type, and what the type's `tp_traverse` shows. A static type is
    /// no business of the collector: of it the dictionary.
    ///
    /// # Safety
    /// `object` can be reached, and the thread holds the GIL.
    unsafe fn visit(&self, object: *mut PyObject, visit: &mut Visit<'_>) {
        // SAFETY: the caller's promise. The slot is read by the function that knows the layout.
        unsafe {
            let Some(kind) = python::type_of(object) else { return };
            let argument = std::ptr::from_mut(visit).cast::<c_void>();
            visited(kind.as_ptr(), argument);
            if (self.is_collected)(object) != 0 {
                let traverse = python::PyType_GetSlot(kind.as_ptr().cast(), python::Py_tp_traverse);
                if let Some(traverse) = NonNull::new(traverse) {
                    transmute::<*mut c_void, python::traverseproc>(traverse.as_ptr())(
                        object, visited, argument,
                    );
                }
            } else if visit.heap.reach == Reach::Code
                && python::is_a(object, python::Py_TPFLAGS_TYPE_SUBCLASS)
                && let Some(dictionary) = Object::new((self.dictionary)(object.cast()))
            {
                visited(dictionary.as_ptr(), argument);
            }
        }
    }
}

/// `gc.get_objects()`.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn tracked() -> Result<Object, String> {
    // SAFETY: references are checked before use.
    unsafe {
        let collector = Object::new(python::PyImport_ImportModule(c"gc".as_ptr()));
        let collector = collector.ok_or_else(|| python::take_error())?;
        let function =
            Object::new(python::PyObject_GetAttrString(collector.as_ptr(), c"get_objects".as_ptr()));
        let function = function.ok_or_else(|| python::take_error())?;
        Object::new(python::PyObject_CallObject(function.as_ptr(), std::ptr::null_mut()))
            .ok_or_else(|| python::take_error())
    }
}

/// A module by name, borrowed from `sys.modules`.
///
/// # Safety
/// The thread holds the GIL; `modules` is `sys.modules`.
unsafe fn module(modules: *mut PyObject, name: &str) -> Option<*mut PyObject> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: the caller's promise.
    let module = unsafe { python::PyDict_GetItemString(modules, name.as_ptr()) };
    (!module.is_null()).then_some(module)
}
