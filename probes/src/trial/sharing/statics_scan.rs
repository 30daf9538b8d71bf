//! Finds objects that the static data of shared object files points at. A C static may keep an object of the
//! first interpreter for all others, and no Python object need refer to it.
//!
//! A word counts only if it is certainly the address of an object: one that the interpreter's collector
//! tracks, or, on a build with a GIL, one in memory that is new since the trial began and whose header has a
//! plausible reference count and the type of a tracked type or of certain built-in types. In a freed object,
//! the reference count is 0 or the address of a free block.
//!
//! What static data points at in memory from `malloc` is searched too ([`heap_blocks`](super::heap_blocks)), for objects
//! that the collector tracks and that lie in no arena, such as types.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use wsgiaudit_probes_core::memory_map::{is_in_ranges, is_reference_count, parse_writable_ranges};

use super::heap::{self, HeapSnapshot};
use super::heap_blocks::{HeapWord, follow_pointers};
use super::loaded_images::{LoadedImages, WritableData};
use super::ownership::OwnershipCheck;
use crate::copies;
use crate::python::{self, Object, PyObject};
use crate::trial::arenas;

/// A word in the static data of a shared object file, or on the heap, that holds the address of an object.
#[derive(Clone, Debug)]
pub(in crate::trial) struct RetainingPointer {
    /// Address of the word.
    word: usize,
    /// Whether it lies on the heap. It may be a number by chance, or belong to the interpreter: only a use tells.
    pub(in crate::trial) is_on_heap: bool,
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
    /// File-relative address of the word; for one on the heap, of the word in static data that leads to it.
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
    /// `earlier` is the scan of another interpreter: words unchanged since then do not belong to this one. With
    /// `follows_heap`, which needs that no other thread runs, memory from `malloc` is searched too.
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
        follows_heap: bool,
    ) -> Result<Self, String> {
        let (images, written) = (LoadedImages::list_loaded(), writable_ranges());
        // SAFETY: guaranteed by the caller.
        let tree = unsafe { copies::current_tree() };
        let (mut words, mut candidates) = (HashMap::new(), Vec::new());
        for data in images.data_loaded_since(foreign.images, tree) {
            for (word, value) in read_words(&data) {
                if is_in_ranges(&written, value) && !foreign.tracked_by_main.contains(&value) {
                    words.insert(word, value);
                    let is_new = earlier.is_none_or(|earlier| earlier.words.get(&word) != Some(&value));
                    // What an unchanged word leads to on the heap may be new all the same.
                    if is_new || follows_heap {
                        candidates.push(Candidate::new(&data, (word, value), is_new));
                    }
                }
            }
        }
        if candidates.is_empty() {
            return Ok(Self { words, pointers: Vec::new() });
        }
        // SAFETY: guaranteed by the caller; the addresses from `find_objects`, and those that the collector tracks, are
        // those of objects that are alive.
        unsafe {
            let objects = find_objects(candidates.iter().map(|each| each.value), &written, foreign.memory)?;
            let owner = OwnershipCheck::new(images, foreign.heap)?;
            let interpreter = python::current_interpreter_id();
            let tracked = tracked_addresses()?;
            // Objects in another interpreter's copy are mostly that one's own.
            let is_mine = |object| tracked.contains(&object) || arenas::is_in_arena_of(interpreter, object);
            let (kept, others): (Vec<_>, Vec<_>) =
                candidates.iter().partition(|each| objects.contains(&each.value));
            let mut pointers = Vec::new();
            let is_retained = |each: &&Candidate| each.is_new && (!each.is_of_other || is_mine(each.value));
            for each in kept.into_iter().filter(is_retained) {
                pointers.extend(each.describe_pointer(&owner, (each.word, each.value), false)?);
            }
            if follows_heap {
                let roots: Vec<_> = others.into_iter().filter(|each| each.can_lead_to_heap()).collect();
                let addresses: Vec<usize> = roots.iter().map(|each| each.value).collect();
                let is_object =
                    |address| tracked.contains(&address) && !foreign.tracked_by_main.contains(&address);
                for HeapWord { word, object, root } in follow_pointers(&addresses, &written, is_object) {
                    pointers.extend(roots[root].describe_pointer(&owner, (word, object), true)?);
                }
            }
            Ok(Self { words, pointers })
        }
    }

    /// Returns the pointers whose word has not changed.
    pub(in crate::trial) fn unchanged_pointers(&self) -> Vec<RetainingPointer> {
        let written = writable_ranges();
        let is_there =
            |pointer: &RetainingPointer| !pointer.is_on_heap || is_in_ranges(&written, pointer.word);
        // SAFETY: as in `scan_data`: shared objects are never unloaded, and memory on the heap is still mapped.
        let value_at = |word: usize| unsafe { (word as *const usize).read_volatile() };
        let same =
            |pointer: &&RetainingPointer| is_there(pointer) && value_at(pointer.word) == pointer.object;
        self.pointers.iter().filter(same).cloned().collect()
    }
}

/// Reads the words of this data that may be addresses: each with its own address.
fn read_words(data: &WritableData<'_>) -> impl Iterator<Item = (usize, usize)> + use<> {
    let end = data.range.end.min(data.range.start + MAX_SCANNED);
    let addresses = data.range.start.next_multiple_of(8)..end & !7;
    // SAFETY: aligned data that is mapped while the shared object is loaded.
    let words = addresses.step_by(8).map(|word| (word, unsafe { (word as *const usize).read_volatile() }));
    words.filter(|(_, value)| *value != 0 && value % 8 == 0)
}

/// A word in static data that points at writable memory.
struct Candidate {
    word: usize,
    value: usize,
    /// Whether the word has changed since the earlier scan, if there is one.
    is_new: bool,
    file: String,
    offset: usize,
    is_of_other: bool,
}

impl Candidate {
    fn new(data: &WritableData<'_>, (word, value): (usize, usize), is_new: bool) -> Self {
        let (file, is_of_other) = (data.file.to_owned(), data.is_of_other);
        Self { word, value, is_new, file, offset: word - data.base, is_of_other }
    }

    /// Whether pointers are followed from here. What the data of a library of the system leads to, such as that of C++,
    /// is not its own.
    fn can_lead_to_heap(&self) -> bool {
        let folders = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
        let is_of_system = folders.iter().any(|folder| Path::new(&self.file).starts_with(folder));
        !self.is_of_other && (!is_of_system || self.file.contains("-packages/"))
    }

    /// Describes the pointer in a word that this one is or leads to; `None` if its object is CPython's, or a tuple.
    ///
    /// # Errors
    /// The exception, if the object's reference count cannot be read.
    ///
    /// # Safety
    /// The thread holds the GIL; the object is alive.
    unsafe fn describe_pointer(
        &self,
        owner: &OwnershipCheck<'_>,
        (word, object): (usize, usize),
        is_on_heap: bool,
    ) -> Result<Option<RetainingPointer>, String> {
        let reference = object as *mut PyObject;
        // SAFETY: guaranteed by the caller.
        unsafe {
            if python::has_type_flag(reference, python::Py_TPFLAGS_TUPLE_SUBCLASS)
                || owner.is_owned_by_cpython(object)?
            {
                return Ok(None);
            }
            Ok(Some(RetainingPointer {
                word,
                is_on_heap,
                object,
                size: object_size(reference),
                kind: owner.type_name(object),
                is_type: super::ownership::is_type(reference),
                file: self.file.clone(),
                offset: self.offset,
                is_of_other: self.is_of_other,
            }))
        }
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
