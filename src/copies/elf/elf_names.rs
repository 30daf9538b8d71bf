//! The library names in a shared object, and what of it is limited or shared in a process.

use object::elf;

use super::dynamic_symbols::read_dynamic_symbols;
use super::elf_error::ElfError;
use super::elf_layout::ElfLayout;
use super::string_references::{StringRole, list_string_references};

/// Library names and process-wide properties of a shared object.
///
/// Bytes that are not UTF-8 are replaced; no library of a wheel has such a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElfNames {
    /// The machine (`e_machine`), and whether addresses have 64 bits. Objects of other machines do not match.
    pub machine: (u16, bool),
    /// `DT_SONAME`: the name by which the dynamic linker recognizes the loaded library.
    pub soname: Option<String>,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<String>,
    /// `DT_RUNPATH`, split at colons.
    pub run_path: Vec<String>,
    /// `DT_RPATH`, split at colons. It applies to dependencies too, and is ignored beside `DT_RUNPATH`.
    pub rpath: Vec<String>,
    /// Libraries of which certain symbol versions are needed (`vn_file`).
    pub needed_versions: Vec<String>,
    /// Libraries whose symbols take precedence over this one's (`DT_AUXILIARY`, `DT_FILTER`).
    pub filters: Vec<String>,
    /// Number of defined `STB_GNU_UNIQUE` symbols, which a process has once, even with `RTLD_LOCAL`.
    pub unique_symbols: usize,
    /// Whether it defines an init function of an extension module.
    pub is_module: bool,
    /// Whether it needs static TLS (`DF_STATIC_TLS`), of which a process has little.
    pub has_static_tls: bool,
    /// Size of its thread-local variables in bytes, rounded up to their alignment.
    pub tls_size: u64,
    /// Number of memory mappings that it takes when it is loaded, as far as the program headers tell.
    pub mappings: u64,
    /// Size of the table of dynamic strings, by which a file grows if the table has to move.
    pub strings_size: u64,
    /// Whether it is an executable (`DF_1_PIE`).
    pub is_program: bool,
}

impl ElfNames {
    /// Reads the names from the bytes of a shared object.
    ///
    /// # Errors
    /// When the bytes are not a shared object, or a table that the dynamic linker reads is broken.
    pub fn read(bytes: &[u8]) -> Result<Self, ElfError> {
        let layout = ElfLayout::read(bytes)?;
        let symbols = read_dynamic_symbols(&layout).ok_or(ElfError::OutsideFile("table of symbols"))?;
        let references =
            list_string_references(&layout, &symbols).ok_or(ElfError::OutsideFile("table of versions"))?;
        let named = |role: StringRole| {
            let references = references.iter().filter(move |reference| reference.role == role);
            references.filter_map(|reference| layout.string_at(reference.offset)).map(to_text)
        };
        let split = |role| named(role).flat_map(|list| split_path(&list)).collect();
        let flags = layout.dynamic_value(elf::DT_FLAGS).unwrap_or(0);
        let flags_1 = layout.dynamic_value(elf::DT_FLAGS_1).unwrap_or(0);
        let tls = layout.segments.iter().find(|segment| segment.kind == elf::PT_TLS.0);
        let mut defined = symbols.symbols.iter().filter(|symbol| symbol.is_defined);
        Ok(Self {
            machine: layout.machine,
            soname: named(StringRole::Soname).next(),
            needed: named(StringRole::Needed).collect(),
            run_path: split(StringRole::RunPath),
            rpath: split(StringRole::Rpath),
            needed_versions: named(StringRole::NeededVersion).collect(),
            filters: named(StringRole::Filter).collect(),
            unique_symbols: defined.clone().filter(|symbol| symbol.is_unique()).count(),
            is_module: defined
                .any(|symbol| layout.string_at(symbol.name.into()).is_some_and(is_init_function)),
            has_static_tls: flags & elf::DF_STATIC_TLS.0 != 0,
            tls_size: tls.map_or(0, |segment| {
                segment.memory_size.checked_next_multiple_of(segment.align.max(1)).unwrap_or(u64::MAX)
            }),
            mappings: count_mappings(&layout),
            strings_size: layout.strings.1 as u64,
            is_program: flags_1 & elf::DF_1_PIE.0 != 0,
        })
    }
}

/// Counts loadable segments, the zeroed pages behind the file's content, and the part of a segment that
/// becomes read-only after relocation.
fn count_mappings(layout: &ElfLayout<'_>) -> u64 {
    let mappings = layout.segments.iter().map(|segment| match segment.kind {
        kind if kind == elf::PT_LOAD.0 => 1 + u64::from(segment.memory_size > segment.file_size),
        kind if kind == elf::PT_GNU_RELRO.0 => 1,
        _ => 0,
    });
    mappings.sum()
}

fn is_init_function(name: &[u8]) -> bool {
    [&b"PyInit_"[..], b"PyInitU_", b"PyModExport_", b"PyModExportU_"]
        .iter()
        .any(|start| name.starts_with(start))
}

fn to_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn split_path(list: &str) -> Vec<String> {
    list.split(':').map(str::to_owned).collect()
}
