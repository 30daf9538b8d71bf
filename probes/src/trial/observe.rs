//! The observer: `observe.py` in an interpreter, its calls into this library, and how trials call it.
//!
//! Each call has a namespace of its own, and what records loads is here, out of reach of Python code
//! ([`import_hooks`](super::import_hooks)).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CStr;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, OnceLock};

use wsgiaudit_probes_core::interpreter_names;
use wsgiaudit_probes_core::observed_event::parse_event;
use wsgiaudit_probes_core::protocol::{PathAdditions, Scenario, TrialEvent, TrialOrder};

use super::child::abort_probe;
use super::original_functions::OriginalFunctions;
use super::{descriptor_sentinel, isolation, module_definition, record, thread_ids};
use crate::copies;
use crate::python::{self, FunctionDef, Object, PyObject, current_interpreter_id};
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

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
        let (source, name) = (SOURCE.as_ptr(), python::SOURCE_NAME.as_ptr());
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
        let function = python::import_attribute(c"marshal", function).ok_or_else(|| python::take_error())?;
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

/// The observers by interpreter, for calls from any of its threads.
static OBSERVERS: Mutex<BTreeMap<i64, Arc<ObserverState>>> = Mutex::new(BTreeMap::new());

/// The observer of one interpreter, until it is dropped.
pub(super) struct Observer(Arc<ObserverState>);

/// What is needed to call `observe.py` in one interpreter.
pub(super) struct ObserverState {
    interpreter: i64,
    /// The compiled `observe.py`.
    code: Object,
    /// The names that each call starts with: the comment in `observe.py` lists them.
    names: Object,
    /// The functions of the import system that the hooks replace.
    pub(super) originals: OriginalFunctions,
    /// Names of the extension modules being created, outermost first.
    pub(super) being_created: Mutex<Vec<String>>,
    /// The names of the extension modules that were created, by the address of the module. Only these can be
    /// recorded as loaded, each under its own name.
    pub(super) created: Mutex<BTreeMap<usize, String>>,
}

// SAFETY: only threads that hold the interpreter's GIL use or drop its objects; on a free-threaded build they
// are thread-safe.
unsafe impl Send for ObserverState {}
// SAFETY: as above.
unsafe impl Sync for ObserverState {}

impl Observer {
    /// Installs the observer in the current interpreter, under the name `name` in the record, with the hooks of
    /// the import system.
    ///
    /// # Errors
    /// The exception, if the probe's own code fails.
    ///
    /// # Safety
    /// The thread holds the GIL, now and whenever the observer is used or dropped.
    pub(super) unsafe fn install(
        name: &str,
        install_hooks: unsafe fn() -> Result<(), String>,
    ) -> Result<Self, String> {
        Self::set_thread_interpreter_name(name);
        // SAFETY: guaranteed by the caller.
        unsafe {
            let code = match COMPILED.get() {
                Some(bytes) => unmarshal_code(bytes)?,
                None => compile_source()?,
            };
            let state = Arc::new(ObserverState {
                interpreter: current_interpreter_id(),
                code,
                names: create_names()?,
                originals: OriginalFunctions::find()?,
                being_created: Mutex::default(),
                created: Mutex::default(),
            });
            lock_ignoring_poison(&OBSERVERS).insert(state.interpreter, Arc::clone(&state));
            let observer = Self(state);
            observer.call_function(c"begin", "")?;
            install_hooks()?;
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
        // SAFETY: guaranteed by the caller.
        unsafe {
            let argument = python::new_str(name).ok_or_else(|| python::take_error())?;
            let result = self.0.call(function, &[argument.as_ptr()])?;
            Ok(python::PyObject_IsTrue(result.as_ptr()) == 1)
        }
    }

    /// Number of threads that Python has started in this interpreter.
    ///
    /// # Errors
    /// The exception.
    ///
    /// # Safety
    /// As for [`Observer::call_function`].
    pub(super) unsafe fn count_python_threads(&self) -> Result<i64, String> {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.originals.count_python_threads() }
    }

    /// Returns the extension modules loaded in this interpreter, in order.
    ///
    /// # Safety
    /// As for [`Observer::call_function`].
    pub(super) unsafe fn loaded_modules(&self) -> Vec<String> {
        // SAFETY: guaranteed by the caller.
        unsafe { self.read_name_list(c"loaded") }
    }

    /// Returns a list of names that the calls share.
    ///
    /// # Safety
    /// As for [`Observer::call_function`].
    pub(super) unsafe fn read_name_list(&self, name: &CStr) -> Vec<String> {
        // SAFETY: guaranteed by the caller; the reference is borrowed from a dictionary that is alive.
        unsafe { read_names(python::PyDict_GetItemString(self.0.names.as_ptr(), name.as_ptr())) }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        lock_ignoring_poison(&OBSERVERS).remove(&self.0.interpreter);
        // SAFETY: the thread holds the GIL (see `install`).
        unsafe { self.0.originals.restore() };
    }
}

impl ObserverState {
    /// The observer of the interpreter that this thread is attached to.
    ///
    /// # Safety
    /// The thread holds a GIL.
    pub(super) unsafe fn find_here() -> Option<Arc<Self>> {
        // SAFETY: guaranteed by the caller.
        let interpreter = unsafe { current_interpreter_id() };
        lock_ignoring_poison(&OBSERVERS).get(&interpreter).cloned()
    }

    /// Calls a function of `observe.py` in a new namespace.
    ///
    /// # Errors
    /// The exception.
    ///
    /// # Safety
    /// The thread holds the GIL of this interpreter, no exception is pending, and the arguments are alive.
    unsafe fn call(&self, function: &CStr, arguments: &[*mut PyObject]) -> Result<Object, String> {
        // SAFETY: guaranteed by the caller; every reference is checked before use.
        unsafe {
            let error = || python::take_error();
            let names = Object::new(python::PyDict_Copy(self.names.as_ptr())).ok_or_else(error)?;
            Object::new(python::PyEval_EvalCode(self.code.as_ptr(), names.as_ptr(), names.as_ptr()))
                .ok_or_else(error)?;
            let callable = python::PyDict_GetItemString(names.as_ptr(), function.as_ptr());
            let callable =
                Object::from_borrowed(callable).ok_or_else(|| format!("observe.py has no {function:?}"))?;
            let given = Object::new(python::PyTuple_New(arguments.len() as isize)).ok_or_else(error)?;
            for (index, argument) in arguments.iter().enumerate() {
                python::Py_IncRef(*argument);
                python::PyTuple_SetItem(given.as_ptr(), index as isize, *argument);
            }
            let result = Object::new(python::PyObject_CallObject(callable.as_ptr(), given.as_ptr()));
            let result = result.ok_or_else(error);
            // The functions refer to the namespace that refers to them.
            python::PyDict_Clear(names.as_ptr());
            result
        }
    }

    /// Calls a function of `observe.py` that returns the fields of an event.
    ///
    /// # Errors
    /// The exception: the arguments are foreign objects.
    ///
    /// # Safety
    /// As for [`ObserverState::call`].
    pub(super) unsafe fn read_fields(
        &self,
        function: &CStr,
        arguments: &[*mut PyObject],
    ) -> Result<Vec<String>, String> {
        // SAFETY: guaranteed by the caller.
        unsafe { self.call(function, arguments).map(|fields| read_names(fields.as_ptr())) }
    }

    /// Remembers the name of a module that C code has made. Returns whether it had none: a module that was loaded
    /// cannot speak for another one.
    fn add_module(&self, module: *mut PyObject, name: &str) -> bool {
        match lock_ignoring_poison(&self.created).entry(module as usize) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(name.to_owned());
                true
            }
        }
    }

    /// Appends to a list that the calls share.
    ///
    /// # Safety
    /// As for [`ObserverState::call`].
    pub(super) unsafe fn append_name(&self, list: &CStr, name: &str) {
        // SAFETY: guaranteed by the caller; a borrowed list of a dictionary that is alive.
        unsafe {
            let list = python::PyDict_GetItemString(self.names.as_ptr(), list.as_ptr());
            if let Some(name) = python::new_str(name).filter(|_| !list.is_null()) {
                python::PyList_Append(list, name.as_ptr());
            }
        }
    }
}

/// Returns the strings of a list; of anything else, nothing.
///
/// # Safety
/// `list` is null or alive, and the thread holds the GIL.
unsafe fn read_names(list: *mut PyObject) -> Vec<String> {
    // SAFETY: guaranteed by the caller; items of a list are borrowed.
    unsafe {
        if list.is_null() || !python::has_type_flag(list, python::Py_TPFLAGS_LIST_SUBCLASS) {
            return Vec::new();
        }
        (0..python::PyList_Size(list))
            .filter_map(|index| python::str_to_string(python::PyList_GetItem(list, index)))
            .collect()
    }
}

/// Creates the names that each call starts with. The functions of other modules are taken before foreign code
/// can replace them.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn create_names() -> Result<Object, String> {
    // SAFETY: every reference is checked before use; the dictionary takes its own.
    unsafe {
        let error = || python::take_error();
        let names = Object::new(python::PyDict_New()).ok_or_else(error)?;
        let set = |name: &CStr, value: Option<Object>| {
            let value = value.ok_or_else(error)?;
            python::PyDict_SetItemString(names.as_ptr(), name.as_ptr(), value.as_ptr());
            Ok::<_, String>(())
        };
        set(c"__builtins__", Object::new(python::PyDict_Copy(python::PyEval_GetBuiltins())))?;
        for name in [c"sys", c"gc", c"builtins"] {
            set(name, python::import_module(name))?;
        }
        set(c"count_threads", python::import_attribute(c"_thread", c"_count"))?;
        set(c"clock", python::import_attribute(c"time", c"monotonic"))?;
        set(c"pause", python::import_attribute(c"time", c"sleep"))?;
        set(c"record", RECORD.new_function(null_mut(), null_mut()))?;
        set(c"present", PRESENT.new_function(null_mut(), null_mut()))?;
        set(c"there", Object::new(python::PySet_New(null_mut())))?;
        for list in [c"failures", c"loaded", c"from_within", c"new", c"functions", c"waiting"] {
            set(list, Object::new(python::PyList_New(0)))?;
        }
        // The collector lists its objects to whoever asks (`gc.get_objects`).
        python::PyObject_GC_UnTrack(names.as_ptr().cast());
        Ok(names)
    }
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

/// `present(name, module)`: records the load of a module that C code has made without the import system.
static PRESENT: FunctionDef = FunctionDef::new(c"present", py_present);

/// Records the event that these fields describe, who loses descriptors, and what was loaded.
pub(super) fn record_fields(fields: &[String]) {
    if let Some(event) = parse_event(fields, current_interpreter_name()) {
        record::write_event(&event);
        if let TrialEvent::Loaded { name, .. } | TrialEvent::Failed { name, .. } = &event {
            descriptor_sentinel::check_sentinel(Some(name));
            isolation::inspect_new_images(Some(name));
        }
    }
}

unsafe extern "C" fn py_record(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let fields = (0..python::PyTuple_Size(arguments))
            .map(|index| python::str_to_string(python::PyTuple_GetItem(arguments, index)).unwrap_or_default())
            .collect::<Vec<_>>();
        // Foreign code may have found this function: loads are recorded by the hooks alone.
        let event = parse_event(&fields, current_interpreter_name());
        event.iter().filter(|event| event.load().is_none()).for_each(record::write_event);
        python::new_none()
    }
}

unsafe extern "C" fn py_present(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let (name, module) = (python::PyTuple_GetItem(arguments, 0), python::PyTuple_GetItem(arguments, 1));
        let file = Object::new(python::PyObject_GetAttrString(module, c"__file__".as_ptr()));
        python::PyErr_Clear();
        let file = file.and_then(|file| python::str_to_string(file.as_ptr()));
        let made_by = module_definition::find_defining_file(module);
        let made_by = made_by.map(|file| copies::find_origin(&file).file);
        if let (Some(name), Some(file), Some(made_by)) = (python::str_to_string(name), file, made_by)
            && Path::new(&made_by).parent().is_some_and(|folder| Path::new(&file).starts_with(folder))
            && let Some(observer) = ObserverState::find_here()
            && observer.add_module(module, &name)
        {
            observer.append_name(c"loaded", &name);
            record_fields(&["loading".to_owned(), name.clone(), file]);
            record_fields(&["loaded".to_owned(), name]);
        }
        python::new_none()
    }
}

/// Name of the interpreter that this thread is attached to. A thread of A may be attached to the main
/// interpreter, to run an init function there (CPython 3.13+, `switch_to_main_interpreter` in
/// `Python/import.c`).
pub(super) fn current_interpreter_name() -> String {
    let name = INTERPRETER.with_borrow(Clone::clone);
    // SAFETY: the caller holds a GIL.
    let is_main = unsafe { current_interpreter_id() } == 0;
    // Sub-interpreters are named by single letters.
    if is_main && name.len() == 1 { interpreter_names::MAIN.to_owned() } else { name }
}
