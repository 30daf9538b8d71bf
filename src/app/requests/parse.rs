//! From a file's text to its requests.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::body;
use super::request::{Piece, Request, Text};
use super::split::{Part, divide};
use super::text::{At, Names};

/// All of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// In their order.
    pub all: Vec<Request>,
    /// What of the file is not done, in words, each with its line.
    pub notes: Vec<String>,
}

/// The most that one file may hold: each is asked in dozens of interpreters.
const MOST: usize = 1000;

/// Reads them. `environment` has the names of the variables that trials are given.
///
/// # Errors
/// What is wrong, and in which line.
pub fn requests(text: &str, environment: &[String]) -> Result<Requests, String> {
    let divided = divide(text)?;
    match divided.parts.len() {
        0 => return Err("there is no request in it: a line like `GET /path` is one".to_owned()),
        1..=MOST => {}
        count => return Err(format!("it holds {count} requests, more than {MOST}")),
    }
    let numbered = || divided.parts.iter().enumerate();
    let mut captures = BTreeMap::new();
    for (index, part) in numbered() {
        for capture in &part.captures {
            captures.entry(capture.name.as_str()).or_insert(index);
        }
    }
    let names = Names {
        variables: divided.variables.iter().map(|(_, name, value)| (*name, *value)).collect(),
        requests: numbered().filter_map(|(index, part)| Some((part.name?, index))).collect(),
        captures,
        environment,
    };
    let all = numbered().map(|(index, part)| request(part, &names, index)).collect::<Result<_, _>>()?;
    Ok(Requests { all, notes: divided.notes })
}

fn request(part: &Part<'_>, names: &Names<'_>, index: usize) -> Result<Request, String> {
    let (line, first) = (part.first.0, part.first.1.as_str());
    let (method, url) = method_and_url(line, first)?;
    let at = At { line, request: index };
    let mut headers = Vec::new();
    let (scheme, target) = target(names.fill(url, at)?, &mut headers)
        .filter(|(_, target)| !typed_spaces(target))
        .ok_or_else(|| format!("line {line}: not METHOD URL, with a URL like /path: {first}"))?;
    for (line, header) in &part.headers {
        let Some((name, value)) = header.split_once(':').filter(|(name, _)| !name.trim().contains(' '))
        else {
            return Err(format!("line {line}: no header (### goes between two requests): {header}"));
        };
        let (name, value) = (name.trim(), names.fill(value.trim(), At { line: *line, request: index })?);
        if name.eq_ignore_ascii_case("X-Request-Type") {
            return Err(format!("line {line}: {name} is for a client: type the body that it would make"));
        }
        headers.retain(|(given, _): &(String, Text)| !given.eq_ignore_ascii_case(name));
        headers.push((name.to_owned(), basic(name, value)));
    }
    let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    let kind = kind.map(|(_, value)| value.to_string().to_lowercase()).unwrap_or_default();
    Ok(Request {
        method: method.to_owned(),
        scheme,
        target,
        body: body(&part.body, &kind, names, index)?,
        headers,
        captures: part.captures.clone(),
        has_cookies: part.has_cookies,
    })
}

/// A request's first line: `METHOD URL HTTP/1.1`, of which the URL alone must be there.
fn method_and_url(line: usize, first: &str) -> Result<(&str, &str), String> {
    let is_version = |word: &str| {
        word.strip_prefix("HTTP/").is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    };
    let first = first
        .rsplit_once(char::is_whitespace)
        .filter(|(_, last)| is_version(last))
        .map_or(first, |(rest, _)| rest);
    let (method, url) = first.trim().split_once(char::is_whitespace).unwrap_or(("GET", first.trim()));
    let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    // `{{ name }}/path` has a space, and no method.
    let (method, url) = if first.starts_with("{{") { ("GET", first.trim()) } else { (method, url.trim()) };
    if !is_method && !first.starts_with("{{") {
        return Err(format!("line {line}: not METHOD URL, with a URL like /path: {first}"));
    }
    if ["GRAPHQL", "GRPC", "RSOCKET", "WEBSOCKET"].contains(&method) {
        return Err(format!("line {line}: {method} is nothing that a WSGI application is asked: {first}"));
    }
    Ok((method, url))
}

/// Scheme, and path and query, of a URL, whose host becomes a header. `None` for what is no URL.
fn target(Text(mut pieces): Text, headers: &mut Vec<(String, Text)>) -> Option<(&'static str, Text)> {
    let first = match pieces.first_mut()? {
        Piece::Value(_) => return Some(("http", Text(pieces))),
        Piece::Plain(first) => first,
    };
    if first.starts_with('/') {
        return Some(("http", Text(pieces)));
    }
    let schemes = ["http", "https"];
    let scheme = schemes
        .into_iter()
        .find(|scheme| first.strip_prefix(scheme).is_some_and(|rest| rest.starts_with("://")))?;
    let rest = first[scheme.len() + 3..].to_owned();
    let (host, path) = rest.find(['/', '?']).map_or((rest.as_str(), ""), |at| rest.split_at(at));
    // A host that an answer gives would have to be taken apart when it is known.
    if host.is_empty() || (path.is_empty() && pieces.len() > 1) {
        return None;
    }
    headers.push(("Host".to_owned(), Text::plain(host)));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if let Some(first) = pieces.first_mut() {
        *first = Piece::Plain(path);
    }
    Some((scheme, Text(pieces)))
}

/// Whether a URL has spaces that are none of a value's name.
fn typed_spaces(target: &Text) -> bool {
    target.0.iter().any(|piece| match piece {
        Piece::Plain(text) => text.contains(char::is_whitespace),
        Piece::Value(_) => false,
    })
}

/// `Authorization: Basic user password`, as both clients let it be typed.
fn basic(name: &str, value: Text) -> Text {
    let plain = value.as_plain().filter(|_| name.eq_ignore_ascii_case("Authorization"));
    let typed = plain.as_deref().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        let rest = rest.trim();
        let (user, password) = rest.split_once(':').or_else(|| rest.split_once(' '))?;
        scheme.eq_ignore_ascii_case("Basic").then(|| format!("{user}:{}", password.trim()))
    });
    typed.map_or(value, |typed| Text::plain(format!("Basic {}", STANDARD.encode(typed))))
}
