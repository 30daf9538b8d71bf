//! An environment on disk: its interpreter, its distributions, and the files that look like extension
//! modules. Reads only; nothing is ever written into it.

mod ask;
mod dist_info;
mod importable;
mod locate;
mod names;
mod walk;

pub use ask::{AskError, ask};
pub use dist_info::{Installation, Installed, installed};
pub use importable::{Importable, importable};
pub use locate::{Located, NotAnEnvironment, locate, meant, site_packages};
pub use names::ModuleName;
pub use walk::{Candidate, Walk, walk};
