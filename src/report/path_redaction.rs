//! Replaces the machine's folders with placeholders, so that a document is the same on every machine.

use std::collections::BTreeMap;
use std::path::Path;

use super::v1::{Document, DocumentPart};
use crate::trial::hide_addresses;

/// Folders, each with the name of the placeholder that stands for it in a document.
#[derive(Clone, Debug, Default)]
pub struct PathPlaceholders(Vec<PathPlaceholder>);

#[derive(Clone, Debug)]
struct PathPlaceholder {
    name: String,
    /// The ways in which its path is written, the one to show first.
    paths: Vec<String>,
}

impl PathPlaceholders {
    /// Adds a folder, both as given and with links resolved. Ignores the root folder and an empty path.
    pub fn add_folder(&mut self, name: &str, folder: &Path) {
        let mut paths = Vec::new();
        for path in [std::path::absolute(folder).ok(), folder.canonicalize().ok()].into_iter().flatten() {
            let path = path.to_string_lossy().trim_end_matches('/').to_owned();
            if !path.is_empty() && !paths.contains(&path) {
                paths.push(path);
            }
        }
        if !paths.is_empty() {
            self.0.push(PathPlaceholder { name: name.to_owned(), paths });
        }
    }

    /// Returns the folders by name, for the document's header.
    pub fn folders_by_name(&self) -> BTreeMap<String, String> {
        let shown = |place: &PathPlaceholder| Some((place.name.clone(), place.paths.first()?.clone()));
        self.0.iter().filter_map(shown).collect()
    }

    /// Returns the document with `{name}` in place of each of these folders, and without addresses.
    pub fn redact_document(&self, mut document: Document) -> Document {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        for place in &self.0 {
            pairs.extend(place.paths.iter().map(|path| (path.as_str(), format!("{{{}}}", place.name))));
        }
        // The longest first: one folder may lie in another.
        pairs.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let named = |text: &str| {
            pairs.iter().fold(text.to_owned(), |text, (path, name)| replace_whole_path(&text, path, name))
        };
        document.map_texts(&|text| hide_addresses(&named(text)));
        document
    }
}

impl Document {
    /// Returns the document with the folders in place of their placeholders, for display. The header, which
    /// tells what they stand for, stays.
    pub fn with_real_paths(&self) -> Self {
        let mut shown = self.clone();
        let Some(header) = shown.header.take() else { return shown };
        shown.map_texts(&|text| {
            let places = header.places.iter();
            places.fold(text.to_owned(), |text, (name, path)| text.replace(&format!("{{{name}}}"), path))
        });
        Self { header: Some(header), ..shown }
    }
}

/// Replaces a path unless it is part of another name: `/v` in `/v/lib`, not in `/venv`.
fn replace_whole_path(text: &str, path: &str, name: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(path) {
        let is_whole = !after.starts_with(|letter: char| letter.is_alphanumeric() || "-_.".contains(letter))
            && !before.ends_with(|letter: char| letter.is_alphanumeric() || "-_.".contains(letter));
        out.push_str(before);
        out.push_str(if is_whole { name } else { path });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::fixtures::full_report;

    #[test]
    fn a_path_is_replaced_whole() {
        for (text, expected) in [
            ("no /v/lib, /venv or /a/v: /v", "no {e}/lib, /venv or /a/v: {e}"),
            ("/v-1 /v.2 /v_3 /v", "/v-1 /v.2 /v_3 {e}"),
            ("x/v -/v ./v _/v (/v)", "x/v -/v ./v _/v ({e})"),
            ("", ""),
        ] {
            assert_eq!(replace_whole_path(text, "/v", "{e}"), expected);
        }
    }

    #[test]
    fn the_root_folder_is_no_place() {
        let mut places = PathPlaceholders::default();
        places.add_folder("environment", Path::new("/"));
        places.add_folder("empty", Path::new(""));
        assert!(places.folders_by_name().is_empty());
    }

    #[test]
    fn a_folder_is_known_as_given_and_with_links_resolved() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().canonicalize().unwrap().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut places = PathPlaceholders::default();
        places.add_folder("environment", &link);
        places.add_folder("site", &real.join("site"));
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let by_name = [("environment", shown(&link)), ("site", shown(&real.join("site")))];
        assert_eq!(places.folders_by_name(), by_name.map(|(name, path)| (name.to_owned(), path)).into());
        let mut report = full_report();
        let links = [&link, &real, &real.join("site")].map(|path| shown(path));
        report.notes = vec![links.join(" "), "at 0x7f0123456789".to_owned()];
        let redacted = places.redact_document(Document::from(&report));
        assert_eq!(redacted.notes[0], "{environment} {environment} {site}");
        assert!(!redacted.notes[1].contains("7f01"), "{}", redacted.notes[1]);
    }

    /// Changes every string of the document's JSON.
    fn map_json(value: &mut Value, change: &dyn Fn(&str) -> String) {
        match value {
            Value::String(text) => *text = change(text),
            Value::Array(all) => all.iter_mut().for_each(|each| map_json(each, change)),
            Value::Object(fields) => fields.values_mut().for_each(|each| map_json(each, change)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    #[test]
    fn every_text_of_a_document_is_walked() {
        // No name of an enumeration has a slash.
        let change: &dyn Fn(&str) -> String = &|text| text.replace("/srv/", "{x}").replace('.', "/");
        let document = Document::from(&full_report());
        let mut walked = document.clone();
        walked.map_texts(change);
        let mut expected = serde_json::to_value(&document).unwrap();
        map_json(&mut expected, change);
        assert_eq!(serde_json::to_value(&walked).unwrap(), expected);
        assert!(!expected.to_string().contains("/srv/"));
        assert!(expected.to_string().contains("{x}"));
    }

    #[test]
    fn the_header_says_what_placeholders_stand_for() {
        let mut document = Document::from(&full_report());
        document.notes = vec!["{environment}/lib {site}".to_owned()];
        assert_eq!(document.with_real_paths(), document);
        let places = [("environment", "/v"), ("site", "/v/{environment}")];
        let header = crate::report::v1::Header {
            started: "{environment}".to_owned(),
            seconds: 1.0,
            places: places.map(|(name, path)| (name.to_owned(), path.to_owned())).into(),
            trials: None,
            requests: Vec::new(),
        };
        document.header = Some(header.clone());
        let shown = document.with_real_paths();
        assert_eq!((shown.notes[0].as_str(), shown.header), ("/v/lib /v/{environment}", Some(header)));
    }
}
