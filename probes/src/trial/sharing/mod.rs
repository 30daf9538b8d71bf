//! Objects that two interpreters share. Where each has its own GIL, nothing guards what both can reach: not the
//! value of an object, and not its reference count either.
//!
//! On a free-threaded build both are guarded, without any GIL, but not from the interpreters' collectors: each counts in
//! the head of an object the references that it finds, and looks at its own interpreter's heap alone when it takes the
//! count back (`visit_decref`, `gc_maybe_init_refs` in `Python/gc_free_threading.c`). What is left of one collector's
//! count misleads the other into freeing what is in use.

mod heap;
mod images;
mod owner;
mod path;
mod statics;

pub(super) use heap::{Heap, Reach};
pub(super) use images::Images;
pub(super) use owner::{Leak, leaks};
pub(super) use path::path;
pub(super) use statics::{
    Foreign, Keeper, Statics, addresses, is_a_count, is_in, kind_at, size_of_object, writable,
};
