//! Determines what an extension module declares from the bytes of its shared object, without running it.
//!
//! `elf`, `macho` and `pe` load a file into one memory layout (`memory`). `eval` interprets the init function
//! on every path, `module_definition` reads the `PyModuleDef` and its slots, and `safety` checks that no code
//! that was not interpreted can change them. The result is [`BinaryFacts`](crate::model::BinaryFacts).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "instructions and load commands are open-ended: unknown ones are skipped or yield unknown values"
)]

mod address_space;
mod byte_source;
mod dependency_resolver;
mod detect_kind;
mod elf;
mod eval;
mod fast_maps;
mod fat_macho;
mod file_names;
mod hazards;
mod image_cache;
mod inspect;
mod load_image;
mod macho;
mod memory;
mod missing_dependency;
mod module_definition;
mod path_inspection;
mod pe;
mod references;
mod relocations;
mod safety;
mod shared_object_kind;
mod siblings;
mod static_types;
mod symbols;
mod toolchain;
mod wheel;

pub use byte_source::{ByteSource, OpenFile};
pub use dependency_resolver::{DependencyResolver, NoDependencies};
pub use file_names::module_stem;
pub use inspect::inspect_source;
pub use missing_dependency::MissingDependency;
pub use path_inspection::inspect_path;
pub use shared_object_kind::{Architecture, SharedObjectError, SharedObjectFormat, SharedObjectKind};
pub use siblings::{inspect_file, inspect_file_with_inputs, kind_of_file};
pub use symbols::{read_init_functions, symbol_at_address, symbol_at_offset};
pub use toolchain::find_toolchain;
pub use wheel::inspect_wheel;
