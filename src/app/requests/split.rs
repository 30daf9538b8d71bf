//! A file's lines, divided into its requests and what stands between them. Nothing is looked up yet.

use super::request::Capture;

/// The lines of one request.
#[derive(Debug, Default)]
pub(super) struct Part<'t> {
    /// Its name, with the line.
    pub(super) name: Option<&'t str>,
    /// `METHOD URL`, and the lines that its query goes on with.
    pub(super) first: (usize, String),
    /// Lines of headers.
    pub(super) headers: Vec<(usize, &'t str)>,
    /// Lines of the body.
    pub(super) body: Vec<(usize, &'t str)>,
    pub(super) captures: Vec<Capture>,
    pub(super) has_cookies: bool,
}

/// A file, divided.
#[derive(Debug, Default)]
pub(super) struct Divided<'t> {
    pub(super) parts: Vec<Part<'t>>,
    /// `@name = value`, with the line.
    pub(super) variables: Vec<(usize, &'t str, &'t str)>,
    /// What of it is not done, in words.
    pub(super) notes: Vec<String>,
}

type Line<'t> = (usize, &'t str);

/// Divides it.
///
/// # Errors
/// What is wrong, and in which line.
pub(super) fn divide(text: &str) -> Result<Divided<'_>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut divided = Divided::default();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    let mut title = None;
    while lines.peek().is_some() {
        let mut part = Vec::new();
        while let Some(line) = lines.next_if(|(_, line)| !line.starts_with("###")) {
            part.push(line);
        }
        let part = divided.part(title, &part)?;
        divided.parts.extend(part);
        // The separator, and the name that may follow on it.
        title = lines.next().map(|(_, line)| line.trim_start_matches('#').trim());
    }
    Ok(divided)
}

impl<'t> Divided<'t> {
    /// The request in what stands between two separators. `None` where there is none.
    fn part(&mut self, title: Option<&'t str>, lines: &[Line<'t>]) -> Result<Option<Part<'t>>, String> {
        let mut part =
            Part { name: title.filter(|title| is_name(title)), has_cookies: true, ..Part::default() };
        let lines = self.without_scripts(lines)?;
        let mut lines = lines.into_iter().peekable();
        while let Some((number, line)) = lines.next_if(|(_, line)| is_before(line)) {
            if let Some(definition) = line.trim_start().strip_prefix('@') {
                let (name, value) = definition
                    .split_once('=')
                    .map(|(name, value)| (name.trim(), value.trim()))
                    .filter(|(name, _)| is_name(name))
                    .ok_or_else(|| format!("line {number}: not @name = value: {line}"))?;
                self.variables.push((number, name, value));
            } else {
                part.comment((number, line))?;
            }
        }
        let Some((number, first)) = lines.next() else { return Ok(None) };
        part.first = (number, first.trim().to_owned());
        while let Some((_, more)) = lines.next_if(|(_, line)| goes_on(line)) {
            part.first.1 += more.trim();
        }
        while let Some((number, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
            if is_comment(line) {
                part.comment((number, line))?;
            } else {
                part.headers.push((number, line));
            }
        }
        lines.next();
        for (number, line) in lines {
            if is_comment(line) && directive(line).is_some_and(|(word, _)| word == "capture") {
                part.comment((number, line))?;
            } else if let Some(what) = after_the_answer(line) {
                self.notes.push(format!("line {number}: {what}"));
            } else {
                part.body.push((number, line));
            }
        }
        Ok(Some(part))
    }

    /// The lines without scripts, which are told: `< {% ... %}` runs before a request, `> {% ... %}` after it.
    fn without_scripts(&mut self, lines: &[Line<'t>]) -> Result<Vec<Line<'t>>, String> {
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
            Some(number) => Err(format!("line {number}: the script has no end: %}}")),
            None => Ok(kept),
        }
    }
}

impl<'t> Part<'t> {
    /// Does what a comment says.
    fn comment(&mut self, (number, line): Line<'t>) -> Result<(), String> {
        let Some((word, rest)) = directive(line) else { return Ok(()) };
        match word {
            "name" if is_name(rest) => self.name = Some(rest),
            "name" => return Err(format!("line {number}: no name of letters, digits, - and _: {rest}")),
            "capture" => {
                let (name, pattern) = rest
                    .split_once('=')
                    .map(|(name, pattern)| (name.trim(), pattern.trim()))
                    .filter(|(name, pattern)| is_name(name) && !pattern.is_empty())
                    .ok_or_else(|| format!("line {number}: not # @capture name = pattern: {line}"))?;
                let (name, pattern) = (name.to_owned(), pattern.to_owned());
                self.captures.push(Capture { name, pattern, line: number });
            }
            "no-cookie-jar" => self.has_cookies = false,
            "prompt" => {
                let name = rest.split_whitespace().next().unwrap_or("name");
                return Err(format!(
                    "line {number}: nobody is asked while an audit runs: type a value, as @{name} = value"
                ));
            }
            // Others tell a client how to show or to log it.
            _ => {}
        }
        Ok(())
    }
}

/// `# @word rest`.
fn directive(line: &str) -> Option<(&str, &str)> {
    let text = line.trim_start().trim_start_matches(['#', '/']).trim_start().strip_prefix('@')?;
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    Some((word, rest.trim()))
}

pub(super) fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.starts_with("//")
}

/// What may stand before the line of a request.
fn is_before(line: &str) -> bool {
    line.trim().is_empty() || is_comment(line) || line.trim_start().starts_with('@')
}

/// Whether the URL goes on in this line.
fn goes_on(line: &str) -> bool {
    let text = line.trim_start();
    text.starts_with(['?', '&']) || (text.len() < line.len() && text.starts_with('/') && !is_comment(line))
}

/// What a client would do with the answer, in words.
fn after_the_answer(line: &str) -> Option<&'static str> {
    if line.starts_with(">> ") || line.starts_with(">>! ") {
        return Some("the answer is written nowhere");
    }
    if line.starts_with("<> ") {
        return Some("an earlier answer is not compared");
    }
    let is_script = line.strip_prefix("> ").is_some_and(|name| name.trim().ends_with(".js"));
    is_script.then_some("the script is not run: `# @capture name = pattern` takes a value from an answer")
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
}
