//! The rules' pages, as far as a report refers to them: what to do, and what it means.

use std::collections::BTreeSet;

use pulldown_cmark::{Parser, html};

use crate::model::Verdict;
use crate::report::v1::{Document, Judged};
use crate::rules::{RULES, Rule};

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
    /// Of all reasons, causes, findings and hazards.
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

    /// Of what stands in the way, or is lost, in some mode; each once.
    pub(super) fn advice_for<'a>(&self, judged: impl Iterator<Item = &'a Judged>) -> Vec<RulePage> {
        let matters = |judged: &&Judged| match judged.verdict {
            Verdict::Unsafe | Verdict::Blocked | Verdict::Degraded | Verdict::Unknown => true,
            Verdict::Ready | Verdict::NotApplicable => false,
        };
        let ids: BTreeSet<&str> = judged.filter(matters).filter_map(Judged::explanation_id).collect();
        self.0.iter().filter(|way| ids.contains(way.id)).cloned().collect()
    }
}

/// Of a page that is part of this program.
fn render_markdown(text: &str) -> String {
    let mut markup = String::new();
    html::push_html(&mut markup, Parser::new(text));
    markup
}
