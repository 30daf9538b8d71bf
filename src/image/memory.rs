//! The memory layout of one shared object as the dynamic loader would create it: segments at their addresses,
//! and pointers resolved to an address or an imported symbol. The ELF, Mach-O and PE readers all produce an
//! [`Image`], so the code that uses it is independent of the format.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use super::byte_source::ByteSource;
use super::fast_maps::NumberMap;
use super::shared_object_kind::SharedObjectKind;

/// A range of addresses backed by a range of the file, zero-filled to its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
    pub(super) file_size: u64,
    pub(super) executable: bool,
    pub(super) writable: bool,
}

impl Segment {
    pub(super) fn contains(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.size
    }
}

/// The value that the dynamic loader stores in a pointer-sized location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoadedPointer {
    /// An address in the same file.
    Address(u64),
    /// The import with this index, and an addend.
    Import(u32, i64),
    /// A value known only at load time (thread-local storage, an indirect function).
    Opaque,
}

/// A symbol that another file must provide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImportedSymbol {
    pub(super) name: String,
    /// A weak symbol: it may stay unresolved, and its address is then null.
    pub(super) weak: bool,
}

/// Lookups in the symbol and relocation tables of a file format.
pub(super) trait FormatTables {
    /// The pointer that the loader stores at exactly this address.
    fn pointer_at(&self, image: &Image, address: u64) -> Option<LoadedPointer>;

    /// The address of an exported symbol.
    fn find_export(&self, image: &Image, name: &str) -> Option<u64>;

    /// Calls `visit` with the address of every pointer that points into the range.
    fn for_each_pointer_into(&self, image: &Image, range: Range<u64>, visit: &mut dyn FnMut(u64));
}

/// A placeholder without entries, used while an image is being built.
pub(super) struct EmptyTables;

impl FormatTables for EmptyTables {
    fn pointer_at(&self, _: &Image, _: u64) -> Option<LoadedPointer> {
        None
    }

    fn find_export(&self, _: &Image, _: &str) -> Option<u64> {
        None
    }

    fn for_each_pointer_into(&self, _: &Image, _: Range<u64>, _: &mut dyn FnMut(u64)) {}
}

/// One shared object.
pub(super) struct Image {
    pub(super) kind: SharedObjectKind,
    pub(super) source: Rc<dyn ByteSource>,
    /// Loadable segments in the order of the file.
    pub(super) segments: Vec<Segment>,
    /// Ranges that are read-only after relocation (RELRO).
    pub(super) sealed: Vec<(u64, u64)>,
    /// Ranges that hold no code even where they lie in an executable segment; empty where the format does not
    /// tell.
    pub(super) data: Vec<Range<u64>>,
    pub(super) imports: Vec<ImportedSymbol>,
    /// File names of the libraries it needs.
    pub(super) needed: Vec<String>,
    /// Folders in which to search for them, `$ORIGIN` unexpanded.
    pub(super) search: Vec<String>,
    /// Functions that the loader runs before anything else.
    pub(super) constructors: Vec<u64>,
    /// Address of the template of the thread-local block (Windows).
    pub(super) thread_template: Option<u64>,
    pub(super) tables: Box<dyn FormatTables>,
    pub(super) pages: PageCache,
}

/// A cache of the pages of the file that were read.
#[derive(Default)]
pub(super) struct PageCache {
    read: RefCell<NumberMap<Option<Rc<FilePage>>>>,
    /// The page read last: most reads go to the same page again.
    last: RefCell<Option<(u64, Rc<FilePage>)>>,
}

type FilePage = [u8; PAGE];
const PAGE: usize = 4096;
/// 64 MB. No extension module needs more.
const MAX_PAGES: usize = 16 << 10;

impl Image {
    /// The segment that contains an address.
    pub(super) fn segment_at(&self, address: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.contains(address))
    }

    /// Whether the address is still writable when the init function runs.
    pub(super) fn is_writable(&self, address: u64) -> bool {
        self.segment_at(address).is_some_and(|segment| segment.writable)
            && !self.sealed.iter().any(|(start, end)| (*start..*end).contains(&address))
    }

    /// Fills `buffer` with the bytes at `address`, without relocations; `false` if they are not mapped.
    pub(super) fn read_bytes(&self, address: u64, buffer: &mut [u8]) -> bool {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(at) = address.checked_add(done as u64) else { return false };
            let Some(segment) = self.segment_at(at) else { return false };
            let within = at - segment.address;
            let take = rest.len().min(usize::try_from(segment.size - within).unwrap_or(usize::MAX));
            let (rest, _) = rest.split_at_mut(take);
            let backed = usize::try_from(segment.file_size.saturating_sub(within)).unwrap_or(usize::MAX);
            let (file, zero) = rest.split_at_mut(take.min(backed));
            zero.fill(0);
            if !self.pages.read_at(&*self.source, segment.offset.wrapping_add(within), file) {
                return false;
            }
            done += take;
        }
        true
    }

    pub(super) fn read_u16(&self, address: u64) -> Option<u16> {
        let mut bytes = [0; 2];
        self.read_bytes(address, &mut bytes).then_some(u16::from_le_bytes(bytes))
    }

    /// Reads code bytes into `buffer`. Returns how many there are before the end of the segment.
    pub(super) fn read_code(&self, address: u64, buffer: &mut [u8]) -> usize {
        let Some(segment) = self.segment_at(address).filter(|segment| segment.executable) else { return 0 };
        let left = usize::try_from(segment.address + segment.size - address).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        if self.read_bytes(address, &mut buffer[..length]) { length } else { 0 }
    }

    pub(super) fn read_u32(&self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read_bytes(address, &mut bytes).then_some(u32::from_le_bytes(bytes))
    }

    pub(super) fn read_u64(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read_bytes(address, &mut bytes).then_some(u64::from_le_bytes(bytes))
    }

    /// The zero-terminated string at an address, at most 4 kB.
    pub(super) fn read_c_string(&self, address: u64) -> Option<String> {
        let mut text = Vec::new();
        let mut piece = [0; 48];
        while text.len() < PAGE {
            let at = address.checked_add(text.len() as u64)?;
            // Near the end of a segment a whole chunk may not fit: read single bytes there.
            let length =
                [piece.len(), 1].into_iter().find(|length| self.read_bytes(at, &mut piece[..*length]))?;
            let piece = &piece[..length];
            match piece.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend(&piece[..end]);
                    return String::from_utf8(text).ok();
                }
                None => text.extend(piece),
            }
        }
        None
    }

    /// Fills `buffer` without using the page cache, for scans that read everything once; `false` if the file
    /// does not contain all of the range.
    pub(super) fn read_uncached(&self, address: u64, buffer: &mut [u8]) -> bool {
        let length = buffer.len() as u64;
        self.file_offset_of(address, length).is_some_and(|offset| self.source.read_at(offset, buffer))
    }

    /// Reads a whole table without using the page cache.
    pub(super) fn read_table(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        super::byte_source::read_range(&*self.source, self.file_offset_of(address, length)?, length)
    }

    /// The file offset of a range of addresses that the file contains entirely.
    fn file_offset_of(&self, address: u64, length: u64) -> Option<u64> {
        let segment = self.segment_at(address)?;
        let within = address - segment.address;
        let fits = within.checked_add(length)? <= segment.file_size;
        fits.then(|| segment.offset.checked_add(within))?
    }

    /// The pointer that the loader stores at this address.
    pub(super) fn pointer_at(&self, address: u64) -> Option<LoadedPointer> {
        self.tables.pointer_at(self, address)
    }

    /// The name of the imported symbol that the pointer at this address refers to.
    pub(super) fn imported_symbol_at(&self, address: u64) -> Option<&str> {
        let Some(LoadedPointer::Import(index, _)) = self.pointer_at(address) else { return None };
        self.imports.get(index as usize).map(|import| import.name.as_str())
    }

    /// The address of an exported symbol.
    pub(super) fn find_export(&self, name: &str) -> Option<u64> {
        self.tables.find_export(self, name)
    }

    /// Whether a symbol of this name is imported.
    pub(super) fn imports_symbol(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import.name == name)
    }
}

impl PageCache {
    fn read_at(&self, source: &dyn ByteSource, offset: u64, buffer: &mut [u8]) -> bool {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(at) = offset.checked_add(done as u64) else { return false };
            let within = (at % PAGE as u64) as usize;
            let take = rest.len().min(PAGE - within);
            // The last page of a file is short. The bytes after its end are zero, but must not be read as
            // part of the file.
            let present = at.checked_add(take as u64).is_some_and(|end| end <= source.size());
            if !present || !self.copy_from_page(source, at / PAGE as u64, within, &mut rest[..take]) {
                return false;
            }
            done += take;
        }
        true
    }

    /// Copies bytes that lie within one page.
    fn copy_from_page(&self, source: &dyn ByteSource, number: u64, within: usize, to: &mut [u8]) -> bool {
        let mut last = self.last.borrow_mut();
        if !matches!(&*last, Some((held, _)) if *held == number) {
            let Some(page) = self.load_page(source, number) else { return false };
            *last = Some((number, page));
        }
        let Some((_, page)) = &*last else { return false };
        to.copy_from_slice(&page[within..within + to.len()]);
        true
    }

    fn load_page(&self, source: &dyn ByteSource, number: u64) -> Option<Rc<FilePage>> {
        let mut pages = self.read.borrow_mut();
        if let Some(page) = pages.get(&number) {
            return page.clone();
        }
        if pages.len() >= MAX_PAGES {
            return None;
        }
        let start = number * PAGE as u64;
        let length = usize::try_from(source.size().checked_sub(start)?).unwrap_or(usize::MAX).min(PAGE);
        let mut page = Rc::new([0; PAGE]);
        let is_read = Rc::get_mut(&mut page).is_some_and(|page| source.read_at(start, &mut page[..length]));
        let page = is_read.then_some(page);
        pages.insert(number, page.clone());
        page
    }
}
