//! Mach-O, read with `object`: load commands, the export trie, and the two ways to bind pointers (opcodes and
//! chained fixups). All links are read at once, since chains can only be walked from their start.

use std::collections::HashMap;
use std::rc::Rc;

use object::Endianness as En;
use object::macho::{self, MachHeader64};
use object::read::macho::{ExportData, ExportsTrieIterator, Fixup, LoadCommandVariant, MachHeader};
use object::read::{ReadCache, ReadCacheOps, ReadRef};

use super::elf::Nothing;
use super::kind::{Architecture, Kind};
use super::memory::{Image, Import, Link, Pages, Segment, Tables};
use super::source::{Source, read};

/// Far more than any real file has.
const MOST_LINKS: usize = 4 << 20;
const MOST_EXPORTS: usize = 1 << 20;

struct MachTables {
    links: HashMap<u64, Link>,
    exports: HashMap<String, u64>,
}

/// A range of a file for `object`.
struct Window {
    source: Rc<dyn Source>,
    start: u64,
    size: u64,
    at: u64,
}

impl ReadCacheOps for Window {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.size)
    }

    fn seek(&mut self, to: u64) -> Result<u64, ()> {
        self.at = to;
        Ok(to)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
        let left = usize::try_from(self.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        self.read_exact(&mut buffer[..length])?;
        Ok(length)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ()> {
        let start = self.start.checked_add(self.at).ok_or(())?;
        if !self.source.read_at(start, buffer) {
            return Err(());
        }
        self.at += buffer.len() as u64;
        Ok(())
    }
}

/// Lays out a Mach-O file, or the slice of a fat one that [`Kind::of`] picked.
pub(super) fn load(source: Rc<dyn Source>, kind: Kind) -> Result<Image, &'static str> {
    let (start, size) = slice(&source, kind).ok_or("no slice of the file can be read")?;
    let cache = ReadCache::new(Window { source: Rc::clone(&source), start, size, at: 0 });
    let mut loader = Loader {
        start,
        image: Image {
            kind,
            source,
            segments: Vec::new(),
            sealed: Vec::new(),
            data: Vec::new(),
            imports: Vec::new(),
            needed: Vec::new(),
            search: Vec::new(),
            constructors: Vec::new(),
            thread_template: None,
            tables: Box::new(Nothing),
            pages: Pages::default(),
        },
        tables: MachTables { links: HashMap::new(), exports: HashMap::new() },
        names: HashMap::new(),
        initialisers: Vec::new(),
    };
    loader.commands(&cache).map_err(|_| "the load commands are broken")?;
    Ok(loader.finish())
}

fn slice(source: &Rc<dyn Source>, kind: Kind) -> Option<(u64, u64)> {
    let header = read(&**source, 0, 32)?;
    if header.first() != Some(&0xca) {
        return Some((0, source.size()));
    }
    let wanted = match kind.architecture {
        Architecture::X86_64 => 0x0100_0007,
        Architecture::Aarch64 => 0x0100_000c,
        Architecture::Other(number) => number,
    };
    let slices = super::fat::slices(&**source, &header)?;
    let found = slices.iter().find(|slice| {
        let header = read(&**source, slice.offset, 8);
        header.and_then(|header| super::source::u32_at(&header, 4)) == Some(wanted)
    })?;
    Some((found.offset, found.size))
}

struct Loader {
    start: u64,
    image: Image,
    tables: MachTables,
    names: HashMap<Vec<u8>, u32>,
    initialisers: Vec<(u64, u64)>,
}

type Broken = object::read::Error;

impl Loader {
    fn commands(&mut self, data: &ReadCache<Window>) -> Result<(), Broken> {
        let header = MachHeader64::<En>::parse(data, 0)?;
        let endian = header.endian()?;
        let commands: Vec<_> = header.load_commands(endian, data, 0)?.collect::<Result<_, _>>()?;
        // Segments first: links and exports are relative to them.
        for command in &commands {
            if let LoadCommandVariant::Segment64(segment, sections) = command.variant()? {
                self.segment(endian, segment, sections);
            }
        }
        for command in &commands {
            match command.variant()? {
                LoadCommandVariant::Dylib(dylib) => {
                    let name = command.string(endian, dylib.dylib.name)?;
                    self.image.needed.push(String::from_utf8_lossy(name).into_owned());
                }
                LoadCommandVariant::Rpath(rpath) => {
                    let path = command.string(endian, rpath.path)?;
                    self.image.search.push(String::from_utf8_lossy(path).into_owned());
                }
                LoadCommandVariant::DyldInfo(info) => {
                    self.exports(info.exports_trie(endian, data)?)?;
                    for bind in info.binds(endian, data, 8)?.chain(info.lazy_binds(endian, data, 8)?) {
                        let bind = bind?;
                        self.bind(bind.segment_index, bind.segment_offset, bind.symbol, bind.addend);
                    }
                    for bind in info.weak_binds(endian, data, 8)? {
                        let bind = bind?;
                        self.weak(bind.segment_index, bind.segment_offset, bind.symbol, bind.addend);
                    }
                }
                LoadCommandVariant::LinkeditData(link) if command.cmd() == macho::LC_DYLD_EXPORTS_TRIE => {
                    self.exports(link.exports_trie(endian, data)?)?;
                }
                LoadCommandVariant::LinkeditData(link) if command.cmd() == macho::LC_DYLD_CHAINED_FIXUPS => {
                    self.chains(endian, data, link)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn segment(&mut self, endian: En, segment: &macho::SegmentCommand64<En>, sections: &[u8]) {
        let size = segment.vmsize.get(endian);
        self.image.segments.push(Segment {
            address: segment.vmaddr.get(endian),
            size,
            offset: self.start.wrapping_add(segment.fileoff.get(endian)),
            file_size: segment.filesize.get(endian).min(size),
            executable: segment.initprot.get(endian).0 & macho::VM_PROT_EXECUTE.0 != 0,
            writable: segment.initprot.get(endian).0 & macho::VM_PROT_WRITE.0 != 0,
        });
        // dyld makes this segment read-only when it is done with it.
        if segment.segname.starts_with(b"__DATA_CONST") {
            let start = segment.vmaddr.get(endian);
            self.image.sealed.push((start, start.saturating_add(size)));
        }
        let count = segment.nsects.get(endian) as usize;
        let Ok((sections, _)) = object::pod::slice_from_bytes::<macho::Section64<En>>(sections, count) else {
            return;
        };
        for section in sections {
            let (start, size) = (section.addr.get(endian), section.size.get(endian));
            if section.sectname.starts_with(b"__mod_init_func") {
                self.initialisers.push((start, size));
            }
            let code = macho::S_ATTR_PURE_INSTRUCTIONS.0 | macho::S_ATTR_SOME_INSTRUCTIONS.0;
            if section.flags.get(endian).0 & code == 0 {
                self.image.data.push(start..start.saturating_add(size));
            }
        }
    }

    fn base(&self) -> u64 {
        let text = self.image.segments.iter().find(|segment| segment.executable);
        text.map_or(0, |text| text.address)
    }

    fn exports(&mut self, trie: ExportsTrieIterator<'_>) -> Result<(), Broken> {
        let base = self.base();
        for export in trie.take(MOST_EXPORTS) {
            let export = export?;
            if let (ExportData::Regular { address }, Ok(name)) =
                (export.data(), str::from_utf8(export.name()))
            {
                let name = name.strip_prefix('_').unwrap_or(name).to_owned();
                self.tables.exports.insert(name, base.wrapping_add(*address));
            }
        }
        Ok(())
    }

    fn import(&mut self, name: &[u8], weak: bool) -> u32 {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        let index = u32::try_from(self.image.imports.len()).unwrap_or(u32::MAX);
        let text = String::from_utf8_lossy(name.strip_prefix(b"_").unwrap_or(name)).into_owned();
        self.image.imports.push(Import { name: text, weak });
        self.names.insert(name.to_owned(), index);
        index
    }

    fn place(&self, segment: u8, offset: u64) -> Option<u64> {
        Some(self.image.segments.get(usize::from(segment))?.address.wrapping_add(offset))
    }

    fn bind(&mut self, segment: u8, offset: u64, symbol: &[u8], addend: i64) {
        let Some(place) = self.place(segment, offset) else { return };
        if self.tables.links.len() < MOST_LINKS {
            let index = self.import(symbol, false);
            self.tables.links.insert(place, Link::Import(index, addend));
        }
    }

    /// A symbol that any image may define: where this one does, the place already points to it.
    fn weak(&mut self, segment: u8, offset: u64, symbol: &[u8], addend: i64) {
        let own = self.place(segment, offset).and_then(|place| self.image.u64(place));
        if own == Some(0) {
            self.bind(segment, offset, symbol, addend);
        }
    }

    fn chains(
        &mut self,
        endian: En,
        data: &ReadCache<Window>,
        link: &macho::LinkeditDataCommand<En>,
    ) -> Result<(), Broken> {
        let base = self.base();
        let fixups = link.chained_fixups(endian, data)?;
        let mut imports = Vec::new();
        for import in fixups.imports(endian)? {
            let import = import?;
            imports.push((self.import(import.name, import.weak_import), import.addend));
        }
        for chain in fixups.segments(endian)? {
            let chain = chain?;
            let Some(segment) = self.image.segments.get(chain.index() as usize).copied() else { continue };
            let bytes = data.read_bytes_at(segment.offset.wrapping_sub(self.start), segment.file_size);
            let Ok(bytes) = bytes else { continue };
            for fixup in chain.fixups(endian, base, bytes) {
                let (offset, fixup) = fixup?;
                let found = match fixup {
                    Fixup::Rebase(rebase) => Link::Address(base.wrapping_add(rebase.target_offset)),
                    Fixup::Bind(bind) => match imports.get(bind.ordinal as usize) {
                        Some((index, addend)) => Link::Import(*index, addend + i64::from(bind.addend)),
                        None => Link::Opaque,
                    },
                    Fixup::KernelCacheRebase(_) | Fixup::SegmentedRebase(_) => Link::Opaque,
                };
                if self.tables.links.len() < MOST_LINKS {
                    self.tables.links.insert(segment.address.wrapping_add(offset), found);
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Image {
        let Self { mut image, tables, initialisers, .. } = self;
        image.tables = Box::new(tables);
        for (start, size) in initialisers {
            for index in 0..(size / 8).min(1 << 16) {
                let at = start.wrapping_add(index * 8);
                match image.link(at) {
                    Some(Link::Address(function)) => image.constructors.push(function),
                    Some(Link::Import(..) | Link::Opaque) => {}
                    None => {
                        let function = image.u64(at);
                        image.constructors.extend(function);
                    }
                }
            }
        }
        image
    }
}

impl Tables for MachTables {
    fn link(&self, _: &Image, address: u64) -> Option<Link> {
        self.links.get(&address).copied()
    }

    fn export(&self, _: &Image, name: &str) -> Option<u64> {
        self.exports.get(name).copied()
    }

    fn links_into(&self, _: &Image, range: std::ops::Range<u64>, found: &mut dyn FnMut(u64)) {
        let inside = |link: &Link| matches!(link, Link::Address(target) if range.contains(target));
        self.links.iter().filter(|(_, link)| inside(link)).for_each(|(place, _)| found(*place));
    }
}
