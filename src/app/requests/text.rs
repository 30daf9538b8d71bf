//! `{{name}}` in URLs, headers and bodies: what stands in the file is put in place, what answers and trials give is kept for
//! when the request is sent.

use std::collections::BTreeMap;

use super::json_path;
use super::request::{Piece, Source, Text, Value};

/// What names stand for.
#[derive(Debug)]
pub(super) struct Names<'t> {
    /// `@name = value`, the last of each name.
    pub(super) variables: BTreeMap<&'t str, &'t str>,
    /// Requests by name, with their numbers.
    pub(super) requests: BTreeMap<&'t str, usize>,
    /// `# @capture`, with the number of the first request that has one of this name.
    pub(super) captures: BTreeMap<&'t str, usize>,
    /// Environment variables that the trials have.
    pub(super) environment: &'t [String],
}

/// Where a text stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The line.
    pub(super) line: usize,
    /// The number of the request.
    pub(super) request: usize,
}

impl Names<'_> {
    /// The text with what is known put in place.
    ///
    /// # Errors
    /// For a name that is not known, with its line and what to type.
    pub(super) fn fill(&self, text: &str, at: At) -> Result<Text, String> {
        let mut pieces = Vec::new();
        self.add(text, at, &mut Vec::new(), &mut pieces)?;
        Ok(Text(joined(pieces)))
    }

    fn add(
        &self,
        text: &str,
        at: At,
        inside: &mut Vec<String>,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), String> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            pieces.push(Piece::Plain(before.to_owned()));
            self.add_named(name.trim(), at, inside, pieces)?;
            rest = after;
        }
        pieces.push(Piece::Plain(rest.to_owned()));
        Ok(())
    }

    fn add_named(
        &self,
        name: &str,
        at: At,
        inside: &mut Vec<String>,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), String> {
        let line = at.line;
        let (variable, is_captured) = (self.variables.get(name), self.captures.get(name));
        if let Some(value) = variable.filter(|_| is_captured.is_none_or(|first| *first >= at.request)) {
            if inside.iter().any(|outer| outer == name) {
                return Err(format!("line {line}: {{{{{name}}}}} is made of itself"));
            }
            inside.push(name.to_owned());
            self.add(value, at, inside, pieces)?;
            inside.pop();
            return Ok(());
        }
        let source = match is_captured {
            Some(first) if *first < at.request => Source::Capture(name.to_owned()),
            Some(_) => {
                return Err(format!("line {line}: {{{{{name}}}}} is captured later: put its request before"));
            }
            None => match (name.strip_prefix('$'), name.split_once(".response.")) {
                (Some(system), _) => self.system(system, line)?,
                (None, Some((request, part))) => self.of_answer(name, request, part, at)?,
                (None, None) => return Err(unknown(name, line)),
            },
        };
        pieces.push(Piece::Value(Value { typed: name.to_owned(), source }));
        Ok(())
    }

    /// `$processEnv NAME` and `$env.NAME`; the others are made up at each use, or read from files.
    fn system(&self, typed: &str, line: usize) -> Result<Source, String> {
        let variable = typed.strip_prefix("processEnv ").or_else(|| typed.strip_prefix("env."));
        if let Some(variable) = variable.map(str::trim) {
            let is_there = self.environment.iter().any(|name| name == variable);
            return is_there.then(|| Source::Variable(variable.to_owned())).ok_or_else(|| {
                format!("line {line}: trials have no variable {variable}: --env {variable} gives them the one here")
            });
        }
        if let Some(variable) = typed.strip_prefix("dotenv ").map(str::trim) {
            return Err(format!(
                "line {line}: no .env file is read: --env {variable}=VALUE, and {{{{$processEnv {variable}}}}} here"
            ));
        }
        let word = typed.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        Err(format!(
            "line {line}: {{{{${typed}}}}} is another one each time, and so would the answer be: type a value, as \
             @{word} = 1, and {{{{{word}}}}} here"
        ))
    }

    /// `login.response.headers.Location`, `login.response.body.$.token`, `login.response.body.*`.
    fn of_answer(&self, typed: &str, request: &str, part: &str, at: At) -> Result<Source, String> {
        let line = at.line;
        let index = match self.requests.get(request) {
            Some(index) if *index < at.request => *index,
            Some(_) => {
                return Err(format!("line {line}: {request} is asked later: put it before this request"));
            }
            None => {
                return Err(format!(
                    "line {line}: no request is named {request}: `# @name {request}` in a line before it names one"
                ));
            }
        };
        if let Some(header) = part.strip_prefix("headers.").filter(|name| !name.is_empty()) {
            return Ok(Source::Header(index, header.to_owned()));
        }
        let path = part.strip_prefix("body.").or_else(|| (part == "body").then_some("*"));
        match path {
            Some("*") => Ok(Source::Body(index, None)),
            Some(path) => match json_path::steps(path) {
                Some(steps) => Ok(Source::Body(index, Some(steps))),
                None => Err(format!(
                    "line {line}: {{{{{typed}}}}}: a path names one value of JSON here, as $.cart.items[0].id; \
                     `# @capture name = pattern` takes one from any text"
                )),
            },
            None => Err(format!(
                "line {line}: {{{{{typed}}}}}: an answer has headers.NAME, body.$.PATH and body.*"
            )),
        }
    }
}

fn unknown(name: &str, line: usize) -> String {
    if let Some((request, _)) = name.split_once(".request.") {
        return format!("line {line}: what {request} was sent is not kept: type the value, as @name = value");
    }
    format!(
        "line {line}: {{{{{name}}}}} is not known: a line @{name} = value gives it one (files of variables are not read)"
    )
}

/// Plain pieces beside each other as one, and no empty ones.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (all.last_mut(), piece) {
            (Some(Piece::Plain(last)), Piece::Plain(text)) => *last += &text,
            (_, Piece::Plain(text)) if text.is_empty() => {}
            (_, piece) => all.push(piece),
        }
    }
    all
}
