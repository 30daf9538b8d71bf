//! The observer: `observe.py` in an interpreter, its calls into this library, and how trials call it.

use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::ptr::null_mut;
use std::sync::{Mutex, OnceLock};

use wsgiaudit_probes_core::interpreter_names;
use wsgiaudit_probes_core::observed_event::parse_event;
use wsgiaudit_probes_core::protocol::{PathAdditions, Scenario, TrialEvent, TrialOrder};

use super::child::abort_probe;
use super::{descriptor_sentinel, isolation, module_definition, record, thread_ids};
use crate::lock::lock_ignoring_poison;
use crate::python::{self, FunctionDef, Object, PyObject};

const SOURCE: &CStr = match CStr::from_bytes_with_nul(concat!(include_str!("observe.py"), "\0").as_bytes()) {
    Ok(source) => source,
    Err(_) => panic!("observe.py contains a NUL"),
};

/// `observe.py`, compiled and marshaled: every interpreter runs it, and compiling takes most of its time.
static COMPILED: OnceLock<Vec<u8>> = OnceLock::new();

/// Additions to `sys.path` for every interpreter of this process.
static PATH: Mutex<Option<PathAdditions>> = Mutex::new(None);

/// Sets the `sys.path` additions for all interpreters that get an observer from now on.
pub(super) fn set_path_additions(path: &PathAdditions) {
    *lock_ignoring_poison(&PATH) = Some(path.clone());
}

/// Compiles `observe.py` once for this process and all its children. If that fails, each interpreter compiles
/// it.
///
/// # Safety
/// The thread holds the GIL.
pub(super) unsafe fn precompile_source() {
    // SAFETY: guaranteed by the caller.
    if let Ok(bytes) = unsafe { compile_source().and_then(|code| marshal_code(&code)) } {
        drop(COMPILED.set(bytes));
    }
}

/// # Safety
/// The thread holds the GIL.
unsafe fn compile_source() -> Result<Object, String> {
    // SAFETY: NUL-terminated strings.
    unsafe {
        let (source, name) = (SOURCE.as_ptr(), c"<wsgiaudit>".as_ptr());
        Object::new(python::Py_CompileString(source, name, python::Py_file_input))
            .ok_or_else(|| python::take_error())
    }
}

/// # Safety
/// The thread holds the GIL.
unsafe fn marshal_code(code: &Object) -> Result<Vec<u8>, String> {
    // SAFETY: the bytes are copied while their object is alive.
    unsafe {
        let bytes = call_marshal(c"dumps", code)?;
        let (start, size) = (python::PyBytes_AsString(bytes.as_ptr()), python::PyBytes_Size(bytes.as_ptr()));
        let size = usize::try_from(size).ok().filter(|_| !start.is_null());
        let size = size.ok_or_else(|| python::take_error())?;
        Ok(std::slice::from_raw_parts(start.cast::<u8>(), size).to_vec())
    }
}

/// # Safety
/// The thread holds the GIL.
unsafe fn unmarshal_code(bytes: &[u8]) -> Result<Object, String> {
    // SAFETY: the bytes are copied.
    unsafe {
        let size = isize::try_from(bytes.len()).unwrap_or(0);
        let bytes = Object::new(python::PyBytes_FromStringAndSize(bytes.as_ptr().cast(), size));
        call_marshal(c"loads", &bytes.ok_or_else(|| python::take_error())?)
    }
}

/// Calls a function of the built-in module `marshal`.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn call_marshal(function: &CStr, argument: &Object) -> Result<Object, String> {
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
    /// Name of the interpreter that runs on this thread. Each interpreter has its own thread.
    static INTERPRETER: RefCell<String> = const { RefCell::new(String::new()) };
}

thread_local! {
    /// The observer of the interpreter that runs on this thread.
    pub(super) static OBSERVER: RefCell<Option<Observer>> = const { RefCell::new(None) };
}

/// The namespace of `observe.py` in one interpreter.
pub(super) struct Observer {
    globals: Object,
}

impl Observer {
    /// Installs the observer in the current interpreter, under the name `name` in the record.
    ///
    /// # Errors
    /// The exception, if the probe's own code fails.
    ///
    /// # Safety
    /// The thread holds the GIL, now and whenever the observer is used or dropped.
    pub(super) unsafe fn install(name: &str) -> Result<Self, String> {
        Self::set_thread_interpreter_name(name);
        // SAFETY: every reference is checked before use and owned by an `Object` or the dictionary.
        unsafe {
            let globals = Object::new(python::PyDict_New()).ok_or_else(|| python::take_error())?;
            let builtins = python::PyEval_GetBuiltins();
            python::PyDict_SetItemString(globals.as_ptr(), c"__builtins__".as_ptr(), builtins);
            for (name, function) in [(c"record", &RECORD), (c"declared", &DECLARED), (c"opening", &OPENING)] {
                let made =
                    function.new_function(null_mut(), null_mut()).ok_or_else(|| python::take_error())?;
                python::PyDict_SetItemString(globals.as_ptr(), name.as_ptr(), made.as_ptr());
            }
            let code = match COMPILED.get() {
                Some(bytes) => unmarshal_code(bytes)?,
                None => compile_source()?,
            };
            Object::new(python::PyEval_EvalCode(code.as_ptr(), globals.as_ptr(), globals.as_ptr()))
                .ok_or_else(|| python::take_error())?;
            let observer = Self { globals };
            observer.extend_path()?;
            Ok(observer)
        }
    }

    /// Adds the deployment's folders to `sys.path`, in mod_wsgi's order (`wsgi_interp.c`,
    /// `newInterpreterObject`).
    ///
    /// # Safety
    /// As for [`Observer::call_function`].
    unsafe fn extend_path(&self) -> Result<(), String> {
        let path = lock_ignoring_poison(&PATH).clone().unwrap_or_default();
        let steps: [(&CStr, &[String]); 4] = [
            (c"add_last", &path.last),
            (c"add_first", &path.plain),
            (c"add_with_pth", &path.with_pth),
            (c"add_first", &path.first),
        ];
        for (function, folders) in steps.into_iter().filter(|(_, folders)| !folders.is_empty()) {
            // SAFETY: guaranteed by the caller.
            unsafe { self.call_function(function, &folders.join("\0")) }?;
        }
        Ok(())
    }

    /// Sets the interpreter name for the records of this thread. [`Observer::install`] does so for its own
    /// thread; other threads that use the observer call this themselves.
    pub(super) fn set_thread_interpreter_name(name: &str) {
        INTERPRETER.with_borrow_mut(|current| name.clone_into(current));
        thread_ids::append_thread_id();
    }

    /// Calls `function(name)` of `observe.py`. Returns whether the result is true.
    ///
    /// # Errors
    /// The exception, if the probe's own code fails.
    ///
    /// # Safety
    /// The thread holds the GIL of the observer's interpreter.
    pub(super) unsafe fn call_function(&self, function: &CStr, name: &str) -> Result<bool, String> {
        // SAFETY: as in `install`; `PyDict_GetItemString` returns a borrowed reference, valid while the
        // dictionary lives.
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
    /// Returns the extension modules loaded in this interpreter, in order.
    ///
    /// # Safety
    /// As for [`Observer::call_function`].
    pub(super) unsafe fn loaded_modules(&self) -> Vec<String> {
        // SAFETY: guaranteed by the caller.
        unsafe { self.read_name_list(c"loaded") }
    }

    /// Returns a list of names from the namespace of `observe.py`.
    ///
    /// # Safety
    /// As for [`Observer::call_function`].
    pub(super) unsafe fn read_name_list(&self, name: &CStr) -> Vec<String> {
        // SAFETY: references borrowed from the dictionary and the list, which are both alive.
        unsafe {
            let loaded = python::PyDict_GetItemString(self.globals.as_ptr(), name.as_ptr());
            if loaded.is_null() {
                return Vec::new();
            }
            (0..python::PyList_Size(loaded))
                .filter_map(|index| python::str_to_string(python::PyList_GetItem(loaded, index)))
                .collect()
        }
    }
}

/// Installs the observer in the current interpreter, under this name in the record.
///
/// # Safety
/// The thread holds the interpreter's GIL for as long as the observer lives.
pub(super) unsafe fn install_observer(name: &str) -> Observer {
    // SAFETY: guaranteed by the caller.
    unsafe { Observer::install(name) }.unwrap_or_else(|error| abort_probe(&error))
}

/// Imports the modules to import first, then the subjects. Returns whether all imports succeeded and left
/// other code's file descriptors alone.
///
/// # Safety
/// The thread holds the GIL of the observer's interpreter.
pub(super) unsafe fn import_all(observer: &Observer, order: &TrialOrder) -> bool {
    let function = if order.place == Scenario::OwnGilAlone { c"bring_alone" } else { c"bring" };
    order.after.iter().chain(&order.subjects).all(|subject| {
        // SAFETY: guaranteed by the caller.
        let is_there =
            unsafe { observer.call_function(function, subject) }.unwrap_or_else(|error| abort_probe(&error));
        is_there && !descriptor_sentinel::record_if_lost()
    })
}

/// The subjects as one argument for `observe.py`.
pub(super) fn join_subjects(order: &TrialOrder) -> String {
    order.subjects.join(",")
}

/// `record(kind, field, ...)`, all `str`.
static RECORD: FunctionDef = FunctionDef::new(c"record", py_record);

/// `declared(name, module)`: records the definition that a new module was created from.
static DECLARED: FunctionDef = FunctionDef::new(c"declared", py_declared);

/// `opening(path, flags)`: CPython is about to open this extension module with these flags.
static OPENING: FunctionDef = FunctionDef::new(c"opening", py_opening);

unsafe extern "C" fn py_opening(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let path = python::str_to_string(python::PyTuple_GetItem(arguments, 0)).unwrap_or_default();
        let flags = python::PyLong_AsLong(python::PyTuple_GetItem(arguments, 1));
        python::PyErr_Clear();
        isolation::open_before_load(&path, c_int::try_from(flags).unwrap_or(libc::RTLD_NOW));
        let none = python::Py_None();
        python::Py_IncRef(none);
        none
    }
}

unsafe extern "C" fn py_declared(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let name = python::str_to_string(python::PyTuple_GetItem(arguments, 0)).unwrap_or_default();
        let definition = module_definition::read_module_definition(
            python::PyTuple_GetItem(arguments, 1),
            python::is_free_threaded(),
        );
        if let Some(definition) = definition {
            let interpreter = current_interpreter_name();
            record::write_event(&TrialEvent::Declared { interpreter, name, definition });
        }
        python::new_none()
    }
}

unsafe extern "C" fn py_record(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let fields = (0..python::PyTuple_Size(arguments))
            .map(|index| python::str_to_string(python::PyTuple_GetItem(arguments, index)).unwrap_or_default())
            .collect::<Vec<_>>();
        if let Some(event) = parse_event(&fields, current_interpreter_name()) {
            record::write_event(&event);
            if let TrialEvent::Loaded { name, .. } | TrialEvent::Failed { name, .. } = &event {
                descriptor_sentinel::check_sentinel(Some(name));
                isolation::inspect_new_images(Some(name));
            }
        }
        python::new_none()
    }
}

/// Name of the interpreter that this thread is attached to. A thread of A may be attached to the main
/// interpreter, to run an init function there (CPython 3.13+, `switch_to_main_interpreter` in
/// `Python/import.c`).
fn current_interpreter_name() -> String {
    let name = INTERPRETER.with_borrow(Clone::clone);
    // SAFETY: the caller holds a GIL.
    let is_main = unsafe { python::PyInterpreterState_GetID(python::PyInterpreterState_Get()) } == 0;
    // Sub-interpreters are named by single letters.
    if is_main && name.len() == 1 { interpreter_names::MAIN.to_owned() } else { name }
}
