//! The upper part: an answer for each mode.

use crate::model::{Mode, Verdict};
use crate::render::answer::they_are;
use crate::report::v1::Document;

use super::verdicts::{ORDER, directive};

/// The answer in one mode.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) mode: &'static str,
    pub(super) directive: &'static str,
    /// Its verdict's name.
    pub(super) class: &'static str,
    /// `No`, `Yes`, `Not known`.
    pub(super) headline: &'static str,
    pub(super) sentence: String,
    pub(super) shares: Vec<Share>,
}

/// How many distributions have one verdict: a piece of a bar of 1000 units.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) count: usize,
    pub(super) from: usize,
    pub(super) width: usize,
}

/// Those of the modes that were asked about; the control is no question.
pub(super) fn answers(document: &Document) -> Vec<Answer> {
    let is_asked = |mode: &Mode| *mode != Mode::Main && document.answers.contains_key(mode);
    ORDER.into_iter().filter(is_asked).map(|mode| answer(document, mode)).collect()
}

fn answer(document: &Document, mode: Mode) -> Answer {
    let is_incomplete = !document.trouble.is_empty();
    let answer = document.answer(mode);
    let is_good = matches!(answer, Verdict::Ready | Verdict::NotApplicable);
    let verdict = if is_good && is_incomplete { Verdict::Unknown } else { answer };
    let (headline, sentence) = match verdict {
        Verdict::Unsafe | Verdict::Blocked => ("No", format!("{} in the way.", they_are(document, mode))),
        Verdict::Unknown if is_incomplete => ("Not known", "The audit is incomplete.".to_owned()),
        Verdict::Unknown => ("Not known", "Nothing bad was found, and not all was judged.".to_owned()),
        Verdict::Degraded => ("Yes, with losses", "All import; some lost their accelerators.".to_owned()),
        Verdict::Ready => ("Yes", "All are ready.".to_owned()),
        Verdict::NotApplicable => ("Yes", "There is nothing here that could stand in the way.".to_owned()),
    };
    Answer {
        mode: mode.name(),
        directive: directive(mode),
        class: verdict.name(),
        headline,
        sentence,
        shares: shares(document, mode),
    }
}

fn shares(document: &Document, mode: Mode) -> Vec<Share> {
    let count = |verdict| document.count(mode, verdict);
    let all = Verdict::ALL.into_iter().map(count).sum::<usize>().max(1);
    let mut before = 0;
    let mut shares = Vec::new();
    for verdict in Verdict::ALL {
        let (from, count) = (before, count(verdict));
        before += count;
        if count > 0 {
            let (from, to) = (from * 1000 / all, before * 1000 / all);
            shares.push(Share { class: verdict.name(), word: verdict.word(), count, from, width: to - from });
        }
    }
    shares
}
