//! `glue.py` in an interpreter: its namespace, the C functions it calls, and parsing of response heads.

use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::ptr::null_mut;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::http::StatusCode;

use super::import_guard;
use super::request_exchange::Exchange;
use super::worker_thread::run_detached;
use crate::python::{self, Object, PyObject};

const SOURCE: &str = include_str!("glue.py");
const CAPSULE: &CStr = c"wsgiaudit.exchange";

/// Hop-by-hop headers (PEP 3333), which only the server may set. `Connection: close` is honored.
const HOP_BY_HOP: [&str; 5] = ["keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

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
        let functions: [(&CStr, python::PyCFunctionFast); 5] = [
            (c"_read", py_read),
            (c"_begin", py_begin),
            (c"_send", py_send),
            (c"_send_file", py_send_file),
            (c"_admit", import_guard::py_admit),
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
        let settings = new_str(settings).ok_or("no memory")?;
        python::PyDict_SetItemString(names.as_ptr(), c"_settings".as_ptr(), settings.as_ptr());
        python::PyDict_SetItemString(names.as_ptr(), c"__builtins__".as_ptr(), python::PyEval_GetBuiltins());
        let name = new_str("wsgiaudit.host").ok_or("no memory")?;
        python::PyDict_SetItemString(names.as_ptr(), c"__name__".as_ptr(), name.as_ptr());
        let ran = Object::new(python::Py_CompileString(
            source.as_ptr(),
            c"<wsgiaudit>".as_ptr(),
            python::Py_file_input,
        ))
        .and_then(|code| Object::new(python::PyEval_EvalCode(code.as_ptr(), names.as_ptr(), names.as_ptr())));
        match ran {
            Some(_) => Ok(names),
            None => Err(python::take_error()),
        }
    }
}

/// Creates a Python `str`; `None` with a Python exception set.
///
/// # Safety
/// The thread holds a GIL.
pub(super) unsafe fn new_str(text: &str) -> Option<Object> {
    // SAFETY: pointer and length belong to a string that is alive.
    unsafe {
        Object::new(python::PyUnicode_FromStringAndSize(text.as_ptr().cast::<c_char>(), text.len() as isize))
    }
}

/// Creates a Python `str` by decoding bytes as latin-1, as PEP 3333 requires.
///
/// # Safety
/// The thread holds a GIL.
pub(super) unsafe fn new_latin1_str(bytes: &[u8]) -> Option<Object> {
    // SAFETY: pointer and length belong to a slice that is alive.
    unsafe {
        Object::new(python::PyUnicode_DecodeLatin1(
            bytes.as_ptr().cast::<c_char>(),
            bytes.len() as isize,
            std::ptr::null(),
        ))
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
        if count != N as isize {
            python::PyErr_SetString(python::PyExc_TypeError, c"wrong number of arguments".as_ptr());
            return None;
        }
        let all = std::slice::from_raw_parts(arguments, N);
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
            Err(why) => raise_error(python::PyExc_OSError, &why),
        }
    }
}

/// `_begin(exchange, status, headers) -> bool`
unsafe extern "C" fn py_begin(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: as for `py_read`.
    unsafe {
        let Some((exchange, rest)) = parse_arguments::<3>(args, count) else { return null_mut() };
        match parse_response_head(rest[0], rest[1]) {
            Ok((head, length)) => python::PyBool_FromLong(i64::from(exchange.send_head(head, length))),
            Err(why) => raise_error(python::PyExc_ValueError, &why),
        }
    }
}

/// `_send(exchange, data) -> bool`
unsafe extern "C" fn py_send(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: as for `py_read`.
    unsafe {
        let Some((exchange, rest)) = parse_arguments::<2>(args, count) else { return null_mut() };
        let Some(data) = copy_bytes(rest[0]) else { return null_mut() };
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
            Err(why) => raise_error(python::PyExc_OSError, &why),
        }
    }
}

/// Copies a `bytes` object; `None` with a Python exception set if it is another type.
///
/// # Safety
/// The object is alive; the thread holds a GIL.
pub(super) unsafe fn copy_bytes(object: *mut PyObject) -> Option<Bytes> {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: the pointer is valid for `length` bytes while the object is alive.
    unsafe {
        if python::PyBytes_AsStringAndSize(object, &mut data, &mut length) != 0 {
            return None;
        }
        Some(Bytes::copy_from_slice(std::slice::from_raw_parts(data.cast::<u8>(), length as usize)))
    }
}

unsafe fn raise_error(kind: *mut PyObject, why: &str) -> *mut PyObject {
    // SAFETY: the caller holds a GIL; `kind` is a built-in exception type.
    unsafe {
        if let Some(text) = new_str(why) {
            python::PyErr_SetObject(kind, text.as_ptr());
        }
    }
    null_mut()
}

/// Parses the arguments `status` and `headers` of `start_response`. Returns the response head and the
/// declared Content-Length.
///
/// # Errors
/// An error message if HTTP does not allow them.
///
/// # Safety
/// The objects are alive; the thread holds a GIL. No exception is set.
pub(super) unsafe fn parse_response_head(
    status: *mut PyObject,
    headers: *mut PyObject,
) -> Result<(hyper::Response<()>, Option<u64>), String> {
    // SAFETY: the list is read under the GIL; items are borrowed from containers that are alive.
    unsafe {
        let status = encode_latin1(status).ok_or("the status is not a str of latin-1 characters")?;
        let mut head = hyper::Response::new(());
        let (code, reason) =
            status.split_at_checked(3).ok_or("the status does not begin with a three-digit number")?;
        let code = StatusCode::from_bytes(code)
            .map_err(|_| "the status does not begin with a three-digit number")?;
        if code.is_informational() {
            return Err(format!("status {code} must not be sent by an application"));
        }
        *head.status_mut() = code;
        let reason = reason.trim_ascii();
        if !reason.is_empty() && code.canonical_reason().map(str::as_bytes) != Some(reason) {
            let reason = hyper::ext::ReasonPhrase::try_from(reason.to_vec())
                .map_err(|_| "the status contains a control character")?;
            head.extensions_mut().insert(reason);
        }
        let mut length = None;
        for index in 0..python::PyList_Size(headers).max(0) {
            let pair = python::PyList_GetItem(headers, index);
            if python::PyTuple_Size(pair) != 2 {
                python::PyErr_Clear();
                return Err(format!("header {index} is not a pair"));
            }
            let (Some(name), Some(value)) = (
                encode_latin1(python::PyTuple_GetItem(pair, 0)),
                encode_latin1(python::PyTuple_GetItem(pair, 1)),
            ) else {
                return Err(format!("header {index} is not a pair of str of latin-1 characters"));
            };
            let name = HeaderName::from_bytes(&name)
                .map_err(|_| format!("{:?} is not a header name", String::from_utf8_lossy(&name)))?;
            let value = HeaderValue::from_bytes(&value)
                .map_err(|_| format!("the value of {name} contains a control character"))?;
            if HOP_BY_HOP.contains(&name.as_str())
                || (name == CONNECTION && !value.as_bytes().eq_ignore_ascii_case(b"close"))
            {
                continue;
            }
            if name == CONTENT_LENGTH {
                let number = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
                length = Some(number.ok_or("Content-Length is not a number")?);
                head.headers_mut().insert(name, value);
                continue;
            }
            head.headers_mut().append(name, value);
        }
        Ok((head, length))
    }
}

/// Encodes a `str` as latin-1; `None` if it is another type or has other characters.
unsafe fn encode_latin1(object: *mut PyObject) -> Option<Vec<u8>> {
    // SAFETY: the object is alive and the caller holds the GIL; the text is copied.
    unsafe {
        let mut length = 0;
        let data = python::PyUnicode_AsUTF8AndSize(object, &mut length);
        if data.is_null() {
            python::PyErr_Clear();
            return None;
        }
        let text = std::slice::from_raw_parts(data.cast::<u8>(), length as usize);
        if text.is_ascii() {
            return Some(text.to_vec());
        }
        std::str::from_utf8(text).ok()?.chars().map(|letter| u8::try_from(letter).ok()).collect()
    }
}
