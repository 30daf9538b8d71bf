//! An environment on disk: its interpreter, its distributions, and the files that look like extension
//! modules. Reads only; nothing is ever written into it.

mod ask;
mod beyond;
mod dist_info;
mod importable;
mod locate;
mod names;
mod requires;
mod walk;
mod wheel;

pub use ask::{AskError, Hooked, ask, ask_hooks};
pub use beyond::{archived, found_first, served, served_files};
pub use dist_info::{Installation, Installed, installed};
pub use importable::{Importable, importable};
pub use locate::{Located, NotAnEnvironment, locate, meant, site_packages};
pub use names::ModuleName;
pub use requires::{required_name, requirements};
pub use walk::{Candidate, Place, Walk, walk};
pub use wheel::wheel_is_foreign;
