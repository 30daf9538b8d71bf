//! Renders workflow commands of GitHub Actions: an annotation for each root cause.

use std::fmt::Write;

use super::escape::escape;
use crate::model::{Mode, Verdict};
use crate::report::v1::Document;
use crate::report::{DecidedBy, DecidingItem, DecidingItemKind};

/// Maximum number of annotations: GitHub shows ten of each kind for a step.
const MAX_ANNOTATIONS: usize = 10;

/// Renders errors for obstacles that decide a required mode, notices for other obstacles, and warnings for
/// lost accelerators.
pub fn render(document: &Document, required: &[Mode]) -> String {
    let mut text = String::new();
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
                push_annotation(&mut text, kind, &title, &format!("{mode}: {}{also}", root.what));
            }
        }
    }
    for answer in required.iter().filter_map(|mode| document.compute_answer(*mode)) {
        let is_failed = |decider: &&DecidingItem<'_>| {
            decider.kind != DecidingItemKind::Distribution && decider.judged.verdict <= Verdict::Unknown
        };
        for decider in answer.deciders.iter().filter(is_failed).take(MAX_ANNOTATIONS) {
            let title =
                format!("wsgiaudit: {} is {}", decider.name.unwrap_or_default(), decider.judged.verdict);
            push_annotation(
                &mut text,
                "error",
                &title,
                &format!("{}: {}", answer.mode, decider.judged.reason),
            );
        }
    }
    for row in &document.distributions {
        let lost = required.iter().filter_map(|mode| row.modes.get(mode));
        for judged in lost.filter(|judged| judged.verdict == Verdict::Degraded).take(1) {
            let name = row.name.as_deref().unwrap_or_default();
            push_annotation(
                &mut text,
                "warning",
                "wsgiaudit lost-accelerator",
                &format!("{name} {}", judged.reason),
            );
        }
    }
    for trouble in document.trouble.iter().take(MAX_ANNOTATIONS) {
        push_annotation(&mut text, "error", "wsgiaudit incomplete", trouble);
    }
    text
}

/// Appends a workflow command, with its properties and data encoded. GitHub decodes only these characters, so
/// this is not the percent-encoding of URLs.
fn push_annotation(text: &mut String, kind: &str, title: &str, message: &str) {
    let data = |value: &str| escape(value).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |value: &str| data(value).replace(':', "%3A").replace(',', "%2C");
    let _ = writeln!(text, "::{kind} title={}::{}", property(title), data(message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_command() {
        let mut text = String::new();
        push_annotation(&mut text, "error", "a,b:c", "x\n::set-output name=y::z%");
        assert_eq!(text, "::error title=a%2Cb%3Ac::x\\u{a}::set-output name=y::z%25\n");
    }
}
