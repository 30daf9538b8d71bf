//! Evaluates failed index queries by evidence: HTTP statuses, and the files listed by index pages.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::regular_file;

/// Size limit of a project's page in uv's cache.
const MAX_LISTING_SIZE: u64 = 256 << 20;

/// What the evidence shows about a requirement for which the installer found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IndexEvidence {
    /// All sources answered, and at least one lists files, but none of them fits. Folders count as sources
    /// that list files.
    NoneFits,
    /// All indexes answered, and none lists a file.
    NoProject,
    /// A source did not answer; the reason.
    NoAnswer(String),
}

/// Record that `pip.py` writes.
#[derive(Debug, Deserialize)]
struct PipRecord {
    pages: Vec<IndexPage>,
    failed: Vec<String>,
    warned: Vec<String>,
}

/// A page of an index, or a page of links.
#[derive(Debug, Deserialize)]
struct IndexPage {
    place: String,
    status: u16,
    is_file: bool,
    files: usize,
}

/// Evaluates the record of `pip.py`.
pub(super) fn evidence_from_pip(record: &str, options: &[String]) -> IndexEvidence {
    let Ok(PipRecord { pages, failed, warned }) = serde_json::from_str(record) else {
        return IndexEvidence::NoAnswer("the index's answer to pip is unknown".to_owned());
    };
    if let Some(why) = failed.into_iter().chain(warned).next() {
        return IndexEvidence::NoAnswer(why);
    }
    // A missing file cannot be distinguished from a missing folder.
    let is_answer =
        |page: &&IndexPage| is_definite_answer(page.status) && !(page.is_file && page.status != 200);
    if let Some(page) = pages.iter().find(|page| !is_answer(page)) {
        return IndexEvidence::NoAnswer(format!("{}: status {}", page.place, page.status));
    }
    match find_missing_folder(options) {
        Some(folder) => IndexEvidence::NoAnswer(format!("the folder {folder} does not exist")),
        None if pages.is_empty() || pages.iter().any(|page| page.files > 0) => IndexEvidence::NoneFits,
        None => IndexEvidence::NoProject,
    }
}

/// Evaluates uv's cache, which was empty before, and the HTTP statuses in its log.
pub(super) fn evidence_from_uv(cache: &Path, log: &str, options: &[String]) -> IndexEvidence {
    let statuses: Vec<(&str, u16)> = log.lines().filter_map(parse_status).collect();
    if let Some((line, _)) = statuses.iter().find(|(_, status)| !is_definite_answer(*status)) {
        return IndexEvidence::NoAnswer(line.trim().to_owned());
    }
    if let Some(folder) = find_missing_folder(options) {
        return IndexEvidence::NoAnswer(format!("the folder {folder} does not exist"));
    }
    let listings = read_listings(cache);
    let lists_files = listings.iter().any(|listing| lists_distribution_file(listing));
    let asks_no_index = options.iter().any(|option| option == "--no-index");
    match (listings.is_empty(), asks_no_index) {
        // uv exits with another status if it cannot read a `--find-links` source.
        (_, true) => IndexEvidence::NoneFits,
        (false, false) if lists_files => IndexEvidence::NoneFits,
        (false, false) => IndexEvidence::NoProject,
        (true, false) if statuses.iter().any(|(_, status)| *status != 200) => IndexEvidence::NoProject,
        (true, false) => IndexEvidence::NoAnswer("the index's answer to uv is unknown".to_owned()),
    }
}

/// Whether a status is a definite answer: found, unchanged, or not there. A refusal or a server error is not.
fn is_definite_answer(status: u16) -> bool {
    [200, 304, 404, 410].contains(&status)
}

/// Parses the status in a line of uv's log: `... with status 404 Not Found for: URL`.
fn parse_status(line: &str) -> Option<(&str, u16)> {
    let (_, rest) = line.split_once("with status ")?;
    Some((rest, rest.get(..3)?.parse().ok()?))
}

/// Reads the project pages in uv's cache: files in `simple-*` (uv 0.1 to 0.13).
fn read_listings(cache: &Path) -> Vec<Vec<u8>> {
    let folders = fs::read_dir(cache).into_iter().flatten().flatten();
    let simple = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with("simple-"));
    let files = simple.flat_map(|folder| walkdir::WalkDir::new(folder.path())).flatten();
    let listed = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "rkyv"));
    listed.filter_map(|file| regular_file::read_limited(file.path(), MAX_LISTING_SIZE).ok()).collect()
}

/// Whether a project page in uv's cache contains the name of a wheel or an archive.
fn lists_distribution_file(listing: &[u8]) -> bool {
    [&b".whl"[..], b".tar.gz", b".zip"].iter().any(|end| memchr::memmem::find(listing, end).is_some())
}

/// A `--find-links` folder that does not exist.
fn find_missing_folder(options: &[String]) -> Option<&str> {
    let named = options.iter().zip(options.iter().skip(1));
    let folders = named.filter(|(option, _)| *option == "--find-links").map(|(_, folder)| folder.as_str());
    folders.filter(|folder| !folder.contains("://")).find(|folder| !Path::new(folder).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(status: u16, files: usize) -> String {
        format!(r#"{{"place": "http://x/a/", "status": {status}, "is_file": false, "files": {files}}}"#)
    }

    fn pip(pages: &[String], failed: &str, warned: &str) -> IndexEvidence {
        evidence_from_pip(
            &format!(r#"{{"pages": [{}], "failed": [{failed}], "warned": [{warned}]}}"#, pages.join(",")),
            &[],
        )
    }

    #[test]
    fn pip_is_believed_where_every_place_answered() {
        assert_eq!(pip(&[page(200, 3)], "", ""), IndexEvidence::NoneFits);
        assert_eq!(pip(&[page(304, 0), page(200, 3)], "", ""), IndexEvidence::NoneFits);
        assert_eq!(pip(&[page(404, 0)], "", ""), IndexEvidence::NoProject);
        assert_eq!(pip(&[page(200, 0)], "", ""), IndexEvidence::NoProject);
        assert_eq!(pip(&[], "", ""), IndexEvidence::NoneFits, "folders alone");
    }

    #[test]
    fn pip_is_not_believed_where_one_did_not_answer() {
        for status in [401, 403, 407, 429, 500, 503] {
            let seen = pip(&[page(200, 3), page(status, 0)], "", "");
            assert_eq!(seen, IndexEvidence::NoAnswer(format!("http://x/a/: status {status}")));
        }
        assert!(matches!(pip(&[page(200, 3)], r#""timed out""#, ""), IndexEvidence::NoAnswer(_)));
        assert!(matches!(pip(&[page(200, 3)], "", r#""passed over""#), IndexEvidence::NoAnswer(_)));
        assert!(matches!(evidence_from_pip("", &[]), IndexEvidence::NoAnswer(_)));
    }

    #[test]
    fn uv_is_believed_by_what_it_has_read() {
        let cache = tempfile::tempdir().unwrap();
        let log =
            |status: &str| format!("TRACE Received response for fresh request with status {status} for: x");
        let unknown =
            |log: &str| matches!(evidence_from_uv(cache.path(), log, &[]), IndexEvidence::NoAnswer(_));
        assert!(unknown(""), "another uv's log");
        assert!(unknown(&log("403 Forbidden")));
        assert_eq!(evidence_from_uv(cache.path(), &log("404 Not Found"), &[]), IndexEvidence::NoProject);
        let listing = cache.path().join("simple-v1/pypi/a.rkyv");
        fs::create_dir_all(listing.parent().unwrap()).unwrap();
        fs::write(&listing, "").unwrap();
        assert_eq!(evidence_from_uv(cache.path(), &log("200 OK"), &[]), IndexEvidence::NoProject);
        fs::write(&listing, "a-1.0-py3-none-any.whl").unwrap();
        assert_eq!(evidence_from_uv(cache.path(), "", &[]), IndexEvidence::NoneFits);
        assert!(unknown(&log("403 Forbidden")), "another index");
    }

    #[test]
    fn a_folder_that_is_not_there_was_not_asked() {
        let options = ["--no-index", "--find-links", "/nowhere"].map(str::to_owned);
        assert!(matches!(
            evidence_from_pip(r#"{"pages": [], "failed": [], "warned": []}"#, &options),
            IndexEvidence::NoAnswer(_)
        ));
    }
}
