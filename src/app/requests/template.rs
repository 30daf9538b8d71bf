//! Placeholders `{{name}}` in URLs, headers and bodies. Variables of the file are filled in; values of
//! responses and of the trials' environment remain placeholders until the request is sent.

use std::collections::BTreeMap;

use super::json_path;
use super::request::{DeferredValue, TemplatePart, TextTemplate, ValueSource};

/// What the names in placeholders stand for.
#[derive(Debug)]
pub(super) struct TemplateVariables<'t> {
    /// `@name = value`, the last of each name.
    pub(super) variables: BTreeMap<&'t str, &'t str>,
    /// Named requests, with their indices.
    pub(super) requests: BTreeMap<&'t str, usize>,
    /// Names of `# @capture`, each with the index of the first request that has it.
    pub(super) captures: BTreeMap<&'t str, usize>,
    /// Names of the environment variables that trials have.
    pub(super) environment: &'t [String],
}

/// Where a text is in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct TemplateLocation {
    /// The line number.
    pub(super) line: usize,
    /// The index of the request.
    pub(super) request: usize,
}

impl TemplateVariables<'_> {
    /// Parses a text, and fills in the variables of the file.
    ///
    /// # Errors
    /// For an unknown name: a message with the line number and what to write.
    pub(super) fn parse_template(&self, text: &str, at: TemplateLocation) -> Result<TextTemplate, String> {
        let mut pieces = Vec::new();
        self.expand_into(text, at, &mut Vec::new(), &mut pieces)?;
        Ok(TextTemplate(merge_literals(pieces)))
    }

    fn expand_into(
        &self,
        text: &str,
        at: TemplateLocation,
        inside: &mut Vec<String>,
        pieces: &mut Vec<TemplatePart>,
    ) -> Result<(), String> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            pieces.push(TemplatePart::Plain(before.to_owned()));
            self.expand_placeholder(name.trim(), at, inside, pieces)?;
            rest = after;
        }
        pieces.push(TemplatePart::Plain(rest.to_owned()));
        Ok(())
    }

    fn expand_placeholder(
        &self,
        name: &str,
        at: TemplateLocation,
        inside: &mut Vec<String>,
        pieces: &mut Vec<TemplatePart>,
    ) -> Result<(), String> {
        let line = at.line;
        let (variable, is_captured) = (self.variables.get(name), self.captures.get(name));
        if let Some(value) = variable.filter(|_| is_captured.is_none_or(|first| *first >= at.request)) {
            if inside.iter().any(|outer| outer == name) {
                return Err(format!("line {line}: {{{{{name}}}}} is defined by itself"));
            }
            inside.push(name.to_owned());
            self.expand_into(value, at, inside, pieces)?;
            inside.pop();
            return Ok(());
        }
        let source = match is_captured {
            Some(first) if *first < at.request => ValueSource::Capture(name.to_owned()),
            Some(_) => {
                return Err(format!(
                    "line {line}: {{{{{name}}}}} is captured by a later request: move that one up"
                ));
            }
            None => match (name.strip_prefix('$'), name.split_once(".response.")) {
                (Some(system), _) => self.resolve_system_variable(system, line)?,
                (None, Some((request, part))) => self.resolve_response_value(name, request, part, at)?,
                (None, None) => return Err(describe_unknown_name(name, line)),
            },
        };
        pieces.push(TemplatePart::Value(DeferredValue { typed: name.to_owned(), source }));
        Ok(())
    }

    /// Resolves `$processEnv NAME` and `$env.NAME`. Other system variables are generated at each use, or read
    /// from files.
    fn resolve_system_variable(&self, typed: &str, line: usize) -> Result<ValueSource, String> {
        let variable = typed.strip_prefix("processEnv ").or_else(|| typed.strip_prefix("env."));
        if let Some(variable) = variable.map(str::trim) {
            let is_there = self.environment.iter().any(|name| name == variable);
            return is_there.then(|| ValueSource::Variable(variable.to_owned())).ok_or_else(|| {
                format!("line {line}: trials have no variable {variable}: pass it on with --env {variable}")
            });
        }
        if let Some(variable) = typed.strip_prefix("dotenv ").map(str::trim) {
            return Err(format!(
                "line {line}: .env files are not read: pass --env {variable}=VALUE, and write \
                 {{{{$processEnv {variable}}}}} here"
            ));
        }
        let word = typed.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        Err(format!(
            "line {line}: {{{{${typed}}}}} differs at each use, and so would the response: define a value, as \
             @{word} = 1, and {{{{{word}}}}} here"
        ))
    }

    /// Resolves `login.response.headers.Location`, `login.response.body.$.token` and `login.response.body.*`.
    fn resolve_response_value(
        &self,
        typed: &str,
        request: &str,
        part: &str,
        at: TemplateLocation,
    ) -> Result<ValueSource, String> {
        let line = at.line;
        let index = match self.requests.get(request) {
            Some(index) if *index < at.request => *index,
            Some(_) => {
                return Err(format!("line {line}: {request} is a later request: move it before this one"));
            }
            None => {
                return Err(format!(
                    "line {line}: no request is named {request}: write `# @name {request}` in the line before it"
                ));
            }
        };
        if let Some(header) = part.strip_prefix("headers.").filter(|name| !name.is_empty()) {
            return Ok(ValueSource::Header(index, header.to_owned()));
        }
        let path = part.strip_prefix("body.").or_else(|| (part == "body").then_some("*"));
        match path {
            Some("*") => Ok(ValueSource::Body(index, None)),
            Some(path) => match json_path::parse_json_path(path) {
                Some(steps) => Ok(ValueSource::Body(index, Some(steps))),
                None => Err(format!(
                    "line {line}: {{{{{typed}}}}}: a path must select one value of JSON, as $.cart.items[0].id; \
                     `# @capture name = pattern` takes one from any text"
                )),
            },
            None => Err(format!(
                "line {line}: {{{{{typed}}}}}: a response has headers.NAME, body.$.PATH and body.*"
            )),
        }
    }
}

fn describe_unknown_name(name: &str, line: usize) -> String {
    if name.contains(".request.") {
        return format!(
            "line {line}: the content of sent requests is not available: define the value, as @name = value"
        );
    }
    format!(
        "line {line}: {{{{{name}}}}} is unknown: define it in a line @{name} = value (environment files are not \
         read)"
    )
}

/// Merges adjacent literals, and drops empty ones.
fn merge_literals(pieces: Vec<TemplatePart>) -> Vec<TemplatePart> {
    let mut all: Vec<TemplatePart> = Vec::new();
    for piece in pieces {
        match (all.last_mut(), piece) {
            (Some(TemplatePart::Plain(last)), TemplatePart::Plain(text)) => *last += &text,
            (_, TemplatePart::Plain(text)) if text.is_empty() => {}
            (_, piece) => all.push(piece),
        }
    }
    all
}
