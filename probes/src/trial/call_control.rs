//! The control of arbitrary calls: which functions of the loaded modules can be called in the main interpreter
//! without ending the process.
//!
//! A forked process imports the subjects in the main interpreter and forks once for each series of calls. A
//! function that exits, forks or takes too long there is not called anywhere else, nor is any function of a module of
//! which one crashes there.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::protocol::TrialOrder;

use super::import_hooks::install_main_observer;
use super::observe::{OBSERVER, Observer, import_all};
use super::{child, record};

/// Maximum number of functions that are called.
const MAX_FUNCTIONS: usize = 2000;

/// Maximum number of functions that may end a process. If there are more, none is called.
const MAX_ENDING: usize = 40;

/// Maximum number of attempts to call all remaining functions in one process.
const MAX_ATTEMPTS: usize = 4;

/// Time limits of one function and of one series of calls.
const CALL_TIMEOUT: Duration = Duration::from_millis(200);
const SERIES_TIMEOUT: Duration = Duration::from_millis(800);

/// Rounds of calls in the process that calls all functions: sub-interpreters share libraries of the system,
/// which see the calls of each.
const ROUNDS: usize = 2;

/// Size of the memory that processes share.
const SHARED_SIZE: usize = 1 << 20;

/// Memory shared with forked processes: a number, and a text.
struct SharedMemory(*mut u8);

impl SharedMemory {
    fn new() -> Option<Self> {
        // SAFETY: a new mapping, which lives as long as the process.
        let map = unsafe {
            let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
            libc::mmap(null_mut(), SHARED_SIZE, rights, kind, -1, 0)
        };
        (map != libc::MAP_FAILED).then_some(Self(map.cast()))
    }

    fn number(&self) -> &AtomicUsize {
        // SAFETY: the mapping is aligned to pages and begins with this number.
        unsafe { &*self.0.cast::<AtomicUsize>() }
    }

    /// Writes a text, if it fits, and its length as the number.
    fn write_text(&self, text: &str) {
        if text.len() + size_of::<usize>() <= SHARED_SIZE {
            // SAFETY: it fits.
            unsafe {
                std::ptr::copy_nonoverlapping(text.as_ptr(), self.0.add(size_of::<usize>()), text.len())
            };
            self.number().store(text.len(), SeqCst);
        }
    }

    fn read_text(&self) -> String {
        let length = self.number().load(SeqCst).min(SHARED_SIZE - size_of::<usize>());
        // SAFETY: within the mapping; no other process writes it anymore.
        let bytes = unsafe { std::slice::from_raw_parts(self.0.add(size_of::<usize>()), length) };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nothing refers to anymore.
        unsafe { libc::munmap(self.0.cast::<c_void>(), SHARED_SIZE) };
    }
}

/// Returns the functions that can be called, as `module:name`, in the order of their calls.
///
/// The new process has the descriptors of the calling thread, and so not the connection to the supervisor.
///
/// # Safety
/// The thread is the main thread and holds the main interpreter's GIL. Of the other threads, none runs Python.
pub(super) unsafe fn find_callable_functions(order: &TrialOrder) -> Vec<String> {
    let Some(found) = SharedMemory::new() else { return Vec::new() };
    // A third of the time that the trial has.
    let deadline = Instant::now() + Duration::from_millis(order.deadline / 3);
    // SAFETY: guaranteed by the caller; the new process exits without returning.
    unsafe {
        let control = libc::fork();
        if control == 0 {
            record::close_record();
            child::discard_output();
            install_main_observer();
            OBSERVER.with_borrow(|observer| {
                if let Some(observer) = observer.as_ref().filter(|observer| import_all(observer, order)) {
                    let control = Control { observer, skipped: &order.skipped };
                    found.write_text(&control.find_callable_functions().join("\n"));
                }
            });
            child::exit_now(0);
        }
        let _has_crashed = wait_for_end(control, || Instant::now() > deadline);
    }
    found.read_text().lines().map(str::to_owned).collect()
}

/// How a series of calls ended.
enum SeriesEnd {
    /// All functions returned.
    Completed,
    /// This function ended the process, counted from the first one of the series.
    Ended(usize),
    /// The process crashed.
    Crashed,
    /// It took too long; this many calls had returned.
    TimedOut(usize),
}

/// The process that has imported the subjects.
struct Control<'a> {
    observer: &'a Observer,
    /// Modules whose functions are not called.
    skipped: &'a [String],
}

impl Control<'_> {
    fn find_callable_functions(&self) -> Vec<String> {
        // SAFETY: the caller holds the main interpreter's GIL.
        let mut names = unsafe {
            self.observer.call_function(c"list_functions", "").unwrap_or(false);
            self.observer.read_name_list(c"functions")
        };
        names.retain(|name| !self.skipped.iter().any(|module| module == module_of(name)));
        names.truncate(MAX_FUNCTIONS);
        if matches!(self.call_series(&names), SeriesEnd::Completed) {
            return names;
        }
        let mut ending = 0;
        let modules: Vec<&[String]> = names.chunk_by(|a, b| module_of(a) == module_of(b)).collect();
        let mut names = self.keep_callable_of_halves(&modules, &mut ending);
        if ending > MAX_ENDING {
            return Vec::new();
        }
        // What functions leave behind may make those of other modules fail, so the rest is called in one process, too.
        for _ in 0..MAX_ATTEMPTS {
            match self.call_series(&names) {
                SeriesEnd::Completed => return names,
                SeriesEnd::Ended(call) => drop(names.remove(call % names.len().max(1))),
                SeriesEnd::Crashed => return Vec::new(),
                SeriesEnd::TimedOut(calls) => names.truncate(calls * 2 / 5),
            }
        }
        Vec::new()
    }

    /// Returns the functions of these modules that can be called, by trying each half of the modules. A process for each
    /// module would take most of the time of an audit, since each copies memory.
    fn keep_callable_of_halves(&self, modules: &[&[String]], ending: &mut usize) -> Vec<String> {
        let (first, second) = modules.split_at(modules.len() / 2);
        let mut names = self.keep_callable_of_modules(first, ending);
        names.extend(self.keep_callable_of_modules(second, ending));
        names
    }

    /// Returns the functions of these modules that can be called: all, if one process can call them.
    fn keep_callable_of_modules(&self, modules: &[&[String]], ending: &mut usize) -> Vec<String> {
        if let [functions] = modules {
            return self.keep_callable(functions, ending);
        }
        if *ending > MAX_ENDING {
            return Vec::new();
        }
        let names = modules.concat();
        match self.call_series(&names) {
            SeriesEnd::Completed => names,
            SeriesEnd::Ended(_) | SeriesEnd::Crashed | SeriesEnd::TimedOut(_) => {
                self.keep_callable_of_halves(modules, ending)
            }
        }
    }

    /// Returns the functions of one module that can be called. `ending` counts those that end their process.
    ///
    /// If the process crashes, there are none: the function that destroyed memory may be another one than that in
    /// which the process crashed.
    fn keep_callable(&self, functions: &[String], ending: &mut usize) -> Vec<String> {
        let mut names = functions.to_vec();
        while *ending <= MAX_ENDING {
            match self.call_series(&names) {
                SeriesEnd::Completed => return names,
                SeriesEnd::Ended(call) => {
                    *ending += 1;
                    names.remove(call % names.len().max(1));
                }
                SeriesEnd::Crashed => return Vec::new(),
                SeriesEnd::TimedOut(calls) => {
                    *ending += 1;
                    names.truncate(calls * 2 / 5);
                }
            }
        }
        Vec::new()
    }

    /// Calls functions in a process of their own.
    fn call_series(&self, names: &[String]) -> SeriesEnd {
        let calls = names.len() * ROUNDS;
        let Some(progress) = SharedMemory::new().filter(|_| calls > 0) else { return SeriesEnd::Completed };
        // SAFETY: this thread holds the GIL. Threads that the import has started do not exist in the new
        // process: functions that need them take too long there.
        let series = unsafe { libc::fork() };
        if series == 0 {
            self.call_functions(names, progress.number());
        }
        let (began, mut last, mut since) = (Instant::now(), 0, Instant::now());
        let mut is_slow = false;
        let has_crashed = wait_for_end(series, || {
            let now = progress.number().load(SeqCst);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            is_slow = began.elapsed() > SERIES_TIMEOUT;
            is_slow || since.elapsed() > CALL_TIMEOUT
        });
        match progress.number().load(SeqCst) {
            _ if has_crashed => SeriesEnd::Crashed,
            returned if returned >= calls => SeriesEnd::Completed,
            returned if is_slow => SeriesEnd::TimedOut(returned),
            returned => SeriesEnd::Ended(returned),
        }
    }

    /// Calls functions and counts the calls that returned in this process.
    fn call_functions(&self, names: &[String], returned: &AtomicUsize) -> ! {
        let own = std::process::id();
        for name in (0..ROUNDS).flat_map(|_| names) {
            // SAFETY: the thread holds the main interpreter's GIL.
            let called = unsafe { self.observer.call_function(c"call_function", name) };
            // A function may also return in a process that it has forked.
            if called.is_err() || std::process::id() != own || has_children() {
                break;
            }
            returned.fetch_add(1, SeqCst);
        }
        // Memory that was destroyed is used, so that the process crashes now.
        // SAFETY: as above.
        drop(unsafe { self.observer.call_function(c"stir_memory", "") });
        child::exit_now(0)
    }
}

/// The module of a function's name.
fn module_of(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(module, _)| module)
}

/// Whether this process has children, running or not.
fn has_children() -> bool {
    // SAFETY: only asks, and leaves a child that has ended as it is.
    unsafe {
        let mut info = std::mem::zeroed::<libc::siginfo_t>();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) == 0
    }
}

/// Waits for the end of a process; kills it as soon as `is_late`. Returns whether it crashed by itself.
fn wait_for_end(process: libc::pid_t, mut is_late: impl FnMut() -> bool) -> bool {
    let mut status = 0;
    // SAFETY: a child of this process; its id stays reserved until it is reaped.
    unsafe {
        while process > 0 && libc::waitpid(process, &raw mut status, libc::WNOHANG) == 0 {
            if is_late() {
                libc::kill(process, libc::SIGKILL);
                libc::waitpid(process, &raw mut status, 0);
                return false;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }
    libc::WIFSIGNALED(status)
}
