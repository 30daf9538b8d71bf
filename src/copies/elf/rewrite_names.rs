//! Rewrites the library names in a shared object, and makes its unique symbols ordinary ones.
//!
//! The dynamic linker does not load a library whose name is the `DT_SONAME` of a loaded one, whatever folder it
//! is in. So a private copy needs another name, also in `DT_NEEDED` and `vn_file` of the objects that need it.
//! A `STB_GNU_UNIQUE` symbol has one definition in a process; in a copy it becomes `STB_GLOBAL`.
//!
//! A name of the same length overwrites the old one, if nothing else refers to those bytes. Otherwise the table
//! of strings moves to the end of the file (`move_strings`). All other bytes stay the same.

use std::collections::BTreeSet;

use object::elf;

use super::dynamic_symbols::read_dynamic_symbols;
use super::elf_error::ElfError;
use super::elf_layout::ElfLayout;
use super::move_strings::move_strings;
use super::rewrite::{Replacement, Rewrite};
use super::string_references::{StringReference, StringRole, list_string_references};

/// Returns the new name for an old one, or `None` to keep it.
pub type Rename<'f> = dyn Fn(StringRole, &[u8]) -> Option<Vec<u8>> + 'f;

/// Returns the edits that rename libraries in a shared object and make its unique symbols ordinary ones.
///
/// # Errors
/// When the bytes are not a shared object, a table is broken, or there is no room for longer names.
pub fn rewrite_names(bytes: &[u8], rename: &Rename<'_>) -> Result<Rewrite, ElfError> {
    let layout = ElfLayout::read(bytes)?;
    let symbols = read_dynamic_symbols(&layout).ok_or(ElfError::OutsideFile("table of symbols"))?;
    let references =
        list_string_references(&layout, &symbols).ok_or(ElfError::OutsideFile("table of versions"))?;

    let mut rewrite = Rewrite::default();
    for symbol in symbols.symbols.iter().filter(|symbol| symbol.is_unique()) {
        rewrite.push_edit(symbol.info_at, vec![elf::STB_GLOBAL.0 << 4 | symbol.info & 0xf]);
    }
    let mut replacements = Vec::new();
    for reference in references.iter().filter(|reference| reference.role != StringRole::Other) {
        let old = layout.string_at(reference.offset).ok_or(ElfError::OutsideFile("dynamic string"))?;
        if let Some(name) = rename(reference.role, old).filter(|name| name != old) {
            replacements.push(Replacement { reference: *reference, name });
        }
    }
    if replacements.is_empty() {
        return Ok(rewrite);
    }
    for Replacement { reference, name } in &replacements {
        if let Some(at) = reference.hash_at {
            rewrite.push_edit(at, layout.encoding.encode_u32(elf::hash(name)));
        }
    }
    // References of unknown symbols may share the bytes of an old name.
    if symbols.is_complete && can_overwrite(&layout, &references, &replacements) {
        let mut written = BTreeSet::new();
        for Replacement { reference, name } in replacements {
            let offset =
                usize::try_from(reference.offset).map_err(|_| ElfError::OutsideFile("dynamic string"))?;
            if written.insert(offset) {
                rewrite.push_edit(layout.strings.0 + offset, name);
            }
        }
    } else {
        move_strings(&layout, &replacements, &mut rewrite)?;
    }
    Ok(rewrite)
}

/// Whether each new name is as long as the old one, and all references to the bytes of an old name get the same
/// new name.
fn can_overwrite(
    layout: &ElfLayout<'_>,
    references: &[StringReference],
    replacements: &[Replacement],
) -> bool {
    replacements.iter().all(|Replacement { reference, name }| {
        let Some((start, end)) = find_shared_bytes(layout, reference.offset) else {
            return false;
        };
        let gets_same = |other: &StringReference| {
            let replaced = replacements.iter().find(|each| each.reference.field_at == other.field_at);
            other.offset == reference.offset && replaced.is_some_and(|each| each.name == *name)
        };
        let mut sharing = references.iter().filter(|other| (start..end).contains(&other.offset));
        name.len() as u64 == end - reference.offset && sharing.all(gets_same)
    })
}

/// Returns the range of offsets whose strings share bytes with the string at `offset`: they end at the same NUL,
/// and begin anywhere after the previous NUL.
fn find_shared_bytes(layout: &ElfLayout<'_>, offset: u64) -> Option<(u64, u64)> {
    let (start, _) = layout.strings;
    let before = layout.bytes.get(start..start.checked_add(usize::try_from(offset).ok()?)?)?;
    let first = before.iter().rposition(|byte| *byte == 0).map_or(0, |nul| nul as u64 + 1);
    Some((first, offset + layout.string_at(offset)?.len() as u64))
}
