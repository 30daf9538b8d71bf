//! What an audit reads: files that are none, files without end, folders that lead everywhere, and signals in the middle.

mod bounds;
mod files;
mod mutated;
mod signals;
