//! What is read from files, without running them.

pub(crate) mod declarations;
mod declarations_elsewhere;
mod hard_cases;
mod hazards;
mod hostile_files;
