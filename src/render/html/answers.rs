//! The upper part: an answer for each mode.

use crate::model::{Mode, Verdict};
use crate::render::answer::{ORDER, Told, directive};
use crate::report::{Answer, DecidedBy, Document};

/// The answer in one mode.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) mode: &'static str,
    pub(super) directive: &'static str,
    /// Its verdict's name.
    pub(super) class: &'static str,
    /// `No`, `Yes`, `Yes, with accelerators lost`, `Not known`.
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

/// Those of the modes that were asked about.
pub(super) fn answers(document: &Document) -> Vec<Card> {
    ORDER.into_iter().filter_map(|mode| document.answer(mode)).map(|answer| card(document, &answer)).collect()
}

fn card(document: &Document, answer: &Answer<'_>) -> Card {
    let told = Told::new(answer);
    let sentence = match answer.verdict() {
        Verdict::Ready => "All are ready",
        Verdict::Degraded => "All import; some lost their accelerators",
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => &told.sentence,
    };
    let sentence = sentence.to_owned();
    Card {
        mode: answer.mode.name(),
        directive: directive(answer.mode),
        class: answer.verdict().name(),
        headline: told.headline,
        sentence: match document.decided_by() {
            DecidedBy::Distributions => sentence + ".",
            DecidedBy::Applications | DecidedBy::Modules => format!("{sentence} {}.", told.counts),
        },
        shares: match document.decided_by() {
            DecidedBy::Distributions => shares(document, answer.mode),
            DecidedBy::Applications | DecidedBy::Modules => Vec::new(),
        },
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
