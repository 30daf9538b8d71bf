//! Splits the lines of an `.http` file into requests. Placeholders are not resolved yet.

use super::request::Capture;

/// The lines of one request.
#[derive(Debug, Default)]
pub(super) struct RequestBlock<'t> {
    /// The name of the request.
    pub(super) name: Option<&'t str>,
    /// The line `METHOD URL` with its number; continuation lines of the query are joined.
    pub(super) first: (usize, String),
    /// Lines of headers.
    pub(super) headers: Vec<(usize, &'t str)>,
    /// Lines of the body.
    pub(super) body: Vec<(usize, &'t str)>,
    pub(super) captures: Vec<Capture>,
    pub(super) has_cookies: bool,
}

/// An `.http` file, split into requests.
#[derive(Debug, Default)]
pub(super) struct SplitFile<'t> {
    pub(super) parts: Vec<RequestBlock<'t>>,
    /// `@name = value`, with the line.
    pub(super) variables: Vec<(usize, &'t str, &'t str)>,
    /// Notes on unsupported parts of the file.
    pub(super) notes: Vec<String>,
}

type NumberedLine<'t> = (usize, &'t str);

/// Splits the text of a file.
///
/// # Errors
/// A message with the line number.
pub(super) fn split_requests(text: &str) -> Result<SplitFile<'_>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut divided = SplitFile::default();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    let mut title = None;
    while lines.peek().is_some() {
        let mut part = Vec::new();
        while let Some(line) = lines.next_if(|(_, line)| !line.starts_with("###")) {
            part.push(line);
        }
        let part = divided.parse_block(title, &part)?;
        divided.parts.extend(part);
        // The separator `###`, which a name may follow.
        title = lines.next().map(|(_, line)| line.trim_start_matches('#').trim());
    }
    Ok(divided)
}

impl<'t> SplitFile<'t> {
    /// Parses the lines between two separators. `None` if they hold no request.
    fn parse_block(
        &mut self,
        title: Option<&'t str>,
        lines: &[NumberedLine<'t>],
    ) -> Result<Option<RequestBlock<'t>>, String> {
        let mut part = RequestBlock {
            name: title.filter(|title| is_valid_name(title)),
            has_cookies: true,
            ..RequestBlock::default()
        };
        let lines = self.strip_scripts(lines)?;
        let mut lines = lines.into_iter().peekable();
        while let Some((number, line)) = lines.next_if(|(_, line)| is_preamble(line)) {
            if let Some(definition) = line.trim_start().strip_prefix('@') {
                let (name, value) = definition
                    .split_once('=')
                    .map(|(name, value)| (name.trim(), value.trim()))
                    .filter(|(name, _)| is_valid_name(name))
                    .ok_or_else(|| format!("line {number}: not @name = value: {line}"))?;
                self.variables.push((number, name, value));
            } else {
                part.apply_comment((number, line))?;
            }
        }
        let Some((number, first)) = lines.next() else { return Ok(None) };
        part.first = (number, first.trim().to_owned());
        while let Some((_, more)) = lines.next_if(|(_, line)| continues_url(line)) {
            part.first.1 += more.trim();
        }
        while let Some((number, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
            if is_comment(line) {
                part.apply_comment((number, line))?;
            } else {
                part.headers.push((number, line));
            }
        }
        lines.next();
        for (number, line) in lines {
            if is_comment(line) && parse_comment_directive(line).is_some_and(|(word, _)| word == "capture") {
                part.apply_comment((number, line))?;
            } else if let Some(what) = unsupported_response_action(line) {
                self.notes.push(format!("line {number}: {what}"));
            } else {
                part.body.push((number, line));
            }
        }
        Ok(Some(part))
    }

    /// Removes scripts, and adds a note on each: `< {% ... %}` would run before the request, `> {% ... %}`
    /// after it.
    fn strip_scripts(&mut self, lines: &[NumberedLine<'t>]) -> Result<Vec<NumberedLine<'t>>, String> {
        let mut kept = Vec::new();
        let mut begun: Option<usize> = None;
        for &(number, line) in lines {
            let script = line.strip_prefix(['<', '>']).map(str::trim_start);
            if begun.is_none() && script.is_some_and(|script| script.starts_with("{%")) {
                begun = Some(number);
                self.notes.push(format!(
                    "line {number}: the script is not run: `# @capture name = pattern` takes a value from an answer"
                ));
            }
            if begun.is_none() {
                kept.push((number, line));
            } else if line.contains("%}") {
                begun = None;
            }
        }
        match begun {
            Some(number) => Err(format!("line {number}: the script has no end (%}})")),
            None => Ok(kept),
        }
    }
}

impl<'t> RequestBlock<'t> {
    /// Applies the `@` command of a comment, if it has one.
    fn apply_comment(&mut self, (number, line): NumberedLine<'t>) -> Result<(), String> {
        let Some((word, rest)) = parse_comment_directive(line) else { return Ok(()) };
        match word {
            "name" if is_valid_name(rest) => self.name = Some(rest),
            "name" => return Err(format!("line {number}: not a name of letters, digits, - and _: {rest}")),
            "capture" => {
                let (name, pattern) = rest
                    .split_once('=')
                    .map(|(name, pattern)| (name.trim(), pattern.trim()))
                    .filter(|(name, pattern)| is_valid_name(name) && !pattern.is_empty())
                    .ok_or_else(|| format!("line {number}: not # @capture name = pattern: {line}"))?;
                let (name, pattern) = (name.to_owned(), pattern.to_owned());
                self.captures.push(Capture { name, pattern, line: number });
            }
            "no-cookie-jar" => self.has_cookies = false,
            "prompt" => {
                let name = rest.split_whitespace().next().unwrap_or("name");
                return Err(format!(
                    "line {number}: @prompt is not supported: define the value, as @{name} = value"
                ));
            }
            // Others tell a client how to show or to log the request.
            _ => {}
        }
        Ok(())
    }
}

/// `# @word rest`.
fn parse_comment_directive(line: &str) -> Option<(&str, &str)> {
    let text = line.trim_start().trim_start_matches(['#', '/']).trim_start().strip_prefix('@')?;
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    Some((word, rest.trim()))
}

pub(super) fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.starts_with("//")
}

/// Whether a line may precede the first line of a request.
fn is_preamble(line: &str) -> bool {
    line.trim().is_empty() || is_comment(line) || line.trim_start().starts_with('@')
}

/// Whether the line continues the URL.
fn continues_url(line: &str) -> bool {
    let text = line.trim_start();
    text.starts_with(['?', '&']) || (text.len() < line.len() && text.starts_with('/') && !is_comment(line))
}

/// Returns a note if the line tells a client what to do with the response, which is not supported.
fn unsupported_response_action(line: &str) -> Option<&'static str> {
    if line.starts_with(">> ") || line.starts_with(">>! ") {
        return Some("the response is not written to a file");
    }
    if line.starts_with("<> ") {
        return Some("the response is not compared with an earlier one");
    }
    let is_script = line.strip_prefix("> ").is_some_and(|name| name.trim().ends_with(".js"));
    is_script.then_some("the script is not run: `# @capture name = pattern` takes a value from an answer")
}

pub(super) fn is_valid_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
}
