//! Parses the body of a request.

use super::request::{BodyPart, TemplatePart, TextTemplate};
use super::template::{TemplateLocation, TemplateVariables};

/// Parses the lines of a body. `kind` is the request's `Content-Type`.
///
/// # Errors
/// A message with the line number.
pub(super) fn parse_body(
    lines: &[(usize, &str)],
    kind: &str,
    names: &TemplateVariables<'_>,
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
        // A form may have one line for each field.
        let goes_on = is_form
            && (text.starts_with('&')
                || lines[..index].last().is_some_and(|(_, before)| before.trim().ends_with('&')));
        if index > 0 && !goes_on {
            append_text(&mut parts, TextTemplate::from_literal(end));
        }
        match parse_included_file(line, *number)? {
            Some(path) => parts.push(BodyPart::File { path, line: *number }),
            None => append_text(
                &mut parts,
                names.parse_template(text, TemplateLocation { line: *number, request })?,
            ),
        }
    }
    if is_multipart && !parts.is_empty() {
        append_text(&mut parts, TextTemplate::from_literal(end));
    }
    Ok(parts)
}

/// Returns the path in a line `< path`, which includes a file.
fn parse_included_file(line: &str, number: usize) -> Result<Option<String>, String> {
    let Some(rest) = line.strip_prefix('<') else { return Ok(None) };
    if rest.starts_with('@') {
        return Err(format!(
            "line {number}: <@ (a file with placeholders) is not supported: write < path, which sends the file \
             unchanged"
        ));
    }
    let path = rest.strip_prefix([' ', '\t']).map(str::trim).filter(|path| !path.is_empty());
    Ok(path.map(str::to_owned))
}

fn append_text(parts: &mut Vec<BodyPart>, TextTemplate(pieces): TextTemplate) {
    if let Some(BodyPart::Text(TextTemplate(last))) = parts.last_mut() {
        for piece in pieces {
            match (last.last_mut(), piece) {
                (Some(TemplatePart::Plain(end)), TemplatePart::Plain(text)) => *end += &text,
                (_, piece) => last.push(piece),
            }
        }
    } else if !pieces.is_empty() {
        parts.push(BodyPart::Text(TextTemplate(pieces)));
    }
}
