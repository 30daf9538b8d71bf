//! Renders workflow commands of GitHub Actions: annotations at lines of the project.

use std::fmt::Write;

use super::escape::escape;
use crate::model::{Mode, Verdict};
use crate::project_files::{ProjectFiles, ProjectLine};
use crate::report::v1::Document;
use crate::report::{DecidedBy, DecidingItem, DecidingItemKind};

/// Maximum number of annotations: GitHub shows ten of each kind for a step.
const MAX_ANNOTATIONS: usize = 10;

/// Renders errors for obstacles that decide a required mode, notices for other obstacles, and warnings for
/// lost accelerators and for hazards in the source of applications. The document has real paths.
pub fn render(document: &Document, required: &[Mode], files: &ProjectFiles) -> String {
    let mut text = String::new();
    push_root_causes(&mut text, document, required, files);
    push_failed_deciders(&mut text, document, required, files);
    for row in &document.distributions {
        let lost = required.iter().filter_map(|mode| row.modes.get(mode));
        for judged in lost.filter(|judged| judged.verdict == Verdict::Degraded).take(1) {
            let name = row.name.as_deref().unwrap_or_default();
            Annotation {
                kind: "warning",
                line: files.line_of(row.name.as_deref()),
                title: "wsgiaudit lost-accelerator",
                message: &format!("{name} {}", judged.reason),
            }
            .push_to(&mut text);
        }
    }
    let hazards = document.applications.iter().flat_map(|application| &application.hazards);
    for hazard in hazards.take(MAX_ANNOTATIONS) {
        let (line, place) = match files.line_in_file(&hazard.place.file, hazard.place.line) {
            Some(line) => (line, String::new()),
            None => (files.line_of(None), format!("{}: ", hazard.place)),
        };
        let (title, message) = (format!("wsgiaudit {}", hazard.rule), format!("{place}{}", hazard.text));
        Annotation { kind: "warning", line, title: &title, message: &message }.push_to(&mut text);
    }
    for trouble in document.trouble.iter().take(MAX_ANNOTATIONS) {
        let line = files.line_of(None);
        let title = "wsgiaudit incomplete";
        Annotation { kind: "error", line, title, message: trouble }.push_to(&mut text);
    }
    text
}

fn push_root_causes(text: &mut String, document: &Document, required: &[Mode], files: &ProjectFiles) {
    for (mode, blockers) in &document.blockers {
        let decides = required.contains(mode) && document.decided_by() == DecidedBy::Distributions;
        let kind = if decides { "error" } else { "notice" };
        for blocker in blockers.iter().take(MAX_ANNOTATIONS) {
            for root in blocker.roots.iter().take(1) {
                let title = format!("wsgiaudit {}: {}", root.rule, root.module);
                let blocks: Vec<&str> =
                    blocker.blocks.iter().map(|each| each.distribution.as_str()).collect();
                let also = if blocks.is_empty() {
                    String::new()
                } else {
                    format!(". Also blocks {}", blocks.join(", "))
                };
                let message = format!("{mode}: {}{also}", root.what);
                let line = files.line_of(blocker.distribution.as_deref());
                Annotation { kind, line, title: &title, message: &message }.push_to(text);
            }
        }
    }
}

fn push_failed_deciders(text: &mut String, document: &Document, required: &[Mode], files: &ProjectFiles) {
    for answer in required.iter().filter_map(|mode| document.compute_answer(*mode)) {
        let is_failed = |decider: &&DecidingItem<'_>| {
            decider.kind != DecidingItemKind::Distribution && decider.judged.verdict <= Verdict::Unknown
        };
        for decider in answer.deciders.iter().filter(is_failed).take(MAX_ANNOTATIONS) {
            let name = decider.name.unwrap_or_default();
            let application = document.applications.iter().find(|each| each.name == name);
            let own = application.and_then(|each| files.line_in_file(&each.file, 1));
            Annotation {
                kind: "error",
                line: own.unwrap_or_else(|| files.line_of(None)),
                title: &format!("wsgiaudit: {name} is {}", decider.judged.verdict),
                message: &format!("{}: {}", answer.mode, decider.judged.reason),
            }
            .push_to(text);
        }
    }
}

/// A workflow command.
struct Annotation<'a> {
    /// `error`, `warning` or `notice`.
    kind: &'a str,
    line: ProjectLine,
    title: &'a str,
    message: &'a str,
}

impl Annotation<'_> {
    /// Appends the command, with its properties and data encoded. GitHub decodes only these characters, so this is
    /// not the percent-encoding of URLs.
    fn push_to(&self, text: &mut String) {
        let data = |value: &str| escape(value).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let property = |value: &str| data(value).replace(':', "%3A").replace(',', "%2C");
        let (kind, file, line) = (self.kind, property(&self.line.file), self.line.line);
        let (title, message) = (property(self.title), data(self.message));
        let _ = writeln!(text, "::{kind} file={file},line={line},title={title}::{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_command() {
        let mut text = String::new();
        let line = ProjectLine { file: "a,b".to_owned(), line: 3 };
        let message = "x\n::set-output name=y::z%";
        Annotation { kind: "error", line, title: "a,b:c", message }.push_to(&mut text);
        assert_eq!(text, "::error file=a%2Cb,line=3,title=a%2Cb%3Ac::x\\u{a}::set-output name=y::z%25\n");
    }
}
