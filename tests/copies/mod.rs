//! Private copies of shared objects.

mod rewriting;
mod store;
mod trees;
mod workshop;
