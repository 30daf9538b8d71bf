//! Handler for fatal signals: records the instruction, the fault address and the memory map. It may only make
//! system calls, since the heap and every lock may be in any state.
//!
//! The zygote runs with `-X faulthandler`, whose handler runs after this one and writes the Python stack.

use std::cell::UnsafeCell;
use std::ffi::{CString, c_int, c_void};
use std::fs::File;
use std::mem::{MaybeUninit, zeroed};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::signal_context::instruction_pointer;
use super::{page_watch, thread_ids};

/// The signals that `faulthandler` handles (CPython, `Modules/faulthandler.c`), and `SIGTRAP` for
/// `page_watch`.
const HANDLED: [c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP];

/// Id of the process on trial. Its own children inherit the handlers but must not overwrite its record.
static TRIAL_PROCESS: AtomicI32 = AtomicI32::new(0);

/// Paths of the output files, allocated before foreign code runs and never freed.
static CRASH: AtomicPtr<libc::c_char> = AtomicPtr::new(null_mut());
static STACK: AtomicPtr<libc::c_char> = AtomicPtr::new(null_mut());

/// The previous handlers, in the order of [`HANDLED`].
struct PreviousHandlers(UnsafeCell<[MaybeUninit<libc::sigaction>; HANDLED.len()]>);

// SAFETY: written only in `reinstall_handlers`, while nothing reads it.
unsafe impl Sync for PreviousHandlers {}

static PREVIOUS_HANDLERS: PreviousHandlers =
    PreviousHandlers(UnsafeCell::new([const { MaybeUninit::uninit() }; HANDLED.len()]));

/// Installs the handlers, which write to these two files. The files are created now, since a sandboxed child
/// cannot create files outside its home folder.
///
/// # Errors
/// If a file cannot be created.
pub(super) fn install_handlers(crash: &Path, stack: &Path) -> std::io::Result<()> {
    for (path, slot) in [(crash, &CRASH), (stack, &STACK)] {
        File::create(path)?;
        slot.store(CString::new(path.as_os_str().as_encoded_bytes())?.into_raw(), Ordering::Relaxed);
    }
    // SAFETY: getpid cannot fail.
    let already = TRIAL_PROCESS.swap(unsafe { libc::getpid() }, Ordering::Relaxed) != 0;
    if !already {
        // SAFETY: a child has only one thread at its start.
        unsafe { reinstall_handlers() };
    }
    Ok(())
}

/// Installs the handlers on top of those installed now.
///
/// # Safety
/// No other thread of this process handles a fatal signal at the time.
pub(super) unsafe fn reinstall_handlers() {
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_fatal_signal;
    // SAFETY: the handler makes only system calls; the caller guarantees that nothing else reads
    // PREVIOUS_HANDLERS.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        for (signal, previous) in HANDLED.iter().zip(&mut *PREVIOUS_HANDLERS.0.get()) {
            libc::sigaction(*signal, &raw const action, previous.as_mut_ptr());
        }
    }
}

/// Gives this thread a separate signal stack, for handling a stack overflow. Never freed: a trial has few
/// such threads.
pub(crate) fn install_signal_stack() {
    const SIZE: usize = 128 << 10;
    let memory: &'static mut [u8] = Box::leak(vec![0; SIZE].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: SIZE };
    // SAFETY: the memory lives as long as the process.
    unsafe { libc::sigaltstack(&raw const stack, null_mut()) };
}

/// Writes the crash record, restores the previous handler and raises the signal again for it.
extern "C" fn on_fatal_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: arguments from the kernel; system calls on files of this process; paths and handlers set by
    // `install_handlers`.
    unsafe {
        if page_watch::handle_signal(signal, info, context) {
            return;
        }
        if libc::getpid() == TRIAL_PROCESS.load(Ordering::Relaxed) && is_first_to_crash() {
            write_crash_record(signal, info, context);
        }
        if let Some(index) = HANDLED.iter().position(|handled| *handled == signal) {
            libc::sigaction(signal, (*PREVIOUS_HANDLERS.0.get())[index].as_ptr(), null_mut());
        }
        // The signal is blocked until this handler returns; then the previous handler gets it.
        libc::raise(signal);
    }
}

/// Whether this thread is the first to crash. Otherwise waits up to two seconds for the first one to end the
/// process, so that two threads do not overwrite each other's record.
fn is_first_to_crash() -> bool {
    static CRASHING: AtomicI32 = AtomicI32::new(0);
    let own = thread_ids::current_thread_id();
    match CRASHING.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => true,
        // A crash within the previous handlers: those end the process.
        Err(other) if other == own => true,
        Err(_) => {
            let moment = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            for _ in 0..200 {
                // SAFETY: a system call on a local value.
                unsafe { libc::nanosleep(&raw const moment, null_mut()) };
            }
            false
        }
    }
}

/// Writes the file `crash`: signal, address and instruction as three little-endian u64, then
/// `/proc/self/maps`. Redirects standard error to the file `stack`, where `faulthandler` writes next.
///
/// # Safety
/// The arguments are those the kernel passed to the handler.
unsafe fn write_crash_record(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    const TRUNCATE: c_int = libc::O_WRONLY | libc::O_TRUNC;
    // SAFETY: guaranteed by the caller; the descriptors are opened here.
    unsafe {
        let record = libc::open(CRASH.load(Ordering::Relaxed), TRUNCATE);
        // The kernel sets the address only for faults: `si_code` > 0 (sigaction(2)).
        let address = if (*info).si_code > 0 { (*info).si_addr() as u64 } else { 0 };
        for number in [signal.unsigned_abs().into(), address, instruction_pointer(context)] {
            let bytes = u64::to_le_bytes(number);
            libc::write(record, bytes.as_ptr().cast(), bytes.len());
        }
        let maps = libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY);
        let mut buffer = [0_u8; 4096];
        loop {
            let read = libc::read(maps, buffer.as_mut_ptr().cast(), buffer.len());
            let Ok(read) = usize::try_from(read) else { break };
            if read == 0 || libc::write(record, buffer.as_ptr().cast(), read) < 0 {
                break;
            }
        }
        libc::close(maps);
        libc::close(record);
        let stack = libc::open(STACK.load(Ordering::Relaxed), TRUNCATE);
        libc::dup2(stack, 2);
    }
}
