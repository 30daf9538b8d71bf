//! The dynamic symbols of a shared object. ELF does not store their number: it follows from a hash table.

use std::mem::offset_of;

use object::Endianness as E;
use object::elf::{self, GnuHashHeader, HashHeader, Sym32, Sym64};

use super::elf_layout::{ElfLayout, field};

/// Most symbols of a file; no real file comes close.
const MAX_SYMBOLS: u32 = 1 << 22;

/// A dynamic symbol.
#[derive(Clone, Copy, Debug)]
pub(super) struct DynamicSymbol {
    /// File offset of the symbol.
    pub(super) at: usize,
    /// Offset of its name in the table of dynamic strings.
    pub(super) name: u32,
    /// File offset of the byte with its binding and type.
    pub(super) info_at: usize,
    pub(super) info: u8,
    pub(super) is_defined: bool,
}

impl DynamicSymbol {
    /// Whether the dynamic linker binds all references in the process to one definition, even with
    /// `RTLD_LOCAL`.
    pub(super) fn is_unique(&self) -> bool {
        self.info >> 4 == elf::STB_GNU_UNIQUE.0
    }
}

/// The dynamic symbols that were found.
pub(super) struct DynamicSymbols {
    pub(super) symbols: Vec<DynamicSymbol>,
    /// Whether these are all. A GNU hash table lists defined symbols only: if there is none, the number of
    /// undefined symbols is unknown.
    pub(super) is_complete: bool,
}

/// Reads the dynamic symbols, among them every defined one. Returns `None` if a table is broken.
pub(super) fn read_dynamic_symbols(layout: &ElfLayout<'_>) -> Option<DynamicSymbols> {
    let Some(table) = layout.dynamic_value(elf::DT_SYMTAB) else {
        return Some(DynamicSymbols { symbols: Vec::new(), is_complete: true });
    };
    let start = layout.offset_of_address(table)?;
    let (count, is_complete) = match layout.dynamic_value(elf::DT_HASH) {
        Some(hash) => (read_sysv_count(layout, hash)?, true),
        None => match layout.dynamic_value(elf::DT_GNU_HASH) {
            Some(hash) => read_gnu_count(layout, hash)?,
            None => (0, false),
        },
    };
    if count > MAX_SYMBOLS {
        return None;
    }
    let encoding = layout.encoding;
    let size = encoding.choose_by_class(size_of::<Sym32<E>>(), size_of::<Sym64<E>>());
    let symbols = (0..usize::try_from(count).ok()?).map(|index| {
        let at = start.checked_add(index.checked_mul(size)?)?;
        let info_at = at + field!(encoding, Sym32, Sym64, st_info);
        let section = encoding.read_u16(layout.bytes, at + field!(encoding, Sym32, Sym64, st_shndx))?;
        Some(DynamicSymbol {
            at,
            name: encoding.read_u32(layout.bytes, at)?,
            info_at,
            info: *layout.bytes.get(info_at)?,
            is_defined: section != 0,
        })
    });
    Some(DynamicSymbols { symbols: symbols.collect::<Option<_>>()?, is_complete })
}

fn read_sysv_count(layout: &ElfLayout<'_>, address: u64) -> Option<u32> {
    let at = layout.offset_of_address(address)?;
    layout.encoding.read_u32(layout.bytes, at.checked_add(offset_of!(HashHeader<E>, chain_count))?)
}

/// Returns the index after the last symbol in the table, and whether the table has any symbols.
fn read_gnu_count(layout: &ElfLayout<'_>, address: u64) -> Option<(u32, bool)> {
    let start = layout.offset_of_address(address)?;
    let number = |at: usize| layout.encoding.read_u32(layout.bytes, at);
    let buckets = number(start)?;
    let base = number(start.checked_add(offset_of!(GnuHashHeader<E>, symbol_base))?)?;
    let blooms = number(start.checked_add(offset_of!(GnuHashHeader<E>, bloom_count))?)?;
    let bloom_size = usize::try_from(blooms).ok()?.checked_mul(layout.encoding.word_size())?;
    let first = start.checked_add(size_of::<GnuHashHeader<E>>())?.checked_add(bloom_size)?;
    let mut last = 0;
    for bucket in 0..usize::try_from(buckets).ok()? {
        last = last.max(number(first.checked_add(bucket.checked_mul(4)?)?)?);
    }
    if last < base || last == 0 {
        return Some((base, false));
    }
    let chains = first.checked_add(usize::try_from(buckets).ok()?.checked_mul(4)?)?;
    // The lowest bit ends a chain.
    for symbol in last..MAX_SYMBOLS {
        let index = usize::try_from(symbol - base).ok()?;
        if number(chains.checked_add(index.checked_mul(4)?)?)? & 1 != 0 {
            return Some((symbol + 1, true));
        }
    }
    None
}
