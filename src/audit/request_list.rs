//! Reads the list of requests (`--requests`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::app::{BodyPart, HttpRequest, ParsedRequests, parse_requests};
use crate::regular_file;

/// Limits in bytes: of a list, and of all files together that its bodies name.
const MAX_LIST_SIZE: u64 = 4 << 20;
const MAX_BODY_FILES_SIZE: u64 = 16 << 20;

/// An `.http` file, and the files that its bodies name.
#[derive(Clone, Debug)]
pub struct RequestList {
    /// Its path, as the user passed it.
    pub named: PathBuf,
    /// The requests, in order.
    pub requests: Vec<HttpRequest>,
    /// Messages about parts of it that are not supported.
    pub notes: Vec<String>,
    /// The files that bodies name: path as written, and content.
    files: Vec<(String, Vec<u8>)>,
}

impl RequestList {
    /// Reads a list. `environment` has the names of the environment variables that trials are given.
    ///
    /// # Errors
    /// When a file cannot be read, or the list is invalid.
    pub fn from_file(named: &Path, environment: &[String]) -> Result<Self> {
        let bytes = regular_file::read_limited(named, MAX_LIST_SIZE)
            .with_context(|| format!("cannot read {}", named.display()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", named.display()))?;
        let ParsedRequests { all, notes } =
            parse_requests(&text, environment).map_err(|why| anyhow!("{}: {why}", named.display()))?;
        let (mut files, mut left) = (Vec::new(), MAX_BODY_FILES_SIZE);
        for part in all.iter().flat_map(|request| &request.body) {
            let BodyPart::File { path, line } = part else { continue };
            if files.iter().any(|(known, _)| known == path) {
                continue;
            }
            let file = named.parent().unwrap_or(Path::new("")).join(path);
            let content = regular_file::read_limited(&file, left)
                .with_context(|| format!("{}: line {line}: cannot read {path}", named.display()))?;
            left -= content.len() as u64;
            files.push((path.clone(), content));
        }
        Ok(Self { named: named.to_owned(), requests: all, notes, files })
    }

    /// Writes the files that bodies name to a driver's folder.
    pub(super) fn write_body_files(&self, folder: &Path) -> Result<()> {
        self.files.iter().enumerate().try_for_each(|(number, (_, content))| {
            fs::write(folder.join(format!("body-{number}")), content).context("cannot copy a body")
        })
    }

    /// Returns the content of the file that a body names.
    pub fn body_file(&self, path: &str) -> &[u8] {
        self.files.get(self.body_file_index(path)).map(|(_, content)| content.as_slice()).unwrap_or_default()
    }

    /// Returns the number of the file that a body names.
    pub(super) fn body_file_index(&self, path: &str) -> usize {
        self.files.iter().position(|(known, _)| known == path).unwrap_or_default()
    }
}
