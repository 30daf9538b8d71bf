//! Parses the text of an `.http` file into requests.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::parse_body;
use super::request::{HttpRequest, TemplatePart, TextTemplate};
use super::request_blocks::{RequestBlock, split_requests};
use super::template::{TemplateLocation, TemplateVariables};

/// The content of an `.http` file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedRequests {
    /// The requests, in order.
    pub all: Vec<HttpRequest>,
    /// Notes on unsupported parts of the file, which are ignored, each with its line.
    pub notes: Vec<String>,
}

/// Maximum number of requests in a file: each is sent in dozens of interpreters.
const MOST: usize = 1000;

/// Parses an `.http` file. `environment` has the names of the environment variables that trials get.
///
/// # Errors
/// A message with the line number.
pub fn parse_requests(text: &str, environment: &[String]) -> Result<ParsedRequests, String> {
    let divided = split_requests(text)?;
    match divided.parts.len() {
        0 => return Err("no request found: write one as `GET /path`".to_owned()),
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
    let names = TemplateVariables {
        variables: divided.variables.iter().map(|(_, name, value)| (*name, *value)).collect(),
        requests: numbered().filter_map(|(index, part)| Some((part.name?, index))).collect(),
        captures,
        environment,
    };
    let all = numbered().map(|(index, part)| parse_request(part, &names, index)).collect::<Result<_, _>>()?;
    Ok(ParsedRequests { all, notes: divided.notes })
}

fn parse_request(
    part: &RequestBlock<'_>,
    names: &TemplateVariables<'_>,
    index: usize,
) -> Result<HttpRequest, String> {
    let (line, first) = (part.first.0, part.first.1.as_str());
    let (method, url) = parse_request_line(line, first)?;
    let at = TemplateLocation { line, request: index };
    let mut headers = Vec::new();
    let (scheme, target) = split_url(names.parse_template(url, at)?, &mut headers)
        .filter(|(_, target)| !has_literal_space(target))
        .ok_or_else(|| format!("line {line}: not METHOD URL, with a URL like /path: {first}"))?;
    for (line, header) in &part.headers {
        let Some((name, value)) = header.split_once(':').filter(|(name, _)| !name.trim().contains(' '))
        else {
            return Err(format!("line {line}: not a header (separate requests with ###): {header}"));
        };
        let (name, value) = (
            name.trim(),
            names.parse_template(value.trim(), TemplateLocation { line: *line, request: index })?,
        );
        if name.eq_ignore_ascii_case("X-Request-Type") {
            return Err(format!(
                "line {line}: {name} is not supported: write the body that the client would generate"
            ));
        }
        headers.retain(|(given, _): &(String, TextTemplate)| !given.eq_ignore_ascii_case(name));
        headers.push((name.to_owned(), encode_basic_authorization(name, value)));
    }
    let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    let kind = kind.map(|(_, value)| value.to_string().to_lowercase()).unwrap_or_default();
    Ok(HttpRequest {
        method: method.to_owned(),
        scheme,
        target,
        body: parse_body(&part.body, &kind, names, index)?,
        headers,
        captures: part.captures.clone(),
        has_cookies: part.has_cookies,
    })
}

/// Parses the first line of a request: `METHOD URL HTTP/1.1`, of which only the URL is required.
fn parse_request_line(line: usize, first: &str) -> Result<(&str, &str), String> {
    let is_version = |word: &str| {
        word.strip_prefix("HTTP/").is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    };
    let first = first
        .rsplit_once(char::is_whitespace)
        .filter(|(_, last)| is_version(last))
        .map_or(first, |(rest, _)| rest);
    let (method, url) = first.trim().split_once(char::is_whitespace).unwrap_or(("GET", first.trim()));
    let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    // `{{ name }}/path` has a space, but no method.
    let (method, url) = if first.starts_with("{{") { ("GET", first.trim()) } else { (method, url.trim()) };
    if !is_method && !first.starts_with("{{") {
        return Err(format!("line {line}: not METHOD URL, with a URL like /path: {first}"));
    }
    if ["GRAPHQL", "GRPC", "RSOCKET", "WEBSOCKET"].contains(&method) {
        return Err(format!("line {line}: {method} is not an HTTP method for a WSGI application: {first}"));
    }
    Ok((method, url))
}

/// Splits a URL into its scheme and the rest (path and query); its host is added to the headers. `None` if it
/// is not a URL.
fn split_url(
    TextTemplate(mut pieces): TextTemplate,
    headers: &mut Vec<(String, TextTemplate)>,
) -> Option<(&'static str, TextTemplate)> {
    let first = match pieces.first_mut()? {
        TemplatePart::Value(_) => return Some(("http", TextTemplate(pieces))),
        TemplatePart::Plain(first) => first,
    };
    if first.starts_with('/') {
        return Some(("http", TextTemplate(pieces)));
    }
    let schemes = ["http", "https"];
    let scheme = schemes
        .into_iter()
        .find(|scheme| first.strip_prefix(scheme).is_some_and(|rest| rest.starts_with("://")))?;
    let rest = first[scheme.len() + 3..].to_owned();
    let (host, path) = rest.find(['/', '?']).map_or((rest.as_str(), ""), |at| rest.split_at(at));
    // A host from a placeholder would have to be split off when the request is sent.
    if host.is_empty() || (path.is_empty() && pieces.len() > 1) {
        return None;
    }
    headers.push(("Host".to_owned(), TextTemplate::from_literal(host)));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if let Some(first) = pieces.first_mut() {
        *first = TemplatePart::Plain(path);
    }
    Some((scheme, TextTemplate(pieces)))
}

/// Whether a URL has spaces outside of its placeholders.
fn has_literal_space(target: &TextTemplate) -> bool {
    target.0.iter().any(|piece| match piece {
        TemplatePart::Plain(text) => text.contains(char::is_whitespace),
        TemplatePart::Value(_) => false,
    })
}

/// Encodes the value of `Authorization: Basic user password`, a form that both clients accept.
fn encode_basic_authorization(name: &str, value: TextTemplate) -> TextTemplate {
    let plain = value.to_plain_text().filter(|_| name.eq_ignore_ascii_case("Authorization"));
    let typed = plain.as_deref().and_then(|text| {
        let (scheme, rest) = text.split_once(' ')?;
        let rest = rest.trim();
        let (user, password) = rest.split_once(':').or_else(|| rest.split_once(' '))?;
        scheme.eq_ignore_ascii_case("Basic").then(|| format!("{user}:{}", password.trim()))
    });
    typed.map_or(value, |typed| TextTemplate::from_literal(format!("Basic {}", STANDARD.encode(typed))))
}
