//! Folders of the machine, by names: a document that tells none of them is the same on every machine.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Document;
use crate::trial::hide_addresses;

/// Folders, each with the name that stands for it in a document.
#[derive(Clone, Debug, Default)]
pub struct Places(Vec<Place>);

#[derive(Clone, Debug)]
struct Place {
    name: String,
    /// The ways that its path is written, the one to show first.
    paths: Vec<String>,
}

impl Places {
    /// Names a folder: as it was given, and with links followed. The root folder, and an empty path, are no
    /// places.
    pub fn add(&mut self, name: &str, folder: &Path) {
        let mut paths = Vec::new();
        for path in [std::path::absolute(folder).ok(), folder.canonicalize().ok()].into_iter().flatten() {
            let path = path.to_string_lossy().trim_end_matches('/').to_owned();
            if !path.is_empty() && !paths.contains(&path) {
                paths.push(path);
            }
        }
        if !paths.is_empty() {
            self.0.push(Place { name: name.to_owned(), paths });
        }
    }

    /// The places, for the document's header.
    pub fn named(&self) -> BTreeMap<String, String> {
        let shown = |place: &Place| Some((place.name.clone(), place.paths.first()?.clone()));
        self.0.iter().filter_map(shown).collect()
    }

    /// The document with `{name}` for each of these folders, and without addresses.
    ///
    /// # Errors
    /// None that can happen with a document's types; passed on all the same.
    pub fn hide(&self, document: &Document) -> serde_json::Result<Document> {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        for place in &self.0 {
            pairs.extend(place.paths.iter().map(|path| (path.as_str(), format!("{{{}}}", place.name))));
        }
        // The longest first: one place may lie in another.
        pairs.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let named = |text: String| pairs.iter().fold(text, |text, (path, name)| whole(&text, path, name));
        replace(document, |text| hide_addresses(&named(text)))
    }
}

impl Document {
    /// The document with the folders in place of their names, as people want to read it.
    ///
    /// # Errors
    /// As [`Places::hide`].
    pub fn with_places(&self) -> serde_json::Result<Self> {
        let Some(header) = &self.header else { return Ok(self.clone()) };
        let body = Self { header: None, ..self.clone() };
        let shown = replace(&body, |text| {
            header.places.iter().fold(text, |text, (name, path)| text.replace(&format!("{{{name}}}"), path))
        })?;
        Ok(Self { header: self.header.clone(), ..shown })
    }
}

fn replace(document: &Document, change: impl Fn(String) -> String) -> serde_json::Result<Document> {
    let mut value = serde_json::to_value(document)?;
    visit(&mut value, &change);
    serde_json::from_value(value)
}

fn visit(value: &mut Value, change: &impl Fn(String) -> String) {
    match value {
        Value::String(text) => *text = change(std::mem::take(text)),
        Value::Array(all) => all.iter_mut().for_each(|each| visit(each, change)),
        Value::Object(fields) => fields.values_mut().for_each(|each| visit(each, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces a path where it is not the beginning of another name: `/v` in `/v/lib`, not in `/venv`.
fn whole(text: &str, path: &str, name: &str) -> String {
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
    use super::*;

    #[test]
    fn a_path_is_replaced_whole() {
        assert_eq!(whole("no /v/lib, /venv or /a/v: /v", "/v", "{e}"), "no {e}/lib, /venv or /a/v: {e}");
    }

    #[test]
    fn the_root_folder_is_no_place() {
        let mut places = Places::default();
        places.add("environment", Path::new("/"));
        assert!(places.named().is_empty());
    }
}
