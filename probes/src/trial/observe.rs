//! `observe.py` in an interpreter: what it records, and the two functions that a trial calls.

use std::cell::RefCell;
use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::steps::free_threaded;
use super::{definition, descriptors, ids, record};
use crate::protocol::{Behind, Event, Exception, Folders};
use crate::python::{self, METH_VARARGS, Object, PyMethodDef, PyMethodDefPointer, PyObject};

const SOURCE: &CStr = match CStr::from_bytes_with_nul(concat!(include_str!("observe.py"), "\0").as_bytes()) {
    Ok(source) => source,
    Err(_) => panic!("observe.py holds a NUL"),
};

/// The same, compiled and marshalled: every interpreter runs it, and compiling takes longer than all else it does.
static COMPILED: OnceLock<Vec<u8>> = OnceLock::new();

/// What every interpreter of this process adds to its `sys.path`.
static PATH: Mutex<Option<Folders>> = Mutex::new(None);

/// Sets what every interpreter that gets an observer from now on adds to its `sys.path`.
pub(super) fn set_path(path: &Folders) {
    *PATH.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.clone());
}

/// Compiles `observe.py` for this process and all that it forks. Where that fails, each interpreter does.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn prepare() {
    // SAFETY: the caller's promise.
    if let Ok(bytes) = unsafe { compile().and_then(|code| to_bytes(&code)) } {
        drop(COMPILED.set(bytes));
    }
}

/// # Safety
/// The thread holds the GIL.
unsafe fn compile() -> Result<Object, String> {
    // SAFETY: strings that end with NUL.
    unsafe {
        let (source, name) = (SOURCE.as_ptr(), c"<wsgiaudit>".as_ptr());
        Object::new(python::Py_CompileString(source, name, python::Py_file_input))
            .ok_or_else(|| python::take_error())
    }
}

/// # Safety
/// The thread holds the GIL.
unsafe fn to_bytes(code: &Object) -> Result<Vec<u8>, String> {
    // SAFETY: the bytes are copied while their object lives.
    unsafe {
        let bytes = marshal(c"dumps", code)?;
        let (start, size) = (python::PyBytes_AsString(bytes.as_ptr()), python::PyBytes_Size(bytes.as_ptr()));
        let size = usize::try_from(size).ok().filter(|_| !start.is_null());
        let size = size.ok_or_else(|| python::take_error())?;
        Ok(std::slice::from_raw_parts(start.cast::<u8>(), size).to_vec())
    }
}

/// # Safety
/// The thread holds the GIL.
unsafe fn from_bytes(bytes: &[u8]) -> Result<Object, String> {
    // SAFETY: the bytes live while they are copied.
    unsafe {
        let size = isize::try_from(bytes.len()).unwrap_or(0);
        let bytes = Object::new(python::PyBytes_FromStringAndSize(bytes.as_ptr().cast(), size));
        marshal(c"loads", &bytes.ok_or_else(|| python::take_error())?)
    }
}

/// Calls a function of the built-in module `marshal`.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn marshal(function: &CStr, argument: &Object) -> Result<Object, String> {
    // SAFETY: each reference is checked before use.
    unsafe {
        let module = Object::new(python::PyImport_ImportModule(c"marshal".as_ptr()));
        let module = module.ok_or_else(|| python::take_error())?;
        let function = Object::new(python::PyObject_GetAttrString(module.as_ptr(), function.as_ptr()));
        let function = function.ok_or_else(|| python::take_error())?;
        let argument = argument.as_ptr();
        Object::new(python::PyObject_CallFunctionObjArgs(function.as_ptr(), argument, null_mut::<PyObject>()))
            .ok_or_else(|| python::take_error())
    }
}

thread_local! {
    /// Name of the interpreter that this thread runs. Each has a thread of its own.
    static INTERPRETER: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The functions of `observe.py` in one interpreter.
pub(super) struct Observer {
    globals: Object,
}

impl Observer {
    /// Installs it in the current interpreter, which the record shall call `name`.
    ///
    /// # Errors
    /// The exception, when the probe's own code fails.
    ///
    /// # Safety
    /// The thread holds the GIL, now and whenever the observer is used or dropped.
    pub(super) unsafe fn install(name: &str) -> Result<Self, String> {
        Self::names_this_thread(name);
        // SAFETY: every reference is checked before use and owned by an `Object` or the dictionary.
        unsafe {
            let globals = Object::new(python::PyDict_New()).ok_or_else(|| python::take_error())?;
            let builtins = python::PyEval_GetBuiltins();
            python::PyDict_SetItemString(globals.as_ptr(), c"__builtins__".as_ptr(), builtins);
            let record = Object::new(python::PyCFunction_NewEx(
                (&raw const RECORD.0).cast_mut(),
                null_mut(),
                null_mut(),
            ))
            .ok_or_else(|| python::take_error())?;
            python::PyDict_SetItemString(globals.as_ptr(), c"record".as_ptr(), record.as_ptr());
            let declared = Object::new(python::PyCFunction_NewEx(
                (&raw const DECLARED.0).cast_mut(),
                null_mut(),
                null_mut(),
            ))
            .ok_or_else(|| python::take_error())?;
            python::PyDict_SetItemString(globals.as_ptr(), c"declared".as_ptr(), declared.as_ptr());
            let code = match COMPILED.get() {
                Some(bytes) => from_bytes(bytes)?,
                None => compile()?,
            };
            Object::new(python::PyEval_EvalCode(code.as_ptr(), globals.as_ptr(), globals.as_ptr()))
                .ok_or_else(|| python::take_error())?;
            let observer = Self { globals };
            observer.extend_path()?;
            Ok(observer)
        }
    }

    /// Adds what a deployment does to `sys.path`, in mod_wsgi's order (`wsgi_interp.c`, `newInterpreterObject`).
    ///
    /// # Safety
    /// As for [`Observer::call`].
    unsafe fn extend_path(&self) -> Result<(), String> {
        let path = PATH.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        let steps: [(&CStr, &[String]); 4] = [
            (c"add_last", &path.last),
            (c"add_first", &path.plain),
            (c"add_with_pth", &path.with_pth),
            (c"add_first", &path.first),
        ];
        for (function, folders) in steps.into_iter().filter(|(_, folders)| !folders.is_empty()) {
            // SAFETY: the caller's promise.
            unsafe { self.call(function, &folders.join("\0")) }?;
        }
        Ok(())
    }

    /// Names the interpreter to the record on another thread than the one that installed the observer.
    pub(super) fn names_this_thread(name: &str) {
        INTERPRETER.with_borrow_mut(|current| name.clone_into(current));
        ids::tell();
    }

    /// Calls `function(name)` of `observe.py`; whether it returned something true.
    ///
    /// # Errors
    /// The exception, when the probe's own code fails.
    ///
    /// # Safety
    /// The thread holds the GIL of the observer's interpreter.
    pub(super) unsafe fn call(&self, function: &CStr, name: &str) -> Result<bool, String> {
        // SAFETY: as in `install`; `PyDict_GetItemString` lends its reference while the dictionary lives.
        unsafe {
            let callable = python::PyDict_GetItemString(self.globals.as_ptr(), function.as_ptr());
            if callable.is_null() {
                return Err(format!("observe.py has no {function:?}"));
            }
            let argument = Object::new(python::PyUnicode_FromStringAndSize(
                name.as_ptr().cast(),
                isize::try_from(name.len()).unwrap_or(0),
            ))
            .ok_or_else(|| python::take_error())?;
            let result = Object::new(python::PyObject_CallFunctionObjArgs(
                callable,
                argument.as_ptr(),
                null_mut::<PyObject>(),
            ))
            .ok_or_else(|| python::take_error())?;
            Ok(python::PyObject_IsTrue(result.as_ptr()) == 1)
        }
    }
}

impl Observer {
    /// The extension modules that were loaded in this interpreter, in order.
    ///
    /// # Safety
    /// As for [`Observer::call`].
    pub(super) unsafe fn loaded(&self) -> Vec<String> {
        // SAFETY: the caller's promise.
        unsafe { self.list(c"loaded") }
    }

    /// A list of names that `observe.py` holds.
    ///
    /// # Safety
    /// As for [`Observer::call`].
    pub(super) unsafe fn list(&self, name: &CStr) -> Vec<String> {
        // SAFETY: references borrowed from the dictionary and the list, which both live.
        unsafe {
            let loaded = python::PyDict_GetItemString(self.globals.as_ptr(), name.as_ptr());
            if loaded.is_null() {
                return Vec::new();
            }
            (0..python::PyList_Size(loaded))
                .filter_map(|index| python::text(python::PyList_GetItem(loaded, index)))
                .collect()
        }
    }
}

/// The definition of a function: plain C data, the same for every interpreter.
pub(super) struct Method(pub(super) PyMethodDef);

// SAFETY: CPython only reads it; its pointers are to constants and code.
unsafe impl Sync for Method {}

/// `record(kind, field, ...)`, all `str`.
static RECORD: Method = Method(PyMethodDef {
    ml_name: c"record".as_ptr(),
    ml_meth: PyMethodDefPointer { PyCFunction: record_call },
    ml_flags: METH_VARARGS,
    ml_doc: std::ptr::null(),
});

/// `declared(name, module)`: records what a new module was created from.
static DECLARED: Method = Method(PyMethodDef {
    ml_name: c"declared".as_ptr(),
    ml_meth: PyMethodDefPointer { PyCFunction: declared_call },
    ml_flags: METH_VARARGS,
    ml_doc: std::ptr::null(),
});

unsafe extern "C" fn declared_call(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let name = python::text(python::PyTuple_GetItem(arguments, 0)).unwrap_or_default();
        let definition = definition::of(python::PyTuple_GetItem(arguments, 1), free_threaded());
        if let Some(definition) = definition {
            let interpreter = current();
            record::write(&Event::Declared { interpreter, name, definition });
        }
        let none = python::Py_None();
        python::Py_IncRef(none);
        none
    }
}

unsafe extern "C" fn record_call(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let fields = (0..python::PyTuple_Size(arguments))
            .map(|index| python::text(python::PyTuple_GetItem(arguments, index)).unwrap_or_default())
            .collect::<Vec<_>>();
        if let Some(event) = event(&fields) {
            record::write(&event);
            if let Event::Loaded { name, .. } | Event::Failed { name, .. } = &event {
                descriptors::look(Some(name));
            }
        }
        let none = python::Py_None();
        python::Py_IncRef(none);
        none
    }
}

fn event(fields: &[String]) -> Option<Event> {
    let interpreter = current();
    let exception = |[behind, raised_in, kind, text]: [&String; 4], chain: &[String]| Exception {
        kind: kind.clone(),
        text: text.clone(),
        chain: chain.to_vec(),
        behind: behind.split(',').filter_map(loads_behind).collect(),
        raised_in: Some(raised_in.clone()).filter(|name| !name.is_empty()),
    };
    // The observer says nothing by an empty text.
    let named = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    match fields {
        [event, name, path, chain @ ..] if event == "loading" => Some(Event::Loading {
            interpreter,
            name: name.clone(),
            path: path.clone(),
            chain: chain.to_vec(),
        }),
        [event, name] if event == "gil-enabled" => {
            Some(Event::GilEnabled { interpreter, name: name.clone() })
        }
        [event, name] if event == "loaded" => Some(Event::Loaded { interpreter, name: name.clone() }),
        [event, name, behind, raised_in, kind, text, chain @ ..] if event == "failed" => {
            let error = exception([behind, raised_in, kind, text], chain);
            Some(Event::Failed { interpreter, name: name.clone(), error })
        }
        [event, behind, raised_in, kind, text, chain @ ..] if event == "uncaught" => {
            Some(Event::Uncaught(exception([behind, raised_in, kind, text], chain)))
        }
        [event, name] if event == "importing" => Some(Event::Importing(name.clone())),
        [event, names @ ..] if event == "standard" => {
            ["main", "A"].contains(&interpreter.as_str()).then(|| Event::Standard(names.to_vec()))
        }
        [event, module, by @ ..] if event == "held" => {
            Some(Event::Held { interpreter, module: module.clone(), by: by.to_vec() })
        }
        [event, answers @ ..] if event == "answered" => Some(Event::Answered(answers.to_vec())),
        [event, names @ ..] if event == "threads" => Some(Event::ThreadsLeft(names.to_vec())),
        [event, behind, denied, raised_in, kind, text, chain @ ..] if event == "error" => {
            let error = exception([behind, raised_in, kind, text], chain);
            Some(Event::Error { denied: named(denied), error })
        }
        _ => None,
    }
}

/// One of the observer's marked names: `=name`, `~name`.
fn loads_behind(marked: &str) -> Option<Behind> {
    let is_handled = marked.starts_with('~');
    let name = marked.strip_prefix(['=', '~'])?.to_owned();
    Some(Behind { name, is_handled })
}

/// The interpreter that runs on this thread: a thread of A's enters the main one to run an init function there (CPython
/// from 3.13 on, `switch_to_main_interpreter` in `Python/import.c`).
fn current() -> String {
    let name = INTERPRETER.with_borrow(Clone::clone);
    // SAFETY: the caller holds a GIL.
    let is_main = unsafe { python::PyInterpreterState_GetID(python::PyInterpreterState_Get()) } == 0;
    // Sub-interpreters have a letter each.
    if is_main && name.len() == 1 { "main".to_owned() } else { name }
}
