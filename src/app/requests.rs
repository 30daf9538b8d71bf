//! Requests from an `.http` file, the format that editors and HTTP clients share: `###` between requests; each a line
//! `METHOD URL`, headers, an empty line, a body. Pure.

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` where none was given.
    pub method: String,
    /// Path and query, still percent-encoded.
    pub target: String,
    /// As they were given.
    pub headers: Vec<(String, String)>,
    /// Without the line's end that only closes it.
    pub body: String,
}

/// The most that one file may hold: each is asked in dozens of interpreters.
const MOST: usize = 1000;

/// Reads them.
///
/// # Errors
/// What is wrong, and in which line.
pub fn requests(text: &str) -> Result<Vec<Request>, String> {
    let mut all: Vec<Request> = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    while lines.peek().is_some() {
        let mut part = Vec::new();
        while let Some(line) = lines.next_if(|(_, line)| !line.starts_with("###")) {
            part.push(line);
        }
        // The separator, and the name that may follow on it.
        lines.next();
        all.extend(request(&part)?);
    }
    match all.len() {
        0 => Err("there is no request in it: a line like `GET /path` is one".to_owned()),
        1..=MOST => Ok(all),
        count => Err(format!("it holds {count} requests, more than {MOST}")),
    }
}

fn request(part: &[(usize, &str)]) -> Result<Option<Request>, String> {
    let is_comment = |line: &str| line.starts_with('#') || line.starts_with("//");
    let mut lines = part.iter().skip_while(|(_, line)| line.trim().is_empty() || is_comment(line));
    let Some((number, first)) = lines.next() else { return Ok(None) };
    let words: Vec<&str> = first.split_whitespace().collect();
    let (method, url) = match words.as_slice() {
        [url] => ("GET", *url),
        [method, url] | [method, url, _] => (*method, *url),
        _ => return Err(format!("line {number}: not METHOD URL: {first}")),
    };
    let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let mut headers = Vec::new();
    let Some(target) = target(url, &mut headers).filter(|_| is_method) else {
        return Err(format!("line {number}: not METHOD URL, with a URL like /path: {first}"));
    };
    for (number, line) in lines.by_ref().take_while(|(_, line)| !line.trim().is_empty()) {
        if is_comment(line) {
            continue;
        }
        let Some((name, value)) = line.split_once(':').filter(|(name, _)| !name.contains(' ')) else {
            return Err(format!("line {number}: no header (### goes between two requests): {line}"));
        };
        headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let body: Vec<&str> = lines.map(|(_, line)| *line).collect();
    let body = body.join("\n").trim_end_matches('\n').to_owned();
    Ok(Some(Request { method: method.to_owned(), target, headers, body }))
}

/// Path and query of a URL, whose host becomes a header.
fn target(url: &str, headers: &mut Vec<(String, String)>) -> Option<String> {
    if url.starts_with('/') {
        return Some(url.to_owned());
    }
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    headers.push(("Host".to_owned(), host.to_owned()));
    Some(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_request_are_told_apart() {
        let text = "# a comment\nGET /plain\n\n### named\nPOST http://shop.test/buy?item=%C3%A9 HTTP/1.1\n\
                    Content-Type: text/plain\n\none\n\ntwo\n\n###\n/only-a-path\n###\n";
        let all = requests(text).unwrap_or_default();
        let told: Vec<String> = all
            .iter()
            .map(|each| format!("{} {} {:?} {:?}", each.method, each.target, each.headers, each.body))
            .collect();
        assert_eq!(
            told,
            [
                r#"GET /plain [] """#,
                r#"POST /buy?item=%C3%A9 [("Host", "shop.test"), ("Content-Type", "text/plain")] "one\n\ntwo""#,
                r#"GET /only-a-path [] """#,
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            ("", "no request"),
            ("# only a comment\n", "no request"),
            ("GET /a\nGET /b\n", "line 2: no header"),
            ("get /a\n", "line 1: not METHOD URL"),
            ("\nGET relative\n", "line 2: not METHOD URL"),
        ] {
            let error = requests(text).err().unwrap_or_default();
            assert!(error.contains(told), "{text:?}: {error}");
        }
        assert!(requests(&"GET /\n###\n".repeat(MOST + 1)).is_err());
    }
}
