//! The catalog of rules, including the reasons of `unknown` and `not-applicable`.
//!
//! Causes, findings and `reason_id`s in a report refer to a rule by its id. Each rule has a page in `pages/`.

use std::fmt;

use serde::Serialize;

/// A rule of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its id, which never changes: `refused`.
    pub id: &'static str,
    /// How serious its findings are.
    pub severity: Severity,
    /// The kind of evidence.
    pub confidence: Confidence,
    /// Its page, Markdown.
    #[serde(skip)]
    pub page: &'static str,
}

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Blocks a mode.
    Error,
    /// Works with reduced performance or function.
    Warning,
    /// Information that changes no verdict.
    Note,
    /// A reason why something could not be judged.
    Unknown,
    /// A reason why something need not be judged.
    NotApplicable,
}

/// The kind of evidence that a rule rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It happened in a trial.
    Tried,
    /// It was read in a file, and no code was run.
    Read,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::NotApplicable => "n/a",
        })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tried => "tried",
            Self::Read => "read",
        })
    }
}

macro_rules! rules {
    ($($id:literal $severity:ident $confidence:ident,)*) => {
        &[$(Rule {
            id: $id,
            severity: Severity::$severity,
            confidence: Confidence::$confidence,
            page: include_str!(concat!("pages/", $id, ".md")),
        },)*]
    };
}

/// All rules.
///
/// In this order: failures, losses, findings for maintainers, hazards in extension modules, hazards in an
/// application's Python source, Apache's configuration, the version of Python, and the reasons of `unknown`
/// and `not-applicable` in the order of [`ReasonId::ALL`](crate::model::ReasonId::ALL).
pub const RULES: &[Rule] = rules! {
    "refused" Error Tried,
    "refuses-by-itself" Error Tried,
    "raises" Error Tried,
    "crashes" Error Tried,
    "hangs" Error Tried,
    "loses-descriptors" Error Tried,
    "leaves-threads" Error Tried,
    "shares-objects" Error Tried,
    "python-defect" Error Tried,
    "switches-gil-on" Error Tried,
    "no-free-threaded-wheel" Error Read,
    "lost-accelerator" Warning Tried,
    "declare-slot" Note Tried,
    "declare-gil" Note Tried,
    "behind" Note Tried,
    "left-in-main" Warning Tried,
    "left-in-statics" Warning Tried,
    "native-threads" Note Tried,
    "misread-declaration" Warning Tried,
    "gil-state-api" Note Read,
    "static-type" Note Read,
    "state-find-module" Note Read,
    "global-state" Note Read,
    "own-interpreter-guard" Note Read,
    "writable-globals" Note Read,
    "daemon-thread" Warning Read,
    "timer-thread" Note Read,
    "queue-listener" Warning Read,
    "multiprocessing" Warning Read,
    "thread-in-request" Note Read,
    "thread-pool" Note Read,
    "atexit-cleanup" Warning Read,
    "fork-or-exec" Warning Read,
    "signal-handler" Note Read,
    "main-only-module" Warning Read,
    "process-wide-global" Note Read,
    "per-interpreter-cache" Note Read,
    "process-state" Warning Read,
    "environment-variable" Warning Read,
    "ctypes-load" Note Read,
    "apache-own-gil-main" Warning Read,
    "apache-main-beside-groups" Error Read,
    "apache-unfit-interpreter" Error Tried,
    "apache-own-gil-unused" Note Tried,
    "apache-own-gil-free-threading" Warning Read,
    "apache-free-threading-gil-build" Warning Read,
    "apache-free-threading-one-group" Warning Read,
    "apache-own-gil-old-python" Warning Read,
    "apache-switch-interval-shared-gil" Warning Read,
    "apache-switch-interval-own-gil" Warning Read,
    "apache-switch-interval-overridden" Warning Read,
    "apache-switch-interval-free-threading" Warning Read,
    "apache-pool-destroyed" Warning Read,
    "apache-options-unused" Warning Read,
    "apache-alias-unused" Warning Read,
    "apache-no-process-group" Error Read,
    "apache-embedded-not-allowed" Error Read,
    "apache-process-not-allowed" Error Read,
    "apache-process-of-other-host" Error Read,
    "apache-access-denied" Error Read,
    "apache-htaccess-refused" Error Read,
    "apache-alias-broken" Error Read,
    "apache-daemon-unused" Warning Read,
    "apache-section-unused" Warning Read,
    "apache-group-by-client" Note Read,
    "apache-group-for-each-url" Warning Read,
    "apache-other-python" Error Read,
    "apache-module-not-loaded" Note Read,
    "apache-bodies-cut-off" Error Read,
    "apache-request-timeout" Note Read,
    "python-too-old" Error Read,
    "missing-library" Unknown Tried,
    "missing-module" Unknown Tried,
    "missing-variable" Unknown Tried,
    "missing-file" Unknown Tried,
    "missing-service" Unknown Tried,
    "too-slow" Unknown Tried,
    "fails-in-control" Unknown Tried,
    "request-fails" Unknown Tried,
    "no-success" Unknown Tried,
    "crashes-in-control" Unknown Tried,
    "damaged-file" Unknown Read,
    "broken-link" Unknown Read,
    "unreadable" Unknown Read,
    "sandbox" Unknown Tried,
    "writes-too-much" Unknown Tried,
    "killed" Unknown Tried,
    "interrupted" Unknown Read,
    "no-trials" Unknown Read,
    "not-cpython" Unknown Read,
    "probe-failed" Unknown Tried,
    "not-tried" Unknown Read,
    "needs-unknown" Unknown Read,
    "loads-another-file" Unknown Tried,
    "declaration-contradicted" Unknown Tried,
    "keeps-objects" Unknown Tried,
    "gil-not-told" Unknown Tried,
    "fails-with-gil" Unknown Tried,
    "not-in-free-threaded-environment" Unknown Read,
    "index-not-asked" Unknown Read,
    "source-not-read" Unknown Read,
    "source-not-followed" Unknown Read,
    "imported-on-condition" Unknown Read,
    "other-names" Unknown Tried,
    "user-site" Unknown Read,
    "plain-library" NotApplicable Read,
    "in-zip-file" NotApplicable Read,
    "other-abi" NotApplicable Read,
    "other-platform" NotApplicable Read,
    "shadowed" NotApplicable Read,
    "unimportable-name" NotApplicable Read,
    "done-without" NotApplicable Tried,
    "no-python-code" NotApplicable Read,
    "not-on-free-threaded-build" NotApplicable Read,
};

impl Rule {
    /// Returns the rule with this id.
    pub fn find_by_id(id: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.id == id)
    }

    /// Whether it is a reason of `unknown` or `not-applicable`, not a finding.
    pub fn is_reason(&self) -> bool {
        matches!(self.severity, Severity::Unknown | Severity::NotApplicable)
    }

    /// The first sentence of its page.
    pub fn title(&self) -> &'static str {
        self.page.lines().skip(1).find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// The text below a heading of its page, e.g. `What to do`. Empty if there is no such heading.
    pub fn section(&self, heading: &str) -> &'static str {
        let mut sections = self.page.split("\n## ").skip(1);
        let found = sections.find_map(|section| section.strip_prefix(heading)?.strip_prefix('\n'));
        found.unwrap_or_default().trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ReasonId, Verdict};

    #[test]
    fn every_page_has_its_parts() {
        for rule in RULES {
            assert!(rule.page.starts_with(&format!("# {}\n\n", rule.id)), "{}", rule.id);
            assert!(rule.title().ends_with('.') && !rule.title().starts_with('#'), "{}", rule.id);
            for heading in ["What it means", "How it is found", "What to do"] {
                assert!(!rule.section(heading).is_empty(), "{}: {heading}", rule.id);
            }
        }
    }

    #[test]
    fn every_reason_has_a_page_and_every_page_of_a_reason_has_one() {
        let reasons = ReasonId::ALL.map(|reason| {
            let severity = match reason.verdict() {
                Verdict::NotApplicable => Severity::NotApplicable,
                Verdict::Unsafe
                | Verdict::Blocked
                | Verdict::Unknown
                | Verdict::Degraded
                | Verdict::Ready => Severity::Unknown,
            };
            (reason.id(), severity)
        });
        let pages = RULES.iter().filter(|rule| rule.is_reason());
        let pages: Vec<_> = pages.map(|rule| (rule.id, rule.severity)).collect();
        assert_eq!(pages, reasons);
    }

    #[test]
    fn an_id_is_found_and_another_is_not() {
        assert_eq!(Rule::find_by_id("refused").map(|rule| rule.severity), Some(Severity::Error));
        assert_eq!(Rule::find_by_id("absent"), None);
    }
}
