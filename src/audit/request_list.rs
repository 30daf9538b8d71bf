//! The list of requests, read, and the module that asks them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::application::Application;
use crate::app::{BodyPart, Piece, Request, Requests, Source, Step, Text, requests};
use crate::model::Reply;
use crate::regular_file;

const DRIVER: &str =
    concat!(include_str!("lines_run.py"), include_str!("round.py"), include_str!("requests.py"));

/// Bytes of a list, and of all files together that its bodies name.
const LARGEST_LIST: u64 = 4 << 20;
const LARGEST_FILES: u64 = 16 << 20;

/// An `.http` file, and what its bodies name.
#[derive(Clone, Debug)]
pub(super) struct RequestList {
    /// As it was named.
    pub(super) named: PathBuf,
    pub(super) requests: Vec<Request>,
    /// What of it is not done, in words.
    pub(super) notes: Vec<String>,
    /// The files that bodies name, as they were typed, with their content.
    files: Vec<(String, Vec<u8>)>,
}

impl RequestList {
    /// Reads it. `environment` has the names of the variables that trials are given.
    ///
    /// # Errors
    /// What cannot be read, or is wrong in it.
    pub(super) fn read(named: &Path, environment: &[String]) -> Result<Self> {
        let bytes = regular_file::read(named, LARGEST_LIST)
            .with_context(|| format!("cannot read {}", named.display()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", named.display()))?;
        let Requests { all, notes } =
            requests(&text, environment).map_err(|why| anyhow!("{}: {why}", named.display()))?;
        let (mut files, mut left) = (Vec::new(), LARGEST_FILES);
        for part in all.iter().flat_map(|request| &request.body) {
            let BodyPart::File { path, line } = part else { continue };
            if files.iter().any(|(known, _)| known == path) {
                continue;
            }
            let file = named.parent().unwrap_or(Path::new("")).join(path);
            let content = regular_file::read(&file, left)
                .with_context(|| format!("{}: line {line}: cannot read {path}", named.display()))?;
            left -= content.len() as u64;
            files.push((path.clone(), content));
        }
        Ok(Self { named: named.to_owned(), requests: all, notes, files })
    }

    /// Puts the files that bodies name beside a driver.
    pub(super) fn put_files_into(&self, folder: &Path) -> Result<()> {
        self.files.iter().enumerate().try_for_each(|(number, (_, content))| {
            fs::write(folder.join(format!("body-{number}")), content).context("cannot copy a body")
        })
    }

    fn number_of(&self, path: &str) -> usize {
        self.files.iter().position(|(known, _)| known == path).unwrap_or_default()
    }
}

/// What an answer should be.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// The status lines that it may have; their numbers are compared.
    statuses: Vec<String>,
    /// Of its body; `None` where that is never the same.
    pub(super) sha256: Option<String>,
    /// The same in words.
    words: String,
}

impl Expected {
    /// What this one was; its status alone, where its body is not always the same.
    pub(super) fn of(reply: &Reply, is_whole: bool) -> Self {
        let (status, bytes, begins) = (&reply.status, reply.bytes, &reply.begins);
        Self {
            statuses: vec![status.clone()],
            sha256: is_whole.then(|| reply.sha256.clone()),
            words: if is_whole { format!("{status}, {bytes} bytes: {begins}") } else { status.clone() },
        }
    }

    /// The status alone of either.
    pub(super) fn either(&self, other: &Self) -> Self {
        let mut statuses = self.statuses.clone();
        statuses.extend(other.statuses.iter().filter(|status| !self.statuses.contains(status)).cloned());
        let words = statuses.join(" or ");
        Self { statuses, sha256: None, words }
    }
}

/// The driver's source, as a module.
pub(super) fn driver(
    application: &Application,
    package: &Path,
    list: &RequestList,
    expected: Option<&[Vec<Expected>; 2]>,
) -> String {
    let mut text = format!(
        "MODULE = {}\nCALLABLE = {}\nFOLDERS = [{}]\nREQUESTS = [\n",
        literal(&application.module),
        literal(application.callable()),
        literal(&package.to_string_lossy())
    );
    for request in &list.requests {
        let headers =
            all(request.headers.iter(), |(name, value)| format!("({}, {})", literal(name), pieces(value)));
        let body = all(request.body.iter(), |part| match part {
            BodyPart::Text(text) => format!("(\"text\", {})", pieces(text)),
            BodyPart::File { path, .. } => format!("(\"file\", \"body-{}\")", list.number_of(path)),
        });
        let captures = all(request.captures.iter(), |each| {
            format!("({}, {}, {})", literal(&each.name), literal(&each.pattern), each.line)
        });
        let _ = writeln!(
            text,
            "    ({}, {}, {}, {}, {headers}, {body}, {}, {captures}),",
            literal(&shown(request)),
            literal(&request.method),
            literal(request.scheme),
            pieces(&request.target),
            if request.has_cookies { "True" } else { "False" },
        );
    }
    let needed = list.requests.iter().flat_map(Request::texts).flat_map(Text::values);
    let needed = needed.filter_map(|value| match &value.source {
        Source::Header(index, _) | Source::Body(index, _) => Some(index.to_string()),
        Source::Capture(_) | Source::Variable(_) => None,
    });
    let _ = write!(text, "]\nNEEDED = {}\nEXPECTED = ", all(needed, |index| index));
    match expected {
        None => text.push_str("None"),
        Some(rounds) => {
            let each = |each: &Expected| {
                let sha256 = each.sha256.as_deref().map_or_else(|| "None".to_owned(), literal);
                let codes = all(each.statuses.iter(), |status| literal(status.get(..3).unwrap_or(status)));
                format!("({codes}, {sha256}, {})", literal(&each.words))
            };
            text.push_str(&all(rounds.iter(), |round| all(round.iter(), each)));
        }
    }
    text + "\n\n" + DRIVER
}

fn shown(request: &Request) -> String {
    format!("{} {}", request.method, request.target)
}

/// A list as Python writes it.
fn all<T>(items: impl Iterator<Item = T>, write: impl Fn(T) -> String) -> String {
    format!("[{}]", items.map(write).collect::<Vec<_>>().join(", "))
}

/// A text with its values, as the driver reads it.
fn pieces(text: &Text) -> String {
    all(text.0.iter(), |piece| match piece {
        Piece::Plain(text) => literal(text),
        Piece::Value(value) => {
            let (kind, place) = match &value.source {
                Source::Capture(name) => ("captured", literal(name)),
                Source::Header(index, name) => ("header", format!("{index}, {}", literal(name))),
                Source::Body(index, None) => ("body", format!("{index}, None")),
                Source::Body(index, Some(steps)) => {
                    let step = |step: &Step| match step {
                        Step::Key(key) => literal(key),
                        Step::Index(index) => index.to_string(),
                    };
                    ("body", format!("{index}, {}", all(steps.iter(), step)))
                }
                Source::Variable(name) => ("variable", literal(name)),
            };
            format!("(\"{kind}\", {}, {place})", literal(&value.typed))
        }
    })
}

/// A string as Python writes it.
pub(super) fn literal(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        ' '..='~' => letter.to_string(),
        letter => format!("\\U{:08x}", u32::from(letter)),
    });
    format!("\"{}\"", letters.collect::<String>())
}
