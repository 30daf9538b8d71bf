//! From the bytes of a shared object to [`Facts`](crate::model::Facts), without running it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "instructions and load commands are open-ended: what is not known is passed over or forgotten"
)]

mod elf;
mod eval;
mod exports;
mod fat;
mod hazards;
mod inspect;
mod kind;
mod library;
mod macho;
mod memory;
mod moduledef;
mod naming;
mod numbers;
mod pe;
mod punycode;
mod references;
mod relocations;
mod safety;
mod shelf;
mod siblings;
mod source;
mod static_types;
mod survey;
mod symbols;
mod wheel;
mod world;

pub use exports::Missing;
pub use inspect::inspect;
pub use kind::{Architecture, Format, Kind, NotAnObject};
pub use library::{Alone, Library};
pub use naming::stem;
pub use siblings::{inspect_file, inspect_with_beside, kind_of_file};
pub use source::{Opened, Source};
pub use survey::survey;
pub use symbols::{init_functions, symbol_at, symbol_at_address};
pub use wheel::inspect_wheel;
