//! Private copies: a tree of the environment's shared objects for each interpreter, so that interpreters share no
//! mapping of an extension module, nor of a library of the environment.
//!
//! In reading order:
//!
//! - [`elf`]: reads and rewrites the library names in a shared object.
//! - [`Inventory`]: the shared objects of an environment, and which needs which.
//! - [`plan_copies`]: what a tree contains, under which names.
//! - [`prepare_copies`]: makes the trees of a process from a [`CopyStore`].

mod copies_manifest;
mod copy_error;
mod copy_plan;
mod copy_set;
mod copy_store;
mod disk_space;
pub mod elf;
mod inventory;
mod library_finder;
mod library_search;
mod mirrored_folders;
mod output_folder;
mod planned_trees;
mod prepare_copies;
mod private_name;
mod shared_object;
mod summary;
mod write_copy;
mod write_trees;

pub use copies_manifest::{CopiedObject, CopiesManifest, CopyFile, LeftOut};
pub use copy_error::CopyError;
pub use copy_plan::{COPY_FORMAT, CopyPlan, NameMap, PlannedCopy, plan_copies};
pub use copy_set::CopySet;
pub use copy_store::CopyStore;
pub use inventory::Inventory;
pub use output_folder::OutputFolder;
pub use planned_trees::{AdmittedCopies, CopyRequest, PlannedTrees};
pub use prepare_copies::{prepare_copies, prepare_requested_copies};
pub use shared_object::{Need, NeedTarget, SharedObject};
pub use summary::CopySummary;
