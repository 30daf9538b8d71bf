//! Renders SARIF 2.1.0 (OASIS), for code scanning.
//!
//! There is a result for each root cause in each mode, for each lost accelerator, for each finding, and for
//! each hazard in an application's source. The message of a root cause names the distributions that it
//! blocks; these are no separate results.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::AnswerText;
use super::escape::escape_json;
use crate::digest;
use crate::model::{Mode, Verdict};
use crate::report::v1::{Application, Blocker, Document, Module, Root, SourcePlace};
use crate::report::{DecidingItem, DecidingItemKind};
use crate::rules::{Confidence, RULES, Rule, Severity};

/// Renders the log, indented, with a newline at the end.
///
/// # Errors
/// If serialization fails, which does not happen with these types.
pub fn render(document: &Document) -> serde_json::Result<String> {
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": document.tool.name,
                "version": document.tool.version,
                "rules": reported_rules().map(build_rule).collect::<Vec<_>>(),
            }},
            "invocations": [build_invocation(document)],
            "originalUriBaseIds": build_uri_bases(document),
            "results": build_results(document),
            "properties": {"decidedBy": document.decided_by(), "answers": answers_by_mode(document)},
        }],
    });
    Ok(escape_json(&serde_json::to_string_pretty(&log)?).into_owned() + "\n")
}

/// Builds the `reportingDescriptor` of a rule.
fn build_rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title()},
        "fullDescription": {"text": rule.section("What it means")},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": sarif_level(rule.severity)},
        "properties": {"precision": match rule.confidence {
            Confidence::Tried => "very-high",
            Confidence::Read => "high",
        }},
    })
}

/// The rules that can have results: all except reasons of `unknown` and `not-applicable`.
fn reported_rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(|rule| !rule.is_reason())
}

fn sarif_level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note | Severity::Unknown => "note",
        Severity::NotApplicable => "none",
    }
}

/// Builds the `invocation`: notes and reasons why the audit is incomplete, as notifications.
fn build_invocation(document: &Document) -> Value {
    let notification = |level: &str, text: &String| json!({"level": level, "message": {"text": text}});
    let notes = document.notes.iter().map(|text| notification("note", text));
    let trouble = document.trouble.iter().map(|text| notification("error", text));
    json!({
        "executionSuccessful": document.trouble.is_empty(),
        "toolExecutionNotifications": notes.chain(trouble).collect::<Vec<_>>(),
    })
}

/// Returns `no`, `yes`, `yes, with accelerators lost` or `not known` for each mode that was asked about.
fn answers_by_mode(document: &Document) -> Value {
    let answers = document.compute_answers();
    answers
        .map(|answer| (answer.mode.to_string(), AnswerText::new(&answer).headline.to_lowercase()))
        .collect()
}

/// Builds `originalUriBaseIds`: the folders that relative paths start from.
fn build_uri_bases(document: &Document) -> Value {
    let hazards = document.applications.iter().flat_map(|application| &application.hazards);
    let places = hazards.flat_map(|hazard| [&hazard.place].into_iter().chain(&hazard.places));
    let named = places.filter_map(|place| {
        let (id, name, _) = split_uri_base(place)?;
        let text = format!("The folder that the report calls {name}");
        Some((id, json!({"description": {"text": text}})))
    });
    let mut bases: BTreeMap<String, Value> = named.collect();
    let environment = json!({"description": {"text": "The environment that was audited"}});
    bases.insert("ENVIRONMENT".to_owned(), environment);
    json!(bases)
}

/// Splits a path that starts with a placeholder of the report into the base's id, the placeholder and the
/// rest: `{application 2}/shop.py` gives `APPLICATION_2`, `application 2` and `shop.py`.
fn split_uri_base(place: &SourcePlace) -> Option<(String, &str, &str)> {
    let (name, rest) = place.file.strip_prefix('{')?.split_once("}/")?;
    Some((name.to_uppercase().replace(' ', "_"), name, rest))
}

/// Builds all results.
fn build_results(document: &Document) -> Vec<Value> {
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
fn hazard_results(document: &Document, application: &Application) -> Vec<Value> {
    let mut seen: BTreeMap<[&str; 4], usize> = BTreeMap::new();
    let each = application.hazards.iter().map(|hazard| {
        let SourcePlace { file, function, .. } = &hazard.place;
        // The fingerprint does not include the line number, which changes when code above it changes.
        let what = hazard.name.as_deref().unwrap_or(&hazard.text);
        let count = seen.entry([hazard.rule.as_str(), file, function, what]).or_default();
        *count += 1;
        let parts = [file, function, what, &count.to_string()];
        let mut found = build_result(document, &hazard.rule, &application.name, &hazard.text, &parts);
        if let Some(fields) = found.as_object_mut() {
            fields.insert("locations".to_owned(), json!([source_location(&hazard.place)]));
            if !hazard.places.is_empty() {
                let others: Vec<Value> = hazard.places.iter().map(source_location).collect();
                fields.insert("relatedLocations".to_owned(), others.into());
            }
        }
        found
    });
    each.collect()
}

/// Builds the location of a line in an application's source.
fn source_location(place: &SourcePlace) -> Value {
    let artifact = match split_uri_base(place) {
        Some((id, _, path)) => json!({"uri": encode_uri(path), "uriBaseId": id}),
        None => json!({"uri": format!("file:///{}", encode_uri(&place.file))}),
    };
    json!({"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": place.line.max(1)}}})
}

/// Builds the result for an application, an exercise or a line of the configuration that is not ready.
fn decider_result(document: &Document, mode: Mode, decider: &DecidingItem<'_>) -> Option<Value> {
    let (name, judged) = (decider.name.unwrap_or("(no name)"), decider.judged);
    let cause = judged.cause.as_ref().filter(|_| judged.verdict < Verdict::Ready)?;
    let text = format!("{mode}: {name} is {}: {}", judged.verdict, judged.reason);
    Some(build_result(document, &cause.rule, &cause.module, &text, &[mode.name(), name]))
}

/// Builds the result for a root cause.
fn root_cause_result(document: &Document, mode: Mode, blocker: &Blocker, root: &Root) -> Value {
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
fn build_result(document: &Document, rule: &str, module: &str, text: &str, parts: &[&str]) -> Value {
    let found = document.modules.iter().find(|each| each.name == module);
    let fingerprint = [&[rule, module], parts].concat().join("\n");
    let fingerprint = digest::of_text(&fingerprint);
    let known = reported_rules().position(|each| each.id == rule);
    let mut result = json!({
        "ruleId": rule,
        "level": known.and_then(|at| reported_rules().nth(at)).map_or("error", |rule| sarif_level(rule.severity)),
        "message": {"text": text},
        "locations": [module_location(found, module)],
        "partialFingerprints": {"wsgiaudit/v1": fingerprint},
    });
    if let (Some(at), Some(fields)) = (known, result.as_object_mut()) {
        fields.insert("ruleIndex".to_owned(), at.into());
    }
    result
}

/// Builds the location of a module: its name, and its file if it lies in the environment.
fn module_location(module: Option<&Module>, name: &str) -> Value {
    let mut location = json!({"logicalLocations": [{"fullyQualifiedName": name, "kind": "module"}]});
    let folder = module.and_then(|module| module.folder.strip_prefix("{environment}"));
    if let (Some(module), Some(folder), Some(fields)) = (module, folder, location.as_object_mut()) {
        let path = format!("{}/{}", folder.trim_matches('/'), module.file);
        let artifact = json!({"uri": encode_uri(&path), "uriBaseId": "ENVIRONMENT"});
        fields.insert("physicalLocation".to_owned(), json!({"artifactLocation": artifact}));
    }
    location
}

/// Encodes a path as a relative URI reference (RFC 3986). All characters except unreserved ones and `/` are
/// percent-encoded.
fn encode_uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.trim_start_matches('/').bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
