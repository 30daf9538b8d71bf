//! Replaces the machine's folders with placeholders, so that a document is the same on every machine.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Document;
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
    ///
    /// # Errors
    /// When the document cannot be serialized, which its types rule out.
    pub fn redact_document(&self, document: &Document) -> serde_json::Result<Document> {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        for place in &self.0 {
            pairs.extend(place.paths.iter().map(|path| (path.as_str(), format!("{{{}}}", place.name))));
        }
        // The longest first: one folder may lie in another.
        pairs.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let named = |text: String| {
            pairs.iter().fold(text, |text, (path, name)| replace_whole_path(&text, path, name))
        };
        map_strings(document, |text| hide_addresses(&named(text)))
    }
}

impl Document {
    /// Returns the document with the folders in place of their placeholders, for display.
    ///
    /// # Errors
    /// As [`PathPlaceholders::redact_document`].
    pub fn with_real_paths(&self) -> serde_json::Result<Self> {
        let Some(header) = &self.header else { return Ok(self.clone()) };
        let body = Self { header: None, ..self.clone() };
        let shown = map_strings(&body, |text| {
            header.places.iter().fold(text, |text, (name, path)| text.replace(&format!("{{{name}}}"), path))
        })?;
        Ok(Self { header: self.header.clone(), ..shown })
    }
}

fn map_strings(document: &Document, change: impl Fn(String) -> String) -> serde_json::Result<Document> {
    let mut value = serde_json::to_value(document)?;
    map_strings_in_value(&mut value, &change);
    serde_json::from_value(value)
}

fn map_strings_in_value(value: &mut Value, change: &impl Fn(String) -> String) {
    match value {
        Value::String(text) => *text = change(std::mem::take(text)),
        Value::Array(all) => all.iter_mut().for_each(|each| map_strings_in_value(each, change)),
        Value::Object(fields) => fields.values_mut().for_each(|each| map_strings_in_value(each, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
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
    use super::*;

    #[test]
    fn a_path_is_replaced_whole() {
        assert_eq!(
            replace_whole_path("no /v/lib, /venv or /a/v: /v", "/v", "{e}"),
            "no {e}/lib, /venv or /a/v: {e}"
        );
    }

    #[test]
    fn the_root_folder_is_no_place() {
        let mut places = PathPlaceholders::default();
        places.add_folder("environment", Path::new("/"));
        assert!(places.folders_by_name().is_empty());
    }
}
