//! Reads the requests in an access log in the common or combined format of Apache and nginx. Pure functions.

use super::load_request::LoadRequest;

/// Most requests that are taken from a log.
const MOST: usize = 100_000;

/// The requests of an access log, and what of it is not replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LoggedRequests {
    /// Requests without a body, in order.
    pub(super) requests: Vec<LoadRequest>,
    /// Number of requests with other methods: their bodies are not in the log.
    pub(super) other_methods: usize,
    /// Number of lines that are not understood.
    pub(super) unreadable: usize,
    /// Number of lines after the last one that was taken.
    pub(super) left: usize,
}

impl LoggedRequests {
    /// Says what is not replayed; empty if everything is.
    pub(super) fn describe_left_out(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut add = |count: usize, what: &str| {
            if count > 0 {
                all.push(format!("access log: {count} {what}"));
            }
        };
        add(
            self.other_methods,
            "requests with methods other than GET and HEAD: their bodies are not in the log",
        );
        add(self.unreadable, "lines that are not in the combined format");
        add(self.left, "lines after the first 100,000 requests");
        all
    }
}

/// Reads a log. The times of its requests are not kept: the rate is another matter.
pub(super) fn parse_access_log(text: &str) -> LoggedRequests {
    let mut found = LoggedRequests::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if found.requests.len() == MOST {
            found.left += 1;
            continue;
        }
        match parse_line(line) {
            None => found.unreadable += 1,
            Some((method @ ("GET" | "HEAD"), target)) => {
                found.requests.push(LoadRequest::without_body(method, target));
            }
            Some(_) => found.other_methods += 1,
        }
    }
    found
}

/// Returns the method and the target in `host ident user [time] "METHOD TARGET PROTOCOL" status bytes ...`.
fn parse_line(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    // A target with a quote or a byte outside of ASCII is written with backslashes.
    if request.contains('\\') || !rest.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let mut words = request.split(' ');
    let (method, target, protocol) = (words.next()?, words.next()?, words.next()?);
    let is_request = target.starts_with('/') && protocol.starts_with("HTTP/") && words.next().is_none();
    is_request.then_some((method, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_without_a_body_are_taken() {
        let log = "\
127.0.0.1 - - [30/Nov/2026:19:00:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 12 \"-\" \"curl\" 3ms
10.0.0.7 - mary [30/Nov/2026:19:00:01 +0000] \"HEAD / HTTP/1.0\" 304 -

127.0.0.1 - - [30/Nov/2026:19:00:02 +0000] \"POST /cart HTTP/1.1\" 303 0 \"-\" \"-\"
127.0.0.1 - - [30/Nov/2026:19:00:02 +0000] \"GET /\\\"x HTTP/1.1\" 200 0 \"-\" \"-\"
127.0.0.1 - - [30/Nov/2026:19:00:02 +0000] \"-\" 408 0 \"-\" \"-\"
not a line of a log
";
        let found = parse_access_log(log);
        let expected = [LoadRequest::without_body("GET", "/a?b=c"), LoadRequest::without_body("HEAD", "/")];
        assert_eq!(found.requests, expected);
        assert_eq!((found.other_methods, found.unreadable, found.left), (1, 3, 0));
        assert_eq!(found.describe_left_out().len(), 2);
        assert_eq!(parse_access_log(""), LoggedRequests::default());
    }

    #[test]
    fn a_long_log_is_cut() {
        let line = "127.0.0.1 - - [30/Nov/2026:19:00:00 +0000] \"GET / HTTP/1.1\" 200 12\n";
        let found = parse_access_log(&line.repeat(MOST + 3));
        assert_eq!((found.requests.len(), found.left), (MOST, 3));
    }
}
