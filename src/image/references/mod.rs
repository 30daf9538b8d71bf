//! Finds code that refers to given addresses, by a scan over all of a file's code, and follows what becomes of an address.
//! A declaration in writable memory is only believed where no code that was not interpreted can change it.

mod aarch64;
mod follow;
mod hull;
mod instruction;
mod operands;
mod scan;
mod words;
mod x86;

pub(super) use scan::{NEAR, Reference, Scanned, Usage};
