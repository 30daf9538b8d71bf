//! The whole page, and the policy that forbids it every request.

use std::collections::BTreeMap;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::model::Verdict;
use crate::report::v1::{Document, Python};

use super::answers::{Card, answers};
use super::causes::{InTheWay, causes};
use super::rows::{Row, columns, ids, rows};
use super::subject::Subject;
use super::text::cut;
use super::verdicts::meaning;
use super::ways::{Way, Ways};
use crate::render::answer::{directive, nearer};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    title: String,
    style: &'static str,
    style_digest: String,
    script: &'static str,
    script_digest: String,
    pythons: Vec<String>,
    when: Option<String>,
    places: Vec<(String, String)>,
    tool: String,
    answers: Vec<Card>,
    nearer: Option<String>,
    /// What was found and not tried, summed up.
    not_tried: Option<String>,
    notes: &'a [String],
    trouble: &'a [String],
    causes: Vec<InTheWay>,
    /// Applications and exercises.
    users: Vec<Subject>,
    /// A name and what mod_wsgi calls it.
    modes: Vec<(&'static str, &'static str)>,
    /// How many columns the table has.
    width: usize,
    rows: Vec<Row>,
    /// Class, word and meaning of each verdict.
    verdicts: Vec<(&'static str, &'static str, &'static str)>,
    ways: &'a [Way],
}

/// Renders a report.
///
/// # Errors
/// None that can happen with these types; passed on all the same.
pub fn render(document: &Document) -> askama::Result<String> {
    let modes = columns(document);
    let ids = ids(document);
    let ways = Ways::of(document);
    let links: BTreeMap<&str, String> = document
        .distributions
        .iter()
        .zip(&ids)
        .filter_map(|(row, id)| Some((row.name.as_deref()?, id.clone())))
        .collect();
    let pythons: Vec<String> =
        document.environment.iter().chain(&document.free_threaded).map(python).collect();
    let header = document.header.as_ref();
    Page {
        title: pythons.first().cloned().unwrap_or_else(|| "no Python".to_owned()),
        style: STYLE,
        style_digest: digest(STYLE),
        script: SCRIPT,
        script_digest: digest(SCRIPT),
        pythons,
        when: header.map(|header| format!("{}, {:.0} s", cut(&header.started, 40), header.seconds)),
        places: header
            .into_iter()
            .flat_map(|header| &header.places)
            .map(|(name, folder)| (format!("{{{}}}", cut(name, 60)), cut(folder, 300)))
            .collect(),
        tool: cut(&format!("{} {}", document.tool.name, document.tool.version), 80),
        answers: answers(document),
        nearer: nearer(document),
        not_tried: crate::render::inventory::not_tried(document),
        notes: &document.notes,
        trouble: &document.trouble,
        causes: causes(document, &links),
        users: Subject::of_users(document, &modes),
        modes: modes.iter().map(|mode| (mode.name(), directive(*mode))).collect(),
        width: 4 + modes.len(),
        rows: rows(document, &modes, &ids, &ways),
        verdicts: Verdict::ALL.map(|verdict| (verdict.name(), verdict.word(), meaning(verdict))).to_vec(),
        ways: ways.all(),
    }
    .render()
}

fn python(python: &Python) -> String {
    let build = if python.free_threaded { ", free-threaded" } else { "" };
    cut(&format!("CPython {}{build}, {}", python.python, python.platform), 120)
}

/// As a content security policy names a source.
fn digest(text: &str) -> String {
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
        assert_eq!(digest(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
