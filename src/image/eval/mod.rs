//! Interprets an init function on every path that the file leaves open.
pub(super) mod aarch64;
mod aarch64_memory;
mod circle;
mod evaluator;
mod imports;
mod overlay;
mod processor;
mod state;
mod untouched;
pub(super) mod value;
mod vectors;
mod x86;

pub(super) use evaluator::{Ending, Evaluator, WORD};
pub(super) use imports::never_returns;
pub(super) use processor::{Bus, Convention, THREAD};
pub(super) use state::State;
