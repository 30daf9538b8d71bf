//! Everything in a shared object that refers to a dynamic string.
//!
//! Linkers store strings with a common ending once. So a string may be overwritten only if every reference to
//! its bytes is known.

use std::mem::offset_of;

use object::Endianness as E;
use object::elf::{self, Verdaux, Verdef, Vernaux, Verneed};

use super::dynamic_symbols::DynamicSymbols;
use super::elf_layout::ElfLayout;

/// Most version entries of a file; no real file comes close.
const MAX_VERSIONS: usize = 65_536;

/// What a dynamic string is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StringRole {
    /// `DT_SONAME`: the library's own name.
    Soname,
    /// `DT_NEEDED`: the name of a library that this one needs.
    Needed,
    /// `vn_file`: the name of a library of which certain versions are needed.
    NeededVersion,
    /// The name of the library in its own version definitions (`VER_FLG_BASE`).
    DefinedVersion,
    /// `DT_RUNPATH`.
    RunPath,
    /// `DT_RPATH`.
    Rpath,
    /// `DT_AUXILIARY` or `DT_FILTER`: a library whose symbols take precedence.
    Filter,
    /// A name of a symbol or of a version.
    Other,
}

/// A reference to a dynamic string.
#[derive(Clone, Copy, Debug)]
pub(super) struct StringReference {
    pub(super) role: StringRole,
    /// File offset of the field that holds the string's offset.
    pub(super) field_at: usize,
    /// Whether that field has address size; otherwise it has 32 bits.
    pub(super) is_word: bool,
    /// Offset of the string in the table.
    pub(super) offset: u64,
    /// File offset of the string's hash, which changes with the string.
    pub(super) hash_at: Option<usize>,
}

/// Lists the references in the dynamic section, versions and symbols. Returns `None` if a table is broken.
pub(super) fn list_string_references(
    layout: &ElfLayout<'_>,
    symbols: &DynamicSymbols,
) -> Option<Vec<StringReference>> {
    let mut references: Vec<StringReference> = Vec::new();
    for entry in &layout.dynamic {
        let role = match entry.tag {
            elf::DT_SONAME => StringRole::Soname,
            elf::DT_NEEDED => StringRole::Needed,
            elf::DT_RUNPATH => StringRole::RunPath,
            elf::DT_RPATH => StringRole::Rpath,
            elf::DT_AUXILIARY | elf::DT_FILTER => StringRole::Filter,
            elf::DT_CONFIG | elf::DT_DEPAUDIT | elf::DT_AUDIT => StringRole::Other,
            _ => continue,
        };
        let (field_at, offset) = (entry.value_at, entry.value);
        references.push(StringReference { role, field_at, is_word: true, offset, hash_at: None });
    }
    list_needed_versions(layout, &mut references)?;
    list_defined_versions(layout, &mut references)?;
    references.extend(symbols.symbols.iter().map(|symbol| StringReference {
        role: StringRole::Other,
        field_at: symbol.at,
        is_word: false,
        offset: symbol.name.into(),
        hash_at: None,
    }));
    Some(references)
}

fn list_needed_versions(layout: &ElfLayout<'_>, references: &mut Vec<StringReference>) -> Option<()> {
    let Some(address) = layout.dynamic_value(elf::DT_VERNEED) else {
        return Some(());
    };
    let mut at = layout.offset_of_address(address)?;
    for _ in 0..MAX_VERSIONS {
        let file = at.checked_add(offset_of!(Verneed<E>, vn_file))?;
        references.push(read_reference(layout, StringRole::NeededVersion, file)?);
        let first = read_number(layout, at, offset_of!(Verneed<E>, vn_aux))?;
        let count =
            layout.encoding.read_u16(layout.bytes, at.checked_add(offset_of!(Verneed<E>, vn_cnt))?)?;
        let links = (offset_of!(Vernaux<E>, vna_name), offset_of!(Vernaux<E>, vna_next));
        list_chain(layout, at.checked_add(first)?, count, links, references)?;
        match read_number(layout, at, offset_of!(Verneed<E>, vn_next))? {
            0 => return Some(()),
            next => at = at.checked_add(next)?,
        }
    }
    None
}

fn list_defined_versions(layout: &ElfLayout<'_>, references: &mut Vec<StringReference>) -> Option<()> {
    let Some(address) = layout.dynamic_value(elf::DT_VERDEF) else {
        return Some(());
    };
    let mut at = layout.offset_of_address(address)?;
    for _ in 0..MAX_VERSIONS {
        let flags =
            layout.encoding.read_u16(layout.bytes, at.checked_add(offset_of!(Verdef<E>, vd_flags))?)?;
        let first = read_number(layout, at, offset_of!(Verdef<E>, vd_aux))?;
        let count = layout.encoding.read_u16(layout.bytes, at.checked_add(offset_of!(Verdef<E>, vd_cnt))?)?;
        let links = (offset_of!(Verdaux<E>, vda_name), offset_of!(Verdaux<E>, vda_next));
        let before = references.len();
        list_chain(layout, at.checked_add(first)?, count, links, references)?;
        // The first name is that of the version itself, the others are those of its parents.
        if flags & elf::VER_FLG_BASE.0 != 0
            && let Some(own) = references.get_mut(before)
        {
            own.role = StringRole::DefinedVersion;
            own.hash_at = Some(at.checked_add(offset_of!(Verdef<E>, vd_hash))?);
        }
        match read_number(layout, at, offset_of!(Verdef<E>, vd_next))? {
            0 => return Some(()),
            next => at = at.checked_add(next)?,
        }
    }
    None
}

/// Lists the names in a chain of auxiliary entries. `links` are the offsets of the name and of the distance to
/// the next entry.
fn list_chain(
    layout: &ElfLayout<'_>,
    mut at: usize,
    count: u16,
    links: (usize, usize),
    references: &mut Vec<StringReference>,
) -> Option<()> {
    for _ in 0..count {
        references.push(read_reference(layout, StringRole::Other, at.checked_add(links.0)?)?);
        match read_number(layout, at, links.1)? {
            0 => break,
            next => at = at.checked_add(next)?,
        }
    }
    Some(())
}

fn read_reference(layout: &ElfLayout<'_>, role: StringRole, field_at: usize) -> Option<StringReference> {
    let offset = layout.encoding.read_u32(layout.bytes, field_at)?.into();
    Some(StringReference { role, field_at, is_word: false, offset, hash_at: None })
}

fn read_number(layout: &ElfLayout<'_>, at: usize, field: usize) -> Option<usize> {
    usize::try_from(layout.encoding.read_u32(layout.bytes, at.checked_add(field)?)?).ok()
}
