//! Private copies of shared objects.

mod command;
mod rewriting;
mod store;
mod trees;
mod workshop;
