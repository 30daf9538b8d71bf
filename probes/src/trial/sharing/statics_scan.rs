//! Finds objects that the static data of shared object files points at. A C static may keep an object of the
//! first interpreter for all others, and no Python object need refer to it.
//!
//! A word counts only if it is certainly the address of an object: one that the interpreter's collector
//! tracks, or, on a build with a GIL, one in memory that is new since the trial began and whose header has a
//! plausible reference count and the type of a tracked type or of certain built-in types. In a freed object,
//! the reference count is 0 or the address of a free block.

use std::collections::{HashMap, HashSet};

use wsgiaudit_probes_core::memory_map::{is_in_ranges, is_reference_count, parse_writable_ranges};

use super::heap::{self, HeapSnapshot};
use super::loaded_images::LoadedImages;
use super::ownership::OwnershipCheck;
use crate::copies;
use crate::python::{self, Object, PyObject};
use crate::trial::arenas;

/// A word in the static data of a shared object file that holds the address of an object.
#[derive(Clone, Debug)]
pub(in crate::trial) struct RetainingPointer {
    /// Address of the word.
    word: usize,
    /// Address of the object.
    pub(in crate::trial) object: usize,
    /// Size of the object in bytes (its type's basic size).
    pub(in crate::trial) size: usize,
    /// Name of its type; for a type, its own name.
    pub(in crate::trial) kind: String,
    /// Whether it is a type.
    pub(in crate::trial) is_type: bool,
    /// Path of the shared object file.
    pub(in crate::trial) file: String,
    /// File-relative address of the word.
    pub(in crate::trial) offset: usize,
    /// Whether the file is another interpreter's private copy: that interpreter got the object.
    pub(in crate::trial) is_of_other: bool,
}

/// What a scan excludes, since it does not belong to the interpreter scanned.
pub(in crate::trial) struct ScanExclusions<'a> {
    /// The shared objects that were loaded when the trial began.
    pub(in crate::trial) images: &'a LoadedImages,
    /// What the main interpreter could reach then.
    pub(in crate::trial) heap: &'a HeapSnapshot,
    /// The memory ranges that were writable then: on a build with a GIL, no object of a new interpreter lies
    /// there.
    pub(in crate::trial) memory: &'a [(usize, usize)],
    /// The objects that the main interpreter's collector tracks now: CPython itself switches to the main
    /// interpreter to create what it keeps in the static `_PyArg_Parser` of a module (CPython,
    /// `Python/getargs.c`).
    pub(in crate::trial) tracked_by_main: HashSet<usize>,
}

/// The pointers in static data at one moment.
pub(in crate::trial) struct StaticsScan {
    /// Every word that points at writable memory, by its address.
    words: HashMap<usize, usize>,
    /// The words that point at an object of the interpreter scanned.
    pub(in crate::trial) pointers: Vec<RetainingPointer>,
}

/// Maximum bytes scanned per segment: larger tables do not hold object pointers.
const MAX_SCANNED: usize = 16 << 20;

impl StaticsScan {
    /// Scans static data for pointers to objects of the current interpreter.
    ///
    /// `earlier` is the scan of another interpreter: words unchanged since then do not belong to this one.
    /// Tuples are skipped: CPython keeps one in each static `_PyArg_Parser` for all interpreters (measured on
    /// 3.12.1, where the first interpreter's collector tracks it).
    ///
    /// # Errors
    /// The exception, if the collector cannot be read.
    ///
    /// # Safety
    /// The thread holds the interpreter's GIL, and no other thread runs Python code.
    pub(in crate::trial) unsafe fn scan_data(
        foreign: &ScanExclusions<'_>,
        earlier: Option<&Self>,
    ) -> Result<Self, String> {
        let (images, written) = (LoadedImages::list_loaded(), writable_ranges());
        let mut words = HashMap::new();
        let mut candidates = Vec::new();
        for data in images.data_loaded_since(foreign.images, copies::current_tree()) {
            let end = data.range.end.min(data.range.start + MAX_SCANNED);
            let addresses = data.range.start.next_multiple_of(8)..end & !7;
            for word in addresses.step_by(8) {
                // SAFETY: aligned data that is mapped while the shared object is loaded.
                let value = unsafe { (word as *const usize).read_volatile() };
                if value != 0
                    && value % 8 == 0
                    && is_in_ranges(&written, value)
                    && !foreign.tracked_by_main.contains(&value)
                {
                    words.insert(word, value);
                    if earlier.is_none_or(|earlier| earlier.words.get(&word) != Some(&value)) {
                        candidates.push((
                            word,
                            value,
                            (data.file.to_owned(), word - data.base, data.is_of_other),
                        ));
                    }
                }
            }
        }
        if candidates.is_empty() {
            return Ok(Self { words, pointers: Vec::new() });
        }
        // SAFETY: guaranteed by the caller; the addresses from `find_objects` are those of objects that are
        // alive.
        unsafe {
            let objects =
                find_objects(candidates.iter().map(|(_, value, ..)| *value), &written, foreign.memory)?;
            let owner = OwnershipCheck::new(images, foreign.heap)?;
            let interpreter = arenas::current_interpreter_id();
            let tracked = tracked_addresses()?;
            // Objects in another interpreter's copy are mostly that one's own.
            let is_mine = |object| tracked.contains(&object) || arenas::is_in_arena_of(interpreter, object);
            let mut pointers = Vec::new();
            for (word, object, (file, offset, is_of_other)) in candidates {
                if objects.contains(&object)
                    && (!is_of_other || is_mine(object))
                    && !python::has_type_flag(object as *mut PyObject, python::Py_TPFLAGS_TUPLE_SUBCLASS)
                    && !owner.is_owned_by_cpython(object)?
                {
                    pointers.push(RetainingPointer {
                        word,
                        object,
                        size: object_size(object as *mut PyObject),
                        kind: owner.type_name(object),
                        is_type: super::ownership::is_type(object as *mut PyObject),
                        file,
                        offset,
                        is_of_other,
                    });
                }
            }
            Ok(Self { words, pointers })
        }
    }

    /// Returns the pointers whose word has not changed.
    pub(in crate::trial) fn unchanged_pointers(&self) -> Vec<RetainingPointer> {
        // SAFETY: as in `scan_data`: shared objects are never unloaded.
        let value_at = |word: usize| unsafe { (word as *const usize).read_volatile() };
        let same = |pointer: &&RetainingPointer| value_at(pointer.word) == pointer.object;
        self.pointers.iter().filter(same).cloned().collect()
    }
}

/// Returns the addresses of all objects that the current interpreter's collector tracks.
///
/// # Errors
/// The exception, if the collector cannot be read.
///
/// # Safety
/// The thread holds the GIL.
pub(in crate::trial) unsafe fn tracked_addresses() -> Result<HashSet<usize>, String> {
    // SAFETY: guaranteed by the caller; items of a list are borrowed.
    unsafe {
        let tracked = heap::tracked_objects()?;
        let all = 0..python::PyList_Size(tracked.as_ptr());
        Ok(all.map(|index| python::PyList_GetItem(tracked.as_ptr(), index) as usize).collect())
    }
}

/// Returns those of the addresses at which there is an object of the current interpreter.
///
/// # Safety
/// The thread holds the GIL, and the addresses lie in mapped memory.
unsafe fn find_objects(
    addresses: impl Iterator<Item = usize>,
    written: &[(usize, usize)],
    old: &[(usize, usize)],
) -> Result<HashSet<usize>, String> {
    // SAFETY: references are checked; items of a list are borrowed. Headers are read only where they are
    // mapped.
    unsafe {
        let head = pyobject_size()?;
        let asked: HashSet<usize> = addresses.collect();
        let types: HashMap<usize, usize> = asked
            .iter()
            .filter(|&&address| head == 16 && address % 16 == 0 && is_in_ranges(written, address + head - 1))
            .filter(|&&address| !is_in_ranges(old, address))
            .filter(|&&address| is_reference_count((address as *const u64).read_volatile()))
            .map(|&address| (address, ((address + head - 8) as *const usize).read_volatile()))
            .collect();
        let wanted_types: HashSet<usize> = types.values().copied().collect();
        let (mut found, mut known) = (HashSet::new(), builtin_types());
        let tracked = heap::tracked_objects()?;
        for index in 0..python::PyList_Size(tracked.as_ptr()) {
            let object = python::PyList_GetItem(tracked.as_ptr(), index);
            let address = object as usize;
            if asked.contains(&address) {
                found.insert(address);
            }
            if wanted_types.contains(&address) && super::ownership::is_type(object) {
                known.insert(address);
            }
        }
        found.remove(&(tracked.as_ptr() as usize));
        found.extend(types.iter().filter(|(_, kind)| known.contains(*kind)).map(|(address, _)| *address));
        Ok(found)
    }
}

/// Built-in types whose instances may be untracked. Without tuples: see [`StaticsScan::scan_data`].
fn builtin_types() -> HashSet<usize> {
    [
        &raw const python::PyDict_Type,
        &raw const python::PyUnicode_Type,
        &raw const python::PyBytes_Type,
        &raw const python::PyByteArray_Type,
        &raw const python::PyLong_Type,
        &raw const python::PyFloat_Type,
        &raw const python::PyComplex_Type,
        &raw const python::PyCapsule_Type,
    ]
    .into_iter()
    .map(|kind| kind as usize)
    .collect()
}

/// Returns the basic size of an object in bytes, at least that of its header.
///
/// # Safety
/// The object is alive; the thread holds the GIL.
unsafe fn object_size(object: *mut PyObject) -> usize {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let own = python::type_of(object).and_then(|kind| basic_size(kind.as_ptr()));
        own.unwrap_or(16)
    }
}

/// Returns `sizeof(PyObject)` of this build.
///
/// # Errors
/// If the type `object` has no usable `__basicsize__`.
///
/// # Safety
/// The thread holds the GIL.
pub(in crate::trial) unsafe fn pyobject_size() -> Result<usize, String> {
    // SAFETY: a static type.
    unsafe { basic_size((&raw mut python::PyBaseObject_Type).cast()) }
        .ok_or_else(|| "the type object has no usable __basicsize__".to_owned())
}

/// Returns the name and basic size of the type at this address; `None` if the heap has no type there.
///
/// # Safety
/// The thread holds the GIL of this heap's interpreter, in which no code has run since the walk.
pub(in crate::trial) unsafe fn type_at_address(
    heap: &HeapSnapshot,
    address: usize,
) -> Option<(String, usize)> {
    // SAFETY: guaranteed by the caller: objects in the heap are alive.
    unsafe { heap.can_reach(address).then(|| describe_type(address)).flatten() }
}

/// Returns the types of the current interpreter that its garbage collector tracks: address, name and basic
/// size. Static types are not among them.
///
/// # Errors
/// The exception, if the collector's objects cannot be listed.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(in crate::trial) unsafe fn tracked_types() -> Result<HashMap<usize, (String, usize)>, String> {
    // SAFETY: guaranteed by the caller: tracked objects are alive.
    unsafe {
        let addresses = tracked_addresses()?.into_iter();
        Ok(addresses.filter_map(|address| Some((address, describe_type(address)?))).collect())
    }
}

/// Returns the name and basic size of a type; `None` if the object is not a type.
///
/// # Safety
/// The thread holds the GIL of the interpreter of this object, which is alive.
unsafe fn describe_type(address: usize) -> Option<(String, usize)> {
    let kind = address as *mut PyObject;
    // SAFETY: guaranteed by the caller.
    unsafe {
        if !super::ownership::is_type(kind) {
            return None;
        }
        let name = Object::new(python::PyType_GetName(kind.cast()))?;
        Some((python::str_to_string(name.as_ptr())?, basic_size(kind)?))
    }
}

unsafe fn basic_size(kind: *mut PyObject) -> Option<usize> {
    // SAFETY: the type is alive; the result is checked.
    unsafe {
        let size = Object::new(python::PyObject_GetAttrString(kind, c"__basicsize__".as_ptr()));
        let size = size.map(|size| python::PyLong_AsLongLong(size.as_ptr()));
        python::PyErr_Clear();
        size.and_then(|size| usize::try_from(size).ok()).filter(|size| (16..=4096).contains(size))
    }
}

/// Returns the ranges of anonymous readable and writable memory, sorted.
pub(in crate::trial) fn writable_ranges() -> Vec<(usize, usize)> {
    parse_writable_ranges(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
}
