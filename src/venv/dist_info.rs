//! Installed distributions, from `*.dist-info` (the core metadata and binary distribution specifications).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::names::is_identifier;
use crate::model::Distribution;

/// A distribution and where its files are.
#[derive(Clone, Debug)]
pub struct Installation {
    /// What its metadata says.
    pub distribution: Distribution,
    /// Absolute paths of its files, from RECORD.
    files: Vec<PathBuf>,
    /// The sources of an editable install.
    source: Option<PathBuf>,
}

impl Installation {
    /// Absolute paths of its files, from RECORD.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

/// Every distribution in some folders, sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    /// The distributions.
    pub all: Vec<Installation>,
    owners: BTreeMap<PathBuf, usize>,
    /// What could not be read.
    pub trouble: Vec<String>,
}

impl Installed {
    /// The entries of these folders that were installed together, by each of them.
    pub fn together(&self, folders: &[PathBuf]) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
        let entry = |file: &PathBuf| {
            let of =
                |folder: &PathBuf| Some(folder.join(file.strip_prefix(folder).ok()?.components().next()?));
            // Scripts lie elsewhere: `../../../bin/x`.
            folders.iter().find_map(of).filter(|entry| entry.file_name().is_some())
        };
        let mut together: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for each in &self.all {
            let entries: BTreeSet<PathBuf> = each.files.iter().filter_map(entry).collect();
            for one in &entries {
                together.entry(one.clone()).or_default().extend(entries.iter().cloned());
            }
        }
        together
    }

    /// The index of the distribution that a file belongs to.
    pub fn owner(&self, file: &Path) -> Option<usize> {
        self.owners.get(file).copied().or_else(|| {
            self.all
                .iter()
                .position(|each| each.source.as_ref().is_some_and(|source| file.starts_with(source)))
        })
    }
}

/// Reads every `*.dist-info` in these folders. `editable` maps names to sources, as finders do.
pub fn installed(site: &[PathBuf], editable: &[(String, PathBuf)]) -> Installed {
    let mut installed = Installed::default();
    for folder in site {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let infos = entries.flatten().map(|entry| entry.path());
        for info in infos.filter(|path| path.extension().is_some_and(|extension| extension == "dist-info")) {
            match read(folder, &info, editable) {
                Ok(installation) => installed.all.push(installation),
                Err(why) => installed.trouble.push(format!("{}: {why}", info.display())),
            }
        }
    }
    installed.all.sort_by(|a, b| {
        let key =
            |each: &Installation| (each.distribution.name.to_lowercase(), each.distribution.version.clone());
        key(a).cmp(&key(b))
    });
    installed.trouble.sort();
    let owners = installed.all.iter().enumerate();
    installed.owners =
        owners.flat_map(|(index, each)| each.files.iter().map(move |file| (file.clone(), index))).collect();
    installed
}

fn read(site: &Path, info: &Path, editable: &[(String, PathBuf)]) -> Result<Installation, String> {
    let metadata = fs::read(info.join("METADATA")).map_err(|error| format!("METADATA: {error}"))?;
    let metadata = String::from_utf8_lossy(&metadata);
    let record = record(&info.join("RECORD"));
    let wheel = fs::read_to_string(info.join("WHEEL")).unwrap_or_default();
    let source = source(info);
    let mut top_level = top_level(&record);
    if let Some(source) = &source {
        let listed = fs::read_to_string(info.join("top_level.txt")).unwrap_or_default();
        top_level.extend(listed.lines().filter(|name| is_identifier(name)).map(str::to_owned));
        let mapped = editable.iter().filter(|(_, path)| path.starts_with(source));
        top_level.extend(mapped.map(|(name, _)| name.clone()));
        top_level.retain(|name| !name.starts_with("__editable__"));
    }
    let distribution = Distribution {
        name: header(&metadata, "Name").ok_or("METADATA names no Name")?,
        version: header(&metadata, "Version").ok_or("METADATA names no Version")?,
        top_level: top_level.into_iter().collect(),
        tags: headers(&wheel, "Tag").collect(),
        editable: source.is_some(),
    };
    let files = record.iter().map(|file| site.join(file)).collect();
    Ok(Installation { distribution, files, source })
}

/// First column of RECORD: paths relative to the folder that holds the dist-info, with `/`.
fn record(path: &Path) -> Vec<String> {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path);
    let rows = reader.into_iter().flat_map(csv::Reader::into_records);
    rows.flatten().filter_map(|row| row.get(0).map(str::to_owned)).collect()
}

/// Where the sources of an editable install are (`direct_url.json`, PEP 610).
fn source(info: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(info.join("direct_url.json")).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    let is_editable = json.pointer("/dir_info/editable").and_then(serde_json::Value::as_bool) == Some(true);
    let path = json.get("url")?.as_str()?.strip_prefix("file://")?;
    is_editable.then(|| PathBuf::from(path))
}

fn headers<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let lines = text.lines().take_while(|line| !line.is_empty());
    lines.filter_map(move |line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

fn header(text: &str, name: &str) -> Option<String> {
    headers(text, name).next()
}

/// What importing a distribution means: its modules at the top, and its outermost regular packages, which
/// may lie within namespace packages (`google.protobuf`).
fn top_level(record: &[String]) -> BTreeSet<String> {
    let packages: BTreeSet<&str> = record
        .iter()
        .filter_map(|file| {
            let (folder, name) = file.rsplit_once('/')?;
            let is_init = name == "__init__.py" || (name.starts_with("__init__.") && name.ends_with(".so"));
            is_init.then_some(folder)
        })
        .collect();
    record.iter().filter_map(|file| top_level_of(file, &packages)).collect()
}

fn top_level_of(file: &str, packages: &BTreeSet<&str>) -> Option<String> {
    let stem = file.strip_suffix(".py").or_else(|| {
        let (stem, suffix) = file.rsplit_once('/').map_or(file.split_once('.'), |_| None)?;
        suffix.ends_with("so").then_some(stem)
    });
    let folders = file.match_indices('/').map(|(at, _)| &file[..at]);
    let name = folders.into_iter().find(|folder| packages.contains(folder)).or(stem)?;
    let parts: Vec<&str> = name.split('/').collect();
    let is_name = parts.iter().all(|part| is_identifier(part)) && parts.last() != Some(&"__main__");
    is_name.then(|| parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str]) -> Vec<String> {
        let files: Vec<String> = files.iter().map(|&file| file.to_owned()).collect();
        top_level(&files).into_iter().collect()
    }

    #[test]
    fn packages_and_modules_at_the_top() {
        let files = ["yaml/__init__.py", "yaml/cyaml.py", "_yaml/__init__.py", "six.py", "_x.abi3.so"];
        assert_eq!(names(&files), ["_x", "_yaml", "six", "yaml"]);
    }

    #[test]
    fn a_namespace_package_is_looked_into() {
        let files = ["google/protobuf/__init__.py", "google/protobuf/any.py", "google/_upb/_message.abi3.so"];
        assert_eq!(names(&files), ["google.protobuf"]);
    }

    #[test]
    fn what_cannot_be_imported_is_left_out() {
        assert!(
            names(&["../../bin/tool.py", "a.libs/libz.so", "a-1.dist-info/METADATA", "a/__main__.py"])
                .is_empty()
        );
    }
}
