//! The status and the headers that an application passes to `start_response`, and how its body fits them.

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Hop-by-hop headers (PEP 3333), which only the server may set. `Connection: close` is honored.
const HOP_BY_HOP: [&str; 5] = ["keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// The head of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseHead {
    /// The status code.
    pub status: StatusCode,
    /// The reason phrase, if it is not the usual one of the status.
    pub reason: Option<Vec<u8>>,
    /// The headers that are sent.
    pub headers: HeaderMap,
    /// The declared Content-Length.
    pub content_length: Option<u64>,
}

/// Why a response head cannot be sent.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ResponseHeadError {
    /// The status is not a `str`, or has other characters.
    #[error("the status is not a str of latin-1 characters")]
    StatusType,
    /// The status has no code.
    #[error("the status does not begin with a three-digit number and a space")]
    StatusCode,
    /// The status is one that precedes a response (1xx).
    #[error("status {0} must not be sent by an application")]
    Informational(StatusCode),
    /// The reason phrase could end the line.
    #[error("the status contains a control character")]
    Reason,
    /// A header is not a tuple of two.
    #[error("header {0} is not a pair")]
    NoPair(usize),
    /// Name or value of a header is not a `str`, or has other characters.
    #[error("header {0} is not a pair of str of latin-1 characters")]
    HeaderType(usize),
    /// The name of a header is not a token.
    #[error("{0:?} is not a header name")]
    HeaderName(String),
    /// The value of a header could end the line.
    #[error("the value of {0} contains a control character")]
    HeaderValue(HeaderName),
    /// The Content-Length is not a number.
    #[error("Content-Length is not a number")]
    ContentLength,
    /// A header that may be given once has two values.
    #[error("{0} is given twice, with different values")]
    Different(HeaderName),
    /// A status that has no body, with a Content-Length (RFC 9110, section 8.6).
    #[error("status {0} cannot have a Content-Length")]
    NoBody(StatusCode),
}

impl ResponseHead {
    /// Parses a status, e.g. `404 Not Found`.
    ///
    /// # Errors
    /// If HTTP does not allow it.
    pub fn parse_status(status: &[u8]) -> Result<Self, ResponseHeadError> {
        let (code, reason) = status.split_at_checked(3).ok_or(ResponseHeadError::StatusCode)?;
        let status = StatusCode::from_bytes(code).map_err(|_| ResponseHeadError::StatusCode)?;
        if status.is_informational() {
            return Err(ResponseHeadError::Informational(status));
        }
        if !reason.is_empty() && !reason.starts_with(b" ") {
            return Err(ResponseHeadError::StatusCode);
        }
        let reason = reason.trim_ascii();
        if !reason.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..)) {
            return Err(ResponseHeadError::Reason);
        }
        let is_usual = reason.is_empty() || status.canonical_reason().map(str::as_bytes) == Some(reason);
        let reason = (!is_usual).then(|| reason.to_vec());
        Ok(Self { status, reason, headers: HeaderMap::new(), content_length: None })
    }

    /// Adds a header, unless only the server may set it.
    ///
    /// # Errors
    /// If HTTP does not allow it.
    pub fn add_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseHeadError> {
        let name = HeaderName::from_bytes(name)
            .map_err(|_| ResponseHeadError::HeaderName(String::from_utf8_lossy(name).into_owned()))?;
        let value =
            HeaderValue::from_bytes(value).map_err(|_| ResponseHeadError::HeaderValue(name.clone()))?;
        let is_hop_by_hop = HOP_BY_HOP.contains(&name.as_str())
            || (name == CONNECTION && !value.as_bytes().eq_ignore_ascii_case(b"close"));
        if is_hop_by_hop {
            return Ok(());
        }
        if name == CONTENT_LENGTH {
            let text = value.to_str().map_err(|_| ResponseHeadError::ContentLength)?.trim();
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let length =
                is_number.then(|| text.parse().ok()).flatten().ok_or(ResponseHeadError::ContentLength)?;
            self.add_content_length(length)
        } else if name == CONTENT_TYPE {
            match self.headers.insert(&name, value.clone()) {
                Some(other) if other != value => Err(ResponseHeadError::Different(name)),
                None | Some(_) => Ok(()),
            }
        } else {
            self.headers.append(name, value);
            Ok(())
        }
    }

    fn add_content_length(&mut self, length: u64) -> Result<(), ResponseHeadError> {
        if self.content_length.is_some_and(|other| other != length) {
            return Err(ResponseHeadError::Different(CONTENT_LENGTH));
        }
        if self.status == StatusCode::NO_CONTENT {
            // Frameworks write 0 here (Django's `CommonMiddleware`), which is left out.
            return if length == 0 { Ok(()) } else { Err(ResponseHeadError::NoBody(self.status)) };
        }
        self.content_length = Some(length);
        self.headers.insert(CONTENT_LENGTH, length.into());
        Ok(())
    }

    /// How a complete body of this size fits the head. `is_head` says that the request asked for the head only.
    pub fn fit_body(&self, is_head: bool, size: usize) -> BodyFit {
        if is_bodiless(self.status, is_head) {
            return BodyFit::Bare;
        }
        match self.content_length {
            Some(length) if (size as u64) < length => BodyFit::Short,
            Some(length) => BodyFit::Whole(usize::try_from(length).unwrap_or(usize::MAX)),
            None => BodyFit::Whole(size),
        }
    }
}

/// Whether a response has no body, whatever its head declares (RFC 9110, section 6.4.1). `is_head` says that
/// the request asked for the head only.
pub fn is_bodiless(status: StatusCode, is_head: bool) -> bool {
    is_head || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
}

/// How a complete body fits the head of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFit {
    /// No body may be sent.
    Bare,
    /// This many bytes of it are sent.
    Whole(usize),
    /// It is shorter than the declared Content-Length.
    Short,
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http::header::HeaderName;

    use super::{BodyFit, ResponseHead, ResponseHeadError};

    fn head(status: &str) -> ResponseHead {
        ResponseHead::parse_status(status.as_bytes()).unwrap()
    }

    fn refused(status: &[u8]) -> ResponseHeadError {
        ResponseHead::parse_status(status).unwrap_err()
    }

    #[test]
    fn a_usual_reason_is_left_to_the_server() {
        for status in ["200 OK", "200", "200 ", "200   OK  "] {
            assert_eq!((head(status).status, head(status).reason), (StatusCode::OK, None), "{status:?}");
        }
        assert_eq!(head("200 Fine\tindeed").reason.unwrap(), b"Fine\tindeed");
        assert_eq!(ResponseHead::parse_status(b"299 ~\x80\xff").unwrap().reason.unwrap(), b"~\x80\xff");
    }

    #[test]
    fn a_status_needs_a_final_code_and_no_control_characters() {
        for status in [&b"20"[..], b"", b"2 0 OK", b"abc", b"099 No", b"2000 Wow", b"200OK", b"200\tOK"] {
            assert_eq!(refused(status), ResponseHeadError::StatusCode, "{status:?}");
        }
        assert_eq!(
            refused(b"101 x").to_string(),
            "status 101 Switching Protocols must not be sent by an application"
        );
        for status in [&b"200 a\r\nb"[..], b"200 a\x7fb", b"200 a\x00b", b"200 a\x1fb"] {
            assert_eq!(refused(status), ResponseHeadError::Reason, "{status:?}");
        }
    }

    #[test]
    fn hop_by_hop_headers_are_left_out() {
        let mut head = head("200 OK");
        for name in ["Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Connection"] {
            head.add_header(name.as_bytes(), b"x").unwrap();
        }
        assert!(head.headers.is_empty(), "{:?}", head.headers);
        head.add_header(b"Connection", b"Close").unwrap();
        assert_eq!(head.headers["connection"], "Close");
    }

    #[test]
    fn headers_repeat_but_the_length_does_not() {
        let mut head = head("200 OK");
        for (name, value) in
            [("Set-Cookie", "a"), ("set-cookie", "b"), ("Content-Length", "20"), ("content-length", " 20 ")]
        {
            head.add_header(name.as_bytes(), value.as_bytes()).unwrap();
        }
        assert_eq!(head.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(head.headers.get_all("content-length").iter().count(), 1);
        assert_eq!(head.content_length, Some(20));
    }

    #[test]
    fn a_header_that_could_forge_another_is_refused() {
        let mut head = head("200 OK");
        let mut add = |name: &str, value: &[u8]| head.add_header(name.as_bytes(), value).unwrap_err();
        assert_eq!(add("a b", b"x"), ResponseHeadError::HeaderName("a b".to_owned()));
        assert_eq!(add("X-A", b"x\r\nY: z"), ResponseHeadError::HeaderValue(HeaderName::from_static("x-a")));
        for length in [&b"-1"[..], b"+1", b"", b"ten", b"1, 1", b"\xff"] {
            assert_eq!(add("Content-Length", length), ResponseHeadError::ContentLength, "{length:?}");
        }
    }

    #[test]
    fn a_header_that_may_stand_once_has_one_value() {
        let mut head = head("200 OK");
        head.add_header(b"Content-Length", b"1").unwrap();
        let error = head.add_header(b"content-length", b"2").unwrap_err();
        assert_eq!(error.to_string(), "content-length is given twice, with different values");
        head.add_header(b"Content-Type", b"a/b").unwrap();
        head.add_header(b"Content-Type", b"a/b").unwrap();
        assert_eq!(head.headers.get_all("content-type").iter().count(), 1);
        assert!(head.add_header(b"content-type", b"a/c").is_err());
    }

    #[test]
    fn a_status_without_a_body_has_no_length() {
        let mut empty = head("204 No Content");
        empty.add_header(b"Content-Length", b"0").unwrap();
        assert!(empty.headers.is_empty());
        let error = empty.add_header(b"Content-Length", b"5").unwrap_err();
        assert_eq!(error.to_string(), "status 204 No Content cannot have a Content-Length");
        assert_eq!(head("304 Not Modified").add_header(b"Content-Length", b"5"), Ok(()));
    }

    #[test]
    fn errors_name_the_header() {
        assert_eq!(ResponseHeadError::NoPair(3).to_string(), "header 3 is not a pair");
        let name = ResponseHeadError::HeaderName("a\nb".to_owned());
        assert_eq!(name.to_string(), "\"a\\nb\" is not a header name");
    }

    #[test]
    fn a_body_is_cut_to_its_declared_length() {
        let mut declared = head("200 OK");
        declared.add_header(b"Content-Length", b"10").unwrap();
        assert_eq!(declared.fit_body(false, 10), BodyFit::Whole(10));
        assert_eq!(declared.fit_body(false, 11), BodyFit::Whole(10));
        assert_eq!(declared.fit_body(false, 9), BodyFit::Short);
        assert_eq!(declared.fit_body(true, 9), BodyFit::Bare);
        assert_eq!(head("200 OK").fit_body(false, 7), BodyFit::Whole(7));
        assert_eq!(head("204 No Content").fit_body(false, 7), BodyFit::Bare);
        assert_eq!(head("304 Not Modified").fit_body(false, 7), BodyFit::Bare);
    }
}
