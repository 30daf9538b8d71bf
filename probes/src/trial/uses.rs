//! What one interpreter's thread did in another one's closed memory: noted as it happens, and understood afterwards.
//!
//! A use counts where it is one of an object, and where C code that is not CPython's has asked for it. Memory that C code
//! has from `PyMem_Malloc` is the process's to use, and what CPython does for its own code is not the module's doing.

use std::cell::UnsafeCell;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::sharing::{Heap, Images, Reach, is_a_count, kind_at};
use crate::protocol::Kept;

/// Uses that are noted, and accesses that are looked at: then the memory is opened for good.
const MOST: usize = 64;
const MOST_ACCESSES: usize = 4096;

/// Frames of the stack of C that are kept of each.
const FRAMES: usize = 48;

/// Words of memory that are kept of each: the largest object that lies in an arena, and a head.
const WORDS: usize = (512 + 16) / 8;

/// Bytes of a page, at least.
const PAGE: usize = 4096;

/// One access.
#[derive(Clone)]
pub(super) struct Use {
    /// Where.
    address: usize,
    /// By which instruction.
    instruction: usize,
    /// Whence it was called, innermost first.
    stack: [usize; FRAMES],
    /// What lay there before, and in front of it, in the same page; 0 beyond.
    words: [usize; WORDS],
}

struct Table(UnsafeCell<[Use; MOST]>);

// SAFETY: written by the one thread that is watched, in its signal handler; read when nothing is watched.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new(
    [const { Use { address: 0, instruction: 0, stack: [0; FRAMES], words: [0; WORDS] } }; MOST],
));
static COUNT: AtomicUsize = AtomicUsize::new(0);
static ACCESSES: AtomicUsize = AtomicUsize::new(0);

/// Forgets all that was noted. Nothing is watched at the time.
pub(super) fn begin() {
    COUNT.store(0, SeqCst);
    ACCESSES.store(0, SeqCst);
}

/// All that was noted.
///
/// # Safety
/// Nothing is watched any more.
pub(super) unsafe fn all() -> Vec<Use> {
    // SAFETY: the caller's promise.
    unsafe { (&(*TABLE.0.get()))[..COUNT.load(SeqCst).min(MOST)].to_vec() }
}

/// Notes an access of the watched thread, before it happens. Whether more can be noted. Async-signal-safe.
///
/// # Safety
/// The page of that address can be read; the watched thread alone calls this, in its signal handler.
pub(super) unsafe fn note(address: usize, instruction: usize) -> bool {
    let (count, accesses) = (COUNT.load(SeqCst), ACCESSES.fetch_add(1, SeqCst));
    if count >= MOST || accesses >= MOST_ACCESSES {
        return false;
    }
    // SAFETY: the caller's promise.
    let table = unsafe { &mut *TABLE.0.get() };
    if table[..count].iter().any(|each| each.address / 16 == address / 16) {
        return true;
    }
    let each = &mut table[count];
    (each.address, each.instruction) = (address, instruction);
    for (index, word) in each.words.iter_mut().enumerate() {
        let place = place_of_word(address, index);
        *word = match place / PAGE == address / PAGE {
            // SAFETY: within the same page, which can be read.
            true => unsafe { (place as *const usize).read_volatile() },
            false => 0,
        };
    }
    each.stack = [0; FRAMES];
    let mut walk = Walk { stack: &mut each.stack, next: 0 };
    // SAFETY: the callback gets our argument. The access is one of code that holds none of the loader's locks, since nothing
    // of the loader's lies in an arena.
    unsafe { _Unwind_Backtrace(step, (&raw mut walk).cast()) };
    COUNT.store(count + 1, SeqCst);
    true
}

/// Where a word that is kept lies: the last two are the head that an access may begin in.
fn place_of_word(address: usize, index: usize) -> usize {
    (address / 16 * 16 + 16).wrapping_sub((WORDS - index) * 8)
}

struct Walk<'a> {
    stack: &'a mut [usize; FRAMES],
    next: usize,
}

// The unwinder of the platform's C++ ABI, which Rust's own panics need too.
unsafe extern "C" {
    fn _Unwind_Backtrace(
        step: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_FindEnclosingFunction(instruction: *mut c_void) -> *mut c_void;
}

unsafe extern "C" fn step(context: *mut c_void, walk: *mut c_void) -> c_int {
    /// `_URC_NO_REASON`: go on. `_URC_END_OF_STACK`: no further.
    const NEXT: c_int = 0;
    const LAST: c_int = 5;
    // SAFETY: the unwinder's context, and the argument of `note`.
    unsafe {
        let walk = &mut *walk.cast::<Walk<'_>>();
        let Some(place) = walk.stack.get_mut(walk.next) else { return LAST };
        *place = _Unwind_GetIP(context);
        walk.next += 1;
        NEXT
    }
}

/// Which of these are uses of objects of the current interpreter, by C code that is not CPython's: the object's kind, and
/// the code.
///
/// # Errors
/// The exception, when the interpreter's objects cannot be asked for.
///
/// # Safety
/// As for [`Heap::walk`].
pub(super) unsafe fn understand(uses: &[Use]) -> Result<Vec<Kept>, String> {
    // SAFETY: the caller's promise.
    unsafe {
        let (heap, images) = (Heap::walk(&[], Reach::Code)?, Images::loaded());
        let mut kinds = HashMap::new();
        let mut type_at = |address: usize| {
            let known = kinds.entry(address).or_insert_with(|| kind_at(&heap, address));
            known.clone()
        };
        let its_own = functions_of_its_own();
        let (mut found, mut objects) = (Vec::new(), HashSet::new());
        for each in uses {
            let Some((file, offset)) = asked_by(each, &images, &its_own) else { continue };
            let object = (0..WORDS - 1).step_by(2).rev().find_map(|index| {
                let (count, kind) = (each.words[index], each.words[index + 1]);
                let head = place_of_word(each.address, index);
                let (name, size) = type_at(kind).filter(|_| is_a_count(count as u64))?;
                (each.address.wrapping_sub(head) < size).then_some((head, name))
            });
            if let Some((head, kind)) = object
                && objects.insert(head)
            {
                found.push(Kept { kind, is_type: false, file, offset: offset as u64, is_on_heap: true });
            }
        }
        Ok(found)
    }
}

/// The innermost code outside of CPython, as file and address there. None where CPython's own is at work: where it runs
/// Python code in between, since what that does is not asked for by the C code below it; in the standard library; and where
/// it reads the tuple of names that it keeps in a static `_PyArg_Parser` for all interpreters (`Python/getargs.c`; up to
/// 3.12 the tuple is the first interpreter's).
fn asked_by(each: &Use, images: &Images, its_own: &[*mut c_void]) -> Option<(String, usize)> {
    let start = each.stack.iter().position(|frame| *frame == each.instruction)?;
    for frame in each.stack[start..].iter().take_while(|frame| **frame != 0) {
        // What a call returns to may lie behind the function that called.
        let place = if *frame == each.instruction { *frame } else { *frame - 1 };
        if images.is_cpythons(place) {
            // SAFETY: an address of code that is loaded.
            let function = unsafe { _Unwind_FindEnclosingFunction(place as *mut c_void) };
            if its_own.contains(&function) {
                return None;
            }
        } else if let Some((file, offset)) =
            images.place(place).filter(|_| !images.is_the_systems_or_ours(place))
        {
            return (!file.contains("/lib-dynload/")).then(|| (file.to_owned(), offset));
        }
    }
    None
}

/// Functions of CPython that no other C code calls on behalf of an object.
fn functions_of_its_own() -> Vec<*mut c_void> {
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
