//! The loaded shared objects and the program: which file an address belongs to, and which of its data is
//! writable.

use std::collections::HashSet;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

use wsgiaudit_probes_core::memory_map::writable_part;

use crate::copies::{self, ImageOrigin};
use crate::python;
use crate::trial::isolation;

/// All loaded segments, sorted by address.
pub(in crate::trial) struct LoadedImages {
    segments: Vec<LoadedSegment>,
    cpython: Option<usize>,
}

struct LoadedSegment {
    start: usize,
    end: usize,
    /// Index of its file.
    file: usize,
    /// Difference between addresses in this process and addresses in the file.
    base: usize,
    /// The part that stays writable after relocation: empty for code and constants, and without
    /// `PT_GNU_RELRO`.
    writable: Range<usize>,
    /// Path of the file; for a private copy, of the file that it is a copy of.
    name: String,
    /// The tree of private copies that it belongs to, if any.
    tree: Option<usize>,
}

/// Writable data of a shared object.
pub(super) struct WritableData<'a> {
    /// Path of the file.
    pub(super) file: &'a str,
    /// Difference between addresses in this process and addresses in the file.
    pub(super) base: usize,
    /// Address range of the data.
    pub(super) range: Range<usize>,
    /// Whether it is another interpreter's private copy, in which no object of this one has any business.
    pub(super) is_of_other: bool,
}

impl LoadedImages {
    /// Lists what is loaded now.
    pub(in crate::trial) fn list_loaded() -> Self {
        let mut images = Self { segments: Vec::new(), cpython: None };
        #[cfg(target_os = "linux")]
        // SAFETY: the callback gets a pointer to `images`, which outlives the call.
        unsafe {
            libc::dl_iterate_phdr(Some(collect_segments), (&raw mut images).cast());
        }
        images.segments.sort_by_key(|segment| segment.start);
        images.cpython =
            images.find_segment(&raw const python::PyType_Type as usize).map(|segment| segment.file);
        images
    }

    /// Whether this address lies in CPython itself: the program, or libpython.
    pub(in crate::trial) fn is_in_cpython(&self, address: usize) -> bool {
        self.find_segment(address).is_some_and(|segment| Some(segment.file) == self.cpython)
    }

    /// Returns the file that contains this address; `None` for heap memory.
    pub(super) fn file_at(&self, address: usize) -> Option<&str> {
        self.find_segment(address).map(|segment| segment.name.as_str())
    }

    /// Returns the file that contains this address, and the file-relative address.
    pub(in crate::trial) fn file_and_offset(&self, address: usize) -> Option<(&str, usize)> {
        self.find_segment(address).map(|segment| (segment.name.as_str(), address - segment.base))
    }

    /// Whether this address lies in the C library or in this library.
    pub(in crate::trial) fn is_in_libc_or_probe(&self, address: usize) -> bool {
        let file = |address: usize| self.find_segment(address).map(|segment| segment.file);
        let others = [libc::memcpy as *const () as usize, Self::list_loaded as *const () as usize];
        file(address).is_some() && others.iter().any(|other| file(*other) == file(address))
    }

    /// Returns the writable data of the files loaded since `before`, without the private copies of the interpreter
    /// whose tree is `own`, unless other interpreters use them.
    pub(super) fn data_loaded_since(
        &self,
        before: &Self,
        own: Option<usize>,
    ) -> impl Iterator<Item = WritableData<'_>> {
        let is_shared = move |segment: &LoadedSegment| match segment.tree {
            Some(tree) => Some(tree) != own || isolation::is_used_by_other_copy(&segment.name, tree),
            None => true,
        };
        let known: HashSet<usize> = before.segments.iter().map(|segment| segment.start).collect();
        self.segments
            .iter()
            .filter(move |segment| !known.contains(&segment.start) && !segment.writable.is_empty())
            .filter(move |segment| is_shared(segment))
            .map(move |segment| WritableData {
                file: &segment.name,
                base: segment.base,
                range: segment.writable.clone(),
                is_of_other: segment.tree.is_some() && segment.tree != own,
            })
    }

    fn find_segment(&self, address: usize) -> Option<&LoadedSegment> {
        let after = self.segments.partition_point(|segment| segment.start <= address);
        self.segments[..after].last().filter(|segment| address < segment.end)
    }
}

#[cfg(target_os = "linux")]
unsafe extern "C" fn collect_segments(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    images: *mut c_void,
) -> c_int {
    // SAFETY: the loader's structure is valid during the call; the argument is `images`.
    unsafe {
        let (info, images) = (&*info, &mut *images.cast::<LoadedImages>());
        let path = CStr::from_ptr(info.dlpi_name).to_string_lossy().into_owned();
        let ImageOrigin { file: name, tree } = copies::find_origin(&path);
        let (base, file) =
            (info.dlpi_addr as usize, images.segments.last().map_or(0, |segment| segment.file + 1));
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        let address_range = |header: &libc::Elf64_Phdr| {
            let start = base.wrapping_add(header.p_vaddr as usize);
            start..start.wrapping_add(header.p_memsz as usize)
        };
        let constant = headers.iter().find(|header| header.p_type == libc::PT_GNU_RELRO).map(address_range);
        for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
            let Range { start, end } = address_range(header);
            let is_writable = header.p_flags & libc::PF_W != 0;
            images.segments.push(LoadedSegment {
                start,
                end,
                file,
                base,
                writable: writable_part(start..end, is_writable, constant.clone()),
                name: name.clone(),
                tree,
            });
        }
    }
    0
}
