//! Names of the files in a trial's folder, which the probes write and the auditor reads. Foreign code can
//! write to them: no verdict rests on them.

/// What the child prints to both streams.
pub const OUTPUT: &str = "output";

/// Ids of the child's process and threads, one a line.
pub const IDS: &str = "ids";

/// Where a fatal signal occurred: signal, address and instruction as 64-bit little-endian numbers, then the
/// memory map ([`crate::mapping`]).
pub const CRASH: &str = "crash";

/// Stacks at a fatal signal, as `faulthandler` writes them.
pub const STACK: &str = "stack";

/// The folder that the child may write to.
pub const HOME: &str = "home";
