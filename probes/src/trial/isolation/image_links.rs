//! The words of a loaded image that hold addresses of symbols, found by its relocations.

use std::ffi::{CStr, c_char};
use std::ops::Range;

use wsgiaudit_probes_core::elf_relocation::{absolute_address, symbol_of_address_relocation};

/// Tags of a dynamic section (`elf.h`).
const DT_NULL: i64 = 0;
const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;

/// `Elf64_Dyn`
#[repr(C)]
struct DynamicEntry {
    tag: i64,
    value: u64,
}

/// `Elf64_Rela`
#[repr(C)]
struct Relocation {
    offset: u64,
    info: u64,
    addend: i64,
}

/// The relocations and symbols of a loaded image.
#[derive(Default)]
pub(super) struct ImageLinks {
    base: usize,
    symbols: usize,
    strings: usize,
    /// Address and size in bytes of the tables of relocations.
    tables: [(usize, usize); 2],
    /// What is constant after relocation.
    constant: Option<Range<usize>>,
}

/// A word that holds the address of a symbol.
pub(super) struct SymbolReference<'a> {
    /// Address of the word.
    pub(super) word: usize,
    /// Name of the symbol.
    pub(super) symbol: &'a CStr,
}

impl ImageLinks {
    /// Reads the dynamic section of an image; `None` if it has none that can be used.
    ///
    /// # Safety
    /// The dynamic linker has loaded the image, and does not unload it during the call.
    pub(super) unsafe fn read(info: &libc::dl_phdr_info) -> Option<Self> {
        // SAFETY: guaranteed by the caller: headers and dynamic section are mapped, and the latter ends with DT_NULL.
        unsafe {
            let base = usize::try_from(info.dlpi_addr).ok()?;
            let headers = std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
            let find = |kind| headers.iter().find(|header| header.p_type == kind);
            let address = |header: &libc::Elf64_Phdr| base.wrapping_add(header.p_vaddr as usize);
            let constant = find(libc::PT_GNU_RELRO)
                .map(|header| address(header)..address(header).wrapping_add(header.p_memsz as usize));
            let mut links = Self { base, constant, ..Self::default() };
            let mut entry = address(find(libc::PT_DYNAMIC)?) as *const DynamicEntry;
            while (*entry).tag != DT_NULL {
                links.add_entry((*entry).tag, usize::try_from((*entry).value).ok()?);
                entry = entry.add(1);
            }
            (links.symbols != 0 && links.strings != 0).then_some(links)
        }
    }

    fn add_entry(&mut self, tag: i64, value: usize) {
        let address = absolute_address(self.base, value);
        match tag {
            DT_SYMTAB => self.symbols = address,
            DT_STRTAB => self.strings = address,
            DT_RELA => self.tables[0].0 = address,
            DT_RELASZ => self.tables[0].1 = value,
            DT_JMPREL => self.tables[1].0 = address,
            DT_PLTRELSZ => self.tables[1].1 = value,
            _other => {}
        }
    }

    /// Calls `visit` with each word that holds the address of a symbol.
    ///
    /// # Safety
    /// As for [`ImageLinks::read`].
    pub(super) unsafe fn for_each_reference(&self, mut visit: impl FnMut(&SymbolReference<'_>)) {
        for (table, size) in self.tables.into_iter().filter(|(table, _)| *table != 0) {
            // SAFETY: guaranteed by the caller: the tables are mapped, and indices lie in the symbol table.
            unsafe {
                let count = size / size_of::<Relocation>();
                for relocation in std::slice::from_raw_parts(table as *const Relocation, count) {
                    let Some(index) = symbol_of_address_relocation(relocation.info, relocation.addend) else {
                        continue;
                    };
                    let symbol = &*(self.symbols as *const libc::Elf64_Sym).add(index);
                    let name = (self.strings + symbol.st_name as usize) as *const c_char;
                    let word = self.base.wrapping_add(relocation.offset as usize);
                    visit(&SymbolReference { word, symbol: CStr::from_ptr(name) });
                }
            }
        }
    }

    /// Makes a word hold another address.
    ///
    /// # Safety
    /// The word is one of this image's references, and the address is that of a function of the same type.
    pub(super) unsafe fn replace_address(&self, word: usize, address: usize) {
        let page = wsgiaudit_probes_core::memory_map::page_of(word);
        let is_constant = self.constant.as_ref().is_some_and(|constant| constant.contains(&word));
        // SAFETY: guaranteed by the caller; the page belongs to the image's data. Aligned words are written at once, so
        // threads that call the function meanwhile get one address or the other.
        unsafe {
            let size = wsgiaudit_probes_core::memory_map::PAGE_SIZE;
            if libc::mprotect(page as *mut libc::c_void, size, libc::PROT_READ | libc::PROT_WRITE) != 0 {
                return;
            }
            (word as *mut usize).write_volatile(address);
            if is_constant {
                libc::mprotect(page as *mut libc::c_void, size, libc::PROT_READ);
            }
        }
    }
}
