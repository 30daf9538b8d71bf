//! Where each request on a connection begins and ends, checked more strictly than the HTTP library does.
//!
//! The library accepts a bare LF as the end of a line, and drops a Content-Length beside a Transfer-Encoding.
//! A proxy in front that reads such bytes differently lets a client smuggle a request past it, so they are refused
//! here before the library sees them (RFC 9112, sections 2.2, 6.1, 6.3 and 7.1).

use std::collections::VecDeque;

use memchr::memchr;
use thiserror::Error;

/// Size in bytes at which a line of a chunked body (a chunk's size, a trailer) is refused.
const MAX_CHUNK_LINE: usize = 8 << 10;

/// Number of bytes of a request line that are kept for the access log.
const MAX_SHOWN: usize = 8 << 10;

/// Why the bytes of a client are not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FramingError {
    /// A line ends with LF alone.
    #[error("a line does not end with CRLF")]
    LineEnd,
    /// Several Content-Length lines, or one that is no number.
    #[error("Content-Length is not one number")]
    ContentLength,
    /// Content-Length and Transfer-Encoding.
    #[error("both Content-Length and Transfer-Encoding")]
    TwoLengths,
    /// A transfer coding that does not end the body, or in HTTP/1.0.
    #[error("the end of the body is unknown: Transfer-Encoding does not end with chunked, or in HTTP/1.0")]
    TransferEncoding,
    /// A chunk has no size, or does not end where its size says.
    #[error("a chunk is malformed")]
    Chunk,
}

/// How the bytes that follow belong to the present request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanState {
    /// The head of the next request.
    Head,
    /// A body of which this many bytes are missing.
    Sized(u64),
    /// The line with the size of a chunk.
    ChunkSize,
    /// The data of a chunk: this many bytes are missing.
    ChunkData(u64),
    /// The line end after the data of a chunk.
    ChunkEnd,
    /// Lines after the last chunk.
    Trailers,
    /// The head is larger than the library accepts: the library refuses it.
    TooLarge,
}

/// Scans the bytes of one connection.
#[derive(Debug)]
pub struct RequestScanner {
    state: ScanState,
    /// The head or line that has not ended yet.
    unfinished: Vec<u8>,
    /// Maximum size of a head in bytes.
    max_head: usize,
    /// Request lines whose requests have not been taken.
    waiting: VecDeque<String>,
}

impl RequestScanner {
    /// Makes a scanner for the beginning of a connection.
    pub fn new(max_head: usize) -> Self {
        Self { state: ScanState::Head, unfinished: Vec::new(), max_head, waiting: VecDeque::new() }
    }

    /// Scans the bytes that follow.
    ///
    /// # Errors
    /// The number of bytes before the one that is wrong, and the reason.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<(), (usize, FramingError)> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let used = match self.state {
                ScanState::Head => self.scan_head_line(rest),
                ScanState::Sized(left) | ScanState::ChunkData(left) => Ok(self.skip_data(rest, left)),
                ScanState::ChunkSize | ScanState::ChunkEnd | ScanState::Trailers => {
                    self.scan_chunk_line(rest)
                }
                ScanState::TooLarge => Ok(rest.len()),
            };
            let used = used.map_err(|(good, error)| (at + good, error))?;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether a request has begun and its head has not ended.
    pub fn is_inside_head(&self) -> bool {
        matches!(self.state, ScanState::Head | ScanState::TooLarge) && !self.unfinished.is_empty()
    }

    /// Notes that the library has passed on the oldest request.
    pub fn take_request(&mut self) {
        self.waiting.pop_front();
    }

    /// The line of the oldest request that was not passed on, as far as it has arrived.
    pub fn refused_line(&self) -> String {
        self.waiting.front().cloned().unwrap_or_else(|| first_line(&self.unfinished))
    }

    /// Scans up to the end of a line of a head. Returns the number of bytes used.
    fn scan_head_line(&mut self, bytes: &[u8]) -> Result<usize, (usize, FramingError)> {
        let Some(end) = memchr(b'\n', bytes) else {
            self.unfinished.extend_from_slice(bytes);
            if self.unfinished.len() > self.max_head {
                self.state = ScanState::TooLarge;
            }
            return Ok(bytes.len());
        };
        let (line, _) = bytes.split_at(end);
        self.unfinished.extend_from_slice(line);
        if self.unfinished.last() != Some(&b'\r') {
            return Err((end, FramingError::LineEnd));
        }
        self.unfinished.push(b'\n');
        if self.unfinished == b"\r\n" {
            // RFC 9112, section 2.2: empty lines before a request are ignored.
            self.unfinished.clear();
        } else if self.unfinished.ends_with(b"\r\n\r\n") {
            self.state = read_framing(&self.unfinished).map_err(|error| (end, error))?;
            self.waiting.push_back(first_line(&self.unfinished));
            self.unfinished.clear();
        } else if self.unfinished.len() > self.max_head {
            self.state = ScanState::TooLarge;
        }
        Ok(end + 1)
    }

    fn skip_data(&mut self, bytes: &[u8], left: u64) -> usize {
        let used = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - used as u64;
        self.state = match self.state {
            ScanState::ChunkData(_) if left == 0 => ScanState::ChunkEnd,
            ScanState::ChunkData(_) => ScanState::ChunkData(left),
            ScanState::Sized(_) if left > 0 => ScanState::Sized(left),
            ScanState::Sized(_)
            | ScanState::Head
            | ScanState::ChunkSize
            | ScanState::ChunkEnd
            | ScanState::Trailers
            | ScanState::TooLarge => ScanState::Head,
        };
        used
    }

    /// Scans up to the end of a line of a chunked body. Returns the number of bytes used.
    fn scan_chunk_line(&mut self, bytes: &[u8]) -> Result<usize, (usize, FramingError)> {
        let end = memchr(b'\n', bytes);
        let (line, _) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.unfinished.extend_from_slice(line);
        if self.unfinished.len() > MAX_CHUNK_LINE {
            return Err((0, FramingError::Chunk));
        }
        let Some(end) = end else { return Ok(bytes.len()) };
        let Some(line) = self.unfinished.strip_suffix(b"\r") else {
            return Err((end, FramingError::LineEnd));
        };
        self.state = match self.state {
            ScanState::ChunkSize => match read_chunk_size(line).ok_or((end, FramingError::Chunk))? {
                0 => ScanState::Trailers,
                size => ScanState::ChunkData(size),
            },
            ScanState::ChunkEnd if line.is_empty() => ScanState::ChunkSize,
            ScanState::ChunkEnd => return Err((0, FramingError::Chunk)),
            ScanState::Trailers if line.is_empty() => ScanState::Head,
            ScanState::Trailers
            | ScanState::Head
            | ScanState::Sized(_)
            | ScanState::ChunkData(_)
            | ScanState::TooLarge => self.state,
        };
        self.unfinished.clear();
        Ok(end + 1)
    }
}

/// Reads from a head how its body ends. The library finds whatever else is wrong with a head.
fn read_framing(head: &[u8]) -> Result<ScanState, FramingError> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let request = lines.next().unwrap_or_default();
    let (mut length, mut codings) = (None, Vec::new());
    for line in lines {
        let Some(colon) = memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let number = read_number(value).ok_or(FramingError::ContentLength)?;
            if length.replace(number).is_some() {
                return Err(FramingError::ContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            codings.push(value);
        }
    }
    match (codings.last(), length) {
        (Some(_), Some(_)) => Err(FramingError::TwoLengths),
        (Some(last), None) => {
            let coding = last.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked") && !request.ends_with(b"HTTP/1.0");
            is_chunked.then_some(ScanState::ChunkSize).ok_or(FramingError::TransferEncoding)
        }
        (None, None | Some(0)) => Ok(ScanState::Head),
        (None, Some(length)) => Ok(ScanState::Sized(length)),
    }
}

/// Reads a Content-Length: digits and nothing else.
fn read_number(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

/// Reads the size of a chunk, without its extensions.
fn read_chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    is_number.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

fn first_line(head: &[u8]) -> String {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    String::from_utf8_lossy(line.get(..MAX_SHOWN).unwrap_or(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{FramingError, RequestScanner};

    /// Scans the bytes at once and byte by byte, which must come to the same.
    fn scan(bytes: &str) -> Result<RequestScanner, (usize, FramingError)> {
        let mut whole = RequestScanner::new(200);
        let at_once = whole.scan(bytes.as_bytes());
        let mut single = RequestScanner::new(200);
        let by_byte = bytes.bytes().enumerate().try_for_each(|(index, byte)| {
            single.scan(&[byte]).map_err(|(good, error)| (index + good, error))
        });
        assert_eq!(at_once.map_err(|(_, error)| error), by_byte.map_err(|(_, error)| error), "{bytes:?}");
        assert_eq!(whole.state, single.state, "{bytes:?}");
        at_once.map(|()| whole)
    }

    fn error(bytes: &str) -> FramingError {
        scan(bytes).err().unwrap_or_else(|| panic!("{bytes:?} is accepted")).1
    }

    #[test]
    fn requests_follow_each_other_on_a_connection() {
        let scanner = scan(
            "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n\
             POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nb\
             POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3 ; x=y\r\n\n\n\n\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n\
             GET /d HTT",
        )
        .unwrap();
        assert_eq!(scanner.waiting, ["GET /a HTTP/1.1", "POST /b HTTP/1.1", "POST /c HTTP/1.1"]);
        assert!(scanner.is_inside_head());
    }

    #[test]
    fn the_oldest_request_that_was_not_taken_is_the_refused_one() {
        let mut scanner = scan("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c").unwrap();
        assert_eq!(scanner.refused_line(), "GET /a HTTP/1.1");
        scanner.take_request();
        scanner.take_request();
        assert_eq!(scanner.refused_line(), "GET /c");
        assert_eq!(RequestScanner::new(10).refused_line(), "");
        assert!(!RequestScanner::new(10).is_inside_head());
    }

    #[test]
    fn a_bare_line_feed_is_refused_where_it_stands() {
        assert_eq!(scan("GET / HTTP/1.1\nHost: a\r\n\r\n").unwrap_err(), (14, FramingError::LineEnd));
        for bytes in [
            "\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: x\n\r\n",
        ] {
            assert_eq!(error(bytes), FramingError::LineEnd, "{bytes:?}");
        }
    }

    #[test]
    fn a_body_has_one_length() {
        let head = |rest: &str| format!("POST / HTTP/1.1\r\n{rest}\r\n\r\n");
        for (rest, expected) in [
            ("Content-Length: 1\r\nContent-Length: 1", FramingError::ContentLength),
            ("content-length: 1, 1", FramingError::ContentLength),
            ("Content-Length: +1", FramingError::ContentLength),
            ("Content-Length:", FramingError::ContentLength),
            ("Content-Length: 99999999999999999999", FramingError::ContentLength),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", FramingError::TwoLengths),
            ("Transfer-Encoding: chunked, gzip", FramingError::TransferEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", FramingError::TransferEncoding),
        ] {
            assert_eq!(error(&head(rest)), expected, "{rest}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(error(old), FramingError::TransferEncoding);
        assert!(scan(&head("Transfer-Encoding: gzip, Chunked")).is_ok());
    }

    #[test]
    fn a_chunk_has_a_size_and_ends_there() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "1 1\r\n",
            "0x1\r\n",
            "11111111111111111\r\n",
            "1\r\nab\r\n",
            " 1\r\n",
        ] {
            assert_eq!(error(&format!("{head}{body}")), FramingError::Chunk, "{body:?}");
        }
        assert_eq!(error(&format!("{head}1;{}", "x".repeat(9000))), FramingError::Chunk);
    }

    #[test]
    fn a_head_that_is_too_large_is_left_to_the_library() {
        let scanner = scan(&format!("GET /{}", "x".repeat(300))).unwrap();
        assert!(scanner.is_inside_head());
        assert!(scanner.refused_line().starts_with("GET /xxx"));
        assert!(scan(&format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(100))).unwrap().is_inside_head());
    }
}
