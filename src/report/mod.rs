//! The report: the sorted result of an audit, from which all output is rendered.

mod answer;
mod application;
mod assemble;
mod blockers;
mod convert_report;
mod convert_trial;
mod exercise;
#[cfg(test)]
mod fixtures;
mod join_free_threaded;
mod merge_application;
mod module_rank;
mod parse_document;
mod path_redaction;
mod rows;
pub mod v1;

pub use answer::{Answer, DecidingItem, DecidingItemKind};
pub use application::{ApplicationParts, build_application_row};
pub use assemble::{AuditEvidence, assemble_report};
pub use exercise::{judge_exercise, judge_request_list};
pub use join_free_threaded::{join_free_threaded, normalize_name};
pub use parse_document::ParseReportError;
pub use path_redaction::PathPlaceholders;
pub use rows::{
    ApplicationRow, ControlReply, DistributionRow, ExerciseRow, ModuleRow, ModuleUse, NameRow, Report,
    RequestRow,
};
pub use v1::{DecidedBy, Declarations, Document};
