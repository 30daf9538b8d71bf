//! ELF shared objects: reading their library names, and rewriting them without moving code or data.
//!
//! The tables are read as the dynamic linker reads them: through the program headers. Section headers may be
//! stripped.

mod dynamic_symbols;
mod elf_error;
mod elf_layout;
mod elf_names;
mod encoding;
mod move_strings;
mod rewrite;
mod rewrite_names;
mod string_references;

pub use elf_error::ElfError;
pub use elf_names::ElfNames;
pub use rewrite::{Edit, Rewrite};
pub use rewrite_names::{Rename, rewrite_names};
pub use string_references::StringRole;
