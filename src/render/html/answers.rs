//! The answers at the top of the page: a card for each mode.

use crate::model::{Mode, Verdict};
use crate::render::answer::{AnswerText, ORDER, directive_of_mode};
use crate::report::{Answer, DecidedBy, Document};

/// The answer in one mode.
#[derive(Debug)]
pub(super) struct AnswerCard {
    pub(super) mode: &'static str,
    pub(super) directive: &'static str,
    /// Its verdict's name.
    pub(super) class: &'static str,
    /// `No`, `Yes`, `Yes, with accelerators lost`, `Not known`.
    pub(super) headline: &'static str,
    pub(super) sentence: String,
    pub(super) shares: Vec<VerdictShare>,
}

/// The number of distributions with one verdict, and its segment of a bar of 1000 units.
#[derive(Debug)]
pub(super) struct VerdictShare {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) count: usize,
    pub(super) from: usize,
    pub(super) width: usize,
}

/// Builds a card for each mode that was asked about.
pub(super) fn build_answer_cards(document: &Document) -> Vec<AnswerCard> {
    ORDER
        .into_iter()
        .filter_map(|mode| document.compute_answer(mode))
        .map(|answer| build_answer_card(document, &answer))
        .collect()
}

fn build_answer_card(document: &Document, answer: &Answer<'_>) -> AnswerCard {
    let text = AnswerText::new(answer);
    let sentence = match answer.verdict() {
        Verdict::Ready => "All are ready",
        Verdict::Degraded => "All import; some lost their accelerators",
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => &text.sentence,
    };
    let sentence = sentence.to_owned();
    AnswerCard {
        mode: answer.mode.name(),
        directive: directive_of_mode(answer.mode),
        class: answer.verdict().name(),
        headline: text.headline,
        sentence: match document.decided_by() {
            DecidedBy::Distributions => sentence + ".",
            DecidedBy::Applications | DecidedBy::Modules => format!("{sentence} {}.", text.counts),
        },
        shares: match document.decided_by() {
            DecidedBy::Distributions => build_verdict_shares(document, answer.mode),
            DecidedBy::Applications | DecidedBy::Modules => Vec::new(),
        },
    }
}

/// Counts the distributions by verdict, and divides the bar between them.
fn build_verdict_shares(document: &Document, mode: Mode) -> Vec<VerdictShare> {
    let count = |verdict| document.count_distributions(mode, verdict);
    let all = Verdict::ALL.into_iter().map(count).sum::<usize>().max(1);
    let mut before = 0;
    let mut shares = Vec::new();
    for verdict in Verdict::ALL {
        let (from, count) = (before, count(verdict));
        before += count;
        if count > 0 {
            let (from, to) = (from * 1000 / all, before * 1000 / all);
            shares.push(VerdictShare {
                class: verdict.name(),
                word: verdict.short_name(),
                count,
                from,
                width: to - from,
            });
        }
    }
    shares
}
