//! Which shared object, or which program, an address lies in, and which of its data can be written.

use std::collections::HashSet;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

use crate::python;

/// Everything that is mapped from a file to be run, in order of addresses.
pub(in crate::trial) struct Images {
    segments: Vec<Segment>,
    cpython: Option<usize>,
}

struct Segment {
    start: usize,
    end: usize,
    /// Number of its file.
    file: usize,
    /// What the file's own addresses begin at here.
    base: usize,
    /// The part that stays writable once the loader is done: none of it where it is code or constants, and not
    /// what `PT_GNU_RELRO` covers.
    writable: Range<usize>,
    name: String,
}

/// Data of a shared object.
pub(super) struct Data<'a> {
    /// The file.
    pub(super) file: &'a str,
    /// What the file's own addresses begin at here.
    pub(super) base: usize,
    /// Where it lies.
    pub(super) range: Range<usize>,
}

impl Images {
    /// What is loaded now.
    pub(in crate::trial) fn loaded() -> Self {
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
    pub(in crate::trial) fn is_cpythons(&self, address: usize) -> bool {
        self.find(address).is_some_and(|segment| Some(segment.file) == self.cpython)
    }

    /// The file that holds this address; `None` for the heap.
    pub(super) fn file(&self, address: usize) -> Option<&str> {
        self.find(address).map(|segment| segment.name.as_str())
    }

    /// The file that holds this address, and the address by the file's own count.
    pub(in crate::trial) fn place(&self, address: usize) -> Option<(&str, usize)> {
        self.find(address).map(|segment| (segment.name.as_str(), address - segment.base))
    }

    /// Whether this address lies in the C library, or in this one.
    pub(in crate::trial) fn is_the_systems_or_ours(&self, address: usize) -> bool {
        let file = |address: usize| self.find(address).map(|segment| segment.file);
        let others = [libc::memcpy as *const () as usize, Self::loaded as *const () as usize];
        file(address).is_some() && others.iter().any(|other| file(*other) == file(address))
    }

    /// The writable data of what has been loaded since.
    pub(super) fn data_since(&self, before: &Self) -> impl Iterator<Item = Data<'_>> {
        let known: HashSet<usize> = before.segments.iter().map(|segment| segment.start).collect();
        self.segments
            .iter()
            .filter(move |segment| !known.contains(&segment.start) && !segment.writable.is_empty())
            .map(|segment| Data { file: &segment.name, base: segment.base, range: segment.writable.clone() })
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
        let (base, file) =
            (info.dlpi_addr as usize, images.segments.last().map_or(0, |segment| segment.file + 1));
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        let place = |header: &libc::Elf64_Phdr| {
            let start = base.wrapping_add(header.p_vaddr as usize);
            start..start.wrapping_add(header.p_memsz as usize)
        };
        // The loader takes the right to write away from whole pages of it.
        let constant = headers.iter().find(|header| header.p_type == libc::PT_GNU_RELRO).map(place);
        for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
            let Range { start, end } = place(header);
            let from = match &constant {
                _ if header.p_flags & libc::PF_W == 0 => end,
                Some(constant) if (start..end).contains(&constant.start) => constant.end.clamp(start, end),
                Some(_) | None => start,
            };
            images.segments.push(Segment { start, end, file, base, writable: from..end, name: name.clone() });
        }
    }
    0
}
