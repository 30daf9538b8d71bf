//! Renders SARIF 2.1.0 (OASIS), for code scanning.
//!
//! There is a result for each root cause in each mode, for each lost accelerator, for each finding, and for
//! each hazard in an application's source. The message of a root cause names the distributions that it
//! blocks; these are no separate results.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::AnswerText;
use super::escape::escape_json;
use super::sarif_log::{
    SarifArtifactLocation, SarifConfiguration, SarifDriver, SarifFingerprints, SarifHelp, SarifInvocation,
    SarifLevel, SarifLocation, SarifLog, SarifLogicalLocation, SarifNotification, SarifPhysicalLocation,
    SarifRegion, SarifResult, SarifRule, SarifRuleProperties, SarifRun, SarifRunProperties, SarifTool,
    SarifUriBase,
};
use crate::digest;
use crate::model::{Confidence, Mode, RULES, Rule, Severity, Verdict};
use crate::report::v1::{Application, Blocker, Document, Module, Root, SourcePlace};
use crate::report::{DecidingItem, DecidingItemKind};

/// Renders the log, indented, with a newline at the end.
///
/// # Errors
/// If serialization fails, which does not happen with these types.
pub fn render(document: &Document) -> serde_json::Result<String> {
    let (name, version) = (&document.tool.name, &document.tool.version);
    let rules = reported_rules().map(build_rule).collect();
    let log = SarifLog {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        runs: [SarifRun {
            invocations: [build_invocation(document)],
            original_uri_base_ids: build_uri_bases(document),
            properties: SarifRunProperties {
                answers: answers_by_mode(document),
                decided_by: document.decided_by(),
            },
            results: build_results(document),
            tool: SarifTool { driver: SarifDriver { name, rules, version } },
        }],
        version: "2.1.0",
    };
    Ok(escape_json(&serde_json::to_string_pretty(&log)?).into_owned() + "\n")
}

fn build_rule(rule: &Rule) -> SarifRule {
    SarifRule {
        default_configuration: SarifConfiguration { level: sarif_level(rule.severity) },
        full_description: rule.section("What it means").into(),
        help: SarifHelp { markdown: rule.page, text: rule.page },
        id: rule.id,
        properties: SarifRuleProperties {
            precision: match rule.confidence {
                Confidence::Tried => "very-high",
                Confidence::Read => "high",
            },
        },
        short_description: rule.title().into(),
    }
}

/// The rules that can have results: all except reasons of `unknown` and `not-applicable`.
fn reported_rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(|rule| !rule.is_reason())
}

fn sarif_level(severity: Severity) -> SarifLevel {
    match severity {
        Severity::Error => SarifLevel::Error,
        Severity::Warning => SarifLevel::Warning,
        Severity::Note | Severity::Unknown => SarifLevel::Note,
        Severity::NotApplicable => SarifLevel::None,
    }
}

/// Builds the `invocation`: notes and reasons why the audit is incomplete, as notifications.
fn build_invocation(document: &Document) -> SarifInvocation {
    let notification =
        |level| move |text: &String| SarifNotification { level, message: text.as_str().into() };
    let notes = document.notes.iter().map(notification(SarifLevel::Note));
    let trouble = document.trouble.iter().map(notification(SarifLevel::Error));
    SarifInvocation {
        execution_successful: document.trouble.is_empty(),
        tool_execution_notifications: notes.chain(trouble).collect(),
    }
}

/// Returns `no`, `yes`, `yes, with accelerators lost` or `not known` for each mode that was asked about.
fn answers_by_mode(document: &Document) -> BTreeMap<String, String> {
    let answers = document.compute_answers();
    answers
        .map(|answer| (answer.mode.to_string(), AnswerText::new(&answer).headline.to_lowercase()))
        .collect()
}

/// Builds `originalUriBaseIds`: the folders that relative paths start from.
fn build_uri_bases(document: &Document) -> BTreeMap<String, SarifUriBase> {
    let hazards = document.applications.iter().flat_map(|application| &application.hazards);
    let places = hazards.flat_map(|hazard| [&hazard.place].into_iter().chain(&hazard.places));
    let named = places.filter_map(|place| {
        let (id, name, _) = split_uri_base(place)?;
        Some((id, format!("The folder that the report calls {name}")))
    });
    let environment = ("ENVIRONMENT".to_owned(), "The environment that was audited".to_owned());
    let bases = named.chain([environment]);
    bases.map(|(id, text)| (id, SarifUriBase { description: text.into() })).collect()
}

/// Splits a path that starts with a placeholder of the report into the base's id, the placeholder and the
/// rest: `{application 2}/shop.py` gives `APPLICATION_2`, `application 2` and `shop.py`.
fn split_uri_base(place: &SourcePlace) -> Option<(String, &str, &str)> {
    let (name, rest) = place.file.strip_prefix('{')?.split_once("}/")?;
    Some((name.to_uppercase().replace(' ', "_"), name, rest))
}

/// Builds all results.
fn build_results(document: &Document) -> Vec<SarifResult> {
    let mut results = Vec::new();
    for (mode, blockers) in &document.blockers {
        for blocker in blockers {
            results
                .extend(blocker.roots.iter().map(|root| root_cause_result(document, *mode, blocker, root)));
        }
    }
    let has_result = |decider: &&DecidingItem<'_>| decider.kind == DecidingItemKind::Distribution;
    for answer in document.compute_answers() {
        for decider in answer.deciders.iter().filter(|decider| !has_result(decider)) {
            results.extend(decider_result(document, answer.mode, decider));
        }
    }
    for row in &document.distributions {
        for (mode, judged) in &row.modes {
            let cause = judged.cause.as_ref().filter(|_| judged.verdict == Verdict::Degraded);
            if let Some(cause) = cause {
                let name = row.name.as_deref().unwrap_or("(no distribution)");
                let text = format!("{mode}: {name} {}", judged.reason);
                results.push(build_result(document, &cause.rule, &cause.module, &text, &[mode.name(), name]));
            }
        }
    }
    for module in &document.modules {
        for finding in &module.findings {
            let text =
                [&[format!("{}: {}", module.name, finding.text)], finding.add.as_slice()].concat().join("\n");
            results.push(build_result(document, &finding.rule, &module.name, &text, &[]));
        }
    }
    results
        .extend(document.applications.iter().flat_map(|application| hazard_results(document, application)));
    results
}

/// Builds a result for each hazard in an application's source, with its other locations as related locations.
fn hazard_results(document: &Document, application: &Application) -> Vec<SarifResult> {
    let mut seen: BTreeMap<[&str; 4], usize> = BTreeMap::new();
    let each = application.hazards.iter().map(|hazard| {
        let SourcePlace { file, function, .. } = &hazard.place;
        // The fingerprint does not include the line number, which changes when code above it changes.
        let what = hazard.name.as_deref().unwrap_or(&hazard.text);
        let count = seen.entry([hazard.rule.as_str(), file, function, what]).or_default();
        *count += 1;
        let parts = [file, function, what, &count.to_string()];
        SarifResult {
            locations: [source_location(&hazard.place)],
            related_locations: hazard.places.iter().map(source_location).collect(),
            ..build_result(document, &hazard.rule, &application.name, &hazard.text, &parts)
        }
    });
    each.collect()
}

/// Builds the location of a line in an application's source.
fn source_location(place: &SourcePlace) -> SarifLocation {
    let artifact_location = match split_uri_base(place) {
        Some((id, _, path)) => SarifArtifactLocation { uri: encode_uri(path), uri_base_id: Some(id) },
        None => {
            let uri = format!("file:///{}", encode_uri(&place.file));
            SarifArtifactLocation { uri, uri_base_id: None }
        }
    };
    let region = Some(SarifRegion { start_line: place.line.max(1) });
    SarifLocation {
        logical_locations: None,
        physical_location: Some(SarifPhysicalLocation { artifact_location, region }),
    }
}

/// Builds the result for an application, an exercise or a line of the configuration that is not ready.
fn decider_result(document: &Document, mode: Mode, decider: &DecidingItem<'_>) -> Option<SarifResult> {
    let (name, judged) = (decider.name.unwrap_or("(no name)"), decider.judged);
    let cause = judged.cause.as_ref().filter(|_| judged.verdict < Verdict::Ready)?;
    let text = format!("{mode}: {name} is {}: {}", judged.verdict, judged.reason);
    Some(build_result(document, &cause.rule, &cause.module, &text, &[mode.name(), name]))
}

/// Builds the result for a root cause.
fn root_cause_result(document: &Document, mode: Mode, blocker: &Blocker, root: &Root) -> SarifResult {
    let blocked: Vec<&str> = blocker.blocks.iter().map(|blocked| blocked.distribution.as_str()).collect();
    let mut text = format!("{mode}: {} {}", root.module, root.what);
    if !blocked.is_empty() {
        text.push_str(&format!(". It also blocks {}", blocked.join(", ")));
    }
    if let Some(upgrade) = &blocker.upgrade {
        text.push_str(&format!(". Newer versions: {}", upgrade.words));
    }
    build_result(document, &root.rule, &root.module, &text, &[mode.name()])
}

/// Builds a result, located at the module's file if it has one. The fingerprint depends on the rule, the
/// module and `parts` only.
fn build_result(document: &Document, rule: &str, module: &str, text: &str, parts: &[&str]) -> SarifResult {
    let found = document.modules.iter().find(|each| each.name == module);
    let fingerprint = [&[rule, module], parts].concat().join("\n");
    let known = reported_rules().enumerate().find(|(_, each)| each.id == rule);
    SarifResult {
        level: known.map_or(SarifLevel::Error, |(_, rule)| sarif_level(rule.severity)),
        locations: [module_location(found, module)],
        message: text.into(),
        partial_fingerprints: SarifFingerprints { v1: digest::of_text(&fingerprint) },
        related_locations: Vec::new(),
        rule_id: rule.to_owned(),
        rule_index: known.map(|(index, _)| index),
    }
}

/// Builds the location of a module: its name, and its file if it lies in the environment.
fn module_location(module: Option<&Module>, name: &str) -> SarifLocation {
    let file = module.and_then(|module| {
        let folder = module.folder.strip_prefix("{environment}")?;
        Some(format!("{}/{}", folder.trim_matches('/'), module.file))
    });
    let physical_location = file.map(|path| SarifPhysicalLocation {
        artifact_location: SarifArtifactLocation {
            uri: encode_uri(&path),
            uri_base_id: Some("ENVIRONMENT".to_owned()),
        },
        region: None,
    });
    let name = SarifLogicalLocation { fully_qualified_name: name.to_owned(), kind: "module" };
    SarifLocation { logical_locations: Some([name]), physical_location }
}

/// Encodes a path as a relative URI reference (RFC 3986). All characters except unreserved ones and `/` are
/// percent-encoded.
fn encode_uri(path: &str) -> String {
    utf8_percent_encode(path.trim_start_matches('/'), &URI_PATH).to_string()
}

/// All bytes except unreserved characters and `/`.
const URI_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
