//! Sandbox for foreign code in a trial.
//!
//! Denies writing outside its folder, using the network, signaling, scheduling or inspecting other processes,
//! and changing the system. Uses Landlock (`landlock(7)`), seccomp (`seccomp(2)`) and, for root, capabilities
//! (`capabilities(7)`), as far as the kernel supports them. The auditor uses it too, to find out what this
//! system cannot enforce.

#[cfg(target_os = "linux")]
mod capabilities;
mod confinement;
#[cfg(target_os = "linux")]
mod denied_calls;
#[cfg(target_os = "linux")]
mod file_access;
#[cfg(target_os = "linux")]
mod system_calls;

pub use confinement::{Confinement, confine};
