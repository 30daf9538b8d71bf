//! The parts of a SARIF 2.1.0 log that [`super::sarif`] writes.
//!
//! Fields are in alphabetical order, which is the order in the file.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::DecidedBy;

/// A log: `sarifLog`.
#[derive(Debug, Serialize)]
pub(super) struct SarifLog<'a> {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) runs: [SarifRun<'a>; 1],
    pub(super) version: &'static str,
}

/// `run`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifRun<'a> {
    pub(super) invocations: [SarifInvocation; 1],
    pub(super) properties: SarifRunProperties,
    pub(super) results: Vec<SarifResult>,
    pub(super) tool: SarifTool<'a>,
}

/// `invocation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifInvocation {
    pub(super) execution_successful: bool,
    pub(super) tool_execution_notifications: Vec<SarifNotification>,
}

/// `notification`.
#[derive(Debug, Serialize)]
pub(super) struct SarifNotification {
    pub(super) level: SarifLevel,
    pub(super) message: SarifText,
}

/// How serious a result or a notification is. Ordered worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SarifLevel {
    Error,
    Warning,
    Note,
    None,
}

/// `message`, `multiformatMessageString` and others that have only a text.
#[derive(Debug, Serialize)]
pub(super) struct SarifText {
    pub(super) text: String,
}

/// The property bag of the run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifRunProperties {
    /// `no`, `yes`, `yes, with accelerators lost` or `not known`, by mode.
    pub(super) answers: BTreeMap<String, String>,
    pub(super) decided_by: DecidedBy,
}

/// `tool`.
#[derive(Debug, Serialize)]
pub(super) struct SarifTool<'a> {
    pub(super) driver: SarifDriver<'a>,
}

/// `toolComponent`.
#[derive(Debug, Serialize)]
pub(super) struct SarifDriver<'a> {
    pub(super) name: &'a str,
    pub(super) rules: Vec<SarifRule>,
    pub(super) version: &'a str,
}

/// `reportingDescriptor`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifRule {
    pub(super) default_configuration: SarifConfiguration,
    pub(super) full_description: SarifText,
    pub(super) help: SarifHelp,
    pub(super) id: &'static str,
    pub(super) properties: SarifRuleProperties,
    pub(super) short_description: SarifText,
}

/// `reportingConfiguration`.
#[derive(Debug, Serialize)]
pub(super) struct SarifConfiguration {
    pub(super) level: SarifLevel,
}

/// A `multiformatMessageString` with Markdown.
#[derive(Debug, Serialize)]
pub(super) struct SarifHelp {
    pub(super) markdown: &'static str,
    pub(super) text: &'static str,
}

/// The property bag of a rule.
#[derive(Debug, Serialize)]
pub(super) struct SarifRuleProperties {
    /// `very-high` or `high`, as GitHub's code scanning reads it.
    pub(super) precision: &'static str,
}

/// `result`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifResult {
    pub(super) level: SarifLevel,
    pub(super) locations: [SarifLocation; 1],
    pub(super) message: SarifText,
    pub(super) partial_fingerprints: SarifFingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) related_locations: Vec<SarifLocation>,
    pub(super) rule_id: String,
    /// The index in the driver's rules; absent for a rule that this version does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule_index: Option<usize>,
}

/// What stays the same when a result is found again.
#[derive(Debug, Serialize)]
pub(super) struct SarifFingerprints {
    /// The one that GitHub tells results apart by, which it would make of the line otherwise. Several results may
    /// have one line.
    #[serde(rename = "primaryLocationLineHash")]
    pub(super) line: String,
    #[serde(rename = "wsgiaudit/v2")]
    pub(super) v2: String,
}

/// `location`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifLocation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logical_locations: Option<[SarifLogicalLocation; 1]>,
    pub(super) physical_location: SarifPhysicalLocation,
}

/// `logicalLocation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifLogicalLocation {
    pub(super) fully_qualified_name: String,
    pub(super) kind: &'static str,
}

/// `physicalLocation`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifPhysicalLocation {
    pub(super) artifact_location: SarifArtifactLocation,
    pub(super) region: SarifRegion,
}

/// `artifactLocation` of a file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifArtifactLocation {
    pub(super) uri: String,
    pub(super) uri_base_id: &'static str,
}

/// `region`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SarifRegion {
    pub(super) start_line: usize,
}

impl From<String> for SarifText {
    fn from(text: String) -> Self {
        Self { text }
    }
}

impl From<&str> for SarifText {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}
