//! What a request is made of.

use std::fmt;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` where none was given.
    pub method: String,
    /// `https` where its URL says so, else `http`.
    pub scheme: &'static str,
    /// Path and query, still percent-encoded; or a whole URL, where it begins with a value that an answer gives.
    pub target: Text,
    /// As they were given; a host of the URL is the first of them.
    pub headers: Vec<(String, Text)>,
    /// Without the line's end that only closes it.
    pub body: Vec<BodyPart>,
    /// What is taken from its answer for later requests.
    pub captures: Vec<Capture>,
    /// Whether it sends the cookies that answers before have set, and keeps those that its own sets.
    pub has_cookies: bool,
}

/// A text with values that are known when it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<Piece>);

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Stands for itself.
    Plain(String),
    /// Known when it is sent.
    Value(Value),
}

/// Something that is known when a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What stands between the braces.
    pub typed: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the last `# @capture` of this name.
    Capture(String),
    /// From a header of the answer to this request, by its number from 0.
    Header(usize, String),
    /// From the body of that answer: what lies there in its JSON, or all of it.
    Body(usize, Option<Vec<Step>>),
    /// From an environment variable of the trials.
    Variable(String),
}

/// A step into a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value of a key.
    Key(String),
    /// An item of a list, from 0.
    Index(usize),
}

/// A part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPart {
    /// Typed in place.
    Text(Text),
    /// What a file holds, named from the folder of the `.http` file.
    File {
        /// As it was typed.
        path: String,
        /// The line that names it.
        line: usize,
    },
}

/// `# @capture name = pattern`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The name that the value gets.
    pub name: String,
    /// A regular expression of Python's: its first group, or all of it, is the value.
    pub pattern: String,
    /// Its line.
    pub line: usize,
}

impl Text {
    /// A text without values.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![Piece::Plain(text.into())])
    }

    /// Its values.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Plain(_) => None,
            Piece::Value(value) => Some(value),
        })
    }

    /// The text, where it has no values.
    pub fn as_plain(&self) -> Option<String> {
        let plain = |piece: &Piece| match piece {
            Piece::Plain(text) => Some(text.clone()),
            Piece::Value(_) => None,
        };
        self.0.iter().map(plain).collect()
    }
}

/// As it was typed, with the variables of the file.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Plain(text) => f.write_str(text),
            Piece::Value(value) => write!(f, "{{{{{}}}}}", value.typed),
        })
    }
}

impl Request {
    /// Everything in it that has values.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        let body = self.body.iter().filter_map(|part| match part {
            BodyPart::Text(text) => Some(text),
            BodyPart::File { .. } => None,
        });
        std::iter::once(&self.target).chain(self.headers.iter().map(|(_, value)| value)).chain(body)
    }
}
