//! Interprets an init function on every path that the contents of the file allow.

mod aarch64;
mod aarch64_memory;
pub(super) mod aarch64_word;
mod calling_convention;
mod evaluation;
mod import_models;
mod loop_detector;
mod machine_state;
mod memory_overlay;
mod paths;
mod preserved_registers;
mod processor;
pub(super) mod value;
mod vector_registers;
mod x86;
mod x86_conditions;
mod x86_registers;

pub(super) use calling_convention::CallingConvention;
pub(super) use evaluation::{Evaluation, WORD};
pub(super) use import_models::never_returns;
pub(super) use machine_state::MachineState;
pub(super) use paths::{Ending, PathInterpreter};
pub(super) use processor::{MemoryBus, THREAD};
