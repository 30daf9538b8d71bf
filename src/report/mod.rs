//! The report: the sorted result of an audit, from which all output is rendered.

mod answer;
mod application;
mod assemble;
mod blockers;
mod exercise;
mod join_free_threaded;
mod merge_application;
mod parse_document;
mod path_redaction;
mod rows;
pub mod v1;

pub use answer::{Answer, DecidedBy, DecidingItem, DecidingItemKind};
pub use application::{ApplicationParts, ApplicationRow, ModuleUse, build_application_row};
pub use assemble::{AuditEvidence, assemble_report};
pub use exercise::{
    ControlReply, ExerciseRow, ModeReply, RequestResult, RequestRow, judge_exercise, judge_request_list,
};
pub use join_free_threaded::{join_free_threaded, normalize_name};
pub use parse_document::ParseReportError;
pub use path_redaction::PathPlaceholders;
pub use rows::{
    AuditedPython, BlockedDistribution, BlockerRoot, BlockerRow, DistributionRow, ModuleRow, NameRow,
    OtherBuild, Report,
};
pub use v1::{Declarations, Document};
