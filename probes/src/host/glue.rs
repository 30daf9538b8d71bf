//! `glue.py` in an interpreter: its namespace, the C functions it calls, and what it returns.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::ptr::null_mut;
use std::sync::Arc;

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use wsgiaudit_probes_core::application_result::ResultTag;
use wsgiaudit_probes_core::latin1::encode_latin1;
use wsgiaudit_probes_core::response_head::{ResponseHead, ResponseHeadError};

use super::application_log;
use super::gil::run_detached;
use super::import_guard;
use super::request_exchange::Exchange;
use super::source_reports;
use crate::python::{self, Object, PyObject};

const SOURCE: &str = include_str!("glue.py");
/// The file name of `glue.py` in tracebacks.
pub(super) const SOURCE_NAME: &CStr = c"<wsgiaudit>";
const CAPSULE: &CStr = c"wsgiaudit.exchange";

/// Runs `glue.py` with these settings. Returns its namespace.
///
/// # Errors
/// An error message if the code could not be run.
///
/// # Safety
/// The thread holds a GIL.
pub(super) unsafe fn create_namespace(settings: &str) -> Result<Object, String> {
    let source = CString::new(SOURCE).map_err(|error| error.to_string())?;
    // SAFETY: each reference is checked; the method definitions are leaked and so live forever.
    unsafe {
        let names = Object::new(python::PyDict_New()).ok_or("no memory")?;
        let functions: [(&CStr, python::PyCFunctionFast); 7] = [
            (c"_read", py_read),
            (c"_begin", py_begin),
            (c"_send", py_send),
            (c"_send_file", py_send_file),
            (c"_admit", import_guard::py_admit),
            (c"_log", application_log::py_log),
            (c"_report_sources", source_reports::py_report_sources),
        ];
        for (name, function) in functions {
            let definition = Box::leak(Box::new(python::PyMethodDef {
                ml_name: name.as_ptr(),
                ml_meth: python::PyMethodDefPointer { PyCFunctionFast: function },
                ml_flags: python::METH_FASTCALL,
                ml_doc: std::ptr::null(),
            }));
            let function = Object::new(python::PyCMethod_New(definition, null_mut(), null_mut(), null_mut()))
                .ok_or("no memory")?;
            python::PyDict_SetItemString(names.as_ptr(), name.as_ptr(), function.as_ptr());
        }
        for tag in ResultTag::ALL {
            let number = Object::new(python::PyLong_FromLong(tag.number().into())).ok_or("no memory")?;
            let name = python::new_str(tag.constant()).ok_or("no memory")?;
            python::PyDict_SetItem(names.as_ptr(), name.as_ptr(), number.as_ptr());
        }
        let settings = python::new_str(settings).ok_or("no memory")?;
        python::PyDict_SetItemString(names.as_ptr(), c"_settings".as_ptr(), settings.as_ptr());
        python::PyDict_SetItemString(names.as_ptr(), c"__builtins__".as_ptr(), python::PyEval_GetBuiltins());
        let name = python::new_str("wsgiaudit.host").ok_or("no memory")?;
        python::PyDict_SetItemString(names.as_ptr(), c"__name__".as_ptr(), name.as_ptr());
        let ran = Object::new(python::Py_CompileString(
            source.as_ptr(),
            SOURCE_NAME.as_ptr(),
            python::Py_file_input,
        ))
        .and_then(|code| Object::new(python::PyEval_EvalCode(code.as_ptr(), names.as_ptr(), names.as_ptr())));
        match ran {
            Some(_) => Ok(names),
            None => Err(python::take_error()),
        }
    }
}

/// Wraps an exchange into a capsule for `glue.py`.
///
/// # Safety
/// The thread holds a GIL.
pub(super) unsafe fn new_capsule(exchange: &Arc<Exchange>) -> Option<Object> {
    let pointer = Box::into_raw(Box::new(Arc::clone(exchange)));
    // SAFETY: the capsule owns the box from here on; if the capsule could not be created, the box is taken
    // back.
    unsafe {
        let capsule =
            Object::new(python::PyCapsule_New(pointer.cast(), CAPSULE.as_ptr(), Some(free_capsule)));
        if capsule.is_none() {
            drop(Box::from_raw(pointer));
        }
        capsule
    }
}

unsafe extern "C" fn free_capsule(capsule: *mut PyObject) {
    // SAFETY: the capsule was created by `new_capsule`; CPython calls its destructor once.
    unsafe {
        let pointer = python::PyCapsule_GetPointer(capsule, CAPSULE.as_ptr());
        if !pointer.is_null() {
            drop(Box::from_raw(pointer.cast::<Arc<Exchange>>()));
        }
    }
}

/// Checks the number of arguments of a call and unwraps the first one, an exchange capsule. Returns `None`
/// with a Python exception set.
///
/// # Safety
/// Called by CPython, with `count` arguments.
unsafe fn parse_arguments<'a, const N: usize>(
    arguments: *mut *mut PyObject,
    count: isize,
) -> Option<(Arc<Exchange>, &'a [*mut PyObject])> {
    // SAFETY: guaranteed by the caller; the pointer is what `new_capsule` stored, or null with an exception
    // set.
    unsafe {
        let all = python::take_arguments::<N>(arguments, count)?;
        let pointer = python::PyCapsule_GetPointer(all[0], CAPSULE.as_ptr()).cast::<Arc<Exchange>>();
        let exchange = pointer.as_ref().map(Arc::clone)?;
        Some((exchange, &all[1..]))
    }
}

/// `_read(exchange, size) -> bytes`
unsafe extern "C" fn py_read(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: CPython calls this with the GIL held; the GIL is released while waiting.
    unsafe {
        let Some((exchange, rest)) = parse_arguments::<2>(args, count) else { return null_mut() };
        let size = python::PyLong_AsSsize_t(rest[0]);
        let Ok(size) = usize::try_from(size) else {
            if python::PyErr_Occurred().is_null() {
                python::PyErr_SetString(python::PyExc_ValueError, c"size must not be negative".as_ptr());
            }
            return null_mut();
        };
        match run_detached(|| exchange.read_body(size)) {
            Ok(data) => python::PyBytes_FromStringAndSize(data.as_ptr().cast(), data.len() as isize),
            Err(error) => raise_error(python::PyExc_OSError, &error.to_string()),
        }
    }
}

/// `_begin(exchange, status, headers) -> bool`: whether the response may have a body.
unsafe extern "C" fn py_begin(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: as for `py_read`.
    unsafe {
        let Some((exchange, rest)) = parse_arguments::<3>(args, count) else { return null_mut() };
        match parse_response_head(rest[0], rest[1]) {
            Ok(head) => {
                let length = head.content_length;
                match to_response_head(head) {
                    Ok(head) => python::PyBool_FromLong(i64::from(exchange.send_head(head, length))),
                    Err(error) => raise_error(python::PyExc_ValueError, &error.to_string()),
                }
            }
            Err(error) => raise_error(python::PyExc_ValueError, &error.to_string()),
        }
    }
}

/// `_send(exchange, data) -> bool`
unsafe extern "C" fn py_send(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: as for `py_read`.
    unsafe {
        let Some((exchange, rest)) = parse_arguments::<2>(args, count) else { return null_mut() };
        let Some(data) = python::require_bytes(rest[0]).map(Bytes::from) else { return null_mut() };
        python::PyBool_FromLong(i64::from(run_detached(|| exchange.send_chunk(data))))
    }
}

/// `_send_file(exchange, descriptor, offset) -> bool`: does not close the descriptor.
unsafe extern "C" fn py_send_file(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: as for `py_read`; the file object, and so its descriptor, outlives the call.
    unsafe {
        let Some((exchange, rest)) = parse_arguments::<3>(args, count) else { return null_mut() };
        let (descriptor, from) = (python::PyLong_AsSsize_t(rest[0]), python::PyLong_AsSsize_t(rest[1]));
        let (Ok(descriptor), Ok(from)) = (i32::try_from(descriptor), u64::try_from(from)) else {
            return raise_error(python::PyExc_ValueError, "not a descriptor and an offset");
        };
        let file = ManuallyDrop::new(File::from_raw_fd(descriptor));
        match run_detached(|| exchange.send_file(&file, from)) {
            Ok(is_sent) => python::PyBool_FromLong(i64::from(is_sent)),
            Err(error) => raise_error(python::PyExc_OSError, &error.to_string()),
        }
    }
}

unsafe fn raise_error(kind: *mut PyObject, why: &str) -> *mut PyObject {
    // SAFETY: the caller holds a GIL; `kind` is a built-in exception type.
    unsafe {
        if let Some(text) = python::new_str(why) {
            python::PyErr_SetObject(kind, text.as_ptr());
        }
    }
    null_mut()
}

/// Returns the tag of what a function of `glue.py` returned; `None` if it is not a tuple of a tag and the
/// items that belong to it.
///
/// # Safety
/// The thread holds the GIL of the object's interpreter.
pub(super) unsafe fn read_tag(returned: &Object) -> Option<ResultTag> {
    // SAFETY: guaranteed by the caller; items of a tuple are borrowed.
    unsafe {
        let returned = returned.as_ptr();
        if !python::has_type_flag(returned, python::Py_TPFLAGS_TUPLE_SUBCLASS) {
            return None;
        }
        let size = python::PyTuple_Size(returned);
        if size < 1 {
            return None;
        }
        let number = python::PyLong_AsLongLong(python::PyTuple_GetItem(returned, 0));
        if !python::PyErr_Occurred().is_null() {
            python::PyErr_Clear();
        }
        ResultTag::from_number(number).filter(|tag| usize::try_from(size) == Ok(1 + tag.item_count()))
    }
}

/// Parses the arguments `status` and `headers` of `start_response`.
///
/// # Errors
/// If HTTP does not allow them.
///
/// # Safety
/// The objects are alive; the thread holds a GIL. No exception is set.
pub(super) unsafe fn parse_response_head(
    status: *mut PyObject,
    headers: *mut PyObject,
) -> Result<ResponseHead, ResponseHeadError> {
    // SAFETY: the list is read under the GIL; items are borrowed from containers that are alive.
    unsafe {
        let status = copy_latin1(status).ok_or(ResponseHeadError::StatusType)?;
        let mut head = ResponseHead::parse_status(&status)?;
        for (index, place) in (0..python::PyList_Size(headers).max(0)).enumerate() {
            let pair = python::PyList_GetItem(headers, place);
            if python::PyTuple_Size(pair) != 2 {
                python::PyErr_Clear();
                return Err(ResponseHeadError::NoPair(index));
            }
            let (Some(name), Some(value)) = (
                copy_latin1(python::PyTuple_GetItem(pair, 0)),
                copy_latin1(python::PyTuple_GetItem(pair, 1)),
            ) else {
                return Err(ResponseHeadError::HeaderType(index));
            };
            head.add_header(&name, &value)?;
        }
        Ok(head)
    }
}

/// Converts a response head to hyper's form.
///
/// # Errors
/// If hyper does not allow the reason phrase.
pub(super) fn to_response_head(head: ResponseHead) -> Result<hyper::Response<()>, ResponseHeadError> {
    let mut response = hyper::Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if let Some(reason) = head.reason {
        let reason = ReasonPhrase::try_from(reason).map_err(|_| ResponseHeadError::Reason)?;
        response.extensions_mut().insert(reason);
    }
    Ok(response)
}

/// Encodes a `str` as latin-1; `None` if it is another type or has other characters.
unsafe fn copy_latin1(object: *mut PyObject) -> Option<Vec<u8>> {
    // SAFETY: the object is alive and the caller holds the GIL; the text is copied.
    unsafe {
        let mut length = 0;
        let data = python::PyUnicode_AsUTF8AndSize(object, &mut length);
        if data.is_null() {
            python::PyErr_Clear();
            return None;
        }
        let text = std::slice::from_raw_parts(data.cast::<u8>(), length as usize);
        encode_latin1(std::str::from_utf8(text).ok()?)
    }
}
