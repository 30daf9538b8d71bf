//! The whole page, with a content security policy that forbids all requests.

use std::collections::BTreeMap;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::model::Verdict;
use crate::report::v1::{Document, Python};

use super::answers::{AnswerCard, build_answer_cards};
use super::causes::{ModeCauses, build_mode_causes};
use super::distribution_table::{DistributionView, assign_row_ids, build_rows, column_modes};
use super::rule_pages::{RulePage, RulePages};
use super::subject::SubjectView;
use super::text::truncate_text;
use super::verdict_cell::verdict_meaning;
use crate::render::answer::{compare_own_gil_and_free_threading, directive_of_mode};
use crate::render::table::environment_name;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[derive(Template)]
#[template(path = "page.html")]
struct ReportPage<'a> {
    title: String,
    /// The folder of the environment that was audited.
    environment: Option<String>,
    style: &'static str,
    style_digest: String,
    script: &'static str,
    script_digest: String,
    pythons: Vec<String>,
    when: Option<String>,
    places: Vec<(String, String)>,
    tool: String,
    answers: Vec<AnswerCard>,
    nearer: Option<String>,
    /// Summary of the files that were found but not tried.
    not_tried: Option<String>,
    notes: &'a [String],
    trouble: &'a [String],
    causes: Vec<ModeCauses>,
    /// Applications and exercises.
    users: Vec<SubjectView>,
    /// The name of each mode, and its name in mod_wsgi's configuration.
    modes: Vec<(&'static str, &'static str)>,
    /// Number of columns of the table.
    width: usize,
    rows: Vec<DistributionView>,
    /// CSS class, label and meaning of each verdict.
    verdicts: Vec<(&'static str, &'static str, &'static str)>,
    rules: &'a [RulePage],
}

/// Renders a report.
///
/// # Errors
/// If a template fails, which does not happen with these types.
pub fn render(document: &Document) -> askama::Result<String> {
    let modes = column_modes(document);
    let ids = assign_row_ids(document);
    let rule_pages = RulePages::for_document(document);
    let links: BTreeMap<&str, String> = document
        .distributions
        .iter()
        .zip(&ids)
        .filter_map(|(row, id)| Some((row.name.as_deref()?, id.clone())))
        .collect();
    let pythons: Vec<String> =
        document.environment.iter().chain(&document.free_threaded).map(describe_python).collect();
    let header = document.header.as_ref();
    ReportPage {
        title: title_of(document, &pythons),
        environment: environment_name(document).map(|name| truncate_text(name, 300)),
        style: STYLE,
        style_digest: csp_digest(STYLE),
        script: SCRIPT,
        script_digest: csp_digest(SCRIPT),
        pythons,
        when: header.map(|header| format!("{}, {:.0} s", truncate_text(&header.started, 40), header.seconds)),
        places: header
            .into_iter()
            .flat_map(|header| &header.places)
            .map(|(name, folder)| (format!("{{{}}}", truncate_text(name, 60)), truncate_text(folder, 300)))
            .collect(),
        tool: truncate_text(&format!("{} {}", document.tool.name, document.tool.version), 80),
        answers: build_answer_cards(document),
        nearer: compare_own_gil_and_free_threading(document),
        not_tried: crate::render::untried_files::summarize_untried_files(document),
        notes: &document.notes,
        trouble: &document.trouble,
        causes: build_mode_causes(document, &links),
        users: SubjectView::for_applications_and_exercises(document, &modes),
        modes: modes.iter().map(|mode| (mode.name(), directive_of_mode(*mode))).collect(),
        width: 4 + modes.len(),
        rows: build_rows(document, &modes, &ids, &rule_pages),
        verdicts: Verdict::ALL
            .map(|verdict| (verdict.name(), verdict.short_name(), verdict_meaning(verdict)))
            .to_vec(),
        rules: rule_pages.as_slice(),
    }
    .render()
}

/// Returns the title: the environment, or else its Python.
fn title_of(document: &Document, pythons: &[String]) -> String {
    let environment = environment_name(document).map(|name| truncate_text(name, 120));
    environment.or_else(|| pythons.first().cloned()).unwrap_or_else(|| "no Python".to_owned())
}

fn describe_python(python: &Python) -> String {
    let build = if python.free_threaded { ", free-threaded" } else { "" };
    truncate_text(&format!("CPython {}{build}, {}", python.python, python.platform), 120)
}

/// Returns the hash of an inline style or script, as a content security policy names it.
pub fn csp_digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_cannot_end_their_elements() {
        assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
    }

    #[test]
    fn a_digest_is_as_policies_write_it() {
        assert_eq!(csp_digest(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
