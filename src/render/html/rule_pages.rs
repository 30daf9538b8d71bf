//! The pages of the rules that a report refers to, as HTML.

use std::collections::BTreeSet;

use pulldown_cmark::{Parser, html};

use crate::model::{RULES, Rule, Verdict};
use crate::report::v1::{Document, Judged};

/// A rule's page as HTML.
#[derive(Clone, Debug)]
pub(super) struct RulePage {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) severity: String,
    pub(super) confidence: String,
    pub(super) means: String,
    pub(super) found: String,
    pub(super) advice: String,
}

impl RulePage {
    fn from_rule(rule: &'static Rule) -> Self {
        Self {
            id: rule.id,
            title: rule.title(),
            severity: rule.severity.to_string(),
            confidence: rule.confidence.to_string(),
            means: render_markdown(rule.section("What it means")),
            found: render_markdown(rule.section("How it is found")),
            advice: render_markdown(rule.section("What to do")),
        }
    }
}

/// The pages that a report refers to, in the catalog's order.
#[derive(Debug)]
pub(super) struct RulePages(Vec<RulePage>);

impl RulePages {
    /// Collects the pages for all reasons, causes, findings and hazards of a report.
    pub(super) fn for_document(document: &Document) -> Self {
        let mut ids: BTreeSet<&str> = BTreeSet::new();
        let of_distributions = document.distributions.iter().flat_map(|row| row.modes.values());
        let of_modules = document.modules.iter().flat_map(|module| module.modes.values());
        for judged in of_distributions.chain(of_modules.map(|tried| &tried.judged)) {
            ids.extend(judged.explanation_id());
        }
        for module in &document.modules {
            ids.extend(module.findings.iter().map(|finding| finding.rule.as_str()));
            let other = module.free_threaded_build.as_ref().map(|other| &other.declaration);
            for declaration in module.declaration.iter().chain(other) {
                ids.extend(declaration.hazards.iter().map(|hazard| hazard.kind.as_str()));
            }
        }
        let applications = document.applications.iter().flat_map(|application| &application.hazards);
        ids.extend(applications.map(|hazard| hazard.rule.as_str()));
        Self(RULES.iter().filter(|rule| ids.contains(rule.id)).map(RulePage::from_rule).collect())
    }

    pub(super) fn as_slice(&self) -> &[RulePage] {
        &self.0
    }

    /// Returns the pages that explain these judgements, each once. Ready and not applicable judgements have
    /// none.
    pub(super) fn advice_for<'a>(&self, judged: impl Iterator<Item = &'a Judged>) -> Vec<RulePage> {
        let matters = |judged: &&Judged| match judged.verdict {
            Verdict::Unsafe | Verdict::Blocked | Verdict::Degraded | Verdict::Unknown => true,
            Verdict::Ready | Verdict::NotApplicable => false,
        };
        let ids: BTreeSet<&str> = judged.filter(matters).filter_map(Judged::explanation_id).collect();
        self.0.iter().filter(|page| ids.contains(page.id)).cloned().collect()
    }
}

/// Renders trusted Markdown: the pages are part of this program.
fn render_markdown(text: &str) -> String {
    let mut markup = String::new();
    html::push_html(&mut markup, Parser::new(text));
    markup
}
