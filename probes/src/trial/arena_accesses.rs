//! Accesses of one interpreter's thread to protected arenas of another one: recorded in the signal handler,
//! analyzed later.
//!
//! Only accesses to objects count, and only if C code outside of CPython requested them. Memory from
//! `PyMem_Malloc` may be shared between interpreters, and what CPython does on its own behalf is not the
//! module's fault.

use std::cell::UnsafeCell;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use wsgiaudit_probes_core::memory_map::{is_reference_count, page_of};
use wsgiaudit_probes_core::protocol::RetainedObject;

use super::sharing::{HeapScope, HeapSnapshot, LoadedImages, type_at_address};

/// Maximum number of accesses recorded. Beyond it, the arenas are unprotected.
const MAX_RECORDED: usize = 64;

/// Maximum number of accesses seen, recorded or not. Beyond it, the arenas are unprotected.
const MAX_SEEN: usize = 4096;

/// Number of C stack frames recorded per access.
const FRAMES: usize = 48;

/// Number of memory words recorded per access: the largest object that can lie in an arena, and an object
/// header.
const WORDS: usize = (512 + 16) / 8;

/// One access to a protected arena.
#[derive(Clone)]
pub(super) struct ArenaAccess {
    /// Address accessed.
    address: usize,
    /// Address of the accessing instruction.
    instruction: usize,
    /// Return addresses, innermost first.
    stack: [usize; FRAMES],
    /// The memory words around the address before the access, limited to its page; 0 beyond the page.
    words: [usize; WORDS],
}

struct AccessTable(UnsafeCell<[ArenaAccess; MAX_RECORDED]>);

// SAFETY: used only while `IN_USE` is set by the same thread, or when nothing is watched.
unsafe impl Sync for AccessTable {}

static TABLE: AccessTable = AccessTable(UnsafeCell::new(
    [const { ArenaAccess { address: 0, instruction: 0, stack: [0; FRAMES], words: [0; WORDS] } };
        MAX_RECORDED],
));
static COUNT: AtomicUsize = AtomicUsize::new(0);
static ACCESSES: AtomicUsize = AtomicUsize::new(0);

/// Whether a thread uses the table. Another thread's access meanwhile goes unrecorded.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Discards all recorded accesses. Must not be called while watching.
pub(super) fn clear_accesses() {
    COUNT.store(0, SeqCst);
    ACCESSES.store(0, SeqCst);
}

/// Returns all recorded accesses.
///
/// # Safety
/// Nothing is being watched.
pub(super) unsafe fn recorded_accesses() -> Vec<ArenaAccess> {
    // SAFETY: guaranteed by the caller.
    unsafe { (&(*TABLE.0.get()))[..COUNT.load(SeqCst).min(MAX_RECORDED)].to_vec() }
}

/// Returns and discards all recorded accesses, while threads may still be watched.
pub(super) fn take_accesses() -> Vec<ArenaAccess> {
    if IN_USE.swap(true, SeqCst) {
        return Vec::new();
    }
    // SAFETY: `IN_USE` keeps other threads from writing.
    let accesses = unsafe { recorded_accesses() };
    clear_accesses();
    IN_USE.store(false, SeqCst);
    accesses
}

/// Records an access of a watched thread before it happens. Returns whether more can be recorded.
/// Async-signal-safe.
///
/// # Safety
/// The page of the address is readable. A watched thread calls this, in its signal handler.
pub(super) unsafe fn record_access(address: usize, instruction: usize) -> bool {
    if IN_USE.swap(true, SeqCst) {
        return true;
    }
    // SAFETY: guaranteed by the caller, and `IN_USE` is set.
    let can_go_on = unsafe { write_access(address, instruction) };
    IN_USE.store(false, SeqCst);
    can_go_on
}

/// # Safety
/// As for [`record_access`]; this thread has set `IN_USE`.
unsafe fn write_access(address: usize, instruction: usize) -> bool {
    let (count, accesses) = (COUNT.load(SeqCst), ACCESSES.fetch_add(1, SeqCst));
    if count >= MAX_RECORDED || accesses >= MAX_SEEN {
        return false;
    }
    // SAFETY: guaranteed by the caller.
    let table = unsafe { &mut *TABLE.0.get() };
    if table[..count].iter().any(|each| each.address / 16 == address / 16) {
        return true;
    }
    let each = &mut table[count];
    (each.address, each.instruction) = (address, instruction);
    for (index, word) in each.words.iter_mut().enumerate() {
        let source = word_address(address, index);
        *word = match page_of(source) == page_of(address) {
            // SAFETY: within the same page, which is readable.
            true => unsafe { (source as *const usize).read_volatile() },
            false => 0,
        };
    }
    each.stack = [0; FRAMES];
    let mut walk = StackWalk { stack: &mut each.stack, next: 0 };
    // SAFETY: the callback gets this function's argument. The accessing code holds no lock of the dynamic
    // loader, since no data of the loader lies in an arena.
    unsafe { _Unwind_Backtrace(collect_frame, (&raw mut walk).cast()) };
    COUNT.store(count + 1, SeqCst);
    true
}

/// Address of a recorded word. The last two words are the object header in which the access may begin.
fn word_address(address: usize, index: usize) -> usize {
    (address / 16 * 16 + 16).wrapping_sub((WORDS - index) * 8)
}

struct StackWalk<'a> {
    stack: &'a mut [usize; FRAMES],
    next: usize,
}

// The unwinder of the platform's C++ ABI, which Rust's panics use too.
unsafe extern "C" {
    fn _Unwind_Backtrace(
        step: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_FindEnclosingFunction(instruction: *mut c_void) -> *mut c_void;
}

unsafe extern "C" fn collect_frame(context: *mut c_void, walk: *mut c_void) -> c_int {
    /// `_URC_NO_REASON`: continue. `_URC_END_OF_STACK`: stop.
    const NEXT: c_int = 0;
    const LAST: c_int = 5;
    // SAFETY: the unwinder's context, and the argument of `record_access`.
    unsafe {
        let walk = &mut *walk.cast::<StackWalk<'_>>();
        let Some(slot) = walk.stack.get_mut(walk.next) else { return LAST };
        *slot = _Unwind_GetIP(context);
        walk.next += 1;
        NEXT
    }
}

/// Finds the accesses to objects of the current interpreter by C code outside of CPython. Returns the type of
/// each object and the code that used it.
///
/// # Errors
/// The exception, if the interpreter's objects cannot be listed.
///
/// # Safety
/// As for [`HeapSnapshot::walk_heap`].
pub(super) unsafe fn attribute_accesses(uses: &[ArenaAccess]) -> Result<Vec<RetainedObject>, String> {
    // SAFETY: guaranteed by the caller.
    let heap = unsafe { HeapSnapshot::walk_heap(&[], HeapScope::Code) }?;
    let mut kinds = HashMap::new();
    let type_at = |address: usize| {
        // SAFETY: guaranteed by the caller.
        let known = kinds.entry(address).or_insert_with(|| unsafe { type_at_address(&heap, address) });
        known.clone()
    };
    Ok(find_used_objects(uses, type_at, |_, word| is_reference_count(word as u64)))
}

/// Finds the accesses to objects by C code outside of CPython. Returns the type of each object and the code
/// that used it.
///
/// `type_at` returns name and basic size of the type at an address, and `may_begin` whether an object at the
/// first address can have the second number as its first word.
pub(super) fn find_used_objects(
    uses: &[ArenaAccess],
    mut type_at: impl FnMut(usize) -> Option<(String, usize)>,
    may_begin: impl Fn(usize, usize) -> bool,
) -> Vec<RetainedObject> {
    let (images, internal_functions) = (LoadedImages::list_loaded(), cpython_only_functions());
    let (mut found, mut objects) = (Vec::new(), HashSet::new());
    for each in uses {
        let Some((file, offset)) = calling_code(each, &images, &internal_functions) else { continue };
        let object = (0..WORDS - 1).step_by(2).rev().find_map(|index| {
            let (count, kind) = (each.words[index], each.words[index + 1]);
            let head = word_address(each.address, index);
            let (name, size) = type_at(kind).filter(|_| may_begin(head, count))?;
            (each.address.wrapping_sub(head) < size).then_some((head, name))
        });
        if let Some((head, kind)) = object
            && objects.insert(head)
        {
            let offset = offset as u64;
            found.push(RetainedObject { kind, is_type: false, file, offset, is_on_heap: true });
        }
    }
    found
}

/// Returns the innermost code outside of CPython, as file and file-relative address.
///
/// `None` if CPython accessed the object on its own behalf: if it ran Python code in between, which the C
/// code below did not request; if the code is in the standard library; or if CPython read the tuple of
/// keyword names in a static `_PyArg_Parser`, which all interpreters share (`Python/getargs.c`; up to 3.12
/// the tuple belongs to the first interpreter).
fn calling_code(
    each: &ArenaAccess,
    images: &LoadedImages,
    internal_functions: &[*mut c_void],
) -> Option<(String, usize)> {
    let start = each.stack.iter().position(|frame| *frame == each.instruction)?;
    for frame in each.stack[start..].iter().take_while(|frame| **frame != 0) {
        // A return address may point just past the end of the calling function.
        let code = if *frame == each.instruction { *frame } else { *frame - 1 };
        if images.is_in_cpython(code) {
            // SAFETY: an address of loaded code.
            let function = unsafe { _Unwind_FindEnclosingFunction(code as *mut c_void) };
            if internal_functions.contains(&function) {
                return None;
            }
        } else if let Some((file, offset)) =
            images.file_and_offset(code).filter(|_| !images.is_in_libc_or_probe(code))
        {
            return (!file.contains("/lib-dynload/")).then(|| (file.to_owned(), offset));
        }
    }
    None
}

/// Functions of CPython that other C code does not call to use an object.
fn cpython_only_functions() -> Vec<*mut c_void> {
    const NAMES: [&CStr; 4] = [
        c"_PyEval_EvalFrameDefault",
        c"_PyArg_UnpackKeywords",
        c"_PyArg_ParseStackAndKeywords",
        c"_PyArg_ParseTupleAndKeywordsFast",
    ];
    // SAFETY: dlsym with NUL-terminated names.
    let symbols = NAMES.map(|name| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) });
    symbols.into_iter().filter(|symbol| !symbol.is_null()).collect()
}
