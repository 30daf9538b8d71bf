//! SARIF 2.1.0 (OASIS), for code scanning: a result for each root cause in each mode, for each accelerator that is
//! lost, and for each finding. What a root cause blocks is told in its message, not as results of their own.

use serde_json::{Value, json};

use super::answer::Told;
use super::escape::escape_json;
use crate::digest;
use crate::model::{Mode, Verdict};
use crate::report::v1::{Blocker, Document, Module, Root};
use crate::report::{Decider, DeciderKind};
use crate::rules::{Confidence, RULES, Rule, Severity};

/// The log, indented, with a newline at the end.
///
/// # Errors
/// None that can happen with these types; passed on all the same.
pub fn render(document: &Document) -> serde_json::Result<String> {
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": document.tool.name,
                "version": document.tool.version,
                "rules": listed().map(rule).collect::<Vec<_>>(),
            }},
            "invocations": [invocation(document)],
            "originalUriBaseIds": {"ENVIRONMENT": {"description": {"text": "The environment that was audited"}}},
            "results": results(document),
            "properties": {"decidedBy": document.decided_by(), "answers": answers(document)},
        }],
    });
    Ok(escape_json(&serde_json::to_string_pretty(&log)?).into_owned() + "\n")
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title()},
        "fullDescription": {"text": rule.section("What it means")},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {"precision": match rule.confidence {
            Confidence::Tried => "very-high",
            Confidence::Read => "high",
        }},
    })
}

/// What can be found: reasons why something was not judged are no results.
fn listed() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(|rule| !rule.is_reason())
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note | Severity::Unknown => "note",
        Severity::NotApplicable => "none",
    }
}

fn invocation(document: &Document) -> Value {
    let notification = |level: &str, text: &String| json!({"level": level, "message": {"text": text}});
    let notes = document.notes.iter().map(|text| notification("note", text));
    let trouble = document.trouble.iter().map(|text| notification("error", text));
    json!({
        "executionSuccessful": document.trouble.is_empty(),
        "toolExecutionNotifications": notes.chain(trouble).collect::<Vec<_>>(),
    })
}

/// `no`, `yes`, `yes, with accelerators lost` or `not known` in each mode asked about.
fn answers(document: &Document) -> Value {
    let answers = document.asked();
    answers.map(|answer| (answer.mode.to_string(), Told::new(&answer).headline.to_lowercase())).collect()
}

fn results(document: &Document) -> Vec<Value> {
    let mut results = Vec::new();
    for (mode, blockers) in &document.blockers {
        for blocker in blockers {
            results.extend(blocker.roots.iter().map(|root| of_root(document, *mode, blocker, root)));
        }
    }
    let is_reported_already = |decider: &&Decider<'_>| decider.kind == DeciderKind::Distribution;
    for answer in document.asked() {
        for decider in answer.deciders.iter().filter(|decider| !is_reported_already(decider)) {
            results.extend(of_decider(document, answer.mode, decider));
        }
    }
    for row in &document.distributions {
        for (mode, judged) in &row.modes {
            let cause = judged.cause.as_ref().filter(|_| judged.verdict == Verdict::Degraded);
            if let Some(cause) = cause {
                let name = row.name.as_deref().unwrap_or("(no distribution)");
                let text = format!("{mode}: {name} {}", judged.reason);
                results.push(result(document, &cause.rule, &cause.module, &text, &[mode.name(), name]));
            }
        }
    }
    for module in &document.modules {
        for finding in &module.findings {
            let text =
                [&[format!("{}: {}", module.name, finding.text)], finding.add.as_slice()].concat().join("\n");
            results.push(result(document, &finding.rule, &module.name, &text, &[]));
        }
    }
    results
}

/// What decides and is not plainly ready: an application, an exercise, a line of the configuration.
fn of_decider(document: &Document, mode: Mode, decider: &Decider<'_>) -> Option<Value> {
    let (name, judged) = (decider.name.unwrap_or("(no name)"), decider.judged);
    let cause = judged.cause.as_ref().filter(|_| judged.verdict < Verdict::Ready)?;
    let text = format!("{mode}: {name} is {}: {}", judged.verdict, judged.reason);
    Some(result(document, &cause.rule, &cause.module, &text, &[mode.name(), name]))
}

fn of_root(document: &Document, mode: Mode, blocker: &Blocker, root: &Root) -> Value {
    let blocked: Vec<&str> = blocker.blocks.iter().map(|blocked| blocked.distribution.as_str()).collect();
    let mut text = format!("{mode}: {} {}", root.module, root.what);
    if !blocked.is_empty() {
        text.push_str(&format!(". It also blocks {}", blocked.join(", ")));
    }
    if let Some(upgrade) = &blocker.upgrade {
        text.push_str(&format!(". Newer versions: {}", upgrade.words));
    }
    result(document, &root.rule, &root.module, &text, &[mode.name()])
}

/// A result at the file of a module, where it has one. The fingerprint is the same as long as rule, module and
/// these `parts` are.
fn result(document: &Document, rule: &str, module: &str, text: &str, parts: &[&str]) -> Value {
    let found = document.modules.iter().find(|each| each.name == module);
    let fingerprint = [&[rule, module], parts].concat().join("\n");
    let fingerprint = digest::of_text(&fingerprint);
    let known = listed().position(|each| each.id == rule);
    let mut result = json!({
        "ruleId": rule,
        "level": known.and_then(|at| listed().nth(at)).map_or("error", |rule| level(rule.severity)),
        "message": {"text": text},
        "locations": [location(found, module)],
        "partialFingerprints": {"wsgiaudit/v1": fingerprint},
    });
    if let (Some(at), Some(fields)) = (known, result.as_object_mut()) {
        fields.insert("ruleIndex".to_owned(), at.into());
    }
    result
}

fn location(module: Option<&Module>, name: &str) -> Value {
    let mut location = json!({"logicalLocations": [{"fullyQualifiedName": name, "kind": "module"}]});
    let folder = module.and_then(|module| module.folder.strip_prefix("{environment}"));
    if let (Some(module), Some(folder), Some(fields)) = (module, folder, location.as_object_mut()) {
        let path = format!("{}/{}", folder.trim_matches('/'), module.file);
        let artifact = json!({"uri": uri(&path), "uriBaseId": "ENVIRONMENT"});
        fields.insert("physicalLocation".to_owned(), json!({"artifactLocation": artifact}));
    }
    location
}

/// A relative URI reference (RFC 3986): all but unreserved letters and `/` is percent-encoded.
fn uri(path: &str) -> String {
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
