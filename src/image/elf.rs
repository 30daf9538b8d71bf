//! Reads ELF files by their program headers and dynamic section only: section headers may be stripped or
//! wrong.
//! Sources: System V gABI, chapters 4 and 5; RELR:
//! <https://maskray.me/blog/2021-10-31-relative-relocations-and-relr>.

use std::cell::OnceCell;
use std::rc::Rc;

use object::LittleEndian as Le;
use object::elf::{self, Dyn64, FileHeader64, ProgramHeader64};
use object::pod::slice_from_bytes;

use super::byte_source::{ByteSource, read_range};
use super::memory::{EmptyTables, FormatTables, Image, ImportedSymbol, LoadedPointer, PageCache, Segment};
use super::relocations::{RelocationKind, Relocations};
use super::shared_object_kind::SharedObjectKind;

/// Limits that no real file reaches.
const MAX_HEADERS: u16 = 256;
const MAX_DYNAMIC: u64 = 4096;
const MAX_IMPORTS: u64 = 1 << 20;
const SYMBOL_SIZE: u64 = 24;

/// The loadable segments; `None` if the header is broken or a segment lies outside the file.
pub(super) fn read_segments(source: &dyn ByteSource) -> Option<Vec<Segment>> {
    let headers = read_program_headers(source)?;
    let mut segments = Vec::new();
    for header in headers.iter().filter(|header| header.p_type.get(Le) == elf::PT_LOAD) {
        let flags = header.p_flags.get(Le);
        let segment = Segment {
            address: header.p_vaddr.get(Le),
            size: header.p_memsz.get(Le),
            offset: header.p_offset.get(Le),
            file_size: header.p_filesz.get(Le),
            executable: flags.0 & elf::PF_X.0 != 0,
            writable: flags.0 & elf::PF_W.0 != 0,
        };
        segment.address.checked_add(segment.size)?;
        let end = segment.offset.checked_add(segment.file_size)?;
        if end > source.size() || segment.file_size > segment.size {
            return None;
        }
        segments.push(segment);
    }
    Some(segments)
}

fn read_program_headers(source: &dyn ByteSource) -> Option<Vec<ProgramHeader64<Le>>> {
    let start = read_range(source, 0, size_of::<FileHeader64<Le>>() as u64)?;
    let (header, _) = object::pod::from_bytes::<FileHeader64<Le>>(&start).ok()?;
    let count = header.e_phnum.get(Le);
    if count > MAX_HEADERS || header.e_phentsize.get(Le) != 56 {
        return None;
    }
    let table = read_range(source, header.e_phoff.get(Le), u64::from(count) * 56)?;
    let (headers, _) = slice_from_bytes(&table, count.into()).ok()?;
    Some(headers.to_vec())
}

/// The entries of the dynamic section that are used here.
#[derive(Default)]
struct DynamicSection {
    symbols: u64,
    strings: u64,
    strings_size: u64,
    gnu_hash: u64,
    hash: u64,
    /// Address, size and number of leading relative entries (`DT_RELACOUNT`) of `DT_RELA` and `DT_JMPREL`.
    rela: [(u64, u64, u64); 2],
    relr: (u64, u64),
    init: u64,
    init_array: (u64, u64),
    needed: Vec<u64>,
    search: Vec<u64>,
}

struct ElfTables {
    dynamic: DynamicSection,
    /// Symbol index and index in [`Image::imports`] of each undefined symbol, sorted.
    undefined: Vec<(u32, u32)>,
    relocations: OnceCell<Relocations>,
}

/// Loads an ELF file.
///
/// # Errors
/// Returns what is wrong with the file.
pub(super) fn load_elf(source: Rc<dyn ByteSource>, kind: SharedObjectKind) -> Result<Image, &'static str> {
    let segments = read_segments(&*source).ok_or("the program headers are broken")?;
    let headers = read_program_headers(&*source).ok_or("the program headers are broken")?;
    let range = |header: &ProgramHeader64<Le>| {
        let start = header.p_vaddr.get(Le);
        (start, start.saturating_add(header.p_memsz.get(Le)))
    };
    let of_type = |wanted| headers.iter().filter(move |header| header.p_type.get(Le) == wanted);
    let mut image = Image {
        kind,
        source,
        segments,
        sealed: of_type(elf::PT_GNU_RELRO).map(range).collect(),
        data: Vec::new(),
        imports: Vec::new(),
        needed: Vec::new(),
        search: Vec::new(),
        constructors: Vec::new(),
        thread_template: None,
        tables: Box::new(EmptyTables),
        pages: PageCache::default(),
    };
    let Some((at, end)) = of_type(elf::PT_DYNAMIC).map(range).next() else {
        return Err("it has no dynamic section");
    };
    let dynamic = DynamicSection::read_entries(&image, at, end).ok_or("the dynamic section is broken")?;
    let names = |offsets: &[u64]| offsets.iter().filter_map(|at| dynamic.read_string(&image, *at)).collect();
    let (needed, search) = (names(&dynamic.needed), names(&dynamic.search));
    let (imports, undefined) =
        read_undefined_symbols(&image, &dynamic).ok_or("the symbol table is broken")?;
    (image.needed, image.search, image.imports) = (needed, search, imports);
    let (init, init_array) = (dynamic.init, dynamic.init_array);
    image.tables = Box::new(ElfTables { dynamic, undefined, relocations: OnceCell::new() });
    image.constructors = read_constructors(&image, init, init_array);
    Ok(image)
}

impl DynamicSection {
    fn read_entries(image: &Image, at: u64, end: u64) -> Option<Self> {
        let count = ((end.checked_sub(at)?) / 16).min(MAX_DYNAMIC);
        let table = image.read_table(at, count * 16)?;
        let (entries, _) = slice_from_bytes::<Dyn64<Le>>(&table, count as usize).ok()?;
        let mut dynamic = Self::default();
        for entry in entries {
            let value = entry.d_val.get(Le);
            match entry.d_tag.get(Le) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => dynamic.needed.push(value),
                elf::DT_RPATH | elf::DT_RUNPATH => dynamic.search.push(value),
                elf::DT_SYMTAB => dynamic.symbols = value,
                elf::DT_STRTAB => dynamic.strings = value,
                elf::DT_STRSZ => dynamic.strings_size = value,
                elf::DT_GNU_HASH => dynamic.gnu_hash = value,
                elf::DT_HASH => dynamic.hash = value,
                elf::DT_RELA => dynamic.rela[0].0 = value,
                elf::DT_RELASZ => dynamic.rela[0].1 = value,
                elf::DT_RELACOUNT => dynamic.rela[0].2 = value,
                elf::DT_JMPREL => dynamic.rela[1].0 = value,
                elf::DT_PLTRELSZ => dynamic.rela[1].1 = value,
                elf::DT_RELR => dynamic.relr.0 = value,
                elf::DT_RELRSZ => dynamic.relr.1 = value,
                elf::DT_INIT => dynamic.init = value,
                elf::DT_INIT_ARRAY => dynamic.init_array.0 = value,
                elf::DT_INIT_ARRAYSZ => dynamic.init_array.1 = value,
                _ => {}
            }
        }
        (dynamic.symbols != 0 && dynamic.strings != 0).then_some(dynamic)
    }

    fn read_string(&self, image: &Image, offset: u64) -> Option<String> {
        (offset < self.strings_size).then(|| image.read_c_string(self.strings.checked_add(offset)?))?
    }

    /// Number of symbols before the first that can be exported. With a GNU hash table these are the undefined
    /// ones, without it all of them.
    fn count_leading_symbols(&self, image: &Image) -> Option<u64> {
        if self.gnu_hash != 0 {
            return image.read_u32(self.gnu_hash.checked_add(4)?).map(u64::from);
        }
        if self.hash != 0 {
            return image.read_u32(self.hash.checked_add(4)?).map(u64::from);
        }
        // Without a hash table the size is inferred: linkers put the string table directly after the symbols.
        self.strings.checked_sub(self.symbols).map(|size| size / SYMBOL_SIZE)
    }

    fn read_symbol(&self, image: &Image, index: u64) -> Option<ElfSymbol> {
        let at = self.symbols.checked_add(index.checked_mul(SYMBOL_SIZE)?)?;
        let mut raw = [0; SYMBOL_SIZE as usize];
        image.read_bytes(at, &mut raw).then(|| ElfSymbol::parse(&raw))?
    }
}

struct ElfSymbol {
    name: u64,
    weak: bool,
    kind: u8,
    defined: bool,
    value: u64,
}

impl ElfSymbol {
    fn parse(raw: &[u8]) -> Option<Self> {
        let (symbol, _) = object::pod::from_bytes::<elf::Sym64<Le>>(raw).ok()?;
        Some(Self {
            name: symbol.st_name.get(Le).into(),
            weak: symbol.st_info.0 >> 4 == 2,
            kind: symbol.st_info.0 & 0xf,
            defined: symbol.st_shndx.get(Le).0 != 0,
            value: symbol.st_value.get(Le),
        })
    }
}

type UndefinedSymbols = (Vec<ImportedSymbol>, Vec<(u32, u32)>);

fn read_undefined_symbols(image: &Image, dynamic: &DynamicSection) -> Option<UndefinedSymbols> {
    let (mut imports, mut indexes) = (Vec::new(), Vec::new());
    let count = dynamic.count_leading_symbols(image)?.min(MAX_IMPORTS);
    let table = image.read_table(dynamic.symbols, count * SYMBOL_SIZE);
    for index in 1..count {
        let symbol = match &table {
            Some(table) => table
                .as_chunks::<{ SYMBOL_SIZE as usize }>()
                .0
                .get(index as usize)
                .map(|raw| ElfSymbol::parse(raw)),
            None => Some(dynamic.read_symbol(image, index)),
        };
        let Some(symbol) = symbol.flatten() else { break };
        if symbol.defined || symbol.name == 0 {
            continue;
        }
        let Some(name) = dynamic.read_string(image, symbol.name) else { continue };
        indexes.push((u32::try_from(index).ok()?, u32::try_from(imports.len()).ok()?));
        imports.push(ImportedSymbol { name, weak: symbol.weak });
    }
    Some((imports, indexes))
}

fn read_constructors(image: &Image, init: u64, (array, size): (u64, u64)) -> Vec<u64> {
    let mut functions = Vec::new();
    functions.extend((init != 0).then_some(init));
    for index in 0..(size / 8).min(1 << 16) {
        let at = array.wrapping_add(index * 8);
        match image.pointer_at(at) {
            Some(LoadedPointer::Address(function)) => functions.push(function),
            Some(LoadedPointer::Import(..) | LoadedPointer::Opaque) => {}
            None => functions
                .extend(image.read_u64(at).filter(|function| *function != 0 && *function != u64::MAX)),
        }
    }
    functions
}

impl ElfTables {
    fn relocations(&self, image: &Image) -> &Relocations {
        self.relocations.get_or_init(|| Relocations::read_tables(image, self.dynamic.rela, self.dynamic.relr))
    }

    fn resolve_symbol(&self, image: &Image, index: u32, addend: i64) -> Option<LoadedPointer> {
        if let Ok(found) = self.undefined.binary_search_by_key(&index, |entry| entry.0) {
            return Some(LoadedPointer::Import(self.undefined.get(found)?.1, addend));
        }
        let symbol = self.dynamic.read_symbol(image, index.into())?;
        let indirect = symbol.kind == elf::STT_GNU_IFUNC.0 || symbol.kind == elf::STT_TLS.0;
        let address = || LoadedPointer::Address(symbol.value.wrapping_add_signed(addend));
        Some(if indirect || !symbol.defined { LoadedPointer::Opaque } else { address() })
    }

    fn find_in_gnu_hash(&self, image: &Image, name: &str) -> Option<u64> {
        let at = self.dynamic.gnu_hash;
        let buckets = image.read_u32(at)?;
        let first = image.read_u32(at.checked_add(4)?)?;
        let bloom = image.read_u32(at.checked_add(8)?)?;
        let table = at.checked_add(16)?.checked_add(u64::from(bloom) * 8)?;
        let hash = elf::gnu_hash(name.as_bytes());
        let bucket = hash.checked_rem(buckets)?;
        let mut index = image.read_u32(table.checked_add(u64::from(bucket) * 4)?)?;
        if index < first {
            return None;
        }
        let chains = table.checked_add(u64::from(buckets) * 4)?;
        for _ in 0..MAX_IMPORTS {
            let chain = image.read_u32(chains.checked_add(u64::from(index - first) * 4)?)?;
            if chain | 1 == hash | 1 {
                let symbol = self.dynamic.read_symbol(image, index.into())?;
                if symbol.defined && self.dynamic.read_string(image, symbol.name).as_deref() == Some(name) {
                    return Some(symbol.value);
                }
            }
            if chain & 1 == 1 {
                return None;
            }
            index = index.checked_add(1)?;
        }
        None
    }
}

impl FormatTables for ElfTables {
    fn pointer_at(&self, image: &Image, address: u64) -> Option<LoadedPointer> {
        let entry = self.relocations(image).find_at(image, address)?;
        match entry.kind {
            RelocationKind::Relative => Some(LoadedPointer::Address(entry.addend.cast_unsigned())),
            RelocationKind::Symbolic => self.resolve_symbol(image, entry.symbol, entry.addend),
            RelocationKind::Other => Some(LoadedPointer::Opaque),
        }
    }

    fn find_export(&self, image: &Image, name: &str) -> Option<u64> {
        if self.dynamic.gnu_hash != 0 {
            return self.find_in_gnu_hash(image, name);
        }
        let count = self.dynamic.count_leading_symbols(image)?.min(MAX_IMPORTS);
        (1..count).map_while(|index| self.dynamic.read_symbol(image, index)).find_map(|symbol| {
            let found =
                symbol.defined && self.dynamic.read_string(image, symbol.name).as_deref() == Some(name);
            found.then_some(symbol.value)
        })
    }

    fn for_each_pointer_into(&self, image: &Image, range: std::ops::Range<u64>, visit: &mut dyn FnMut(u64)) {
        self.relocations(image).for_each(image, &mut |entry| {
            let target = match entry.symbol {
                0 => entry.addend.cast_unsigned(),
                symbol => match self.resolve_symbol(image, symbol, entry.addend) {
                    Some(LoadedPointer::Address(target)) => target,
                    Some(LoadedPointer::Import(..) | LoadedPointer::Opaque) | None => return,
                },
            };
            if range.contains(&target) {
                visit(entry.address);
            }
        });
    }
}
