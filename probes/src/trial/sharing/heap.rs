//! All objects that an interpreter can reach, by address.
//!
//! Objects tracked by the garbage collector are asked for their references like the collector does it
//! (`tp_traverse`). No Python code runs meanwhile, so the addresses stay valid until the interpreter's thread
//! runs again.

use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::ptr::NonNull;

use foldhash::{HashMap, HashMapExt};

use crate::python::{self, Object, PyObject, PyTypeObject};
use crate::trial::original_functions::ObjectFunction;

/// All objects that one interpreter can reach.
pub(in crate::trial) struct HeapSnapshot {
    found: Vec<HeapNode>,
    indices: HashMap<usize, u32>,
    reach: HeapScope,
}

/// Which objects a heap walk visits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::trial) enum HeapScope {
    /// All objects that code can reach.
    Code,
    /// The objects that the interpreter's collector visits. It skips the dictionaries of static types.
    Collector,
}

/// One object, and the index of the object that led to it.
struct HeapNode {
    address: usize,
    from: Option<u32>,
}

impl HeapSnapshot {
    /// Walks the heap of the current interpreter, breadth first: from all modules, those named in `first`
    /// before the others, and then from all other objects that the collector tracks.
    ///
    /// # Errors
    /// The exception, if the collector or the list of modules cannot be read.
    ///
    /// # Safety
    /// The thread holds the interpreter's GIL, and no other thread runs in it.
    pub(in crate::trial) unsafe fn walk_heap(first: &[String], reach: HeapScope) -> Result<Self, String> {
        // SAFETY: guaranteed by the caller; references are checked, and those of containers are borrowed
        // while the container is held. All visited objects stay alive, since no code runs that could release
        // them.
        unsafe {
            let functions = GcFunctions::resolve_symbols().ok_or("this Python has no PyType_GetDict")?;
            let tracked = tracked_objects()?;
            let modules = python::PyImport_GetModuleDict();
            // Untracked objects such as numbers and strings are about as many.
            let size = 2 * usize::try_from(python::PyList_Size(tracked.as_ptr())).unwrap_or(0);
            let mut heap =
                Self { found: Vec::with_capacity(size), indices: HashMap::with_capacity(size), reach };
            for name in first {
                if let Some(module) = find_module(modules, name) {
                    heap.add_object(module, None);
                }
            }
            python::dict_entries(modules).for_each(|(_, module)| heap.add_object(module, None));
            heap.expand_from(&functions, 0);
            let named = heap.found.len();
            for index in 0..python::PyList_Size(tracked.as_ptr()) {
                heap.add_object(python::PyList_GetItem(tracked.as_ptr(), index), None);
            }
            heap.expand_from(&functions, named);
            // The list itself is a temporary object of the probe.
            heap.indices.remove(&(tracked.as_ptr() as usize));
            Ok(heap)
        }
    }

    /// Returns the addresses of all objects found.
    pub(in crate::trial) fn addresses(&self) -> impl Iterator<Item = usize> {
        self.indices.keys().copied()
    }

    /// Whether the interpreter can reach the object at this address.
    pub(super) fn can_reach(&self, address: usize) -> bool {
        self.indices.contains_key(&address)
    }

    /// Whether the walk's scope covers this object: with `Collector`, only if the collector tracks it.
    ///
    /// # Safety
    /// The object is alive; the thread holds the GIL.
    pub(super) unsafe fn is_in_scope(&self, address: usize) -> bool {
        // SAFETY: guaranteed by the caller.
        self.reach == HeapScope::Code
            || unsafe { python::PyObject_GC_IsTracked(address as *mut PyObject) } != 0
    }

    /// Returns the addresses that both heaps contain, each with the address of the object that led to it
    /// here.
    pub(super) fn shared_with<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (usize, Option<usize>)> {
        self.found
            .iter()
            .filter(|found| self.can_reach(found.address) && other.can_reach(found.address))
            .map(|found| (found.address, found.from.map(|from| self.found[from as usize].address)))
    }

    /// Returns the addresses that lead to this one, outermost first and including itself. Empty if it was not
    /// found.
    pub(super) fn path_to(&self, address: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let mut next = self.indices.get(&address).copied();
        while let Some(found) = next.and_then(|index| self.found.get(index as usize)) {
            path.push(found.address);
            next = found.from;
        }
        path.reverse();
        path
    }

    fn add_object(&mut self, object: *mut PyObject, from: Option<u32>) {
        let Ok(index) = u32::try_from(self.found.len()) else { return };
        let address = object as usize;
        if address != 0 && !self.indices.contains_key(&address) {
            self.indices.insert(address, index);
            self.found.push(HeapNode { address, from });
        }
    }

    /// Follows the references of all objects from this index on, including those added meanwhile.
    ///
    /// # Safety
    /// As for [`HeapSnapshot::walk_heap`].
    unsafe fn expand_from(&mut self, functions: &GcFunctions, start: usize) {
        let mut position = start;
        while let Some(found) = self.found.get(position) {
            let object = found.address as *mut PyObject;
            let mut visit = VisitContext { from: u32::try_from(position).ok(), heap: self };
            // SAFETY: an object that the interpreter can reach.
            unsafe { functions.visit_references(object, &mut visit) };
            position += 1;
        }
    }
}

/// The argument of [`visit_object`].
struct VisitContext<'a> {
    from: Option<u32>,
    heap: &'a mut HeapSnapshot,
}

/// The `visitproc` for `tp_traverse`.
unsafe extern "C" fn visit_object(object: *mut PyObject, visit: *mut c_void) -> c_int {
    // SAFETY: `GcFunctions::visit_references` passes its own argument.
    let visit = unsafe { &mut *visit.cast::<VisitContext<'_>>() };
    visit.heap.add_object(object, visit.from);
    0
}

/// Functions that CPython exports since 3.12 but that are not in the limited API.
struct GcFunctions {
    is_collected: IsGcFunction,
    dictionary: GetDictFunction,
}

/// `PyObject_IS_GC`.
type IsGcFunction = unsafe extern "C" fn(*mut PyObject) -> c_int;

/// `PyType_GetDict`.
type GetDictFunction = unsafe extern "C" fn(*mut PyTypeObject) -> *mut PyObject;

impl GcFunctions {
    fn resolve_symbols() -> Option<Self> {
        // SAFETY: dlsym with NUL-terminated names; these are their signatures since 3.12
        // (`Include/cpython/objimpl.h`, `Include/cpython/object.h`).
        unsafe {
            let is_collected = NonNull::new(libc::dlsym(libc::RTLD_DEFAULT, c"PyObject_IS_GC".as_ptr()))?;
            let dictionary = NonNull::new(libc::dlsym(libc::RTLD_DEFAULT, c"PyType_GetDict".as_ptr()))?;
            Some(Self {
                is_collected: transmute::<*mut c_void, IsGcFunction>(is_collected.as_ptr()),
                dictionary: transmute::<*mut c_void, GetDictFunction>(dictionary.as_ptr()),
            })
        }
    }

    /// Visits the references of an object: its type, and what the type's `tp_traverse` reports. Static types
    /// are not traversed by the collector, so their dictionary is visited instead.
    ///
    /// # Safety
    /// `object` is reachable, and the thread holds the GIL.
    unsafe fn visit_references(&self, object: *mut PyObject, visit: &mut VisitContext<'_>) {
        // SAFETY: guaranteed by the caller. A CPython function reads the slot, since it knows the layout.
        unsafe {
            let Some(kind) = python::type_of(object) else { return };
            let argument = std::ptr::from_mut(visit).cast::<c_void>();
            visit_object(kind.as_ptr(), argument);
            if (self.is_collected)(object) != 0 {
                let traverse = python::PyType_GetSlot(kind.as_ptr().cast(), python::Py_tp_traverse);
                if let Some(traverse) = NonNull::new(traverse) {
                    transmute::<*mut c_void, python::traverseproc>(traverse.as_ptr())(
                        object,
                        visit_object,
                        argument,
                    );
                }
            } else if visit.heap.reach == HeapScope::Code
                && python::has_type_flag(object, python::Py_TPFLAGS_TYPE_SUBCLASS)
                && let Some(dictionary) = Object::new((self.dictionary)(object.cast()))
            {
                visit_object(dictionary.as_ptr(), argument);
            }
        }
    }
}

/// Calls `gc.get_objects()`.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn tracked_objects() -> Result<Object, String> {
    // SAFETY: references are checked before use.
    unsafe {
        let function = ObjectFunction::GetObjects.find()?;
        Object::new(python::PyObject_CallObject(function.as_ptr(), std::ptr::null_mut()))
            .ok_or_else(|| python::take_error())
    }
}

/// Looks up a module in `sys.modules`, borrowed.
///
/// # Safety
/// The thread holds the GIL; `modules` is `sys.modules`.
unsafe fn find_module(modules: *mut PyObject, name: &str) -> Option<*mut PyObject> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: guaranteed by the caller.
    let module = unsafe { python::PyDict_GetItemString(modules, name.as_ptr()) };
    (!module.is_null()).then_some(module)
}
