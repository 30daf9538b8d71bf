//! One GET request over TCP, for the metrics of a server.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long an answer may take, and each part of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Size limit of an answer. A group's metrics are some 3 KB.
const MAX_ANSWER: u64 = 64 << 20;

/// An address that metrics are fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MetricsUrl {
    /// Host and port, for the `Host` header and to connect.
    authority: String,
}

impl MetricsUrl {
    /// Parses `http://HOST:PORT`, with or without a path, which is ignored.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let authority =
            text.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let is_plain = !authority.is_empty() && authority.chars().all(|letter| letter.is_ascii_graphic());
        if !is_plain || authority.contains('@') {
            bail!(
                "{text:?} is neither unix:PATH nor the URL of a server's metrics\n\
                 hint: unix:/run/wsgiaudit/telemetry.sock, or http://127.0.0.1:9000"
            );
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Ok(Self { authority: if has_port { authority.to_owned() } else { format!("{authority}:80") } })
    }

    /// Fetches `/metrics.json`.
    ///
    /// # Errors
    /// If there is no answer, or no good one.
    pub(super) fn fetch_json(&self) -> Result<serde_json::Value> {
        let shown = &self.authority;
        let body = self.fetch("/metrics.json").with_context(|| {
            format!("no metrics from http://{shown}\nhint: wsgiaudit serve --metrics {shown} serves them")
        })?;
        serde_json::from_slice(&body).with_context(|| format!("http://{shown}/metrics.json is not JSON"))
    }

    fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        let mut last = None;
        for address in self.authority.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return self.exchange(stream, path),
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) => Err(error.into()),
            None => bail!("the name has no address"),
        }
    }

    fn exchange(&self, mut stream: TcpStream, path: &str) -> Result<Vec<u8>> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.authority)?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
        parse_answer(&answer)
    }
}

/// Returns the body of an answer with status 200. HTTP/1.0 has no chunks.
fn parse_answer(answer: &[u8]) -> Result<Vec<u8>> {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("the answer has no end of its head")?;
    let (head, body) = answer.split_at(end);
    let first = head.split(|letter| *letter == b'\r').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    if first.split(' ').nth(1) != Some("200") {
        bail!("the answer is {first:?}");
    }
    Ok(body.get(4..).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_is_a_plain_url() {
        let authority = |text: &str| MetricsUrl::parse(text).ok().map(|url| url.authority);
        assert_eq!(authority("http://127.0.0.1:9000/metrics"), Some("127.0.0.1:9000".to_owned()));
        assert_eq!(authority("http://[::1]:9000"), Some("[::1]:9000".to_owned()));
        assert_eq!(authority("http://web"), Some("web:80".to_owned()));
        for bad in ["https://web", "http://", "http:///a", "web:80", "http://a b", "http://u@web", "/run/a"] {
            assert_eq!(authority(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(parse_answer(b"HTTP/1.1 200 OK\r\na: b\r\n\r\n{}").unwrap(), b"{}");
        for bad in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 No\r\n\r\n", b"\r\n\r\n"] {
            assert!(parse_answer(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nobody_who_answers_is_an_error_with_a_hint() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = MetricsUrl::parse(&format!("http://127.0.0.1:{port}")).unwrap().fetch_json().unwrap_err();
        assert!(error.to_string().contains("serve --metrics"), "{error}");
    }
}
