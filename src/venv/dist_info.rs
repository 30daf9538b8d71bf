//! Installed distributions, from `*.dist-info` folders (core metadata and binary distribution format).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::metadata_file::{self, read_metadata};
use super::module_name::is_identifier;
use crate::model::{InstalledDistribution, split_extension_suffix};

/// Size limit of a RECORD. That of the largest known distributions has some 6 MB.
const MAX_RECORD_SIZE: u64 = 16 << 20;

/// Limits for the RECORD files of an environment together: bytes, and files that they list. Each file takes some
/// 300 bytes of memory.
const MAX_RECORDS_SIZE: u64 = 64 << 20;
const MAX_RECORDED_FILES: usize = 1_000_000;

/// A distribution with its files.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Its metadata.
    pub distribution: InstalledDistribution,
    /// Absolute paths of its files, from RECORD.
    files: Vec<PathBuf>,
    /// Source folder of an editable install.
    source: Option<PathBuf>,
}

impl Installation {
    /// Absolute paths of its files, from RECORD.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

/// All distributions in some folders.
#[derive(Clone, Debug, Default)]
pub struct InstalledDistributions {
    /// The distributions, sorted by name.
    pub all: Vec<Installation>,
    owners: BTreeMap<PathBuf, usize>,
    /// Messages about metadata that could not be read.
    pub trouble: Vec<String>,
}

impl InstalledDistributions {
    /// For each entry of these folders, all entries that were installed together with it.
    pub fn co_installed_entries(&self, folders: &[PathBuf]) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
        let entry = |file: &PathBuf| {
            let of =
                |folder: &PathBuf| Some(folder.join(file.strip_prefix(folder).ok()?.components().next()?));
            // Scripts are outside of these folders: `../../../bin/x`.
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

    /// Index of the distribution that a file belongs to.
    pub fn owner_of_file(&self, file: &Path) -> Option<usize> {
        self.owners.get(file).copied().or_else(|| {
            self.all
                .iter()
                .position(|each| each.source.as_ref().is_some_and(|source| file.starts_with(source)))
        })
    }
}

/// Reads every `*.dist-info` in these folders. `editable` lists names and paths that import hooks serve.
pub fn find_distributions(site: &[PathBuf], editable: &[(String, PathBuf)]) -> InstalledDistributions {
    let mut installed = InstalledDistributions::default();
    let mut reader = DistInfoReader {
        folders: site,
        editable,
        left: MAX_RECORDS_SIZE,
        files: MAX_RECORDED_FILES,
        trouble: Vec::new(),
    };
    for folder in site {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let infos = entries.flatten().map(|entry| entry.path());
        for info in infos.filter(|path| path.extension().is_some_and(|extension| extension == "dist-info")) {
            match reader.read_dist_info(folder, &info) {
                Ok(installation) => installed.all.push(installation),
                Err(why) => reader.trouble.push(format!("{}: {why}", info.display())),
            }
        }
    }
    installed.all.sort_by(|a, b| {
        let key =
            |each: &Installation| (each.distribution.name.to_lowercase(), each.distribution.version.clone());
        key(a).cmp(&key(b))
    });
    installed.trouble = reader.trouble;
    installed.trouble.sort();
    let owners = installed.all.iter().enumerate();
    installed.owners =
        owners.flat_map(|(index, each)| each.files.iter().map(move |file| (file.clone(), index))).collect();
    installed
}

/// Reads `*.dist-info` folders.
struct DistInfoReader<'a> {
    /// Folders on `sys.path`.
    folders: &'a [PathBuf],
    /// Names and paths that import hooks serve.
    editable: &'a [(String, PathBuf)],
    /// Bytes of RECORD files that may still be read, and files that they may list.
    left: u64,
    files: usize,
    trouble: Vec<String>,
}

impl DistInfoReader<'_> {
    /// Reads one `*.dist-info` folder. Without its METADATA there is no distribution; what else cannot be read
    /// is reported.
    fn read_dist_info(&mut self, site: &Path, info: &Path) -> Result<Installation, String> {
        let metadata = read_metadata(info, "METADATA", metadata_file::MAX_SIZE);
        let metadata = metadata.map_err(|error| format!("METADATA: {error}"))?;
        let metadata = String::from_utf8_lossy(&metadata);
        let record = self.read_record(info);
        let mut read = |name: &str| {
            let bytes = self.read_optional(info, name, metadata_file::MAX_SIZE);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let wheel = read("WHEEL");
        let source = parse_editable_source(&read("direct_url.json"));
        let listed = source.as_ref().map(|_| read("top_level.txt"));
        let name = header_value(&metadata, "Name").ok_or("METADATA has no Name")?;
        let mut top_level = top_level_names(&record);
        if let Some(source) = &source {
            let listed = listed.unwrap_or_default();
            top_level.extend(listed.lines().filter(|name| is_identifier(name)).map(str::to_owned));
            let served = outermost_served_names(self.editable, source);
            // Namespace packages are listed by their members.
            top_level.retain(|name| !served.iter().any(|other| is_inside(other, name)));
            top_level.extend(served);
            top_level.extend(find_eponymous_package(&name, source, self.folders));
            // Import hooks written by build backends.
            top_level.retain(|name| !(name.starts_with('_') && name.contains("editable")));
        }
        let distribution = InstalledDistribution {
            name,
            version: header_value(&metadata, "Version").ok_or("METADATA has no Version")?,
            top_level: top_level.into_iter().collect(),
            tags: header_values(&wheel, "Tag").collect(),
            editable: source.is_some(),
        };
        let files = record.iter().map(|file| site.join(file)).collect();
        Ok(Installation { distribution, files, source })
    }

    /// Reads the paths of RECORD.
    fn read_record(&mut self, info: &Path) -> Vec<String> {
        let bytes = self.read_optional(info, "RECORD", MAX_RECORD_SIZE.min(self.left));
        self.left -= bytes.len() as u64;
        let paths = parse_record_paths(&bytes, self.files);
        if paths.len() > self.files {
            self.trouble.push(format!("{}: RECORD: it is too large and was not read", info.display()));
            return Vec::new();
        }
        self.files -= paths.len();
        paths
    }

    /// Reads a file that need not exist. If it cannot be read, that is reported, and it is empty.
    fn read_optional(&mut self, info: &Path, name: &str, most: u64) -> Vec<u8> {
        match read_metadata(info, name, most) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.trouble.push(format!("{}: {name}: it is too large and was not read", info.display()));
                Vec::new()
            }
            Err(error) => {
                self.trouble.push(format!("{}: {name}: {error}", info.display()));
                Vec::new()
            }
        }
    }
}

/// First column of RECORD: paths relative to the folder that contains the dist-info, with `/`. One more than
/// `most` if there are more.
fn parse_record_paths(record: &[u8], most: usize) -> Vec<String> {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record);
    let rows = reader.into_records().flatten();
    rows.filter_map(|row| row.get(0).map(str::to_owned)).take(most.saturating_add(1)).collect()
}

/// Source folder of an editable install (`direct_url.json`, PEP 610).
fn parse_editable_source(text: &str) -> Option<PathBuf> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let is_editable = json.pointer("/dir_info/editable").and_then(serde_json::Value::as_bool) == Some(true);
    let path = json.get("url")?.as_str()?.strip_prefix("file://")?;
    is_editable.then(|| PathBuf::from(&*percent_decode_str(path).decode_utf8_lossy()))
}

/// The outermost names that import hooks serve from this source folder.
fn outermost_served_names(editable: &[(String, PathBuf)], source: &Path) -> BTreeSet<String> {
    let here = || editable.iter().filter(|(_, path)| path.starts_with(source));
    let is_regular = |path: &Path| path.is_file() || path.join("__init__.py").is_file();
    let names: BTreeSet<&String> =
        here().filter(|(_, path)| is_regular(path)).map(|(name, _)| name).collect();
    let is_outermost = |name: &&&String| !names.iter().any(|other| is_inside(name, other));
    names.iter().filter(is_outermost).map(|name| (*name).clone()).collect()
}

/// Whether a dotted name is inside this package.
fn is_inside(name: &str, package: &str) -> bool {
    name.strip_prefix(package).is_some_and(|rest| rest.starts_with('.'))
}

/// The package named after its distribution, if a folder on `sys.path` within the sources contains it.
///
/// Editable installs need not list their packages.
fn find_eponymous_package(name: &str, source: &Path, folders: &[PathBuf]) -> Option<String> {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("_").to_lowercase();
    let has_it = |folder: &&PathBuf| {
        folder.starts_with(source)
            && (folder.join(&name).join("__init__.py").is_file()
                || folder.join(format!("{name}.py")).is_file())
    };
    folders.iter().find(has_it).map(|_| name.clone())
}

/// Values of a header in metadata (RFC 822 format).
pub(super) fn header_values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let lines = text.lines().take_while(|line| !line.is_empty());
    lines.filter_map(move |line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

fn header_value(text: &str, name: &str) -> Option<String> {
    header_values(text, name).next()
}

/// Top-level names of a distribution: its top-level modules and its outermost regular packages.
///
/// The packages may be inside namespace packages (`google.protobuf`).
fn top_level_names(record: &[String]) -> BTreeSet<String> {
    let packages: BTreeSet<&str> = record
        .iter()
        .filter_map(|file| {
            let (folder, name) = file.rsplit_once('/')?;
            let stem = split_extension_suffix(name).map(|(stem, _)| stem);
            (name == "__init__.py" || stem == Some("__init__")).then_some(folder)
        })
        .collect();
    record.iter().filter_map(|file| top_level_name_of_file(file, &packages)).collect()
}

/// The top-level name that a file of RECORD belongs to, if it can be imported.
fn top_level_name_of_file(file: &str, packages: &BTreeSet<&str>) -> Option<String> {
    let stem = file.strip_suffix(".py").or_else(|| {
        let is_top_level = !file.contains('/');
        Some(split_extension_suffix(file).filter(|_| is_top_level)?.0)
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
        top_level_names(&files).into_iter().collect()
    }

    #[test]
    fn packages_and_modules_at_the_top() {
        let files = ["yaml/__init__.py", "yaml/cyaml.py", "_yaml/__init__.py", "six.py", "_x.abi3.so"];
        assert_eq!(names(&files), ["_x", "_yaml", "six", "yaml"]);
    }

    #[test]
    fn the_url_of_an_editable_install_names_its_source() {
        let source = parse_editable_source;
        let url = r#"{"url": "file:///src/a%20b%C3%A4/50%", "dir_info": {"editable": true}}"#;
        assert_eq!(source(url), Some(PathBuf::from("/src/a b\u{e4}/50%")));
        assert_eq!(source(&url.replace("true", "false")), None);
        assert_eq!(source(&url.replace("file:", "https:")), None);
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
