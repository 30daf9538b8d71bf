//! The sorted result of an audit: everything that a person or a machine is shown is rendered from it.

mod assemble;
mod blockers;
mod rows;
mod v1;

pub use assemble::{Evidence, assemble};
pub use rows::{Blocked, Blocker, DistributionRow, ModuleRow, NameRow, Python, Report};
pub use v1::{Declarations, Document};
