//! One shared object as the loader would lay it out: segments at their addresses, pointers by name or place.
//! ELF, Mach-O and PE all end up here, so that nothing further on knows which it was.

use std::cell::RefCell;
use std::rc::Rc;

use super::kind::Kind;
use super::numbers::NumberMap;
use super::source::Source;

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

/// What the loader stores into a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A place in the same file.
    Address(u64),
    /// The import with this index, and an addend.
    Import(u32, i64),
    /// Something that only the loader knows (thread-local storage, an indirect function).
    Opaque,
}

/// A symbol that another file must provide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) name: String,
    /// May stay unresolved, and then its address is null.
    pub(super) weak: bool,
}

/// What a format's tables answer.
pub(super) trait Tables {
    /// The link stored at exactly this address.
    fn link(&self, image: &Image, address: u64) -> Option<Link>;

    /// The address of an exported symbol.
    fn export(&self, image: &Image, name: &str) -> Option<u64>;

    /// Calls back with the place of every link to an address inside the range.
    fn links_into(&self, image: &Image, range: std::ops::Range<u64>, found: &mut dyn FnMut(u64));
}

/// One shared object.
pub(super) struct Image {
    pub(super) kind: Kind,
    pub(super) source: Rc<dyn Source>,
    /// Loadable ranges in the order of the file.
    pub(super) segments: Vec<Segment>,
    /// Ranges that are read-only once the loader is done.
    pub(super) sealed: Vec<(u64, u64)>,
    /// Ranges that hold no code, wherever they lie; where the file tells.
    pub(super) data: Vec<std::ops::Range<u64>>,
    pub(super) imports: Vec<Import>,
    /// File names of the libraries it needs.
    pub(super) needed: Vec<String>,
    /// Folders to look for them, `$ORIGIN` unexpanded.
    pub(super) search: Vec<String>,
    /// Functions that the loader runs before anything else.
    pub(super) constructors: Vec<u64>,
    /// What a thread's own block of Windows begins as.
    pub(super) thread_template: Option<u64>,
    pub(super) tables: Box<dyn Tables>,
    pub(super) pages: Pages,
}

/// Pages read so far.
#[derive(Default)]
pub(super) struct Pages {
    read: RefCell<NumberMap<Option<Rc<Page>>>>,
    /// The one that was asked for last, which is mostly asked for next.
    last: RefCell<Option<(u64, Rc<Page>)>>,
}

type Page = [u8; PAGE];
const PAGE: usize = 4096;
/// 64 MB: a file that makes us touch more is not an extension module.
const MOST_PAGES: usize = 16 << 10;

impl Image {
    /// The segment that holds an address.
    pub(super) fn segment(&self, address: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.contains(address))
    }

    /// Whether code may still change this address when the init function runs.
    pub(super) fn writable(&self, address: u64) -> bool {
        self.segment(address).is_some_and(|segment| segment.writable)
            && !self.sealed.iter().any(|(start, end)| (*start..*end).contains(&address))
    }

    /// Fills `buffer` with the bytes of the file at `address`, links not applied; `false` where not mapped.
    pub(super) fn bytes(&self, address: u64, buffer: &mut [u8]) -> bool {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(at) = address.checked_add(done as u64) else { return false };
            let Some(segment) = self.segment(at) else { return false };
            let within = at - segment.address;
            let take = rest.len().min(usize::try_from(segment.size - within).unwrap_or(usize::MAX));
            let (rest, _) = rest.split_at_mut(take);
            let backed = usize::try_from(segment.file_size.saturating_sub(within)).unwrap_or(usize::MAX);
            let (file, zero) = rest.split_at_mut(take.min(backed));
            zero.fill(0);
            if !self.pages.read(&*self.source, segment.offset.wrapping_add(within), file) {
                return false;
            }
            done += take;
        }
        true
    }

    pub(super) fn u16(&self, address: u64) -> Option<u16> {
        let mut bytes = [0; 2];
        self.bytes(address, &mut bytes).then_some(u16::from_le_bytes(bytes))
    }

    /// Code bytes at an address, as many as there are.
    pub(super) fn code(&self, address: u64, buffer: &mut [u8]) -> usize {
        let Some(segment) = self.segment(address).filter(|segment| segment.executable) else { return 0 };
        let left = usize::try_from(segment.address + segment.size - address).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        if self.bytes(address, &mut buffer[..length]) { length } else { 0 }
    }

    pub(super) fn u32(&self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.bytes(address, &mut bytes).then_some(u32::from_le_bytes(bytes))
    }

    pub(super) fn u64(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.bytes(address, &mut bytes).then_some(u64::from_le_bytes(bytes))
    }

    /// The zero-terminated text at an address, at most 4 kB.
    pub(super) fn text(&self, address: u64) -> Option<String> {
        let mut text = Vec::new();
        let mut piece = [0; 48];
        while text.len() < PAGE {
            let at = address.checked_add(text.len() as u64)?;
            // Near the end of a segment there may be no whole piece.
            let length = [piece.len(), 1].into_iter().find(|length| self.bytes(at, &mut piece[..*length]))?;
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

    /// Fills `buffer` past the page cache, for scans that look at everything once; `false` where the file does
    /// not back it all.
    pub(super) fn raw(&self, address: u64, buffer: &mut [u8]) -> bool {
        let length = buffer.len() as u64;
        self.backed(address, length).is_some_and(|offset| self.source.read_at(offset, buffer))
    }

    /// Whole tables, past the page cache.
    pub(super) fn table(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        super::source::read(&*self.source, self.backed(address, length)?, length)
    }

    /// Where in the file a range of addresses lies.
    fn backed(&self, address: u64, length: u64) -> Option<u64> {
        let segment = self.segment(address)?;
        let within = address - segment.address;
        let fits = within.checked_add(length)? <= segment.file_size;
        fits.then(|| segment.offset.checked_add(within))?
    }

    /// The link stored at this address.
    pub(super) fn link(&self, address: u64) -> Option<Link> {
        self.tables.link(self, address)
    }

    /// The imported function that a place in memory links to.
    pub(super) fn imported(&self, address: u64) -> Option<&str> {
        let Some(Link::Import(index, _)) = self.link(address) else { return None };
        self.imports.get(index as usize).map(|import| import.name.as_str())
    }

    /// The address of an exported symbol.
    pub(super) fn export(&self, name: &str) -> Option<u64> {
        self.tables.export(self, name)
    }

    /// Whether a symbol of this name is imported.
    pub(super) fn imports(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import.name == name)
    }
}

impl Pages {
    fn read(&self, source: &dyn Source, offset: u64, buffer: &mut [u8]) -> bool {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(at) = offset.checked_add(done as u64) else { return false };
            let within = (at % PAGE as u64) as usize;
            let take = rest.len().min(PAGE - within);
            // The last page of a file is short: its rest reads as zeroes, but never counts as present.
            let present = at.checked_add(take as u64).is_some_and(|end| end <= source.size());
            if !present || !self.copy(source, at / PAGE as u64, within, &mut rest[..take]) {
                return false;
            }
            done += take;
        }
        true
    }

    /// Copies from inside one page.
    fn copy(&self, source: &dyn Source, number: u64, within: usize, to: &mut [u8]) -> bool {
        let mut last = self.last.borrow_mut();
        if !matches!(&*last, Some((held, _)) if *held == number) {
            let Some(page) = self.page(source, number) else { return false };
            *last = Some((number, page));
        }
        let Some((_, page)) = &*last else { return false };
        to.copy_from_slice(&page[within..within + to.len()]);
        true
    }

    fn page(&self, source: &dyn Source, number: u64) -> Option<Rc<Page>> {
        let mut pages = self.read.borrow_mut();
        if let Some(page) = pages.get(&number) {
            return page.clone();
        }
        if pages.len() >= MOST_PAGES {
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
