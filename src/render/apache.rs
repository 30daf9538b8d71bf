//! Renders the report's section about Apache's configuration, for a terminal.

use std::fmt::Write;

use super::answer;
use super::escape::{escape, escape_and_truncate};
use crate::model::Verdict;
use crate::report::v1::{ApacheFinding, ConfigLine, Document, Landing};

/// Renders the section. Empty if no configuration was audited.
pub(super) fn render_apache(document: &Document) -> String {
    let Some(apache) = &document.apache else { return String::new() };
    let mut text = format!("\nApache {}\n", escape(&apache.file));
    for landing in &apache.landings {
        let _ = writeln!(text, "  {}", describe_mount(document, landing));
    }
    if apache.landings.is_empty() {
        text.push_str("  no application is served\n");
    }
    for finding in &apache.findings {
        let _ = writeln!(text, "  {}: {}", format_location(&finding.place), describe_finding(finding));
    }
    if let Some(command) = answer::format_explain_command(apache.findings.iter().map(ApacheFinding::rule_id))
    {
        let _ = writeln!(text, "    What to do: {command}");
    }
    text
}

/// Describes where a script is mounted, and its verdict there:
/// `example.org/shop -> process group d, application group shop: own-gil: ready (shop.wsgi)`.
fn describe_mount(document: &Document, landing: &Landing) -> String {
    let process = match landing.process_group.as_str() {
        "" => "Apache's own processes".to_owned(),
        name => format!("process group {}", escape(name)),
    };
    let application = match landing.application_group.as_str() {
        "" => "%{GLOBAL}".to_owned(),
        name => format!("application group {}", escape(name)),
    };
    let rows = document.applications.iter();
    let row = rows.into_iter().find(|row| Some(&row.name) == landing.application.as_ref());
    let judged = row.and_then(|row| row.modes.get(&landing.mode));
    let verdict = judged.map_or(Verdict::Unknown, |tried| tried.judged.verdict);
    let answer = match landing.status {
        Some(status) => format!("answered with {status}"),
        None => verdict.to_string(),
    };
    let limited = match &landing.limited {
        Some(line) => format!(", for some clients ({})", format_location(line)),
        None => String::new(),
    };
    let except = match landing.except.is_empty() {
        true => String::new(),
        false => format!(", except {}", escape(&landing.except.join(", "))),
    };
    let (host, url, script) = (escape(&landing.host), escape(&landing.url), escape(&landing.script));
    format!("{host}{url}{except}{limited} -> {process}, {application}: {}: {answer} ({script})", landing.mode)
}

/// Describes a finding: `apache-own-gil-main: ignored ...`.
fn describe_finding(finding: &ApacheFinding) -> String {
    format!("{}: {}", escape(finding.rule_id()), escape_and_truncate(&finding.judged.reason, 400))
}

fn format_location(line: &ConfigLine) -> String {
    format!("{}:{}", escape(&line.file), line.line)
}
