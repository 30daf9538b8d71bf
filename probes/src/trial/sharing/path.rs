//! The way to an object, in words: `_foo.cache -> dict`.

use super::heap::Heap;
use crate::python::{self, Object, PyObject};

/// How the current interpreter gets to this address. What no module leads to begins with the type's name of
/// what the collector tracks.
///
/// # Safety
/// The thread holds the GIL of this heap's interpreter, in which nothing has run since the walk.
pub(in crate::trial) unsafe fn path(heap: &Heap, address: usize) -> String {
    let way = heap.way_to(address);
    let mut words = String::new();
    // SAFETY: the caller's promise: living objects.
    unsafe {
        for (index, &each) in way.iter().enumerate() {
            let object = each as *mut PyObject;
            let before = index.checked_sub(1).map(|before| way[before] as *mut PyObject);
            let is_last = index + 1 == way.len();
            if is_module(object) && before.is_none_or(|before| is_dictionary(before)) {
                words = name_of(object);
                continue;
            }
            let is_namespace = is_dictionary(object) && before.is_some_and(|before| has_names(before));
            if is_namespace && !is_last {
                continue;
            }
            match before {
                Some(before) => {
                    words += &label(before, object, index >= 2 && has_names(way[index - 2] as *mut PyObject))
                }
                None => words += &kind_of(object),
            }
        }
        let last = way.last().map(|&last| last as *mut PyObject);
        match last {
            Some(last) if !is_module(last) => format!("{words} -> {}", kind_of(last)),
            Some(_) | None => words,
        }
    }
}

unsafe fn is_module(object: *mut PyObject) -> bool {
    // SAFETY: a living object.
    unsafe {
        python::type_of(object).is_some_and(|kind| {
            python::PyType_IsSubtype(kind.as_ptr().cast(), &raw mut python::PyModule_Type) != 0
        })
    }
}

unsafe fn is_dictionary(object: *mut PyObject) -> bool {
    // SAFETY: a living object.
    unsafe { python::is_a(object, python::Py_TPFLAGS_DICT_SUBCLASS) }
}

/// Whether the dictionary of this object holds what is written after a dot.
unsafe fn has_names(object: *mut PyObject) -> bool {
    // SAFETY: a living object.
    unsafe { is_module(object) || python::is_a(object, python::Py_TPFLAGS_TYPE_SUBCLASS) }
}

/// What is written for the step from a container to what it holds.
unsafe fn label(container: *mut PyObject, object: *mut PyObject, is_namespace: bool) -> String {
    // SAFETY: living objects, borrowed; no code of Python runs.
    unsafe {
        if is_dictionary(container) {
            for (key, value) in python::entries(container) {
                if value == object {
                    let key = python::text(key);
                    return match (is_namespace, key) {
                        (true, Some(key)) => format!(".{key}"),
                        (false, Some(key)) => format!("['{key}']"),
                        (_, None) => "[...]".to_owned(),
                    };
                }
            }
            return ".keys()".to_owned();
        }
        for (flag, size, item) in SEQUENCES {
            if python::is_a(container, flag) {
                let place = (0..size(container)).find(|&index| item(container, index) == object);
                return place.map_or_else(String::new, |index| format!("[{index}]"));
            }
        }
        if has_names(container) {
            return match is_dictionary(object) {
                true => ".__dict__".to_owned(),
                false => " -> ".to_owned() + &kind_of(object),
            };
        }
        format!(" -> {}", kind_of(object))
    }
}

type Size = unsafe extern "C" fn(*mut PyObject) -> isize;
type Item = unsafe extern "C" fn(*mut PyObject, isize) -> *mut PyObject;

const SEQUENCES: [(std::ffi::c_ulong, Size, Item); 2] = [
    (python::Py_TPFLAGS_LIST_SUBCLASS, python::PyList_Size, python::PyList_GetItem),
    (python::Py_TPFLAGS_TUPLE_SUBCLASS, python::PyTuple_Size, python::PyTuple_GetItem),
];

unsafe fn name_of(module: *mut PyObject) -> String {
    // SAFETY: a living module; its dictionary is borrowed.
    unsafe {
        let names = python::PyModule_GetDict(module);
        let name = python::PyDict_GetItemString(names, c"__name__".as_ptr());
        (!name.is_null()).then(|| python::text(name)).flatten().unwrap_or_else(|| "module".to_owned())
    }
}

unsafe fn kind_of(object: *mut PyObject) -> String {
    // SAFETY: a living object.
    unsafe {
        python::type_of(object)
            .and_then(|kind| Object::new(python::PyType_GetName(kind.as_ptr().cast())))
            .and_then(|name| python::text(name.as_ptr()))
            .unwrap_or_default()
    }
}
