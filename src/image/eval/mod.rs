//! Interprets an init function on every path that the contents of the file allow.
pub(super) mod aarch64;
mod aarch64_memory;
mod evaluator;
mod import_models;
mod loop_detector;
mod machine_state;
mod memory_overlay;
mod preserved_registers;
mod processor;
pub(super) mod value;
mod vector_registers;
mod x86;

pub(super) use evaluator::{Ending, Evaluator, WORD};
pub(super) use import_models::never_returns;
pub(super) use machine_state::MachineState;
pub(super) use processor::{CallingConvention, MemoryBus, THREAD};
