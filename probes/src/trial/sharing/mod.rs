//! Objects that two interpreters share. Each has its own GIL, so nothing guards what both can reach: not the
//! value of an object, and not its reference count either.

mod heap;
mod images;
mod owner;
mod path;
mod statics;

pub(super) use heap::Heap;
pub(super) use images::Images;
pub(super) use owner::{Leak, leaks};
pub(super) use path::path;
pub(super) use statics::{Foreign, Keeper, Statics, addresses, is_in, writable};
