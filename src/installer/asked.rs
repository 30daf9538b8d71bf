//! What asking an index came to, by evidence: HTTP statuses, and the files that a page listed.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// What an installer that found nothing had seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Every place that there is to ask answered, and at least one listed files: none of them fits. Folders list
    /// what they hold.
    NoneFits,
    /// Every index answered, and none listed a file.
    NoProject,
    /// Not everything answered; why.
    NoAnswer(String),
}

/// What `pip.py` wrote down.
#[derive(Debug, Deserialize)]
struct Record {
    pages: Vec<Page>,
    failed: Vec<String>,
    warned: Vec<String>,
}

/// A page of an index, or a page of links.
#[derive(Debug, Deserialize)]
struct Page {
    place: String,
    status: u16,
    is_file: bool,
    files: usize,
}

/// What pip had seen, by the record that `pip.py` wrote.
pub(super) fn by_pip(record: &str, options: &[String]) -> Seen {
    let Ok(Record { pages, failed, warned }) = serde_json::from_str(record) else {
        return Seen::NoAnswer("how the index answered pip is not known".to_owned());
    };
    if let Some(why) = failed.into_iter().chain(warned).next() {
        return Seen::NoAnswer(why);
    }
    // There is no telling a missing file from a missing folder.
    let is_answer = |page: &&Page| is_answer(page.status) && !(page.is_file && page.status != 200);
    if let Some(page) = pages.iter().find(|page| !is_answer(page)) {
        return Seen::NoAnswer(format!("{}: status {}", page.place, page.status));
    }
    match missing_folder(options) {
        Some(folder) => Seen::NoAnswer(format!("there is no {folder}")),
        None if pages.is_empty() || pages.iter().any(|page| page.files > 0) => Seen::NoneFits,
        None => Seen::NoProject,
    }
}

/// What uv had seen, by its cache, which was empty before, and the statuses in its log.
pub(super) fn by_uv(cache: &Path, log: &str, options: &[String]) -> Seen {
    let statuses: Vec<(&str, u16)> = log.lines().filter_map(status).collect();
    if let Some((line, _)) = statuses.iter().find(|(_, status)| !is_answer(*status)) {
        return Seen::NoAnswer(line.trim().to_owned());
    }
    if let Some(folder) = missing_folder(options) {
        return Seen::NoAnswer(format!("there is no {folder}"));
    }
    let listings = listings(cache);
    let lists_files = listings.iter().any(|listing| names_a_file(listing));
    let asks_no_index = options.iter().any(|option| option == "--no-index");
    match (listings.is_empty(), asks_no_index) {
        // uv ends with another status where it cannot read one of `--find-links`.
        (_, true) => Seen::NoneFits,
        (false, false) if lists_files => Seen::NoneFits,
        (false, false) => Seen::NoProject,
        (true, false) if statuses.iter().any(|(_, status)| *status != 200) => Seen::NoProject,
        (true, false) => Seen::NoAnswer("how the index answered uv is not known".to_owned()),
    }
}

/// There it is, it has not changed, or it is not there, and the index is what says so. A server that refuses or fails
/// says nothing.
fn is_answer(status: u16) -> bool {
    [200, 304, 404, 410].contains(&status)
}

/// The status in a line of uv's log: `... with status 404 Not Found for: URL`.
fn status(line: &str) -> Option<(&str, u16)> {
    let (_, rest) = line.split_once("with status ")?;
    Some((rest, rest.get(..3)?.parse().ok()?))
}

/// The pages of projects that uv has read: a file each in `simple-*`, as of uv 0.1 to 0.13.
fn listings(cache: &Path) -> Vec<Vec<u8>> {
    let folders = fs::read_dir(cache).into_iter().flatten().flatten();
    let simple = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with("simple-"));
    let files = simple.flat_map(|folder| walkdir::WalkDir::new(folder.path())).flatten();
    let listed = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "rkyv"));
    listed.filter_map(|file| fs::read(file.path()).ok()).collect()
}

fn names_a_file(listing: &[u8]) -> bool {
    [&b".whl"[..], b".tar.gz", b".zip"].iter().any(|end| memchr::memmem::find(listing, end).is_some())
}

/// A folder of `--find-links` that is not there.
fn missing_folder(options: &[String]) -> Option<&str> {
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

    fn pip(pages: &[String], failed: &str, warned: &str) -> Seen {
        by_pip(
            &format!(r#"{{"pages": [{}], "failed": [{failed}], "warned": [{warned}]}}"#, pages.join(",")),
            &[],
        )
    }

    #[test]
    fn pip_is_believed_where_every_place_answered() {
        assert_eq!(pip(&[page(200, 3)], "", ""), Seen::NoneFits);
        assert_eq!(pip(&[page(304, 0), page(200, 3)], "", ""), Seen::NoneFits);
        assert_eq!(pip(&[page(404, 0)], "", ""), Seen::NoProject);
        assert_eq!(pip(&[page(200, 0)], "", ""), Seen::NoProject);
        assert_eq!(pip(&[], "", ""), Seen::NoneFits, "folders alone");
    }

    #[test]
    fn pip_is_not_believed_where_one_did_not_answer() {
        for status in [401, 403, 407, 429, 500, 503] {
            let seen = pip(&[page(200, 3), page(status, 0)], "", "");
            assert_eq!(seen, Seen::NoAnswer(format!("http://x/a/: status {status}")));
        }
        assert!(matches!(pip(&[page(200, 3)], r#""timed out""#, ""), Seen::NoAnswer(_)));
        assert!(matches!(pip(&[page(200, 3)], "", r#""passed over""#), Seen::NoAnswer(_)));
        assert!(matches!(by_pip("", &[]), Seen::NoAnswer(_)));
    }

    #[test]
    fn uv_is_believed_by_what_it_has_read() {
        let cache = tempfile::tempdir().unwrap();
        let log =
            |status: &str| format!("TRACE Received response for fresh request with status {status} for: x");
        let unknown = |log: &str| matches!(by_uv(cache.path(), log, &[]), Seen::NoAnswer(_));
        assert!(unknown(""), "another uv's log");
        assert!(unknown(&log("403 Forbidden")));
        assert_eq!(by_uv(cache.path(), &log("404 Not Found"), &[]), Seen::NoProject);
        let listing = cache.path().join("simple-v1/pypi/a.rkyv");
        fs::create_dir_all(listing.parent().unwrap()).unwrap();
        fs::write(&listing, "").unwrap();
        assert_eq!(by_uv(cache.path(), &log("200 OK"), &[]), Seen::NoProject);
        fs::write(&listing, "a-1.0-py3-none-any.whl").unwrap();
        assert_eq!(by_uv(cache.path(), "", &[]), Seen::NoneFits);
        assert!(unknown(&log("403 Forbidden")), "another index");
    }

    #[test]
    fn a_folder_that_is_not_there_was_not_asked() {
        let options = ["--no-index", "--find-links", "/nowhere"].map(str::to_owned);
        assert!(matches!(
            by_pip(r#"{"pages": [], "failed": [], "warned": []}"#, &options),
            Seen::NoAnswer(_)
        ));
    }
}
