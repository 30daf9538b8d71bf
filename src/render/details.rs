//! Renders all evidence about each extension module, for its maintainer.

use std::fmt::Write;

use super::escape::escape;
use super::{answer, untried_files};
use crate::model::{Mode, Rule, Verdict};
use crate::report::v1::{Declaration, Document, Module, Outcome, Tried};

/// Renders every module, and the answers. Required modes always have a line.
pub fn render(document: &Document, required: &[Mode]) -> String {
    let mut text = String::new();
    if let Some(python) = &document.environment {
        let build = if python.free_threaded { ", free-threaded" } else { "" };
        let _ = writeln!(text, "Python {}{build}, {}", escape(&python.python), escape(&python.platform));
    }
    for module in &document.modules {
        text.push_str(&render_module(module));
    }
    if let Some(line) = untried_files::summarize_untried_files(document) {
        let _ = writeln!(text, "\n{line}");
    }
    for note in &document.notes {
        let _ = writeln!(text, "\nnote: {}", escape(note));
    }
    for trouble in &document.trouble {
        let _ = writeln!(text, "\nincomplete: {}", escape(trouble));
    }
    text + "\n" + &answer::render_answers(document, required)
}

/// Renders a module: declaration, verdicts, evidence, findings and advice.
fn render_module(module: &Module) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "\n{}", escape(&module.name));
    push_field(&mut text, 1, "file", &module.file);
    if let Some(digest) = &module.sha256 {
        push_field(&mut text, 1, "sha256", digest);
    }
    match &module.declaration {
        Some(declaration) => text.push_str(&render_declaration(declaration)),
        None => push_field(&mut text, 1, "is", &module.kind.name().replace('-', " ")),
    }
    for (mode, tried) in &module.modes {
        let reason = match tried.judged.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        push_field(&mut text, 1, mode.name(), &format!("{}{reason}", tried.judged.verdict));
        text.push_str(&render_evidence(tried));
    }
    for finding in &module.findings {
        push_field(&mut text, 1, &finding.rule, &finding.text);
        for add in &finding.add {
            push_field(&mut text, 2, "add", add);
        }
    }
    text + &render_advice(module)
}

fn render_declaration(declaration: &Declaration) -> String {
    let mut text = String::new();
    let size = declaration.m_size.map(|size| format!(", m_size {size}")).unwrap_or_default();
    let init = declaration.init_function.as_deref().unwrap_or("no init function");
    push_field(&mut text, 1, "declares", &format!("{} ({init}{size})", declaration.initialisation.name()));
    push_field(&mut text, 2, "slot 3", &declaration.multiple_interpreters.to_string());
    push_field(&mut text, 2, "slot 4", &declaration.gil.to_string());
    if let Some(slots) = declaration.slots.as_ref().filter(|slots| !slots.is_empty()) {
        let ids: Vec<String> = slots.iter().map(|(id, _)| id.to_string()).collect();
        push_field(&mut text, 2, "all slots", &ids.join(", "));
    }
    for hazard in &declaration.hazards {
        push_field(&mut text, 2, &hazard.kind, &hazard.evidence);
    }
    for doubt in &declaration.doubts {
        push_field(&mut text, 2, "doubt", doubt);
    }
    text
}

/// Renders the evidence for a verdict.
fn render_evidence(tried: &Tried) -> String {
    let mut text = String::new();
    if let Some(outcome) = &tried.outcome {
        text.push_str(&render_outcome(outcome));
    }
    if let Some(cause) = &tried.judged.cause {
        push_field(&mut text, 2, "imports", &cause.chain.join(" -> "));
    }
    if !tried.judged.lost.is_empty() {
        push_field(&mut text, 2, "lost", &tried.judged.lost.join(", "));
    }
    text
}

/// Renders the outcome of a trial.
fn render_outcome(outcome: &Outcome) -> String {
    let mut text = String::new();
    let place = outcome.place.map(|place| format!(" ({})", place.name())).unwrap_or_default();
    push_field(&mut text, 2, "trial", &format!("{}{place}", outcome.kind.name()));
    let error = [outcome.error.as_deref(), outcome.text.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    let fields = [
        ("said", Some(error.join(": ")).filter(|error| !error.is_empty())),
        ("module", outcome.module.clone()),
        ("after", outcome.after.clone()),
        ("through", outcome.through.clone()),
        ("printed", Some(outcome.printed.clone()).filter(|printed| !printed.is_empty())),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            push_field(&mut text, 2, name, &value);
        }
    }
    for load in &outcome.failed_loads {
        push_field(
            &mut text,
            2,
            "failed load",
            &format!("{} in {}: {}: {}", load.name, load.interpreter, load.error, load.text),
        );
    }
    for object in &outcome.shared {
        push_field(
            &mut text,
            2,
            "shared",
            &format!("{} ({}; {})", object.kind, object.ways[0], object.ways[1]),
        );
    }
    if let Some(crash) = &outcome.crash {
        let place = [
            ("at", &crash.address),
            ("in", &crash.object),
            ("function", &crash.symbol),
            ("offset", &crash.offset),
        ];
        let place: Vec<String> = place
            .into_iter()
            .filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?)))
            .collect();
        push_field(&mut text, 2, "crash", &place.join(", "));
        push_field(&mut text, 2, "stack", &crash.stack);
    }
    text
}

/// Renders the advice of each rule that explains a verdict, once.
fn render_advice(module: &Module) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for tried in module.modes.values().filter(|tried| tried.judged.verdict != Verdict::NotApplicable) {
        ids.extend(tried.judged.explanation_id());
    }
    ids.sort_unstable();
    ids.dedup();
    let mut text = String::new();
    for rule in ids.into_iter().filter_map(Rule::find_by_id) {
        let _ = writeln!(text, "  what to do ({})", rule.id);
        for line in rule.section("What to do").lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

/// Appends `name value`, indented. Further lines of the value are indented below it.
fn push_field(text: &mut String, depth: usize, name: &str, value: &str) {
    let indent = "  ".repeat(depth);
    let mut lines = value.trim_end().lines();
    let _ = writeln!(text, "{indent}{} {}", escape(name), escape(lines.next().unwrap_or_default()));
    for more in lines {
        let _ = writeln!(text, "{indent}  {}", escape(more));
    }
}
