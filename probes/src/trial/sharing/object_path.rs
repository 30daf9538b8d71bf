//! Describes how an object is reached, e.g. `_foo.cache -> dict`.

use super::heap::HeapSnapshot;
use crate::python::{self, Object, PyObject};

/// Describes how the current interpreter reaches this address. If no module leads there, the description
/// begins with the type of an object that the collector tracks.
///
/// # Safety
/// The thread holds the GIL of this heap's interpreter, in which no code has run since the walk.
pub(in crate::trial) unsafe fn describe_path(heap: &HeapSnapshot, address: usize) -> String {
    let steps = heap.path_to(address);
    let mut words = String::new();
    // SAFETY: guaranteed by the caller: the objects are alive.
    unsafe {
        for (index, &each) in steps.iter().enumerate() {
            let object = each as *mut PyObject;
            let before = index.checked_sub(1).map(|before| steps[before] as *mut PyObject);
            let is_last = index + 1 == steps.len();
            if is_module(object) && before.is_none_or(|before| is_dictionary(before)) {
                words = module_name(object);
                continue;
            }
            let is_namespace =
                is_dictionary(object) && before.is_some_and(|before| has_attribute_namespace(before));
            if is_namespace && !is_last {
                continue;
            }
            match before {
                Some(before) => {
                    words += &step_label(
                        before,
                        object,
                        index >= 2 && has_attribute_namespace(steps[index - 2] as *mut PyObject),
                    )
                }
                None => words += &type_name(object),
            }
        }
        let last = steps.last().map(|&last| last as *mut PyObject);
        match last {
            Some(last) if !is_module(last) => format!("{words} -> {}", type_name(last)),
            Some(_) | None => words,
        }
    }
}

unsafe fn is_module(object: *mut PyObject) -> bool {
    // SAFETY: the object is alive.
    unsafe {
        python::type_of(object).is_some_and(|kind| {
            python::PyType_IsSubtype(kind.as_ptr().cast(), &raw mut python::PyModule_Type) != 0
        })
    }
}

unsafe fn is_dictionary(object: *mut PyObject) -> bool {
    // SAFETY: the object is alive.
    unsafe { python::has_type_flag(object, python::Py_TPFLAGS_DICT_SUBCLASS) }
}

/// Whether the dictionary of this object holds its attributes, which are written after a dot.
unsafe fn has_attribute_namespace(object: *mut PyObject) -> bool {
    // SAFETY: the object is alive.
    unsafe { is_module(object) || python::has_type_flag(object, python::Py_TPFLAGS_TYPE_SUBCLASS) }
}

/// Returns the label of the step from a container to an object in it.
unsafe fn step_label(container: *mut PyObject, object: *mut PyObject, is_namespace: bool) -> String {
    // SAFETY: the objects are alive and borrowed; no Python code runs.
    unsafe {
        if is_dictionary(container) {
            for (key, value) in python::dict_entries(container) {
                if value == object {
                    let key = python::str_to_string(key);
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
            if python::has_type_flag(container, flag) {
                let index = (0..size(container)).find(|&index| item(container, index) == object);
                return index.map_or_else(String::new, |index| format!("[{index}]"));
            }
        }
        if has_attribute_namespace(container) {
            return match is_dictionary(object) {
                true => ".__dict__".to_owned(),
                false => " -> ".to_owned() + &type_name(object),
            };
        }
        format!(" -> {}", type_name(object))
    }
}

type SizeFunction = unsafe extern "C" fn(*mut PyObject) -> isize;
type ItemFunction = unsafe extern "C" fn(*mut PyObject, isize) -> *mut PyObject;

const SEQUENCES: [(std::ffi::c_ulong, SizeFunction, ItemFunction); 2] = [
    (python::Py_TPFLAGS_LIST_SUBCLASS, python::PyList_Size, python::PyList_GetItem),
    (python::Py_TPFLAGS_TUPLE_SUBCLASS, python::PyTuple_Size, python::PyTuple_GetItem),
];

unsafe fn module_name(module: *mut PyObject) -> String {
    // SAFETY: the module is alive; its dictionary is borrowed.
    unsafe {
        let names = python::PyModule_GetDict(module);
        let name = python::PyDict_GetItemString(names, c"__name__".as_ptr());
        (!name.is_null())
            .then(|| python::str_to_string(name))
            .flatten()
            .unwrap_or_else(|| "module".to_owned())
    }
}

unsafe fn type_name(object: *mut PyObject) -> String {
    // SAFETY: the object is alive.
    unsafe {
        python::type_of(object)
            .and_then(|kind| Object::new(python::PyType_GetName(kind.as_ptr().cast())))
            .and_then(|name| python::str_to_string(name.as_ptr()))
            .unwrap_or_default()
    }
}
