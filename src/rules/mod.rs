//! From evidence to verdicts. Pure: everything here depends on its arguments only.

mod case;
mod cause;
mod declare_slot;
mod distribution;
mod module;
mod words;

pub use case::Case;
pub use declare_slot::declare_slot;
pub use distribution::{DistributionParts, distribution};
pub use module::module;
pub use words::{declaration, refused_by_declaration};
