//! Rules and verdicts: turns the evidence of trials and files into judgements and findings.
//!
//! Every function here is pure: its result depends on its arguments only. [`VerdictInput`] bundles them. The
//! catalog ([`RULES`]) lists all rules; each has a page in `pages/`.

mod behind_package;
mod catalog;
mod control_failure;
mod dangling_statics;
mod declare_gil;
mod declare_slot;
mod declared_refusal;
mod distribution_verdict;
mod failure_trace;
mod free_threading;
mod indirect_files;
mod main_interpreter_changes;
mod messages;
mod misread_declaration;
mod missing_requirement;
mod module_verdict;
mod native_threads;
mod optional_modules;
mod python_defect;
mod request_verdict;
mod verdict_input;

pub use behind_package::check_behind_package;
pub use catalog::{Confidence, RULES, Rule, Severity};
pub use dangling_statics::check_dangling_statics;
pub use declare_gil::check_gil_declaration;
pub use declare_slot::check_slot_declaration;
pub use distribution_verdict::{DistributionParts, judge_distribution};
pub use main_interpreter_changes::check_main_interpreter_changes;
pub use messages::{describe_gil_declaration, describe_slot_declaration, is_refused_by_declaration};
pub use misread_declaration::check_misread_declaration;
pub use module_verdict::judge_module;
pub use native_threads::check_native_threads;
pub use optional_modules::find_optional_modules;
pub use python_defect::describe_python_defect;
pub use request_verdict::RequestSummary;
pub use verdict_input::{ReferenceEnvironment, VerdictInput};
