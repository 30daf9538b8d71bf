//! Reads Mach-O files with the `object` crate: load commands, the export trie, and both ways to bind pointers
//! (opcodes and chained fixups). All pointers are read up front, because chains can only be followed from
//! their start.

use std::collections::HashMap;
use std::rc::Rc;

use object::Endianness as En;
use object::macho::{self, MachHeader64};
use object::read::macho::{ExportData, ExportsTrieIterator, Fixup, LoadCommandVariant, MachHeader};
use object::read::{ReadCache, ReadCacheOps, ReadRef};

use super::byte_source::{ByteSource, read_range};
use super::memory::{EmptyTables, FormatTables, Image, ImportedSymbol, LoadedPointer, PageCache, Segment};
use super::shared_object_kind::{Architecture, SharedObjectKind};

/// Limits that no real file reaches.
const MAX_LINKS: usize = 4 << 20;
const MAX_EXPORTS: usize = 1 << 20;

struct MachTables {
    links: HashMap<u64, LoadedPointer>,
    exports: HashMap<String, u64>,
}

/// A range of a file, readable by `object`.
struct FileRange {
    source: Rc<dyn ByteSource>,
    start: u64,
    size: u64,
    at: u64,
}

impl ReadCacheOps for FileRange {
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

/// Loads a Mach-O file, or the slice of a fat file of which `kind` is the kind.
///
/// # Errors
/// Returns what is wrong with the file.
pub(super) fn load_mach_o(source: Rc<dyn ByteSource>, kind: SharedObjectKind) -> Result<Image, &'static str> {
    let (start, size) = find_slice(&source, kind).ok_or("no slice of the file can be read")?;
    let cache = ReadCache::new(FileRange { source: Rc::clone(&source), start, size, at: 0 });
    let mut loader = MachLoader {
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
            tables: Box::new(EmptyTables),
            pages: PageCache::default(),
        },
        tables: MachTables { links: HashMap::new(), exports: HashMap::new() },
        names: HashMap::new(),
        initializers: Vec::new(),
    };
    loader.read_load_commands(&cache).map_err(|_| "the load commands are broken")?;
    Ok(loader.into_image())
}

fn find_slice(source: &Rc<dyn ByteSource>, kind: SharedObjectKind) -> Option<(u64, u64)> {
    let header = read_range(&**source, 0, 32)?;
    if header.first() != Some(&0xca) {
        return Some((0, source.size()));
    }
    let slices = super::fat_macho::read_slices(&**source, &header)?;
    let found = slices.iter().find(|slice| {
        let header = read_range(&**source, slice.offset, 8);
        let cpu = header.and_then(|header| super::byte_source::u32_at(&header, 4));
        cpu.map(Architecture::from_mach_o_cpu) == Some(kind.architecture)
    })?;
    Some((found.offset, found.size))
}

struct MachLoader {
    start: u64,
    image: Image,
    tables: MachTables,
    names: HashMap<Vec<u8>, u32>,
    initializers: Vec<(u64, u64)>,
}

type MachError = object::read::Error;

impl MachLoader {
    fn read_load_commands(&mut self, data: &ReadCache<FileRange>) -> Result<(), MachError> {
        let header = MachHeader64::<En>::parse(data, 0)?;
        let endian = header.endian()?;
        let commands: Vec<_> = header.load_commands(endian, data, 0)?.collect::<Result<_, _>>()?;
        // Read segments first: pointers and exports are relative to them.
        for command in &commands {
            if let LoadCommandVariant::Segment64(segment, sections) = command.variant()? {
                self.add_segment(endian, segment, sections);
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
                    self.add_exports(info.exports_trie(endian, data)?)?;
                    for bind in info.binds(endian, data, 8)?.chain(info.lazy_binds(endian, data, 8)?) {
                        let bind = bind?;
                        self.add_binding(bind.segment_index, bind.segment_offset, bind.symbol, bind.addend);
                    }
                    for bind in info.weak_binds(endian, data, 8)? {
                        let bind = bind?;
                        self.add_weak_binding(
                            bind.segment_index,
                            bind.segment_offset,
                            bind.symbol,
                            bind.addend,
                        );
                    }
                }
                LoadCommandVariant::LinkeditData(link) if command.cmd() == macho::LC_DYLD_EXPORTS_TRIE => {
                    self.add_exports(link.exports_trie(endian, data)?)?;
                }
                LoadCommandVariant::LinkeditData(link) if command.cmd() == macho::LC_DYLD_CHAINED_FIXUPS => {
                    self.read_chained_fixups(endian, data, link)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_segment(&mut self, endian: En, segment: &macho::SegmentCommand64<En>, sections: &[u8]) {
        let size = segment.vmsize.get(endian);
        self.image.segments.push(Segment {
            address: segment.vmaddr.get(endian),
            size,
            offset: self.start.wrapping_add(segment.fileoff.get(endian)),
            file_size: segment.filesize.get(endian).min(size),
            executable: segment.initprot.get(endian).0 & macho::VM_PROT_EXECUTE.0 != 0,
            writable: segment.initprot.get(endian).0 & macho::VM_PROT_WRITE.0 != 0,
        });
        // dyld makes this segment read-only after relocation.
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
                self.initializers.push((start, size));
            }
            let code = macho::S_ATTR_PURE_INSTRUCTIONS.0 | macho::S_ATTR_SOME_INSTRUCTIONS.0;
            if section.flags.get(endian).0 & code == 0 {
                self.image.data.push(start..start.saturating_add(size));
            }
        }
    }

    fn base_address(&self) -> u64 {
        let text = self.image.segments.iter().find(|segment| segment.executable);
        text.map_or(0, |text| text.address)
    }

    fn add_exports(&mut self, trie: ExportsTrieIterator<'_>) -> Result<(), MachError> {
        let base = self.base_address();
        for export in trie.take(MAX_EXPORTS) {
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

    fn intern_import(&mut self, name: &[u8], weak: bool) -> u32 {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        let index = u32::try_from(self.image.imports.len()).unwrap_or(u32::MAX);
        let text = String::from_utf8_lossy(name.strip_prefix(b"_").unwrap_or(name)).into_owned();
        self.image.imports.push(ImportedSymbol { name: text, weak });
        self.names.insert(name.to_owned(), index);
        index
    }

    fn address_in_segment(&self, segment: u8, offset: u64) -> Option<u64> {
        Some(self.image.segments.get(usize::from(segment))?.address.wrapping_add(offset))
    }

    fn add_binding(&mut self, segment: u8, offset: u64, symbol: &[u8], addend: i64) {
        let Some(address) = self.address_in_segment(segment, offset) else { return };
        if self.tables.links.len() < MAX_LINKS {
            let index = self.intern_import(symbol, false);
            self.tables.links.insert(address, LoadedPointer::Import(index, addend));
        }
    }

    /// A weak definition: if this image defines the symbol itself, the location already holds its address.
    fn add_weak_binding(&mut self, segment: u8, offset: u64, symbol: &[u8], addend: i64) {
        let own = self.address_in_segment(segment, offset).and_then(|address| self.image.read_u64(address));
        if own == Some(0) {
            self.add_binding(segment, offset, symbol, addend);
        }
    }

    fn read_chained_fixups(
        &mut self,
        endian: En,
        data: &ReadCache<FileRange>,
        link: &macho::LinkeditDataCommand<En>,
    ) -> Result<(), MachError> {
        let base = self.base_address();
        let fixups = link.chained_fixups(endian, data)?;
        let mut imports = Vec::new();
        for import in fixups.imports(endian)? {
            let import = import?;
            imports.push((self.intern_import(import.name, import.weak_import), import.addend));
        }
        for chain in fixups.segments(endian)? {
            let chain = chain?;
            let Some(segment) = self.image.segments.get(chain.index() as usize).copied() else { continue };
            let bytes = data.read_bytes_at(segment.offset.wrapping_sub(self.start), segment.file_size);
            let Ok(bytes) = bytes else { continue };
            for fixup in chain.fixups(endian, base, bytes) {
                let (offset, fixup) = fixup?;
                let found = match fixup {
                    Fixup::Rebase(rebase) => LoadedPointer::Address(base.wrapping_add(rebase.target_offset)),
                    Fixup::Bind(bind) => match imports.get(bind.ordinal as usize) {
                        Some((index, addend)) => {
                            LoadedPointer::Import(*index, addend + i64::from(bind.addend))
                        }
                        None => LoadedPointer::Opaque,
                    },
                    Fixup::KernelCacheRebase(_) | Fixup::SegmentedRebase(_) => LoadedPointer::Opaque,
                };
                if self.tables.links.len() < MAX_LINKS {
                    self.tables.links.insert(segment.address.wrapping_add(offset), found);
                }
            }
        }
        Ok(())
    }

    fn into_image(self) -> Image {
        let Self { mut image, tables, initializers, .. } = self;
        image.tables = Box::new(tables);
        for (start, size) in initializers {
            for index in 0..(size / 8).min(1 << 16) {
                let at = start.wrapping_add(index * 8);
                match image.pointer_at(at) {
                    Some(LoadedPointer::Address(function)) => image.constructors.push(function),
                    Some(LoadedPointer::Import(..) | LoadedPointer::Opaque) => {}
                    None => {
                        let function = image.read_u64(at);
                        image.constructors.extend(function);
                    }
                }
            }
        }
        image
    }
}

impl FormatTables for MachTables {
    fn pointer_at(&self, _: &Image, address: u64) -> Option<LoadedPointer> {
        self.links.get(&address).copied()
    }

    fn find_export(&self, _: &Image, name: &str) -> Option<u64> {
        self.exports.get(name).copied()
    }

    fn for_each_pointer_into(&self, _: &Image, range: std::ops::Range<u64>, visit: &mut dyn FnMut(u64)) {
        let inside =
            |link: &LoadedPointer| matches!(link, LoadedPointer::Address(target) if range.contains(target));
        self.links.iter().filter(|(_, link)| inside(link)).for_each(|(address, _)| visit(*address));
    }
}
