//! Which shared object, or which program, an address lies in.

use std::ffi::{CStr, c_int, c_void};

use crate::python;

/// Everything that is mapped from a file to be run, in order of addresses.
pub(super) struct Images {
    segments: Vec<Segment>,
    cpython: Option<usize>,
}

struct Segment {
    start: usize,
    end: usize,
    /// Number of its file.
    file: usize,
    name: String,
}

impl Images {
    /// What is loaded now.
    pub(super) fn loaded() -> Self {
        let mut images = Self { segments: Vec::new(), cpython: None };
        #[cfg(target_os = "linux")]
        // SAFETY: the callback gets our argument, and lives as long as the call.
        unsafe {
            libc::dl_iterate_phdr(Some(collect), (&raw mut images).cast());
        }
        images.segments.sort_by_key(|segment| segment.start);
        images.cpython = images.find(&raw const python::PyType_Type as usize).map(|segment| segment.file);
        images
    }

    /// Whether this address lies in what CPython itself is made of: the program, or libpython.
    pub(super) fn is_cpythons(&self, address: usize) -> bool {
        self.find(address).is_some_and(|segment| Some(segment.file) == self.cpython)
    }

    /// The file that holds this address; `None` for the heap.
    pub(super) fn file(&self, address: usize) -> Option<&str> {
        self.find(address).map(|segment| segment.name.as_str())
    }

    fn find(&self, address: usize) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.start <= address);
        self.segments[..after].last().filter(|segment| address < segment.end)
    }
}

#[cfg(target_os = "linux")]
unsafe extern "C" fn collect(info: *mut libc::dl_phdr_info, _size: usize, images: *mut c_void) -> c_int {
    // SAFETY: the loader's structure is valid during the call; the argument is ours.
    unsafe {
        let (info, images) = (&*info, &mut *images.cast::<Images>());
        let name = CStr::from_ptr(info.dlpi_name).to_string_lossy().into_owned();
        let file = images.segments.last().map_or(0, |segment| segment.file + 1);
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
            let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            let end = start.wrapping_add(header.p_memsz as usize);
            images.segments.push(Segment { start, end, file, name: name.clone() });
        }
    }
    0
}
