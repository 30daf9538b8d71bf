//! `glue.py` in an interpreter: its namespace, the C functions that it calls, and the head of an answer.

use std::ffi::{CStr, CString, c_char};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::ptr::null_mut;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::http::StatusCode;

use super::exchange::Exchange;
use super::guard;
use super::worker::detached;
use crate::python::{self, Object, PyObject};

const SOURCE: &str = include_str!("glue.py");
const CAPSULE: &CStr = c"wsgiaudit.exchange";

/// Headers that are the server's alone (PEP 3333: "hop-by-hop"). `Connection: close` is honoured.
const HOP_BY_HOP: [&str; 5] = ["keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Runs `glue.py` with these settings. Returns its namespace.
///
/// # Errors
/// In words, when it cannot.
///
/// # Safety
/// The thread holds a GIL.
pub(super) unsafe fn namespace(settings: &str) -> Result<Object, String> {
    let source = CString::new(SOURCE).map_err(|error| error.to_string())?;
    // SAFETY: each reference is checked; the method definitions live for ever.
    unsafe {
        let names = Object::new(python::PyDict_New()).ok_or("no memory")?;
        let functions: [(&CStr, python::PyCFunctionFast); 5] = [
            (c"_read", read),
            (c"_begin", begin),
            (c"_send", send),
            (c"_send_file", send_file),
            (c"_admit", guard::admit),
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
        let settings = new_text(settings).ok_or("no memory")?;
        python::PyDict_SetItemString(names.as_ptr(), c"_settings".as_ptr(), settings.as_ptr());
        python::PyDict_SetItemString(names.as_ptr(), c"__builtins__".as_ptr(), python::PyEval_GetBuiltins());
        let name = new_text("wsgiaudit.host").ok_or("no memory")?;
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

/// A `str`.
///
/// # Safety
/// The thread holds a GIL.
pub(super) unsafe fn new_text(text: &str) -> Option<Object> {
    // SAFETY: pointer and length are those of a living string.
    unsafe {
        Object::new(python::PyUnicode_FromStringAndSize(text.as_ptr().cast::<c_char>(), text.len() as isize))
    }
}

/// A `str` of these bytes as latin-1, as PEP 3333 wants them.
///
/// # Safety
/// The thread holds a GIL.
pub(super) unsafe fn latin1(bytes: &[u8]) -> Option<Object> {
    // SAFETY: pointer and length are those of a living slice.
    unsafe {
        Object::new(python::PyUnicode_DecodeLatin1(
            bytes.as_ptr().cast::<c_char>(),
            bytes.len() as isize,
            std::ptr::null(),
        ))
    }
}

/// The exchange as `glue.py` holds it.
///
/// # Safety
/// The thread holds a GIL.
pub(super) unsafe fn capsule(exchange: &Arc<Exchange>) -> Option<Object> {
    let pointer = Box::into_raw(Box::new(Arc::clone(exchange)));
    // SAFETY: the capsule owns the box from here on; where it could not be made, we take it back.
    unsafe {
        let capsule = Object::new(python::PyCapsule_New(pointer.cast(), CAPSULE.as_ptr(), Some(free)));
        if capsule.is_none() {
            drop(Box::from_raw(pointer));
        }
        capsule
    }
}

unsafe extern "C" fn free(capsule: *mut PyObject) {
    // SAFETY: made by `capsule`; CPython calls this once.
    unsafe {
        let pointer = python::PyCapsule_GetPointer(capsule, CAPSULE.as_ptr());
        if !pointer.is_null() {
            drop(Box::from_raw(pointer.cast::<Arc<Exchange>>()));
        }
    }
}

/// The arguments of a call, the first of which is a capsule.
///
/// # Safety
/// Called by CPython with so many arguments.
unsafe fn arguments<'a, const N: usize>(
    arguments: *mut *mut PyObject,
    count: isize,
) -> Option<(Arc<Exchange>, &'a [*mut PyObject])> {
    // SAFETY: the caller's promise; the pointer is what `capsule` put there, or null with an exception set.
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
unsafe extern "C" fn read(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: CPython calls this with the GIL held; it is let go while we wait.
    unsafe {
        let Some((exchange, rest)) = arguments::<2>(args, count) else { return null_mut() };
        let size = python::PyLong_AsSsize_t(rest[0]);
        let Ok(size) = usize::try_from(size) else {
            if python::PyErr_Occurred().is_null() {
                python::PyErr_SetString(python::PyExc_ValueError, c"size must not be negative".as_ptr());
            }
            return null_mut();
        };
        match detached(|| exchange.read(size)) {
            Ok(data) => python::PyBytes_FromStringAndSize(data.as_ptr().cast(), data.len() as isize),
            Err(why) => raise(python::PyExc_OSError, &why),
        }
    }
}

/// `_begin(exchange, status, headers) -> bool`
unsafe extern "C" fn begin(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: as for `read`.
    unsafe {
        let Some((exchange, rest)) = arguments::<3>(args, count) else { return null_mut() };
        match head(rest[0], rest[1]) {
            Ok((head, length)) => python::PyBool_FromLong(i64::from(exchange.begin(head, length))),
            Err(why) => raise(python::PyExc_ValueError, &why),
        }
    }
}

/// `_send(exchange, data) -> bool`
unsafe extern "C" fn send(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: as for `read`.
    unsafe {
        let Some((exchange, rest)) = arguments::<2>(args, count) else { return null_mut() };
        let Some(data) = bytes(rest[0]) else { return null_mut() };
        python::PyBool_FromLong(i64::from(detached(|| exchange.send(data))))
    }
}

/// `_send_file(exchange, descriptor, offset) -> bool`: the descriptor stays the caller's.
unsafe extern "C" fn send_file(_: *mut PyObject, args: *mut *mut PyObject, count: isize) -> *mut PyObject {
    // SAFETY: as for `read`; the file's object lives as long as the call, and so does its descriptor.
    unsafe {
        let Some((exchange, rest)) = arguments::<3>(args, count) else { return null_mut() };
        let (descriptor, from) = (python::PyLong_AsSsize_t(rest[0]), python::PyLong_AsSsize_t(rest[1]));
        let (Ok(descriptor), Ok(from)) = (i32::try_from(descriptor), u64::try_from(from)) else {
            return raise(python::PyExc_ValueError, "not a descriptor and an offset");
        };
        let file = ManuallyDrop::new(File::from_raw_fd(descriptor));
        match detached(|| exchange.send_file(&file, from)) {
            Ok(is_sent) => python::PyBool_FromLong(i64::from(is_sent)),
            Err(why) => raise(python::PyExc_OSError, &why),
        }
    }
}

/// A copy of a `bytes` object; an exception is set where it is none.
///
/// # Safety
/// A living object; the thread holds a GIL.
pub(super) unsafe fn bytes(object: *mut PyObject) -> Option<Bytes> {
    let (mut data, mut length) = (null_mut(), 0);
    // SAFETY: the pointer is valid for so many bytes while the object lives.
    unsafe {
        if python::PyBytes_AsStringAndSize(object, &mut data, &mut length) != 0 {
            return None;
        }
        Some(Bytes::copy_from_slice(std::slice::from_raw_parts(data.cast::<u8>(), length as usize)))
    }
}

unsafe fn raise(kind: *mut PyObject, why: &str) -> *mut PyObject {
    // SAFETY: the caller holds a GIL; `kind` is a built-in exception type.
    unsafe {
        if let Some(text) = new_text(why) {
            python::PyErr_SetObject(kind, text.as_ptr());
        }
    }
    null_mut()
}

/// `status` and `headers` of `start_response`, and the declared length.
///
/// # Errors
/// In words, where HTTP does not allow it.
///
/// # Safety
/// Living objects; the thread holds a GIL. No exception is set.
pub(super) unsafe fn head(
    status: *mut PyObject,
    headers: *mut PyObject,
) -> Result<(hyper::Response<()>, Option<u64>), String> {
    // SAFETY: the list is ours to read under the GIL; items are borrowed from containers that live.
    unsafe {
        let status = encoded(status).ok_or("the status is no str of latin-1 characters")?;
        let mut head = hyper::Response::new(());
        let (code, reason) = status.split_at_checked(3).ok_or("the status has no number")?;
        let code = StatusCode::from_bytes(code).map_err(|_| "the status does not begin with a number")?;
        if code.is_informational() {
            return Err(format!("status {code} is not an application's to send"));
        }
        *head.status_mut() = code;
        let reason = reason.trim_ascii();
        if !reason.is_empty() && code.canonical_reason().map(str::as_bytes) != Some(reason) {
            let reason = hyper::ext::ReasonPhrase::try_from(reason.to_vec())
                .map_err(|_| "the status holds a control character")?;
            head.extensions_mut().insert(reason);
        }
        let mut length = None;
        for index in 0..python::PyList_Size(headers).max(0) {
            let pair = python::PyList_GetItem(headers, index);
            if python::PyTuple_Size(pair) != 2 {
                python::PyErr_Clear();
                return Err(format!("header {index} is no tuple of two"));
            }
            let (Some(name), Some(value)) =
                (encoded(python::PyTuple_GetItem(pair, 0)), encoded(python::PyTuple_GetItem(pair, 1)))
            else {
                return Err(format!("header {index} is no tuple of two str of latin-1 characters"));
            };
            let name = HeaderName::from_bytes(&name)
                .map_err(|_| format!("{:?} is no header's name", String::from_utf8_lossy(&name)))?;
            let value = HeaderValue::from_bytes(&value)
                .map_err(|_| format!("the value of {name} holds a control character"))?;
            if HOP_BY_HOP.contains(&name.as_str())
                || (name == CONNECTION && !value.as_bytes().eq_ignore_ascii_case(b"close"))
            {
                continue;
            }
            if name == CONTENT_LENGTH {
                let number = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
                length = Some(number.ok_or("Content-Length is no number")?);
                head.headers_mut().insert(name, value);
                continue;
            }
            head.headers_mut().append(name, value);
        }
        Ok((head, length))
    }
}

/// A `str` as latin-1.
unsafe fn encoded(object: *mut PyObject) -> Option<Vec<u8>> {
    // SAFETY: a living object and a GIL (the caller's promise); the text is copied while it lives.
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
