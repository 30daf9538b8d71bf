//! Objects that two interpreters share. If each has its own GIL, no lock protects such an object: neither its
//! value nor its reference count.
//!
//! On a free-threaded build both are protected without a GIL, but not from the garbage collectors of the two
//! interpreters. Each collector counts references in the object's header, and only considers objects of its
//! own interpreter when it restores the header (`visit_decref`, `gc_maybe_init_refs` in
//! `Python/gc_free_threading.c`). What one collector leaves there can make the other one free an object that
//! is in use.

mod heap;
mod heap_blocks;
mod loaded_images;
mod object_path;
mod ownership;
mod statics_scan;

pub(super) use heap::{HeapScope, HeapSnapshot};
pub(super) use loaded_images::LoadedImages;
pub(super) use object_path::describe_path;
pub(super) use ownership::{LeakedObject, find_leaks};
pub(super) use statics_scan::{
    RetainingPointer, ScanExclusions, StaticsScan, pyobject_size, tracked_addresses, tracked_types,
    type_at_address, writable_ranges,
};
