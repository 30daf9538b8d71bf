//! An audit, from the environment's folder to the report.

mod application;
mod application_folders;
mod cached_inspection;
mod deployment;
mod environment_scan;
mod exercise;
mod free_threaded;
mod modules;
mod named_files;
mod request_list;
mod requests;
mod run;
mod scratch;
mod shadowed_modules;
mod synthetic_venv;
mod test_suites;
mod upgrade_advice;
mod wheels;

pub use run::run_audit;
