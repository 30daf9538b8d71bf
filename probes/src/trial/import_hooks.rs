//! Hooks into the import system of an interpreter: built-in functions that record each load of an extension
//! module around CPython's own functions. Python code cannot reach what they record.

use std::ffi::{CStr, CString};
use std::ptr::null_mut;
use std::sync::{Arc, OnceLock};

use wsgiaudit_probes_core::interpreter_names::MAIN;
use wsgiaudit_probes_core::protocol::TrialEvent;

use super::child::abort_probe;
use super::observe::{OBSERVER, Observer, ObserverState, current_interpreter_name, record_fields};
use super::original_functions::{CREATE_BUILTIN, CREATE_DYNAMIC, EXCEPT_HOOK, EXEC_DYNAMIC, UNRAISABLE_HOOK};
use super::{isolation, module_definition, record};
use crate::python::{self, FunctionDef, Object, PyCFunction, PyObject};
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// The hooks of `_imp`, in the order of [`IMPORT_HOOKS`]. They are documented as what they replace.
static DOCUMENTED_HOOKS: OnceLock<Vec<FunctionDef>> = OnceLock::new();

/// `create_dynamic(spec, file=None)`, `exec_dynamic(module)` and `create_builtin(spec)`: a built-in module such as
/// faulthandler can be refused too.
const IMPORT_HOOKS: [(&CStr, PyCFunction); 3] = [
    (CREATE_DYNAMIC, py_create_dynamic),
    (EXEC_DYNAMIC, py_exec_dynamic),
    (CREATE_BUILTIN, py_create_builtin),
];

/// `excepthook(type, value, traceback)`.
static EXCEPT_HOOK_HOOK: FunctionDef = FunctionDef::new(EXCEPT_HOOK, py_excepthook);
/// `unraisablehook(unraisable)`.
static UNRAISABLE_HOOK_HOOK: FunctionDef = FunctionDef::new(UNRAISABLE_HOOK, py_unraisablehook);

/// Installs the observer in the current interpreter, under this name in the record.
///
/// # Safety
/// The thread holds the interpreter's GIL for as long as the observer lives.
pub(super) unsafe fn install_observer(name: &str) -> Observer {
    // SAFETY: guaranteed by the caller.
    unsafe { Observer::install(name, install_hooks) }.unwrap_or_else(|error| abort_probe(&error))
}

/// Installs the observer of the main interpreter, unless this process has inherited one: hooks around hooks would find
/// each other as the original functions.
///
/// # Safety
/// The thread is the first one and holds the main interpreter's GIL.
pub(super) unsafe fn install_main_observer() {
    OBSERVER.with_borrow_mut(|installed| {
        // SAFETY: guaranteed by the caller.
        installed.get_or_insert_with(|| unsafe { install_observer(MAIN) });
    });
}

/// Installs the hooks of the import system in the current interpreter.
///
/// # Errors
/// The exception.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn install_hooks() -> Result<(), String> {
    // SAFETY: guaranteed by the caller; references are checked.
    unsafe {
        let module = python::import_module(c"_imp").ok_or_else(|| python::take_error())?;
        let name = python::new_str("_imp").ok_or_else(|| python::take_error())?;
        let hooks = DOCUMENTED_HOOKS.get_or_init(|| {
            IMPORT_HOOKS.into_iter().map(|(name, hook)| document_hook(&module, name, hook)).collect()
        });
        for ((function, _), hook) in IMPORT_HOOKS.iter().zip(hooks) {
            let hook =
                hook.new_function(module.as_ptr(), name.as_ptr()).ok_or_else(|| python::take_error())?;
            python::PyObject_SetAttrString(module.as_ptr(), function.as_ptr(), hook.as_ptr());
        }
        Ok(())
    }
}

/// Defines a hook with the signature and the documentation of the function that it replaces.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn document_hook(module: &Object, name: &'static CStr, hook: PyCFunction) -> FunctionDef {
    // SAFETY: guaranteed by the caller; references are checked.
    let text = |attribute: &CStr| unsafe {
        let function = Object::new(python::PyObject_GetAttrString(module.as_ptr(), name.as_ptr()))?;
        let text = Object::new(python::PyObject_GetAttrString(function.as_ptr(), attribute.as_ptr()))?;
        python::str_to_string(text.as_ptr())
    };
    let texts = text(c"__text_signature__").zip(text(c"__doc__"));
    // SAFETY: as above.
    unsafe { python::PyErr_Clear() };
    let internal = texts.and_then(|(signature, doc)| {
        CString::new(format!("{}{signature}\n--\n\n{doc}", name.to_string_lossy())).ok()
    });
    let definition = FunctionDef::new(name, hook);
    match internal {
        // CPython keeps the pointer for as long as the process lives.
        Some(doc) => definition.with_doc(Box::leak(doc.into_boxed_c_str())),
        None => definition,
    }
}

/// Installs hooks that record the exceptions that CPython prints because it cannot raise them. Since 3.13, an init function runs in
/// the main interpreter first when another one imports the module. If it raises there, 3.13 calls
/// `excepthook`, 3.14 `unraisablehook`.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(super) unsafe fn install_exception_hooks() {
    for (name, hook) in [(EXCEPT_HOOK, &EXCEPT_HOOK_HOOK), (UNRAISABLE_HOOK, &UNRAISABLE_HOOK_HOOK)] {
        // SAFETY: guaranteed by the caller.
        if let Some(hook) = unsafe { hook.new_function(null_mut(), null_mut()) } {
            // SAFETY: as above.
            unsafe { python::PySys_SetObject(name.as_ptr(), hook.as_ptr()) };
        }
    }
}

unsafe extern "C" fn py_create_dynamic(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL.
    unsafe {
        let Some(observer) = find_observer() else { return null_mut() };
        let Some(spec) = first_argument(arguments) else { return null_mut() };
        let Some(fields) = or_import_error(observer.read_fields(c"loading", &[spec])) else {
            return null_mut();
        };
        let name = fields.get(1).cloned().unwrap_or_default();
        record_fields(&fields);
        let had_gil = observer.originals.has_gil();
        if !lock_ignoring_poison(&observer.being_created).is_empty() {
            observer.append_name(c"from_within", &name);
        }
        lock_ignoring_poison(&observer.being_created).push(name.clone());
        if let Some(path) = fields.get(2) {
            isolation::open_before_load(path, observer.originals.read_open_flags());
        }
        let module = python::PyObject_CallObject(observer.originals.create_dynamic.as_ptr(), arguments);
        lock_ignoring_poison(&observer.being_created).pop();
        if module.is_null() {
            record_failure(&observer, &name);
            return null_mut();
        }
        let file = fields.get(2).map_or("", String::as_str);
        if module_definition::can_be_module(module, python::is_free_threaded(), (&name, file)) {
            lock_ignoring_poison(&observer.created).insert(module as usize, name.clone());
        }
        let interpreter = current_interpreter_name();
        if let Some(definition) =
            module_definition::read_module_definition(module, python::is_free_threaded())
        {
            let (interpreter, name) = (interpreter.clone(), name.clone());
            record::write_event(&TrialEvent::Declared { interpreter, name, definition });
        }
        // CPython enables the GIL depending on the module's declaration, after its creation and before its
        // execution.
        if !had_gil && observer.originals.has_gil() {
            record::write_event(&TrialEvent::GilEnabled { interpreter, name });
        }
        module
    }
}

unsafe extern "C" fn py_exec_dynamic(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL.
    unsafe {
        let Some(observer) = find_observer() else { return null_mut() };
        let Some(module) = first_argument(arguments) else { return null_mut() };
        // Python code may call this with any module, under any name: only what was created here counts.
        let created = lock_ignoring_poison(&observer.created).get(&(module as usize)).cloned();
        let result = python::PyObject_CallObject(observer.originals.exec_dynamic.as_ptr(), arguments);
        let Some(name) = created else { return result };
        if result.is_null() {
            lock_ignoring_poison(&observer.created).remove(&(module as usize));
            record_failure(&observer, &name);
        } else {
            observer.append_name(c"loaded", &name);
            record_fields(&["loaded".to_owned(), name]);
        }
        result
    }
}

unsafe extern "C" fn py_create_builtin(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL.
    unsafe {
        let Some(observer) = find_observer() else { return null_mut() };
        let Some(spec) = first_argument(arguments) else { return null_mut() };
        let module = python::PyObject_CallObject(observer.originals.create_builtin.as_ptr(), arguments);
        if module.is_null() {
            let pending = PendingException::take();
            let fields = observer.read_fields(c"loading", &[spec]).unwrap_or_default();
            record_fields(&fields);
            pending.restore();
            record_failure(&observer, fields.get(1).map_or("", String::as_str));
        }
        module
    }
}

unsafe extern "C" fn py_excepthook(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL; items of a tuple are borrowed.
    unsafe {
        let Some(observer) = find_observer() else { return null_mut() };
        let error = python::PyTuple_GetItem(arguments, 1);
        python::PyErr_Clear();
        record_uncaught(&observer, error);
        python::PyObject_CallObject(observer.originals.excepthook.as_ptr(), arguments)
    }
}

unsafe extern "C" fn py_unraisablehook(_module: *mut PyObject, arguments: *mut PyObject) -> *mut PyObject {
    // SAFETY: CPython passes a tuple and holds the GIL.
    unsafe {
        let Some(observer) = find_observer() else { return null_mut() };
        let Some(unraisable) = first_argument(arguments) else { return null_mut() };
        let error = Object::new(python::PyObject_GetAttrString(unraisable, c"exc_value".as_ptr()));
        python::PyErr_Clear();
        error.iter().for_each(|error| record_uncaught(&observer, error.as_ptr()));
        python::PyObject_CallObject(observer.originals.unraisablehook.as_ptr(), arguments)
    }
}

/// # Safety
/// The thread holds the GIL; `error` is null or alive.
unsafe fn record_uncaught(observer: &ObserverState, error: *mut PyObject) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if !error.is_null() && error != python::Py_None() {
            record_fields(&observer.read_fields(c"uncaught", &[error]).unwrap_or_default());
        }
    }
}

/// Records that an extension module could not be loaded. The exception stays pending.
///
/// # Safety
/// The thread holds the GIL, and an exception is pending.
unsafe fn record_failure(observer: &ObserverState, name: &str) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let pending = PendingException::take();
        if let (Some(text), Some(error)) = (python::new_str(name), pending.value()) {
            // An exception that cannot be described is a failure too.
            let plain = || ["failed", name, "", "", "Exception", "", name].map(str::to_owned).to_vec();
            let fields = observer.read_fields(c"failed", &[text.as_ptr(), error]).unwrap_or_else(|_| plain());
            record_fields(&fields);
        }
        pending.restore();
    }
}

/// Raises the exception that a function of `observe.py` raised.
///
/// # Safety
/// The thread holds the GIL.
unsafe fn or_import_error(fields: Result<Vec<String>, String>) -> Option<Vec<String>> {
    if let Err(error) = &fields {
        let text = CString::new(error.replace('\0', "")).unwrap_or_default();
        // SAFETY: guaranteed by the caller; the exception type is immortal.
        unsafe { python::PyErr_SetString(python::PyExc_ImportError, text.as_ptr()) };
    }
    fields.ok()
}

/// The observer of this interpreter; `None` with an exception set once it has been removed.
///
/// # Safety
/// The thread holds a GIL.
unsafe fn find_observer() -> Option<Arc<ObserverState>> {
    // SAFETY: guaranteed by the caller; the exception type is immortal.
    unsafe {
        let observer = ObserverState::find_here();
        if observer.is_none() {
            python::PyErr_SetString(python::PyExc_ImportError, c"this interpreter is ending".as_ptr());
        }
        observer
    }
}

/// The first of a function's arguments, borrowed; `None` with an exception set if there is none.
///
/// # Safety
/// The thread holds the GIL; `arguments` is a tuple.
unsafe fn first_argument(arguments: *mut PyObject) -> Option<*mut PyObject> {
    // SAFETY: guaranteed by the caller.
    let first = unsafe { python::PyTuple_GetItem(arguments, 0) };
    (!first.is_null()).then_some(first)
}

/// The exception that was pending.
struct PendingException([*mut PyObject; 3]);

impl PendingException {
    /// # Safety
    /// The thread holds the GIL.
    #[expect(deprecated, reason = "PyErr_GetRaisedException is 3.12+; the control also runs on older ones")]
    unsafe fn take() -> Self {
        let [mut kind, mut value, mut trace] = [null_mut(); 3];
        // SAFETY: guaranteed by the caller; the three pointers become owned references or null.
        unsafe {
            python::PyErr_Fetch(&mut kind, &mut value, &mut trace);
            python::PyErr_NormalizeException(&mut kind, &mut value, &mut trace);
            if !value.is_null() && !trace.is_null() {
                python::PyException_SetTraceback(value, trace);
            }
        }
        Self([kind, value, trace])
    }

    /// The exception, borrowed.
    fn value(&self) -> Option<*mut PyObject> {
        Some(self.0[1]).filter(|value| !value.is_null())
    }

    /// # Safety
    /// The thread holds the GIL.
    #[expect(deprecated, reason = "as above")]
    unsafe fn restore(self) {
        // SAFETY: guaranteed by the caller; the references are given back.
        unsafe { python::PyErr_Restore(self.0[0], self.0[1], self.0[2]) };
    }
}
