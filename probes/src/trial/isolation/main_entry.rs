//! Notices when C code of a sub-interpreter enters the main interpreter.
//!
//! `PyGILState_Ensure` gives a thread that Python does not know a thread state of the main interpreter, whichever
//! interpreter the thread works for (CPython, `Python/pystate.c`). So does a thread of a server that has been attached
//! to the main interpreter before. Images call the functions of this file instead, which record that and go on with
//! CPython's function. No frame of Rust is on the stack then, since that function may end the thread.

use std::arch::naked_asm;
use std::ffi::{CStr, c_void};
use std::mem::transmute;
use std::sync::{Mutex, OnceLock};

use wsgiaudit_probes_core::isolation::IsolationEvent;
use wsgiaudit_probes_core::protocol::TrialEvent;

use crate::copies;
use crate::python::{self, PyThreadState};
use crate::trial::record;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Maximum number of events: each thread may be another one.
const MAX_EVENTS: usize = 8;

/// What was recorded.
static RECORDED: Mutex<Vec<IsolationEvent>> = Mutex::new(Vec::new());

/// The function that an image calls instead of CPython's function of this name; `None` if it calls CPython's.
/// `is_private` says whether the image is a private copy, which has no business in the main interpreter.
pub(super) fn replacement_of(function: &CStr, is_private: bool) -> Option<usize> {
    match function.to_bytes() {
        b"PyGILState_Ensure" => Some(enter_by_gil_state as *const () as usize),
        b"PyEval_RestoreThread" if is_private => Some(enter_by_restore as *const () as usize),
        b"PyEval_AcquireThread" if is_private => Some(enter_by_acquire as *const () as usize),
        _other => None,
    }
}

/// Defines a function that calls another one with its own first argument and its return address, and then continues as
/// CPython's function.
macro_rules! define_entry {
    ($name:ident, $record:ident, $original:path) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            naked_asm!(
                "push rdi",
                "mov rsi, [rsp + 8]",
                "call {record}",
                "pop rdi",
                "jmp {original}@PLT",
                record = sym $record,
                original = sym $original,
            );
            #[cfg(target_arch = "aarch64")]
            naked_asm!(
                "stp x0, x30, [sp, #-16]!",
                "mov x1, x30",
                "bl {record}",
                "ldp x0, x30, [sp], #16",
                "b {original}",
                record = sym $record,
                original = sym $original,
            );
        }
    };
}

define_entry!(enter_by_gil_state, before_gil_state, python::PyGILState_Ensure);
define_entry!(enter_by_restore, before_attach, python::PyEval_RestoreThread);
define_entry!(enter_by_acquire, before_attach, python::PyEval_AcquireThread);

/// Runs before `PyGILState_Ensure`.
extern "C" fn before_gil_state(_argument: usize, caller: usize) {
    // SAFETY: these functions may be called without a thread state.
    let enters = unsafe {
        let current = current_thread_state();
        let bound = python::PyGILState_GetThisThreadState();
        (current.is_null() || !is_of_main(current)) && (bound.is_null() || is_of_main(bound))
    };
    if enters {
        record_entry(caller);
    }
}

/// Runs before a function that attaches the thread to a thread state.
extern "C" fn before_attach(state: *mut PyThreadState, caller: usize) {
    // SAFETY: the caller passes a thread state that is alive.
    if !state.is_null() && unsafe { is_of_main(state) } {
        record_entry(caller);
    }
}

/// # Safety
/// The thread state is alive.
unsafe fn is_of_main(state: *mut PyThreadState) -> bool {
    // SAFETY: guaranteed by the caller.
    unsafe { python::PyInterpreterState_GetID(python::PyThreadState_GetInterpreter(state)) == 0 }
}

/// The thread state that this thread is attached to; null if there is none.
fn current_thread_state() -> *mut PyThreadState {
    type Get = unsafe extern "C" fn() -> *mut PyThreadState;
    static FUNCTION: OnceLock<Option<Get>> = OnceLock::new();
    let find = || {
        // 3.13+; its older name before that.
        let symbol = python::find_symbol(c"PyThreadState_GetUnchecked")
            .or_else(|| python::find_symbol(c"_PyThreadState_UncheckedGet"))?;
        // SAFETY: both have this signature.
        Some(unsafe { transmute::<*mut c_void, Get>(symbol.as_ptr()) })
    };
    // SAFETY: may be called without a thread state.
    FUNCTION.get_or_init(find).map_or(std::ptr::null_mut(), |get| unsafe { get() })
}

/// Records that the code at this address enters the main interpreter.
fn record_entry(caller: usize) {
    let event = IsolationEvent::EntersMain { thread: thread_name(), file: file_of_code(caller) };
    let mut recorded = lock_ignoring_poison(&RECORDED);
    if recorded.len() < MAX_EVENTS && !recorded.contains(&event) {
        record::write_event(&TrialEvent::Isolation(event.clone()));
        recorded.push(event);
    }
}

fn thread_name() -> String {
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes at most 16 bytes, with a NUL.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    CStr::from_bytes_until_nul(&name).unwrap_or_default().to_string_lossy().into_owned()
}

/// Path of the file that contains this address; for a private copy, of the file that it is a copy of.
pub(super) fn file_of_code(address: usize) -> Option<String> {
    // SAFETY: the structure is filled by dladdr; its name lives as long as the image is loaded.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address as *const c_void, &raw mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        let path = CStr::from_ptr(info.dli_fname).to_string_lossy().into_owned();
        Some(copies::find_origin(&path).file)
    }
}
