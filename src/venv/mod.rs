//! An environment on disk: its interpreter, its distributions, and candidates for extension modules.
//!
//! Only reads; nothing is ever written into the environment.

mod candidates;
mod choose;
mod copy_roots;
mod dist_info;
mod importable;
mod locate;
mod module_name;
mod off_path;
mod query;
mod requirements;
mod suggestion;
mod wheel_tags;

pub use candidates::{Candidate, CandidateOrigin, CandidateScan, find_candidates};
pub use choose::{UnusableEnvironment, check_environment, choose_environment, suggest_environment};
pub use copy_roots::list_copy_roots;
pub use dist_info::{Installation, InstalledDistributions, find_distributions};
pub use importable::{ImportableModules, find_importable_modules};
pub use locate::{LocatedEnvironment, NotAnEnvironment, find_site_packages, locate_environment};
pub use module_name::ModuleName;
pub use off_path::{candidates_from_files, find_archived_modules, find_served_modules, find_shadowing_file};
pub use query::{HookedModules, InterpreterQueryError, query_import_hooks, query_interpreter};
pub use requirements::{import_name_of_requirement, read_requirements};
pub use wheel_tags::why_wheel_does_not_fit;
