//! Rules and verdicts: turns the evidence of trials and files into judgements and findings.
//!
//! Every function here is pure: its result depends on its arguments only. [`VerdictInput`] bundles them. The
//! list of rules is [`RULES`](crate::model::RULES); their pages lie here, in a folder for each group.

mod control_failure;
mod declared_refusal;
mod distribution_verdict;
mod failed_import;
mod failure_trace;
mod free_threading;
mod indirect_files;
mod messages;
mod missing_requirement;
mod module_verdict;
mod name_verdict;
mod optional_modules;
mod passed_import;
mod request_verdict;
#[cfg(test)]
mod test_evidence;
mod trial;
mod verdict_input;

pub use distribution_verdict::{DistributionParts, judge_distribution};
pub use messages::{describe_gil_declaration, describe_slot_declaration, is_refused_by_declaration};
pub use module_verdict::judge_module;
pub use name_verdict::{judge_name, judge_name_of_file};
pub use optional_modules::find_optional_modules;
pub use request_verdict::{RequestSummary, judge_requests};
pub use trial::{MODULE_CHECKS, ModuleCheck, ModuleEvidence, describe_python_defect};
pub use verdict_input::{ReferenceEnvironment, VerdictInput};
