//! The state that the process has once for all its interpreters, before and after a subject's import and use.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsString};
use std::path::PathBuf;
use std::sync::Mutex;

use wsgiaudit_probes_core::isolation::IsolationEvent;
use wsgiaudit_probes_core::protocol::{TrialEvent, TrialOrder};

use super::main_entry::file_of_code;
use crate::python;
use crate::trial::record;
use crate::trial::sharing::LoadedImages;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// The domains of CPython's allocators, in the order of `PyMemAllocatorDomain`.
const DOMAINS: [&str; 3] = ["PYMEM_DOMAIN_RAW", "PYMEM_DOMAIN_MEM", "PYMEM_DOMAIN_OBJ"];

/// Highest number of a signal on Linux.
const LAST_SIGNAL: i32 = 64;

/// The last known state; `None` unless it is watched.
static LAST: Mutex<Option<ProcessState>> = Mutex::new(None);

struct ProcessState {
    /// Context and functions (`PyMemAllocatorEx`) of each domain.
    allocators: [[usize; 5]; 3],
    /// Address of the handler of each signal, from 1.
    handlers: Vec<usize>,
    locale: String,
    folder: Option<PathBuf>,
    umask: String,
    environment: BTreeMap<OsString, OsString>,
    /// `PyOS_InputHook`.
    input_hook: usize,
}

/// Watches the process's state from now on, if interpreters with their own GIL change it.
pub(super) fn start_process_watch(order: &TrialOrder) {
    if order.place.has_own_gil() && !python::is_free_threaded() {
        *lock_ignoring_poison(&LAST) = Some(ProcessState::read());
    }
}

/// Records what has changed since the last call. Nothing else runs in the process meanwhile.
pub(super) fn record_process_changes() {
    let mut last = lock_ignoring_poison(&LAST);
    let Some(before) = last.as_ref() else { return };
    let now = ProcessState::read();
    for event in now.find_changes(before) {
        record::write_event(&TrialEvent::Isolation(event));
    }
    *last = Some(now);
}

impl ProcessState {
    fn read() -> Self {
        Self {
            allocators: [0, 1, 2].map(read_allocator),
            handlers: (1..=LAST_SIGNAL).map(read_handler).collect(),
            locale: read_locale(),
            folder: std::env::current_dir().ok(),
            umask: read_umask(),
            environment: std::env::vars_os().collect(),
            input_hook: read_input_hook(),
        }
    }

    fn find_changes(&self, before: &Self) -> Vec<IsolationEvent> {
        let images = LoadedImages::list_loaded();
        let mut events = Vec::new();
        for (index, domain) in DOMAINS.into_iter().enumerate() {
            let functions = self.allocators[index];
            // CPython's own functions, such as those of `tracemalloc`, know about interpreters.
            if functions != before.allocators[index] && !images.is_in_cpython(functions[1]) {
                let file = file_of_code(functions[1]);
                events.push(IsolationEvent::ReplacesAllocator { domain: domain.to_owned(), file });
            }
        }
        let mut state = Vec::new();
        for ((handler, old), signal) in self.handlers.iter().zip(&before.handlers).zip(1..) {
            if handler == old || images.is_in_libc_or_probe(*handler) {
                continue;
            }
            if [libc::SIG_DFL, libc::SIG_IGN].contains(handler) || images.is_in_cpython(*handler) {
                state.push(format!("the disposition of signal {signal}"));
            } else {
                events.push(IsolationEvent::SignalHandler { signal, file: file_of_code(*handler) });
            }
        }
        for (is_changed, what) in [
            (self.locale != before.locale, "the locale"),
            (self.folder != before.folder, "the current folder"),
            (self.umask != before.umask, "the umask"),
            (self.input_hook != before.input_hook, "PyOS_InputHook"),
        ] {
            state.extend(is_changed.then(|| what.to_owned()));
        }
        let names = self.environment.keys().chain(before.environment.keys());
        let mut changed: Vec<&OsString> =
            names.filter(|name| self.environment.get(*name) != before.environment.get(*name)).collect();
        changed.sort();
        changed.dedup();
        state.extend(
            changed.iter().map(|name| format!("the environment variable {}", name.to_string_lossy())),
        );
        if !state.is_empty() {
            events.push(IsolationEvent::ProcessState(state));
        }
        events
    }
}

fn read_allocator(domain: i32) -> [usize; 5] {
    let mut allocator = [0_usize; 5];
    // SAFETY: the structure has a context and four functions (`PyMemAllocatorEx`); reading it needs no thread state.
    unsafe { python::PyMem_GetAllocator(domain, allocator.as_mut_ptr().cast()) };
    allocator
}

fn read_handler(signal: i32) -> usize {
    // SAFETY: asks only; fails for the numbers that the C library keeps for itself.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        match libc::sigaction(signal, std::ptr::null(), &raw mut action) {
            0 => action.sa_sigaction,
            _error => 0,
        }
    }
}

fn read_locale() -> String {
    // SAFETY: asks only; the text is copied at once.
    unsafe {
        let locale = libc::setlocale(libc::LC_ALL, std::ptr::null());
        if locale.is_null() { String::new() } else { CStr::from_ptr(locale).to_string_lossy().into_owned() }
    }
}

/// From `/proc/self/status`, since `umask` cannot ask without a change.
fn read_umask() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap_or_default().trim().to_owned()
}

fn read_input_hook() -> usize {
    // SAFETY: the variable holds an address or null.
    python::find_symbol(c"PyOS_InputHook").map_or(0, |hook| unsafe { hook.cast::<usize>().read() })
}
