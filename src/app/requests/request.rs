//! The data types of a request.

use std::fmt;

/// A request from an `.http` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method; `GET` if the file has none.
    pub method: String,
    /// `https` if the URL has it, else `http`.
    pub scheme: &'static str,
    /// Path and query, percent-encoded; or a whole URL, if it begins with a value from a response.
    pub target: TextTemplate,
    /// Headers as written; the host of the URL comes first.
    pub headers: Vec<(String, TextTemplate)>,
    /// The body, without trailing blank lines.
    pub body: Vec<BodyPart>,
    /// Values of the response to keep for later requests.
    pub captures: Vec<Capture>,
    /// Whether it sends the cookies of earlier responses, and keeps those of its own.
    pub has_cookies: bool,
}

/// A text with placeholders that are filled in when the request is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextTemplate(pub Vec<TemplatePart>);

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// Literal text.
    Plain(String),
    /// A placeholder.
    Value(DeferredValue),
}

/// A value that is only known when the request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeferredValue {
    /// The text between the braces.
    pub typed: String,
    /// Where the value comes from.
    pub source: ValueSource,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// The last `# @capture` of this name.
    Capture(String),
    /// A header of the response to the request with this index (from 0).
    Header(usize, String),
    /// The body of the response to the request with this index: a value in its JSON, or all of it.
    Body(usize, Option<Vec<JsonPathStep>>),
    /// An environment variable of the trials.
    Variable(String),
}

/// A step of a path into a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonPathStep {
    /// The value of a key.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// A part of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPart {
    /// Text in the `.http` file.
    Text(TextTemplate),
    /// The content of a file; the path is relative to the folder of the `.http` file.
    File {
        /// The path as written.
        path: String,
        /// The line that names it.
        line: usize,
    },
}

/// `# @capture name = pattern`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The name of the value.
    pub name: String,
    /// A Python regular expression; the value is its first group or, without groups, the whole match.
    pub pattern: String,
    /// Its line.
    pub line: usize,
}

impl TextTemplate {
    /// Makes a template without placeholders.
    pub fn from_literal(text: impl Into<String>) -> Self {
        Self(vec![TemplatePart::Plain(text.into())])
    }

    /// Returns its placeholders.
    pub fn values(&self) -> impl Iterator<Item = &DeferredValue> {
        self.0.iter().filter_map(|piece| match piece {
            TemplatePart::Plain(_) => None,
            TemplatePart::Value(value) => Some(value),
        })
    }

    /// Returns the text if there are no placeholders.
    pub fn to_plain_text(&self) -> Option<String> {
        let plain = |piece: &TemplatePart| match piece {
            TemplatePart::Plain(text) => Some(text.clone()),
            TemplatePart::Value(_) => None,
        };
        self.0.iter().map(plain).collect()
    }
}

/// Shows the text as written, with the variables of the file filled in.
impl fmt::Display for TextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            TemplatePart::Plain(text) => f.write_str(text),
            TemplatePart::Value(value) => write!(f, "{{{{{}}}}}", value.typed),
        })
    }
}

impl HttpRequest {
    /// Returns all parts of the request that may have placeholders.
    pub fn templates(&self) -> impl Iterator<Item = &TextTemplate> {
        let body = self.body.iter().filter_map(|part| match part {
            BodyPart::Text(text) => Some(text),
            BodyPart::File { .. } => None,
        });
        std::iter::once(&self.target).chain(self.headers.iter().map(|(_, value)| value)).chain(body)
    }
}
