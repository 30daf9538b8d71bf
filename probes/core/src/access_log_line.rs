//! A line of the access log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};
use http::{Method, Uri, Version};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::peer::Peer;

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessLogFormat {
    /// Apache's combined log format, plus the duration of the request.
    Combined,
    /// A JSON object.
    Json,
}

/// What is known of a request when it arrives.
#[derive(Debug)]
pub struct AccessLogLine {
    address: String,
    at: SystemTime,
    /// The request line.
    request: String,
    referer: Option<String>,
    agent: Option<String>,
}

impl AccessLogLine {
    /// Describes a request that arrived at this time.
    pub fn new(
        peer: &Peer,
        at: SystemTime,
        (method, target, version): (&Method, &Uri, Version),
        headers: &HeaderMap,
    ) -> Self {
        Self {
            address: peer.address.clone(),
            at,
            request: format!("{method} {target} {version:?}"),
            referer: read_header(headers, &REFERER),
            agent: read_header(headers, &USER_AGENT),
        }
    }

    /// Describes a request that the HTTP library refused, by its first line.
    pub fn from_refused(peer: &Peer, at: SystemTime, line: &str) -> Self {
        Self { address: peer.address.clone(), at, request: line.to_owned(), referer: None, agent: None }
    }

    /// Formats the line. Whatever a client sends, it cannot forge a line or a field of the log.
    pub fn format_line(&self, format: AccessLogFormat, status: u16, sent: u64, took: Duration) -> String {
        let took = took.as_secs_f64() * 1e3;
        match format {
            AccessLogFormat::Combined => {
                let sent = if sent == 0 { "-".to_owned() } else { sent.to_string() };
                let address = if self.address.is_empty() { "-" } else { &self.address };
                let (date, request) = (format_date(self.at), escape_field(Some(&self.request)));
                let (referer, agent) =
                    (escape_field(self.referer.as_ref()), escape_field(self.agent.as_ref()));
                format!(
                    "{address} - - [{date}] \"{request}\" {status} {sent} \"{referer}\" \"{agent}\" {took:.1}ms\n"
                )
            }
            AccessLogFormat::Json => {
                let line = json!({
                    "time": format!("{:.3}", timestamp(self.at)),
                    "remote_address": self.address,
                    "request": self.request,
                    "status": status,
                    "bytes_sent": sent,
                    "duration_ms": (took * 1e3).round() / 1e3,
                    "referer": self.referer,
                    "user_agent": self.agent,
                });
                format!("{line}\n")
            }
        }
    }
}

fn read_header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn escape_field(text: Option<&String>) -> String {
    match text {
        Some(text) if !text.is_empty() => text.escape_debug().to_string(),
        Some(_) | None => "-".to_owned(),
    }
}

/// Formats a time in UTC as `25/Nov/2026:21:31:12 +0000`.
fn format_date(at: SystemTime) -> String {
    timestamp(at).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis())
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::header::{HeaderMap, HeaderValue, REFERER, USER_AGENT};
    use http::{Method, Uri, Version};
    use serde_json::json;

    use super::AccessLogFormat::{Combined, Json};
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
            line(&peer, "/a?b", &headers).format_line(Combined, 200, 12, Duration::from_micros(1234)),
            "192.0.2.1 - - [25/Nov/2026:21:31:12 +0000] \"GET /a?b HTTP/1.1\" 200 12 \
             \"http://example.org/\" \"curl/8\" 1.2ms\n"
        );
    }

    #[test]
    fn a_line_can_be_json() {
        let peer = Peer::from_address("192.0.2.1:80".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static("a \"b\""));
        let text = line(&peer, "/a\"b", &headers).format_line(Json, 404, 0, Duration::from_micros(1234));
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            json!({
                "time": "2026-11-25T21:31:12.999Z", "remote_address": "192.0.2.1",
                "request": "GET /a\"b HTTP/1.1", "status": 404, "bytes_sent": 0, "duration_ms": 1.234,
                "referer": null, "user_agent": "a \"b\"",
            })
        );
    }

    #[test]
    fn what_is_missing_is_a_hyphen() {
        let line = line(&Peer::from_unix_socket(), "/", &HeaderMap::new());
        assert_eq!(
            line.format_line(Combined, 304, 0, Duration::from_secs(2)),
            "- - - [25/Nov/2026:21:31:12 +0000] \"GET / HTTP/1.1\" 304 - \"-\" \"-\" 2000.0ms\n"
        );
    }

    #[test]
    fn nothing_in_a_request_ends_a_field_or_a_line() {
        let mut headers = HeaderMap::new();
        headers.insert(REFERER, HeaderValue::from_static("a\" b\\"));
        headers.insert(USER_AGENT, HeaderValue::from_bytes(b"\xff\t\xc3\xa9").unwrap());
        let line =
            line(&Peer::from_unix_socket(), "/a\"b", &headers).format_line(Combined, 200, 1, Duration::ZERO);
        assert!(
            line.contains("\"GET /a\\\"b HTTP/1.1\" 200 1 \"a\\\" b\\\\\" \"\u{fffd}\\t\u{e9}\" 0.0ms\n"),
            "{line}"
        );
    }

    #[test]
    fn a_refused_request_is_shown_as_it_came() {
        let refused = |line| {
            let line = AccessLogLine::from_refused(&Peer::from_unix_socket(), UNIX_EPOCH, line);
            line.format_line(Combined, 400, 0, Duration::ZERO)
        };
        let rest = "400 - \"-\" \"-\" 0.0ms\n";
        let begin = "- - - [01/Jan/1970:00:00:00 +0000]";
        assert_eq!(refused("G\"T\u{1}"), format!("{begin} \"G\\\"T\\u{{1}}\" {rest}"));
        assert_eq!(refused(""), format!("{begin} \"-\" {rest}"));
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
