//! Objects that the data of a shared object points at: a C static keeps what it was given first, whichever
//! interpreter comes next, and no Python object need lead there.
//!
//! A word counts only where it is the address of an object, which is never guessed: one that the collector of the
//! interpreter tracks; or, on a build with a GIL, one whose head has the type of such an object, or a type of
//! CPython's, and a reference count that is one, in memory that is new since the trial began. A freed object's count is 0, or the address of a free block.

use std::collections::{HashMap, HashSet};

use super::heap::{self, Heap};
use super::images::Images;
use super::owner::Owner;
use crate::python::{self, Object, PyObject};

/// A word of a shared object's data that holds the address of an object.
#[derive(Clone, Debug)]
pub(in crate::trial) struct Keeper {
    /// Where the word lies.
    place: usize,
    /// The object.
    pub(in crate::trial) object: usize,
    /// Bytes of the object that no other one uses.
    pub(in crate::trial) size: usize,
    /// Its type's name; of a type its own.
    pub(in crate::trial) kind: String,
    /// Whether it is a type.
    pub(in crate::trial) is_type: bool,
    /// The shared object.
    pub(in crate::trial) file: String,
    /// The word's address by the file's own count.
    pub(in crate::trial) offset: usize,
}

/// What is not an interpreter's own, whoever's static keeps it.
pub(in crate::trial) struct Foreign<'a> {
    /// What was loaded when the trial began.
    pub(in crate::trial) images: &'a Images,
    /// What the main interpreter could reach then.
    pub(in crate::trial) heap: &'a Heap,
    /// Memory that could be written then: on a build with a GIL no new interpreter's objects lie there.
    pub(in crate::trial) memory: &'a [(usize, usize)],
    /// What the main interpreter's collector tracks by now: CPython itself enters it to make what it keeps in the
    /// static `_PyArg_Parser` of a module (CPython, `Python/getargs.c`).
    pub(in crate::trial) mains: HashSet<usize>,
}

/// What the data of shared objects holds at one time.
pub(in crate::trial) struct Statics {
    /// Every word that points at memory which can be written, by where it lies.
    words: HashMap<usize, usize>,
    /// Those that keep an object of the interpreter that looked.
    pub(in crate::trial) keepers: Vec<Keeper>,
}

/// Bytes of data that are looked at: a table of that size is no place where objects are kept.
const MOST: usize = 16 << 20;

impl Statics {
    /// Looks, in the interpreter whose objects count. `earlier`: what another interpreter saw; what has not
    /// changed since is not this one's. Tuples do not count: CPython keeps one in each static `_PyArg_Parser`, for
    /// all interpreters (measured on 3.12.1, where the first interpreter's collector tracks it).
    ///
    /// # Errors
    /// The exception, when the collector cannot be asked.
    ///
    /// # Safety
    /// The thread holds the interpreter's GIL, and no other thread runs in any.
    pub(in crate::trial) unsafe fn look(
        foreign: &Foreign<'_>,
        earlier: Option<&Self>,
    ) -> Result<Self, String> {
        let (images, written) = (Images::loaded(), writable());
        let mut words = HashMap::new();
        let mut places = Vec::new();
        for data in images.data_since(foreign.images) {
            let end = data.range.end.min(data.range.start + MOST);
            let words_of_it = data.range.start.next_multiple_of(8)..end & !7;
            for place in words_of_it.step_by(8) {
                // SAFETY: data that is mapped while the shared object is loaded, aligned.
                let value = unsafe { (place as *const usize).read_volatile() };
                if value != 0 && value % 8 == 0 && is_in(&written, value) && !foreign.mains.contains(&value) {
                    words.insert(place, value);
                    if earlier.is_none_or(|earlier| earlier.words.get(&place) != Some(&value)) {
                        places.push((place, value, data.file.to_owned(), place - data.base));
                    }
                }
            }
        }
        if places.is_empty() {
            return Ok(Self { words, keepers: Vec::new() });
        }
        // SAFETY: the caller's promise; what `objects` names are living objects.
        unsafe {
            let objects = objects(places.iter().map(|(_, value, ..)| *value), &written, foreign.memory)?;
            let owner = Owner::new(images, foreign.heap)?;
            let mut keepers = Vec::new();
            for (place, object, file, offset) in places {
                if objects.contains(&object)
                    && !python::is_a(object as *mut PyObject, python::Py_TPFLAGS_TUPLE_SUBCLASS)
                    && !owner.is_cpythons(object)?
                {
                    keepers.push(Keeper {
                        place,
                        object,
                        size: size(object as *mut PyObject),
                        kind: owner.kind(object),
                        is_type: super::owner::is_type(object as *mut PyObject),
                        file,
                        offset,
                    });
                }
            }
            Ok(Self { words, keepers })
        }
    }

    /// The keepers whose word still holds the same.
    pub(in crate::trial) fn unchanged(&self) -> Vec<Keeper> {
        // SAFETY: as in `look`: a shared object that was loaded stays.
        let same =
            |keeper: &&Keeper| unsafe { (keeper.place as *const usize).read_volatile() } == keeper.object;
        self.keepers.iter().filter(same).cloned().collect()
    }
}

/// The addresses of all that the current interpreter's collector tracks.
///
/// # Errors
/// The exception, when the collector cannot be asked.
///
/// # Safety
/// The thread holds the GIL.
pub(in crate::trial) unsafe fn addresses() -> Result<HashSet<usize>, String> {
    // SAFETY: the caller's promise; items of a list are borrowed.
    unsafe {
        let tracked = heap::tracked()?;
        let all = 0..python::PyList_Size(tracked.as_ptr());
        Ok(all.map(|index| python::PyList_GetItem(tracked.as_ptr(), index) as usize).collect())
    }
}

/// Which of these addresses are those of objects of the current interpreter.
///
/// # Safety
/// The thread holds the GIL, and the addresses lie in memory that is mapped.
unsafe fn objects(
    addresses: impl Iterator<Item = usize>,
    written: &[(usize, usize)],
    old: &[(usize, usize)],
) -> Result<HashSet<usize>, String> {
    // SAFETY: references are checked; items of a list are borrowed. Heads are read where they are mapped.
    unsafe {
        let head = size_of_object()?;
        let asked: HashSet<usize> = addresses.collect();
        let types: HashMap<usize, usize> = asked
            .iter()
            .filter(|&&address| head == 16 && address % 16 == 0 && is_in(written, address + head - 1))
            .filter(|&&address| !is_in(old, address))
            .filter(|&&address| is_a_count((address as *const u64).read_volatile()))
            .map(|&address| (address, ((address + head - 8) as *const usize).read_volatile()))
            .collect();
        let wanted_types: HashSet<usize> = types.values().copied().collect();
        let (mut found, mut known) = (HashSet::new(), cpythons_types());
        let tracked = heap::tracked()?;
        for index in 0..python::PyList_Size(tracked.as_ptr()) {
            let object = python::PyList_GetItem(tracked.as_ptr(), index);
            let address = object as usize;
            if asked.contains(&address) {
                found.insert(address);
            }
            if wanted_types.contains(&address) && super::owner::is_type(object) {
                known.insert(address);
            }
        }
        found.remove(&(tracked.as_ptr() as usize));
        found.extend(types.iter().filter(|(_, kind)| known.contains(*kind)).map(|(address, _)| *address));
        Ok(found)
    }
}

/// Whether the first word of a head is a reference count: a small number, or one that says "immortal" (PEP 683),
/// which both leave the upper half to flags. The address of a free block does not.
pub(in crate::trial) fn is_a_count(word: u64) -> bool {
    let (low, overflow) = (word & 0xffff_ffff, word >> 32 & 0xffff);
    overflow == 0 && (low >= 1 << 30 || (1..1 << 20).contains(&low))
}

/// Types whose objects need not be tracked: CPython's own, which lie in its data. Not the tuple: see
/// [`Statics::look`].
fn cpythons_types() -> HashSet<usize> {
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

/// Bytes of an object that no other one uses, at least those of its head.
///
/// # Safety
/// A living object; the thread holds the GIL.
unsafe fn size(object: *mut PyObject) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let own = python::type_of(object).and_then(|kind| basic_size(kind.as_ptr()));
        own.unwrap_or(16)
    }
}

/// `sizeof(PyObject)` of this build.
///
/// # Errors
/// Where `object` does not say.
///
/// # Safety
/// The thread holds the GIL.
pub(in crate::trial) unsafe fn size_of_object() -> Result<usize, String> {
    // SAFETY: a static type.
    unsafe { basic_size((&raw mut python::PyBaseObject_Type).cast()) }
        .ok_or_else(|| "object has no size".to_owned())
}

/// The name of the type at this address, and the bytes that each of its objects has; `None` where there is no type that
/// the interpreter of this heap reaches.
///
/// # Safety
/// The thread holds the GIL of this heap's interpreter, in which nothing has run since the walk.
pub(in crate::trial) unsafe fn kind_at(heap: &Heap, address: usize) -> Option<(String, usize)> {
    let kind = address as *mut PyObject;
    // SAFETY: the caller's promise: what the heap reaches lives.
    unsafe {
        if !heap.reaches(address) || !super::owner::is_type(kind) {
            return None;
        }
        let name = Object::new(python::PyType_GetName(kind.cast()))?;
        Some((python::text(name.as_ptr())?, basic_size(kind)?))
    }
}

unsafe fn basic_size(kind: *mut PyObject) -> Option<usize> {
    // SAFETY: a living type; the result is checked.
    unsafe {
        let size = Object::new(python::PyObject_GetAttrString(kind, c"__basicsize__".as_ptr()));
        let size = size.map(|size| python::PyLong_AsLongLong(size.as_ptr()));
        python::PyErr_Clear();
        size.and_then(|size| usize::try_from(size).ok()).filter(|size| (16..=4096).contains(size))
    }
}

/// Memory without a file that can be read and written: `/proc/self/maps`, in order.
pub(in crate::trial) fn writable() -> Vec<(usize, usize)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let number = |text: &str| usize::from_str_radix(text, 16).ok();
    let range = |line: &str| {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let is_heap = fields.next()? == "rw-p" && fields.nth(2)? == "0" && fields.next() != Some("[stack]");
        is_heap.then(|| Some((number(start)?, number(end)?))).flatten()
    };
    maps.lines().filter_map(range).collect()
}

/// Whether an address lies in one of these.
pub(in crate::trial) fn is_in(ranges: &[(usize, usize)], address: usize) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= address);
    ranges[..after].last().is_some_and(|(_, end)| address < *end)
}

#[cfg(test)]
mod tests {
    use super::{is_a_count, is_in};

    #[test]
    fn a_count_is_told_from_the_address_of_a_free_block() {
        assert!([1, 3, 0xffff_ffff, 0xc000_0000, 0x0004_0000_c000_0000].into_iter().all(is_a_count));
        assert!(![0, 0x7f12_3456_7890, 0x5555_0000_0001, 1 << 21].into_iter().any(is_a_count));
    }

    #[test]
    fn an_address_lies_in_a_range_or_between_them() {
        let ranges = [(16, 32), (64, 96)];
        assert_eq!(
            [8, 16, 31, 32, 80, 96].map(|at| is_in(&ranges, at)),
            [false, true, true, false, true, false]
        );
    }
}
