//! Inspects each image when it has been loaded: whether it calls into the main interpreter, is shared although
//! interpreters have private copies, or uses symbols of another interpreter's copy.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{CStr, CString, c_int, c_void};
use std::path::Path;
use std::sync::Mutex;

use wsgiaudit_probes_core::isolation::IsolationEvent;
use wsgiaudit_probes_core::protocol::{TrialEvent, TrialOrder};

use super::image_links::{ImageLinks, SymbolReference};
use super::loaded_segments::{CopiedSegment, CopiedSegments};
use super::main_entry;
use crate::copies::{self, ImageOrigin};
use crate::python;
use crate::trial::record;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// Maximum number of events about symbols: a library may use hundreds of another one.
const MAX_SYMBOLS: usize = 12;

/// The images of this process; `None` unless they are watched.
static WATCH: Mutex<Option<ImageWatch>> = Mutex::new(None);

struct ImageWatch {
    /// Number of images that had been loaded at the last inspection (`dlpi_adds`).
    loaded: u64,
    /// Base addresses of the images that were inspected.
    known: HashSet<usize>,
    copies: CopiedSegments,
    /// Copies that another interpreter's copies use: file and tree.
    used_by_others: BTreeSet<(String, usize)>,
    symbols: usize,
}

/// Watches the images that are loaded from now on, if interpreters with their own GIL load them.
pub(super) fn start_image_watch(order: &TrialOrder) {
    if python::is_free_threaded() || !order.place.has_own_gil() {
        return;
    }
    let mut watch = ImageWatch {
        loaded: 0,
        known: HashSet::new(),
        copies: CopiedSegments::new(),
        used_by_others: BTreeSet::new(),
        symbols: 0,
    };
    let mut remember = |info: &libc::dl_phdr_info| {
        watch.loaded = info.dlpi_adds;
        watch.known.insert(info.dlpi_addr as usize);
        true
    };
    for_each_image(&mut remember);
    *lock_ignoring_poison(&WATCH) = Some(watch);
}

/// Opens an extension module before CPython does, so that its images can be inspected before their code runs. Errors are
/// left to the loader, which opens it again. `flags` are those of `dlopen`.
///
/// # Safety
/// The thread holds the GIL of the interpreter that imports it.
pub(in crate::trial) unsafe fn open_before_load(path: &str, flags: c_int) {
    if lock_ignoring_poison(&WATCH).is_none() {
        return;
    }
    // SAFETY: guaranteed by the caller.
    let path = unsafe { copies::copy_of(Path::new(path)) }.unwrap_or_else(|| path.into());
    let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) else { return };
    // SAFETY: a NUL-terminated path. Opened for good, like CPython's own extension modules.
    unsafe {
        if path.as_bytes().contains(&b'/') {
            libc::dlopen(path.as_ptr(), flags);
        }
    }
    inspect_new_images(None);
}

/// Inspects what was loaded since the last inspection, by this extension module if that is known.
///
/// Other threads may be loading images meanwhile. The dynamic linker lists an image before it has relocated it, so
/// images are inspected when the loads have ended that were under way as they were listed.
pub(in crate::trial) fn inspect_new_images(module: Option<&str>) {
    let new = match lock_ignoring_poison(&WATCH).as_mut() {
        Some(watch) => watch.list_new_images(),
        None => return,
    };
    if new.is_empty() {
        return;
    }
    wait_for_loads();
    let mut events = Vec::new();
    if let Some(watch) = lock_ignoring_poison(&WATCH).as_mut() {
        let mut inspect = |info: &libc::dl_phdr_info| {
            let base = info.dlpi_addr as usize;
            if new.contains(&base) && watch.known.insert(base) {
                watch.inspect_image(info, module, &mut events);
            }
            true
        };
        for_each_image(&mut inspect);
    }
    for event in events {
        record::write_event(&TrialEvent::Isolation(event));
    }
}

/// Waits until the loads that are under way in other threads have ended: the dynamic linker runs one `dlopen` at a time.
/// The caller must not hold a lock that constructors of the images may need.
fn wait_for_loads() {
    // SAFETY: opens the program itself, which is loaded.
    unsafe {
        let program = libc::dlopen(std::ptr::null(), libc::RTLD_LAZY);
        if !program.is_null() {
            libc::dlclose(program);
        }
    }
}

/// Whether the copies of other interpreters use this copy.
pub(in crate::trial) fn is_used_by_other_copy(file: &str, tree: usize) -> bool {
    let watch = lock_ignoring_poison(&WATCH);
    watch.as_ref().is_some_and(|watch| watch.used_by_others.contains(&(file.to_owned(), tree)))
}

/// Records the libraries that the first interpreter has a private copy of and the second one, which has imported the
/// same, has not: it uses the first one's.
pub(in crate::trial) fn record_unmatched_images() {
    inspect_new_images(None);
    let unmatched: Vec<String> = match lock_ignoring_poison(&WATCH).as_ref() {
        Some(watch) => {
            let second = watch.copies.files_of_tree(1);
            watch.copies.files_of_tree(0).difference(&second).map(|file| (*file).to_owned()).collect()
        }
        None => Vec::new(),
    };
    for file in unmatched {
        let event = IsolationEvent::SharedLibrary { file, module: None, is_copy: true };
        record::write_event(&TrialEvent::Isolation(event));
    }
}

impl ImageWatch {
    /// Base addresses of the images that were loaded since the last time.
    fn list_new_images(&mut self) -> HashSet<usize> {
        let mut new = HashSet::new();
        let (loaded, known) = (&mut self.loaded, &self.known);
        let mut is_first = true;
        let mut add = |info: &libc::dl_phdr_info| {
            if std::mem::take(&mut is_first) {
                if info.dlpi_adds == *loaded {
                    return false;
                }
                *loaded = info.dlpi_adds;
            }
            let base = info.dlpi_addr as usize;
            if !known.contains(&base) {
                new.insert(base);
            }
            true
        };
        for_each_image(&mut add);
        new
    }

    fn inspect_image(
        &mut self,
        info: &libc::dl_phdr_info,
        module: Option<&str>,
        events: &mut Vec<IsolationEvent>,
    ) {
        // SAFETY: the dynamic linker keeps the name during its callback.
        let path = unsafe { CStr::from_ptr(info.dlpi_name) }.to_string_lossy().into_owned();
        if !path.starts_with('/') {
            return;
        }
        let ImageOrigin { file, tree } = copies::find_origin(&path);
        if let Some(tree) = tree {
            self.add_segments(info, tree, &file);
        } else if copies::is_mirrored(Path::new(&file)) {
            let module = module.map(str::to_owned);
            events.push(IsolationEvent::SharedLibrary { file: file.clone(), module, is_copy: false });
        }
        // SAFETY: called from the dynamic linker's callback.
        unsafe {
            let Some(links) = ImageLinks::read(info) else { return };
            links.for_each_reference(|reference| {
                if let Some(address) = main_entry::replacement_of(reference.symbol, tree.is_some()) {
                    links.replace_address(reference.word, address);
                } else if let Some(tree) = tree {
                    events.extend(self.find_crossing(reference, tree, &file));
                }
            });
        }
    }

    fn add_segments(&mut self, info: &libc::dl_phdr_info, tree: usize, file: &str) {
        // SAFETY: the dynamic linker's structure is valid during its callback.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
            let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            self.copies.add(CopiedSegment {
                range: start..start.wrapping_add(header.p_memsz as usize),
                tree,
                file: file.to_owned(),
                is_code: header.p_flags & libc::PF_X != 0,
            });
        }
    }

    /// Returns an event if a word of a copy holds an address in another interpreter's copy.
    ///
    /// # Safety
    /// The word is mapped.
    unsafe fn find_crossing(
        &mut self,
        reference: &SymbolReference<'_>,
        tree: usize,
        file: &str,
    ) -> Option<IsolationEvent> {
        // SAFETY: guaranteed by the caller; relocated words are aligned.
        let address = unsafe { (reference.word as *const usize).read_unaligned() };
        let target = self.copies.find(address).filter(|target| target.tree != tree)?;
        self.used_by_others.insert((target.file.clone(), target.tree));
        self.symbols += 1;
        (self.symbols <= MAX_SYMBOLS).then(|| IsolationEvent::CrossingSymbol {
            symbol: reference.symbol.to_string_lossy().into_owned(),
            file: file.to_owned(),
            target: target.file.clone(),
            is_data: !target.is_code,
        })
    }
}

type ImageVisitor<'a> = &'a mut dyn FnMut(&libc::dl_phdr_info) -> bool;

/// Calls `visit` with each loaded image until it returns false. The dynamic linker unloads none meanwhile.
fn for_each_image(visit: ImageVisitor<'_>) {
    let mut visit = visit;
    // SAFETY: the callback gets a pointer to `visit`, which outlives the call.
    unsafe {
        libc::dl_iterate_phdr(Some(visit_image), (&raw mut visit).cast());
    }
}

unsafe extern "C" fn visit_image(info: *mut libc::dl_phdr_info, _size: usize, visit: *mut c_void) -> c_int {
    // SAFETY: the dynamic linker's structure is valid during the call; the argument is that of `for_each_image`.
    unsafe { c_int::from(!(*visit.cast::<ImageVisitor<'_>>())(&*info)) }
}
