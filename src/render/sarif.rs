//! Renders SARIF 2.1.0 (OASIS) as GitHub's code scanning takes it.
//!
//! There is one result for each root cause, whatever the number of modes; for each lost accelerator; for each
//! application, exercise or line of a configuration that is not ready; for each finding about a module; and for each
//! hazard in an application's source. Each has a line of the project: the source line of a hazard, or else the line
//! that requires the distribution. A verdict is an `error` or a `warning` in a required mode, and a `note` in another one. A hazard is never an `error`.
//!
//! Limits: <https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::AnswerText;
use super::escape::{escape_and_truncate, escape_json};
use super::sarif_log::{
    SarifArtifactLocation, SarifConfiguration, SarifDriver, SarifFingerprints, SarifHelp, SarifInvocation,
    SarifLevel, SarifLocation, SarifLog, SarifLogicalLocation, SarifNotification, SarifPhysicalLocation,
    SarifRegion, SarifResult, SarifRule, SarifRuleProperties, SarifRun, SarifRunProperties, SarifTool,
};
use crate::digest;
use crate::model::{Confidence, Mode, RULES, Rule, Severity, Verdict};
use crate::project_files::{ProjectFiles, ProjectLine};
use crate::report::v1::{Application, Document, Judged, SourcePlace};
use crate::report::{Answer, DecidedBy, DecidingItem, DecidingItemKind};

/// Results that GitHub shows of a run. The worst are kept.
const MAX_RESULTS: usize = 5000;
/// Locations that GitHub reads of a result.
const MAX_LOCATIONS: usize = 100;
/// Characters that GitHub shows of a description or a message.
const MAX_TEXT: usize = 1000;

/// What decides how serious results are, and where they are.
#[derive(Debug)]
pub struct SarifOptions<'a> {
    /// The modes that decide the exit status.
    pub required: &'a [Mode],
    /// Whether a lost accelerator is an error.
    pub is_strict: bool,
    /// The project that the report is about.
    pub files: &'a ProjectFiles,
}

/// Renders the log, indented, with a newline at the end.
///
/// # Errors
/// If serialization fails, which does not happen with these types.
pub fn render(document: &Document, options: &SarifOptions<'_>) -> serde_json::Result<String> {
    let (name, version) = (&document.tool.name, &document.tool.version);
    let rules = RULES.iter().map(build_rule).collect();
    let shown = document.with_real_paths();
    let context = SarifContext { document, shown: &shown, options };
    let log = SarifLog {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        runs: [SarifRun {
            invocations: [build_invocation(&shown)],
            properties: SarifRunProperties {
                answers: answers_by_mode(document),
                decided_by: document.decided_by(),
            },
            results: context.build_results(),
            tool: SarifTool { driver: SarifDriver { name, rules, version } },
        }],
        version: "2.1.0",
    };
    Ok(escape_json(&serde_json::to_string_pretty(&log)?).into_owned() + "\n")
}

fn build_rule(rule: &Rule) -> SarifRule {
    SarifRule {
        default_configuration: SarifConfiguration { level: level_of_rule(rule) },
        full_description: limit_text(rule.section("What it means")).into(),
        help: SarifHelp { markdown: rule.page, text: rule.page },
        id: rule.id,
        properties: SarifRuleProperties {
            precision: match rule.confidence {
                Confidence::Tried => "very-high",
                Confidence::Read => "high",
                Confidence::Measured => "medium",
            },
        },
        short_description: limit_text(rule.title()).into(),
    }
}

fn limit_text(text: &str) -> String {
    escape_lines(text, MAX_TEXT)
}

/// Escapes a text and truncates it, and keeps its lines.
fn escape_lines(text: &str, limit: usize) -> String {
    let lines: Vec<String> = text.lines().map(|line| escape_and_truncate(line, limit)).collect();
    let text = lines.join("\n");
    match text.char_indices().nth(limit) {
        None => text,
        Some(_) => text.chars().take(limit - 1).chain(['…']).collect(),
    }
}

fn level_of_rule(rule: &Rule) -> SarifLevel {
    match rule.severity {
        Severity::Error => SarifLevel::Error,
        Severity::Warning => SarifLevel::Warning,
        Severity::Note | Severity::Unknown => SarifLevel::Note,
        Severity::NotApplicable => SarifLevel::None,
    }
}

/// Builds the `invocation`: notes and reasons why the audit is incomplete, as notifications.
fn build_invocation(shown: &Document) -> SarifInvocation {
    let notification =
        |level| move |text: &String| SarifNotification { level, message: remove_braces(text).into() };
    let notes = shown.notes.iter().map(notification(SarifLevel::Note));
    let trouble = shown.trouble.iter().map(notification(SarifLevel::Error));
    SarifInvocation {
        execution_successful: shown.trouble.is_empty(),
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

/// A document as it is stored and with real paths, and the options.
struct SarifContext<'a> {
    /// Fingerprints are made of its texts, which are the same on every machine.
    document: &'a Document,
    shown: &'a Document,
    options: &'a SarifOptions<'a>,
}

/// What a result says.
struct Found<'a> {
    rule: &'a str,
    level: SarifLevel,
    /// The module, application or file that it is about.
    subject: &'a str,
    text: String,
    line: ProjectLine,
    /// What tells it from other results of its rule and subject.
    parts: Vec<&'a str>,
}

/// A root cause in all modes that it blocks.
#[derive(Default)]
struct CommonCause<'a> {
    owner: Option<&'a str>,
    /// What it does, and in which modes.
    texts: Vec<(&'a str, Vec<Mode>)>,
    blocks: Vec<&'a str>,
    upgrade: Option<&'a str>,
}

impl SarifContext<'_> {
    /// Builds all results, the worst first.
    fn build_results(&self) -> Vec<SarifResult> {
        let mut results = self.root_cause_results();
        results.extend(self.decider_results());
        results.extend(self.accelerator_results());
        results.extend(self.finding_results());
        let applications = self.document.applications.iter().zip(&self.shown.applications);
        results.extend(applications.flat_map(|(stored, shown)| self.hazard_results(stored, shown)));
        results.sort_by_key(|result| result.level);
        results.truncate(MAX_RESULTS);
        results
    }

    /// One result for each root cause.
    fn root_cause_results(&self) -> Vec<SarifResult> {
        let mut causes: BTreeMap<(&str, &str), CommonCause<'_>> = BTreeMap::new();
        for (mode, blocker) in
            self.shown.blockers.iter().flat_map(|(mode, all)| all.iter().map(move |blocker| (*mode, blocker)))
        {
            for root in &blocker.roots {
                let cause = causes.entry((&root.rule, &root.module)).or_default();
                cause.owner = blocker.distribution.as_deref();
                cause.upgrade =
                    cause.upgrade.or(blocker.upgrade.as_ref().map(|upgrade| upgrade.words.as_str()));
                match cause.texts.iter_mut().find(|(what, _)| *what == root.what) {
                    Some((_, modes)) => modes.push(mode),
                    None => cause.texts.push((&root.what, vec![mode])),
                }
                let blocked = blocker.blocks.iter().map(|blocked| blocked.distribution.as_str());
                let new: Vec<&str> = blocked.filter(|name| !cause.blocks.contains(name)).collect();
                cause.blocks.extend(new);
            }
        }
        let decides = self.document.decided_by() == DecidedBy::Distributions;
        let each = causes.into_iter().map(|((rule, module), cause)| {
            let mut modes = cause.texts.iter().flat_map(|(_, modes)| modes);
            let is_required = decides && modes.any(|mode| self.options.required.contains(mode));
            self.build_result(Found {
                rule,
                level: if is_required { SarifLevel::Error } else { SarifLevel::Note },
                subject: module,
                text: describe_cause(module, &cause),
                line: self.options.files.line_of(cause.owner),
                parts: Vec::new(),
            })
        });
        each.collect()
    }

    /// A result for each application, exercise, module or line of a configuration that is not ready, in all modes.
    fn decider_results(&self) -> Vec<SarifResult> {
        let mut results = Vec::new();
        let answers = self.shown.compute_answers().zip(self.document.compute_answers());
        for (shown, stored) in answers {
            for (decider, stored) in shown.deciders.iter().zip(&stored.deciders) {
                results.extend(self.decider_result(&shown, decider, stored.name.unwrap_or("(no name)")));
            }
        }
        results
    }

    fn decider_result(
        &self,
        answer: &Answer<'_>,
        decider: &DecidingItem<'_>,
        stored_name: &str,
    ) -> Option<SarifResult> {
        if decider.kind == DecidingItemKind::Distribution {
            return None;
        }
        let (mode, judged) = (answer.mode, decider.judged);
        let name = decider.name.unwrap_or("(no name)");
        let level = self.level_of_verdict(mode, judged)?;
        let module = self.shown.modules.iter().find(|module| module.name == name);
        let line = match decider.kind {
            DecidingItemKind::Application => self.line_of_application(name),
            DecidingItemKind::Module => {
                self.options.files.line_of(module.and_then(|module| module.distribution.as_deref()))
            }
            DecidingItemKind::Exercise => self.line_of_file(name),
            DecidingItemKind::Distribution | DecidingItemKind::ConfigurationLine => {
                self.options.files.line_of(None)
            }
        };
        Some(self.build_result(Found {
            rule: judged.explanation_id().unwrap_or("not-tried"),
            level,
            subject: stored_name,
            text: format!("{mode}: {name} is {}: {}", judged.verdict, judged.reason),
            line,
            parts: vec![mode.name()],
        }))
    }

    /// A result for each distribution that lost accelerators.
    fn accelerator_results(&self) -> Vec<SarifResult> {
        let mut results = Vec::new();
        for row in &self.shown.distributions {
            for (mode, judged) in &row.modes {
                let cause = judged.cause.as_ref().filter(|_| judged.verdict == Verdict::Degraded);
                let Some(cause) = cause else { continue };
                let name = row.name.as_deref().unwrap_or("(no distribution)");
                let decides = self.document.decided_by() == DecidedBy::Distributions;
                let level = self.level_of_verdict(*mode, judged).filter(|_| decides);
                results.push(self.build_result(Found {
                    rule: &cause.rule,
                    level: level.unwrap_or(SarifLevel::Note),
                    subject: &cause.module,
                    text: format!("{mode}: {name} {}", judged.reason),
                    line: self.options.files.line_of(row.name.as_deref()),
                    parts: vec![mode.name(), name],
                }));
            }
        }
        results
    }

    /// A result for each finding about a module.
    fn finding_results(&self) -> Vec<SarifResult> {
        let modules = self.shown.modules.iter();
        let each = modules.flat_map(|module| module.findings.iter().map(move |finding| (module, finding)));
        let each = each.map(|(module, finding)| {
            let text = format!("{}: {}", module.name, finding.text);
            self.build_result(Found {
                rule: &finding.rule,
                level: SarifLevel::Note,
                subject: &module.name,
                text: [&[text], finding.add.as_slice()].concat().join("\n"),
                line: self.options.files.line_of(module.distribution.as_deref()),
                parts: Vec::new(),
            })
        });
        each.collect()
    }

    /// A result for each hazard in an application's source, with its other locations as related locations.
    fn hazard_results(&self, stored: &Application, shown: &Application) -> Vec<SarifResult> {
        let mut seen: BTreeMap<[&str; 4], usize> = BTreeMap::new();
        let each = stored.hazards.iter().zip(&shown.hazards).map(|(stored_hazard, hazard)| {
            let SourcePlace { file, function, .. } = &stored_hazard.place;
            // The fingerprint does not include the line number, which changes when code above it changes.
            let what = stored_hazard.name.as_deref().unwrap_or(&stored_hazard.text);
            let count = seen.entry([stored_hazard.rule.as_str(), file, function, what]).or_default();
            *count += 1;
            let number = count.to_string();
            let severity = Rule::find_by_id(&hazard.rule).map(level_of_rule);
            let found = Found {
                rule: &hazard.rule,
                // A hazard changes no verdict.
                level: severity.unwrap_or(SarifLevel::Note).max(SarifLevel::Warning),
                subject: &stored.name,
                text: match self.options.files.line_in_file(&hazard.place.file, 1) {
                    Some(_) => hazard.text.clone(),
                    None => format!("{}: {}", hazard.place, hazard.text),
                },
                line: self.line_of_source(&hazard.place),
                parts: vec![file.as_str(), function.as_str(), what, number.as_str()],
            };
            let related = hazard.places.iter().map(|place| build_location(&self.line_of_source(place), None));
            SarifResult {
                related_locations: related.take(MAX_LOCATIONS).collect(),
                ..self.build_result(found)
            }
        });
        each.collect()
    }

    /// The level of a verdict; `None` if there is nothing to report.
    fn level_of_verdict(&self, mode: Mode, judged: &Judged) -> Option<SarifLevel> {
        let level = match judged.verdict {
            Verdict::Unsafe | Verdict::Blocked => SarifLevel::Error,
            Verdict::Degraded if self.options.is_strict => SarifLevel::Error,
            Verdict::Unknown | Verdict::Degraded => SarifLevel::Warning,
            Verdict::Ready | Verdict::NotApplicable => return None,
        };
        Some(if self.options.required.contains(&mode) { level } else { SarifLevel::Note })
    }

    fn line_of_application(&self, name: &str) -> ProjectLine {
        let application = self.shown.applications.iter().find(|each| each.name == name);
        application.map_or_else(|| self.options.files.line_of(None), |each| self.line_of_file(&each.file))
    }

    /// The first line of a file of the project, or else the stated line.
    fn line_of_file(&self, file: &str) -> ProjectLine {
        self.options.files.line_in_file(file, 1).unwrap_or_else(|| self.options.files.line_of(None))
    }

    /// A line of the project's own source, or else the stated line.
    fn line_of_source(&self, place: &SourcePlace) -> ProjectLine {
        let own = self.options.files.line_in_file(&place.file, place.line);
        own.unwrap_or_else(|| self.options.files.line_of(None))
    }

    /// Builds a result. Its fingerprint depends on the rule, the subject and the parts only.
    fn build_result(&self, found: Found<'_>) -> SarifResult {
        let fingerprint = [&[found.rule, found.subject], found.parts.as_slice()].concat().join("\n");
        let digest = digest::of_text(&fingerprint);
        SarifResult {
            level: found.level,
            locations: [build_location(&found.line, Some(found.subject))],
            message: limit_text(&remove_braces(&found.text)).into(),
            partial_fingerprints: SarifFingerprints {
                line: format!("{}:1", digest.get(..16).unwrap_or_default()),
                v2: digest,
            },
            related_locations: Vec::new(),
            rule_id: found.rule.to_owned(),
            rule_index: RULES.iter().position(|rule| rule.id == found.rule),
        }
    }
}

/// Describes a root cause: what it does in which modes, what it blocks, and newer versions.
fn describe_cause(module: &str, cause: &CommonCause<'_>) -> String {
    let each = cause.texts.iter().map(|(what, modes)| {
        let modes: Vec<&str> = modes.iter().map(|mode| mode.name()).collect();
        format!("{}: {module} {what}", modes.join(", "))
    });
    let mut text = each.collect::<Vec<_>>().join("\n");
    if !cause.blocks.is_empty() {
        text.push_str(&format!(". It also blocks {}", cause.blocks.join(", ")));
    }
    if let Some(upgrade) = cause.upgrade {
        text.push_str(&format!(". Newer versions: {upgrade}"));
    }
    text
}

/// Builds the location of a line, and the name of what it is about.
fn build_location(line: &ProjectLine, name: Option<&str>) -> SarifLocation {
    let artifact_location = SarifArtifactLocation { uri: encode_uri(&line.file), uri_base_id: "%SRCROOT%" };
    let name =
        name.map(|name| [SarifLogicalLocation { fully_qualified_name: remove_braces(name), kind: "module" }]);
    SarifLocation {
        logical_locations: name,
        physical_location: SarifPhysicalLocation {
            artifact_location,
            region: SarifRegion { start_line: line.line },
        },
    }
}

/// Removes the braces of placeholders that no folder is known for: `{environment}/lib` becomes `environment/lib`.
fn remove_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let is_name = |name: &&str| {
            !name.is_empty()
                && name.chars().all(|letter| letter.is_ascii_lowercase() || " -0123456789".contains(letter))
        };
        match after.split_once('}').filter(|(name, _)| is_name(name)) {
            Some((name, further)) => {
                out.push_str(name);
                rest = further;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

/// Encodes a path as a relative URI reference (RFC 3986). All characters except unreserved ones and `/` are
/// percent-encoded.
fn encode_uri(path: &str) -> String {
    utf8_percent_encode(path.trim_start_matches('/'), &URI_PATH).to_string()
}

/// All bytes except unreserved characters and `/`.
const URI_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_have_no_braces_and_other_text_keeps_them() {
        for (text, expected) in [
            ("in {environment}/lib and {application 2}", "in environment/lib and application 2"),
            ("{Py_mod_gil, 1}, {} and {", "{Py_mod_gil, 1}, {} and {"),
            ("PyErr { type: <class 'ImportError'> }", "PyErr { type: <class 'ImportError'> }"),
        ] {
            assert_eq!(remove_braces(text), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut_and_keeps_its_lines() {
        assert_eq!(escape_lines("one\ntwo", 20), "one\ntwo");
        assert_eq!(escape_lines("one\ntwo", 5), "one\n…");
    }
}
