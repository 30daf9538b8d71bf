//! Free-threaded environments: the same distributions and versions as in the audited environment, installed
//! for the free-threaded build of its Python.
//!
//! Only wheels are installed; nothing is built. The environment is kept in the user's cache.

mod create;
mod find_python;

pub use create::{AbsenceReason, FreeThreadedEnvironment, FreeThreadedEnvironmentSpec, create_environment};
