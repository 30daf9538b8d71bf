//! One distribution: its newest version, and since when its modules declare what is wanted.

use std::fs;
use std::path::Path;

use super::wheel::{self, Says};
use crate::installer::{Found, Installer};
use crate::model::{Mode, Target, Upgrade};

/// Whom to ask, and for which Python.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// uv or pip.
    pub installer: Installer<'a>,
    /// An environment of the Python that wheels must fit.
    pub environment: &'a Path,
    /// The same Python, for reading.
    pub target: Target,
    /// Its suffixes of extension modules.
    pub suffixes: &'a [String],
    /// Its ABI's name.
    pub abi: &'a str,
    /// A folder of the audit's own.
    pub scratch: &'a Path,
    /// This program's folder in the user's cache.
    pub cache: &'a Path,
    /// Whether only the cache is asked.
    pub is_offline: bool,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// A distribution that stands in the way.
    pub name: &'a str,
    /// The version that does.
    pub version: &'a str,
    /// The modules at the root.
    pub roots: Vec<&'a str>,
    /// The mode that they are in the way of.
    pub mode: Mode,
}

/// Asks. At most one version in a few is fetched: the newest, and where that declares it, those that halve
/// what lies between.
pub fn ask(asking: &Asking<'_>, question: &Question<'_>) -> Upgrade {
    let newest = match newest(asking, question) {
        Ok(newest) => newest,
        Err(why) => {
            let words = format!("whether a newer version declares it is not known: {why}");
            return Upgrade { newest: None, since: None, words };
        }
    };
    let answer =
        |since: Option<String>, words: String| Upgrade { newest: Some(newest.clone()), since, words };
    if newest == question.version {
        return answer(None, format!("{newest} is the newest version"));
    }
    match declares(asking, question, &newest) {
        Answer::Yes => {
            let since = since(asking, question, &newest);
            let first = since.clone().unwrap_or_else(|| format!("{newest}, the newest,"));
            let what = wanted(question.mode);
            answer(
                since.or_else(|| Some(newest.clone())),
                format!("{first} declares {what}: upgrade, and audit again"),
            )
        }
        Answer::No(words) => answer(None, format!("{newest}, the newest, does not either: {words}")),
        Answer::Gone(module) => answer(None, format!("{newest}, the newest, has no {module}: audit it")),
        Answer::Unknown(why) => answer(None, format!("{newest} is the newest, which was not read: {why}")),
    }
}

fn wanted(mode: Mode) -> &'static str {
    if mode.is_free_threaded() { "slot 4 = 1" } else { "slot 3 = 2" }
}

/// The newest version with a wheel, from the index or, offline, as it was the last time.
fn newest(asking: &Asking<'_>, question: &Question<'_>) -> Result<String, String> {
    let file = wheel::remembered(asking, question.name, "newest.json");
    if asking.is_offline {
        let known = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        return known.ok_or_else(|| "it is not in the cache, and --offline asks nobody".to_owned());
    }
    match asking.installer.resolve(asking.environment, question.name) {
        Found::Version(version) => {
            drop(wheel::remember(&file, &version));
            Ok(version)
        }
        Found::Nothing => Err("the index has no wheel for this Python".to_owned()),
        Found::NoProject => Err("the index has no project of this name".to_owned()),
        Found::NoAnswer(why) => Err(why),
    }
}

/// The first version after the installed one that declares it, where versions can be listed.
fn since(asking: &Asking<'_>, question: &Question<'_>, newest: &str) -> Option<String> {
    let listed =
        if asking.is_offline { None } else { asking.installer.versions(asking.environment, question.name) };
    let listed = listed?;
    // Newest first: those that are newer than the installed one. The first is known to declare it.
    let newer: Vec<&String> = listed
        .iter()
        .skip_while(|each| *each != newest)
        .take_while(|each| *each != question.version)
        .collect();
    let (mut yes, mut no) = (0, newer.len());
    while no - yes > 1 {
        let middle = usize::midpoint(yes, no);
        match declares(asking, question, newer.get(middle)?) {
            Answer::Yes => yes = middle,
            Answer::No(_) | Answer::Gone(_) | Answer::Unknown(_) => no = middle,
        }
    }
    newer.get(yes).map(|version| (*version).clone())
}

enum Answer {
    Yes,
    No(String),
    Gone(String),
    Unknown(String),
}

/// Whether every root module of this version declares what is wanted.
fn declares(asking: &Asking<'_>, question: &Question<'_>, version: &str) -> Answer {
    let wheel = match wheel::read(asking, question.name, version) {
        Ok(wheel) => wheel,
        Err(why) => return Answer::Unknown(why),
    };
    for root in &question.roots {
        let Some(says) = wheel.get(*root) else { return Answer::Gone((*root).to_owned()) };
        let Says { own_gil, no_gil, words: [of_slot_3, of_slot_4] } = says;
        let (is_declared, words) =
            if question.mode.is_free_threaded() { (no_gil, of_slot_4) } else { (own_gil, of_slot_3) };
        match is_declared {
            Some(true) => {}
            Some(false) => return Answer::No(words.clone()),
            None => return Answer::Unknown(format!("{root}: {words}")),
        }
    }
    Answer::Yes
}
