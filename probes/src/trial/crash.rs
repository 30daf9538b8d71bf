//! What the process itself can still say when a fatal signal hits it: which instruction, which address, what
//! was mapped. Only system calls from here on: the heap and every lock may be in any state.
//!
//! The zygote runs with `-X faulthandler`. Its handler is the one below ours, and writes the Python stack.

use std::cell::UnsafeCell;
use std::ffi::{CString, c_int, c_void};
use std::fs::File;
use std::mem::{MaybeUninit, zeroed};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::{ids, watch};

/// The signals that `faulthandler` handles too (CPython, `Modules/faulthandler.c`),
/// and the one of a watch.
const HANDLED: [c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP];

/// The process on trial: what it forks inherits the handlers, and must not write over its record.
static WATCHED: AtomicI32 = AtomicI32::new(0);

/// Where it writes, made before anything foreign runs and never freed.
static CRASH: AtomicPtr<libc::c_char> = AtomicPtr::new(null_mut());
static STACK: AtomicPtr<libc::c_char> = AtomicPtr::new(null_mut());

/// The handlers below ours, in the order of [`HANDLED`].
struct Below(UnsafeCell<[MaybeUninit<libc::sigaction>; HANDLED.len()]>);

// SAFETY: written in `watch_again` alone, while nobody reads it.
unsafe impl Sync for Below {}

static BELOW: Below = Below(UnsafeCell::new([const { MaybeUninit::uninit() }; HANDLED.len()]));

/// Has a fatal signal of this process fill these two files. They are made now: what is on trial may not make
/// files beside its home.
///
/// # Errors
/// When one cannot be made.
pub(super) fn watch(crash: &Path, stack: &Path) -> std::io::Result<()> {
    for (path, place) in [(crash, &CRASH), (stack, &STACK)] {
        File::create(path)?;
        place.store(CString::new(path.as_os_str().as_encoded_bytes())?.into_raw(), Ordering::Relaxed);
    }
    // SAFETY: getpid cannot fail.
    let already = WATCHED.swap(unsafe { libc::getpid() }, Ordering::Relaxed) != 0;
    if !already {
        // SAFETY: a child has one thread when it begins.
        unsafe { watch_again() };
    }
    Ok(())
}

/// Puts the handler on top of those that are there now.
///
/// # Safety
/// No other thread of this process handles a fatal signal at the time.
pub(super) unsafe fn watch_again() {
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_fatal_signal;
    // SAFETY: a handler that keeps to system calls; nobody else reads BELOW, the caller says.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        for (signal, below) in HANDLED.iter().zip(&mut *BELOW.0.get()) {
            libc::sigaction(*signal, &raw const action, below.as_mut_ptr());
        }
    }
}

/// Gives this thread a stack to handle signals on, for when its own has overflowed. Never freed: the thread
/// is an interpreter's, and there are three of them.
pub(crate) fn spare_stack() {
    const SIZE: usize = 128 << 10;
    let memory: &'static mut [u8] = Box::leak(vec![0; SIZE].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: SIZE };
    // SAFETY: memory that lives as long as the process.
    unsafe { libc::sigaltstack(&raw const stack, null_mut()) };
}

/// Writes the record, puts the handler below back and lets the signal reach it.
extern "C" fn on_fatal_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's arguments; system calls on our own files; paths and handlers set by `watch`.
    unsafe {
        if watch::on_signal(signal, info, context) {
            return;
        }
        if libc::getpid() == WATCHED.load(Ordering::Relaxed) && is_first() {
            write_record(signal, info, context);
        }
        if let Some(index) = HANDLED.iter().position(|handled| *handled == signal) {
            libc::sigaction(signal, (*BELOW.0.get())[index].as_ptr(), null_mut());
        }
        // Blocked until the handler returns; then it reaches the handler below.
        libc::raise(signal);
    }
}

/// Whether no other thread of this process is at it. Where one is, waits for it to end the process: two that crash at
/// the same time would spoil each other's record.
fn is_first() -> bool {
    static CRASHING: AtomicI32 = AtomicI32::new(0);
    let own = ids::number();
    match CRASHING.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => true,
        // What crashes in the handlers below is what ends the process.
        Err(other) if other == own => true,
        Err(_) => {
            let moment = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            for _ in 0..200 {
                // SAFETY: a system call on a value of our own.
                unsafe { libc::nanosleep(&raw const moment, null_mut()) };
            }
            false
        }
    }
}

/// The file `crash`: signal, address and instruction as three little-endian u64, then `/proc/self/maps`.
/// Standard error becomes the file `stack`, where `faulthandler` writes next.
///
/// # Safety
/// The arguments are the kernel's.
unsafe fn write_record(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    const AFRESH: c_int = libc::O_WRONLY | libc::O_TRUNC;
    // SAFETY: the caller's promise; descriptors opened here.
    unsafe {
        let record = libc::open(CRASH.load(Ordering::Relaxed), AFRESH);
        // An address is the kernel's only where the fault is: `si_code` > 0 (sigaction(2)).
        let address = if (*info).si_code > 0 { (*info).si_addr() as u64 } else { 0 };
        for number in [signal.unsigned_abs().into(), address, instruction(context)] {
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
        let stack = libc::open(STACK.load(Ordering::Relaxed), AFRESH);
        libc::dup2(stack, 2);
    }
}

/// The address of the instruction that was running; 0 where this platform's layout is not known here.
///
/// # Safety
/// The kernel's third argument of a signal handler.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "no layout is known"))]
pub(super) unsafe fn instruction(context: *mut c_void) -> u64 {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: the caller's promise.
    unsafe {
        let context = context.cast::<libc::ucontext_t>();
        (*context).uc_mcontext.gregs[libc::REG_RIP as usize].cast_unsigned()
    }
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    // SAFETY: the caller's promise.
    unsafe {
        (*context.cast::<libc::ucontext_t>()).uc_mcontext.pc
    }
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    0
}
