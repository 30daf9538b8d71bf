//! A request's body from its lines.

use super::request::{BodyPart, Piece, Text};
use super::text::{At, Names};

/// Reads it. `kind` is the request's `Content-Type`.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn body(
    lines: &[(usize, &str)],
    kind: &str,
    names: &Names<'_>,
    request: usize,
) -> Result<Vec<BodyPart>, String> {
    let blank = |(_, line): &&(usize, &str)| line.trim().is_empty();
    let after = lines.iter().rev().take_while(blank).count();
    let lines = &lines[..lines.len() - after];
    let is_multipart = kind.starts_with("multipart/");
    let is_form = kind.starts_with("application/x-www-form-urlencoded");
    let end = if is_multipart { "\r\n" } else { "\n" };
    let mut parts: Vec<BodyPart> = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        let text = if is_form { line.trim() } else { line };
        // A form may be typed with a line for each of its fields.
        let goes_on = is_form
            && (text.starts_with('&')
                || lines[..index].last().is_some_and(|(_, before)| before.trim().ends_with('&')));
        if index > 0 && !goes_on {
            add(&mut parts, Text::plain(end));
        }
        match included(line, *number)? {
            Some(path) => parts.push(BodyPart::File { path, line: *number }),
            None => add(&mut parts, names.fill(text, At { line: *number, request })?),
        }
    }
    if is_multipart && !parts.is_empty() {
        add(&mut parts, Text::plain(end));
    }
    Ok(parts)
}

/// The file that a line `< path` stands for.
fn included(line: &str, number: usize) -> Result<Option<String>, String> {
    let Some(rest) = line.strip_prefix('<') else { return Ok(None) };
    if rest.starts_with('@') {
        return Err(format!(
            "line {number}: a file's content is sent as it is: < path; values are put into what is typed here"
        ));
    }
    let path = rest.strip_prefix([' ', '\t']).map(str::trim).filter(|path| !path.is_empty());
    Ok(path.map(str::to_owned))
}

fn add(parts: &mut Vec<BodyPart>, Text(pieces): Text) {
    if let Some(BodyPart::Text(Text(last))) = parts.last_mut() {
        for piece in pieces {
            match (last.last_mut(), piece) {
                (Some(Piece::Plain(end)), Piece::Plain(text)) => *end += &text,
                (_, piece) => last.push(piece),
            }
        }
    } else if !pieces.is_empty() {
        parts.push(BodyPart::Text(Text(pieces)));
    }
}
