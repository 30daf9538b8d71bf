//! Every form of one stored report, held against golden files. `WSGIAUDIT_REWRITE=1` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::sarif::SarifOptions;
use super::style::TextStyle;
use super::table::{self, TableOptions};
use super::{details, github, html, json, junit, markdown, sarif};
use crate::model::Mode;
use crate::project_files::ProjectFiles;
use crate::report::Document;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

fn document() -> Document {
    Document::parse(&fs::read_to_string(golden("report.json")).unwrap(), "report.json").unwrap()
}

#[test]
fn every_form_is_as_it_was() {
    let (stored, shown) = (document(), document().with_real_paths());
    let required = [Mode::OwnGil];
    let options = |width| TableOptions { style: TextStyle::plain(width), modules: false };
    let files = ProjectFiles::default();
    let options_of_sarif = SarifOptions { required: &required, is_strict: false, files: &files };
    let ascii = TextStyle { is_ascii: true, ..TextStyle::plain(80) };
    for (name, text) in [
        ("report.txt", table::render(&shown, &required, options(120))),
        ("report.80.txt", table::render(&shown, &required, options(80))),
        ("report.60.txt", table::render(&shown, &required, options(60))),
        ("report.ascii.txt", table::render(&shown, &required, TableOptions { style: ascii, modules: true })),
        ("report.details.txt", details::render(&shown, &required)),
        ("report.html", html::render(&stored).unwrap()),
        ("report.sarif", sarif::render(&stored, &options_of_sarif).unwrap()),
        ("report.junit.xml", junit::render(&shown, false).unwrap()),
        ("report.md", markdown::render(&shown, &required)),
        ("report.annotations.txt", github::render(&shown, &required, &files)),
    ] {
        if std::env::var_os("WSGIAUDIT_REWRITE").is_some() {
            fs::write(golden(name), &text).unwrap();
        }
        let kept = fs::read_to_string(golden(name)).unwrap();
        let differs = text.lines().zip(kept.lines()).find(|(new, old)| new != old);
        assert!(text == kept, "{name}: look at the change, then WSGIAUDIT_REWRITE=1 writes it: {differs:?}");
    }
}

#[test]
fn a_stored_report_is_written_as_it_was_read() {
    let mut written: Value = serde_json::from_str(&json::render(&document()).unwrap()).unwrap();
    let kept: Value = serde_json::from_str(&fs::read_to_string(golden("report.json")).unwrap()).unwrap();
    if kept.get("decided_by").is_none() {
        // It is from a version without this field.
        written.as_object_mut().unwrap().remove("decided_by");
    }
    assert!(written == kept);
}
