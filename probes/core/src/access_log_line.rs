//! A line of the access log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};
use http::{Method, Uri, Version};
use jiff::Timestamp;

use crate::peer::Peer;

/// What is known of a request when it arrives. Everything in it is escaped, so that it cannot forge a line or a
/// field of the log.
#[derive(Debug)]
pub struct AccessLogLine {
    peer: String,
    date: String,
    request: String,
    referer: String,
    agent: String,
}

impl AccessLogLine {
    /// Describes a request that arrived at this time.
    pub fn new(
        peer: &Peer,
        at: SystemTime,
        (method, target, version): (&Method, &Uri, Version),
        headers: &HeaderMap,
    ) -> Self {
        // A path may contain quotes.
        let target = target.to_string();
        Self {
            peer: shown_address(peer),
            date: format_date(at),
            request: format!("{method} {} {version:?}", target.escape_debug()),
            referer: escape_header(headers, &REFERER),
            agent: escape_header(headers, &USER_AGENT),
        }
    }

    /// Describes a request that the HTTP library refused, by its first line.
    pub fn from_refused(peer: &Peer, at: SystemTime, line: &str) -> Self {
        Self {
            peer: shown_address(peer),
            date: format_date(at),
            request: if line.is_empty() { "-".to_owned() } else { line.escape_debug().to_string() },
            referer: "-".to_owned(),
            agent: "-".to_owned(),
        }
    }

    /// Apache's combined log format, plus the duration of the request in milliseconds.
    pub fn format_line(&self, status: u16, sent: u64, took: Duration) -> String {
        let sent = if sent == 0 { "-".to_owned() } else { sent.to_string() };
        let Self { peer, date, request, referer, agent } = self;
        let took = took.as_secs_f64() * 1e3;
        format!("{peer} - - [{date}] \"{request}\" {status} {sent} \"{referer}\" \"{agent}\" {took:.1}ms\n")
    }
}

fn shown_address(peer: &Peer) -> String {
    if peer.address.is_empty() { "-".to_owned() } else { peer.address.clone() }
}

fn escape_header(headers: &HeaderMap, name: &HeaderName) -> String {
    let Some(value) = headers.get(name) else { return "-".to_owned() };
    String::from_utf8_lossy(value.as_bytes()).escape_debug().to_string()
}

/// Formats a time in UTC as `25/Nov/2026:21:31:12 +0000`.
fn format_date(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.unwrap_or_default().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::header::{HeaderMap, HeaderValue, REFERER, USER_AGENT};
    use http::{Method, Uri, Version};

    use super::{AccessLogLine, format_date};
    use crate::peer::Peer;

    fn line(peer: &Peer, target: &'static str, headers: &HeaderMap) -> AccessLogLine {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_642_272_999);
        AccessLogLine::new(peer, at, (&Method::GET, &Uri::from_static(target), Version::HTTP_11), headers)
    }

    #[test]
    fn a_line_has_the_combined_format_and_a_duration() {
        let peer = Peer::from_address("192.0.2.1:80".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(REFERER, HeaderValue::from_static("http://example.org/"));
        headers.insert(USER_AGENT, HeaderValue::from_static("curl/8"));
        assert_eq!(
            line(&peer, "/a?b", &headers).format_line(200, 12, Duration::from_micros(1234)),
            "192.0.2.1 - - [25/Nov/2026:21:31:12 +0000] \"GET /a?b HTTP/1.1\" 200 12 \
             \"http://example.org/\" \"curl/8\" 1.2ms\n"
        );
    }

    #[test]
    fn what_is_missing_is_a_hyphen() {
        let line = line(&Peer::from_unix_socket(), "/", &HeaderMap::new());
        assert_eq!(
            line.format_line(304, 0, Duration::from_secs(2)),
            "- - - [25/Nov/2026:21:31:12 +0000] \"GET / HTTP/1.1\" 304 - \"-\" \"-\" 2000.0ms\n"
        );
    }

    #[test]
    fn nothing_in_a_request_ends_a_field_or_a_line() {
        let mut headers = HeaderMap::new();
        headers.insert(REFERER, HeaderValue::from_static("a\" b\\"));
        headers.insert(USER_AGENT, HeaderValue::from_bytes(b"\xff\t\xc3\xa9").unwrap());
        let line = line(&Peer::from_unix_socket(), "/a\"b", &headers).format_line(200, 1, Duration::ZERO);
        assert!(
            line.contains("\"GET /a\\\"b HTTP/1.1\" 200 1 \"a\\\" b\\\\\" \"\u{fffd}\\t\u{e9}\" 0.0ms\n"),
            "{line}"
        );
    }

    #[test]
    fn a_refused_request_is_shown_as_it_came() {
        let refused = |line| {
            let line = AccessLogLine::from_refused(&Peer::from_unix_socket(), UNIX_EPOCH, line);
            line.format_line(400, 0, Duration::ZERO)
        };
        let rest = "400 - \"-\" \"-\" 0.0ms\n";
        assert_eq!(
            refused("G\"T\u{1}"),
            format!("- - - [01/Jan/1970:00:00:00 +0000] \"G\\\"T\\u{{1}}\" {rest}")
        );
        assert_eq!(refused(""), format!("- - - [01/Jan/1970:00:00:00 +0000] \"-\" {rest}"));
    }

    #[test]
    fn a_date_before_the_epoch_is_the_epoch() {
        assert_eq!(format_date(UNIX_EPOCH - Duration::from_secs(1)), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(
            format_date(UNIX_EPOCH + Duration::from_secs(1_709_164_800)),
            "29/Feb/2024:00:00:00 +0000"
        );
    }
}
