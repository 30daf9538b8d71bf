//! What decides the exit status: the modes required, what is accepted and until when, and what was so before. Pure.

mod accept;
mod decide;
mod settings;

pub use accept::Accepted;
pub use decide::{Decision, Gate, decide};
pub use settings::{Settings, read};
