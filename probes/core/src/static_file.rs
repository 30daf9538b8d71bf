//! Static files: which file a path names, and what is answered (RFC 9110, sections 8.8, 12.5.3, 13 and 14).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{
    ACCEPT_ENCODING, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use http::{Method, StatusCode};

use crate::peer::join_list;

/// Returns the file that the rest of a path names, relative to the folder of a static prefix. `None` if that cannot be a
/// file there: a segment is empty, is `.` or `..`, has a NUL, or begins with a dot, as the files of version control do.
pub fn find_relative_path(rest: &[u8]) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for segment in rest.strip_prefix(b"/")?.split(|byte| *byte == b'/') {
        if segment.is_empty() || segment.starts_with(b".") || segment.contains(&0) {
            return None;
        }
        path.push(OsStr::from_bytes(segment));
    }
    Some(path)
}

/// Returns the media type of a file, by its name. Text is said to be UTF-8.
pub fn guess_content_type(path: &Path) -> String {
    let guessed = mime_guess::from_path(path).first_or_octet_stream();
    match guessed.type_() == "text" && guessed.get_param("charset").is_none() {
        true => format!("{guessed}; charset=utf-8"),
        false => guessed.to_string(),
    }
}

/// A content coding of a file that lies beside the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCoding {
    /// Brotli.
    Brotli,
    /// Gzip.
    Gzip,
}

impl ContentCoding {
    /// Its name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Returns the path of the coded file beside a file.
    pub fn path_beside(self, path: &Path) -> PathBuf {
        let suffix = match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        };
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }

    /// Returns the codings that a request accepts, the preferred one first.
    pub fn list_accepted(headers: &HeaderMap) -> Vec<Self> {
        let accepted = join_list(headers, ACCEPT_ENCODING);
        let weights: Vec<(&str, f32)> = accepted.split(',').map(parse_weight).collect();
        let weight = |coding: Self| {
            let named = weights.iter().find(|(name, _)| name.eq_ignore_ascii_case(coding.name()));
            let any = weights.iter().find(|(name, _)| *name == "*");
            named.or(any).map_or(0.0, |(_, weight)| *weight)
        };
        let mut codings = vec![Self::Brotli, Self::Gzip];
        codings.retain(|coding| weight(*coding) > 0.0);
        codings.sort_by(|one, other| weight(*other).total_cmp(&weight(*one)));
        codings
    }
}

/// Parses an item of `Accept-Encoding`: `gzip;q=0.5`.
fn parse_weight(item: &str) -> (&str, f32) {
    let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
    let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok());
    (name.trim(), weight.unwrap_or(0.0))
}

/// What tells versions of a file apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileVersion {
    /// Its size in bytes.
    pub size: u64,
    /// When it was modified.
    pub modified: SystemTime,
    /// How it is coded.
    pub coding: Option<ContentCoding>,
}

/// What is answered to a request for a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// All of it.
    Whole,
    /// These bytes: the first one, and how many.
    Part(u64, u64),
    /// It is what the client has: 304.
    NotModified,
    /// It is not what the client expects: 412.
    PreconditionFailed,
    /// The range is outside of the file: 416.
    NoSuchRange,
}

impl FileAnswer {
    /// Its status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Whole => StatusCode::OK,
            Self::Part(..) => StatusCode::PARTIAL_CONTENT,
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::NoSuchRange => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    /// The bytes of the file that the answer has: the first one, and how many.
    pub fn bytes_of(self, version: &FileVersion) -> (u64, u64) {
        match self {
            Self::Whole => (0, version.size),
            Self::Part(first, count) => (first, count),
            Self::NotModified | Self::PreconditionFailed | Self::NoSuchRange => (0, 0),
        }
    }

    /// `Content-Range`, of an answer that has one.
    pub fn content_range(self, version: &FileVersion) -> Option<String> {
        match self {
            Self::Part(first, count) => {
                Some(format!("bytes {first}-{}/{}", (first + count).saturating_sub(1), version.size))
            }
            Self::NoSuchRange => Some(format!("bytes */{}", version.size)),
            Self::Whole | Self::NotModified | Self::PreconditionFailed => None,
        }
    }
}

impl FileVersion {
    /// `ETag`: a strong validator, as far as each change of a file gives it another time or size.
    pub fn entity_tag(&self) -> String {
        let modified = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let coding = self.coding.map(|coding| format!("-{}", coding.name())).unwrap_or_default();
        format!("\"{:x}-{:x}{coding}\"", modified.as_nanos(), self.size)
    }

    /// `Last-Modified`: not in the future (RFC 9110, section 8.8.2.1).
    pub fn last_modified(&self, now: SystemTime) -> String {
        httpdate::fmt_http_date(self.modified.min(now).max(UNIX_EPOCH))
    }

    /// Decides what is answered (RFC 9110, section 13.2.2). Several ranges at once are answered with the whole file.
    pub fn choose_answer(&self, method: &Method, headers: &HeaderMap, now: SystemTime) -> FileAnswer {
        let is_newer = |name: &HeaderName| {
            let since = headers.get(name)?.to_str().ok()?;
            let since = httpdate::parse_http_date(since).ok()?;
            Some(self.modified_second(now) > since)
        };
        let matched = |name: &HeaderName, is_weak: bool| {
            headers.contains_key(name).then(|| self.is_in_list(&join_list(headers, name), is_weak))
        };
        match matched(&IF_MATCH, false) {
            Some(false) => return FileAnswer::PreconditionFailed,
            None if is_newer(&IF_UNMODIFIED_SINCE) == Some(true) => return FileAnswer::PreconditionFailed,
            Some(true) | None => {}
        }
        match matched(&IF_NONE_MATCH, true) {
            Some(true) => return FileAnswer::NotModified,
            None if is_newer(&IF_MODIFIED_SINCE) == Some(false) => return FileAnswer::NotModified,
            Some(false) | None => {}
        }
        let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
        match range.filter(|_| *method == Method::GET && self.is_range_wanted(headers, now)) {
            Some(range) => self.choose_range(range),
            None => FileAnswer::Whole,
        }
    }

    fn modified_second(&self, now: SystemTime) -> SystemTime {
        let since = self.modified.min(now).duration_since(UNIX_EPOCH).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(since.as_secs())
    }

    /// Whether a list of entity tags has this version's.
    fn is_in_list(&self, list: &str, is_weak: bool) -> bool {
        let own = self.entity_tag();
        let is_own = |tag: &str| tag == own || (is_weak && tag.strip_prefix("W/") == Some(&own));
        list.trim() == "*" || list.split(',').any(|tag| is_own(tag.trim()))
    }

    /// Whether the range of a request is of this version (`If-Range`).
    fn is_range_wanted(&self, headers: &HeaderMap, now: SystemTime) -> bool {
        let Some(validator) = headers.get(IF_RANGE) else { return true };
        let validator = validator.to_str().unwrap_or_default().trim();
        validator == self.entity_tag() || validator == self.last_modified(now)
    }

    fn choose_range(&self, range: &str) -> FileAnswer {
        match parse_range(range) {
            None => FileAnswer::Whole,
            Some(ByteRange::Last(0)) => FileAnswer::NoSuchRange,
            Some(ByteRange::Last(_)) if self.size == 0 => FileAnswer::NoSuchRange,
            Some(ByteRange::Last(count)) => {
                let count = count.min(self.size);
                FileAnswer::Part(self.size - count, count)
            }
            Some(ByteRange::From(first, _)) if first >= self.size => FileAnswer::NoSuchRange,
            Some(ByteRange::From(first, last)) => {
                let end = last.map_or(self.size, |last| last.saturating_add(1).min(self.size));
                FileAnswer::Part(first, end - first)
            }
        }
    }
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteRange {
    /// From the first byte to the last, or to the end.
    From(u64, Option<u64>),
    /// The last bytes.
    Last(u64),
}

/// Parses `Range`; `None` for what is no single range of bytes, which is ignored then.
fn parse_range(text: &str) -> Option<ByteRange> {
    let (unit, range) = text.trim().split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number that is too large is after the end of any file.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (first, last) {
        ("", last) => number(last).map(ByteRange::Last),
        (first, "") => number(first).map(|first| ByteRange::From(first, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::From(first, Some(last)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use http::header::{HeaderMap, HeaderName, HeaderValue};
    use http::{Method, StatusCode};

    use super::{ContentCoding, FileAnswer, FileVersion, find_relative_path, guess_content_type};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// Ten bytes that were modified one and a half seconds after the epoch.
    fn version() -> FileVersion {
        FileVersion { size: 10, modified: UNIX_EPOCH + Duration::from_millis(1500), coding: None }
    }

    fn answer(method: &Method, pairs: &[(&'static str, &str)]) -> FileAnswer {
        version().choose_answer(method, &headers(pairs), SystemTime::now())
    }

    #[test]
    fn a_path_stays_in_its_folder() {
        for (rest, path) in [
            ("/a", Some("a")),
            ("/a/b.css", Some("a/b.css")),
            ("/a b", Some("a b")),
            ("/a..b", Some("a..b")),
            ("", None),
            ("/", None),
            ("/a/", None),
            ("//a", None),
            ("/../a", None),
            ("/a/../b", None),
            ("/./a", None),
            ("/.git/config", None),
            ("/a/.env", None),
            ("/a\0b", None),
            ("a", None),
        ] {
            assert_eq!(find_relative_path(rest.as_bytes()).as_deref(), path.map(Path::new), "{rest:?}");
        }
    }

    #[test]
    fn a_name_tells_the_media_type() {
        for (name, kind) in [
            ("a.css", "text/css; charset=utf-8"),
            ("a.HTML", "text/html; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.svg", "image/svg+xml"),
            ("a.json", "application/json"),
            ("a.woff2", "font/woff2"),
            ("a", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
        ] {
            assert_eq!(guess_content_type(Path::new(name)), kind, "{name}");
        }
    }

    #[test]
    fn codings_are_those_that_the_client_accepts() {
        use ContentCoding::{Brotli, Gzip};
        for (accepted, expected) in [
            ("", &[][..]),
            ("gzip, deflate, br", &[Brotli, Gzip]),
            ("gzip", &[Gzip]),
            ("GZIP;q=0.5, br;q=0.1", &[Gzip, Brotli]),
            ("*", &[Brotli, Gzip]),
            ("*;q=0.1, br;q=0", &[Gzip]),
            ("br;q=x", &[]),
            ("identity", &[]),
        ] {
            assert_eq!(
                ContentCoding::list_accepted(&headers(&[("accept-encoding", accepted)])),
                expected,
                "{accepted}"
            );
        }
        assert_eq!(Brotli.path_beside(Path::new("a/b.css")), Path::new("a/b.css.br"));
        assert_eq!(Gzip.path_beside(Path::new("b")), Path::new("b.gz"));
    }

    #[test]
    fn a_version_has_a_tag_and_a_time() {
        let version = version();
        assert_eq!(version.entity_tag(), "\"59682f00-a\"");
        let coded = FileVersion { coding: Some(ContentCoding::Brotli), ..version };
        assert_eq!(coded.entity_tag(), "\"59682f00-a-br\"");
        assert_eq!(version.last_modified(SystemTime::now()), "Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(version.last_modified(UNIX_EPOCH), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn conditions_are_checked_in_their_order() {
        let (same, other) = ("\"59682f00-a\"", "\"0-0\"");
        let (then, before) = ("Thu, 01 Jan 1970 00:00:01 GMT", "Thu, 01 Jan 1970 00:00:00 GMT");
        for (pairs, expected) in [
            (&[("if-none-match", same)][..], FileAnswer::NotModified),
            (&[("if-none-match", "W/\"59682f00-a\"")], FileAnswer::NotModified),
            (&[("if-none-match", "\"0-0\", \"59682f00-a\"")], FileAnswer::NotModified),
            (&[("if-none-match", "*")], FileAnswer::NotModified),
            (&[("if-none-match", other)], FileAnswer::Whole),
            (&[("if-none-match", other), ("if-modified-since", then)], FileAnswer::Whole),
            (&[("if-modified-since", then)], FileAnswer::NotModified),
            (&[("if-modified-since", before)], FileAnswer::Whole),
            (&[("if-modified-since", "yesterday")], FileAnswer::Whole),
            (&[("if-match", same)], FileAnswer::Whole),
            (&[("if-match", other)], FileAnswer::PreconditionFailed),
            (&[("if-match", "W/\"59682f00-a\"")], FileAnswer::PreconditionFailed),
            (&[("if-unmodified-since", before)], FileAnswer::PreconditionFailed),
            (&[("if-unmodified-since", then)], FileAnswer::Whole),
            (&[("if-none-match", same), ("range", "bytes=0-1")], FileAnswer::NotModified),
        ] {
            assert_eq!(answer(&Method::GET, pairs), expected, "{pairs:?}");
            assert!(expected == FileAnswer::Whole || answer(&Method::HEAD, pairs) == expected);
        }
    }

    #[test]
    fn a_range_is_one_of_bytes() {
        for (range, expected) in [
            ("bytes=0-3", FileAnswer::Part(0, 4)),
            ("bytes=4-", FileAnswer::Part(4, 6)),
            ("bytes=9-99999999999999999999", FileAnswer::Part(9, 1)),
            ("bytes=-3", FileAnswer::Part(7, 3)),
            ("bytes=-99", FileAnswer::Part(0, 10)),
            ("Bytes=1-1", FileAnswer::Part(1, 1)),
            ("bytes=10-", FileAnswer::NoSuchRange),
            ("bytes=99999999999999999999-", FileAnswer::NoSuchRange),
            ("bytes=-0", FileAnswer::NoSuchRange),
            ("bytes=0-1,3-4", FileAnswer::Whole),
            ("bytes=3-1", FileAnswer::Whole),
            ("bytes=+1-2", FileAnswer::Whole),
            ("bytes=-", FileAnswer::Whole),
            ("lines=0-1", FileAnswer::Whole),
        ] {
            assert_eq!(answer(&Method::GET, &[("range", range)]), expected, "{range}");
            assert_eq!(answer(&Method::HEAD, &[("range", range)]), FileAnswer::Whole, "{range}");
        }
        let empty = FileVersion { size: 0, ..version() };
        for range in ["bytes=0-", "bytes=-1"] {
            let found = empty.choose_answer(&Method::GET, &headers(&[("range", range)]), SystemTime::now());
            assert_eq!(found, FileAnswer::NoSuchRange);
        }
    }

    #[test]
    fn a_range_of_another_version_is_ignored() {
        for (validator, expected) in [
            ("\"59682f00-a\"", FileAnswer::Part(0, 1)),
            ("Thu, 01 Jan 1970 00:00:01 GMT", FileAnswer::Part(0, 1)),
            ("W/\"59682f00-a\"", FileAnswer::Whole),
            ("\"0-0\"", FileAnswer::Whole),
            ("Thu, 01 Jan 1970 00:00:00 GMT", FileAnswer::Whole),
        ] {
            let pairs = [("range", "bytes=0-0"), ("if-range", validator)];
            assert_eq!(answer(&Method::GET, &pairs), expected, "{validator}");
        }
    }

    #[test]
    fn an_answer_says_which_bytes_it_has() {
        for (answer, status, range, bytes) in [
            (FileAnswer::Whole, 200, None, (0, 10)),
            (FileAnswer::Part(2, 3), 206, Some("bytes 2-4/10"), (2, 3)),
            (FileAnswer::NotModified, 304, None, (0, 0)),
            (FileAnswer::PreconditionFailed, 412, None, (0, 0)),
            (FileAnswer::NoSuchRange, 416, Some("bytes */10"), (0, 0)),
        ] {
            assert_eq!(answer.status(), StatusCode::from_u16(status).unwrap());
            assert_eq!(answer.content_range(&version()).as_deref(), range);
            assert_eq!(answer.bytes_of(&version()), bytes);
        }
    }
}
