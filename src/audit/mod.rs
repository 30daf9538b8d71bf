//! An audit, from the environment's folder to the report.

mod application;
mod application_folders;
mod cached_inspection;
mod context;
mod copy_roots;
mod deployment;
mod environment_audit;
mod environment_scan;
mod environment_state;
mod exercise;
mod free_threaded;
mod interpreter_query;
mod modules;
mod named_files;
mod private_copies;
mod python_source;
mod request_driver;
mod request_list;
mod requests;
mod resolved_application;
mod run;
mod scratch;
mod shadowed_modules;
mod synthetic_venv;
mod test_suites;
mod untriable_modes;
mod upgrade_advice;
mod wheels;

pub use copy_roots::{CopySources, find_copy_sources};
pub use request_list::RequestList;
pub use run::run_audit;
