//! The exit status, and what it leaves out of account.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Accepted;
use crate::diff::Comparison;
use crate::exit::Exit;
use crate::model::{Mode, Verdict};
use crate::report::{Answer, Decider, Document};

/// What decides.
#[derive(Clone, Debug)]
pub struct Gate<'a> {
    /// The modes required.
    pub required: Vec<Mode>,
    /// Whether degraded is too bad.
    pub is_strict: bool,
    /// What may stand in the way.
    pub accepted: &'a [Accepted],
    /// What changed since an older report: only what is worse than there counts.
    pub since: Option<&'a Comparison>,
    /// For what expires.
    pub today: Date,
}

/// How the process ends, and the sentences that say what was left out of account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The exit status.
    pub exit: Exit,
    /// What was accepted, what has expired, what accepts nothing, what was so before.
    pub sentences: Vec<String>,
}

/// Decides by the report's answers. A mode that is required and was not tried leaves it incomplete, and so does what
/// an audit left out.
pub fn decide(document: &Document, gate: &Gate<'_>) -> Decision {
    let mut account = Account { gate, document, sentences: Vec::new(), used: BTreeSet::new(), known: 0 };
    let trouble = gate.since.map_or(&document.trouble, |since| &since.new_trouble);
    let mut worst = Exit::Ready;
    for answer in asked(document, gate) {
        let exit = match answer {
            Some(answer) => account.exit(&answer, !trouble.is_empty()),
            None => Exit::Incomplete,
        };
        worst = worst_of(worst, exit);
    }
    Decision { exit: worst, sentences: account.close() }
}

/// The answers that count; `None` for a mode that is required and was not tried. A web server's configuration asks
/// about the modes in which it puts applications, and about no others of those tried.
fn asked<'a>(document: &'a Document, gate: &Gate<'_>) -> Vec<Option<Answer<'a>>> {
    let landed: Vec<_> = document.apache.iter().flat_map(|_| document.asked()).map(Some).collect();
    let is_settled = |mode: &&Mode| !landed.is_empty() && document.modes.contains(mode);
    let required = gate.required.iter().filter(|mode| !is_settled(mode));
    let required: Vec<_> = required.map(|mode| document.answer(*mode)).collect();
    landed.into_iter().chain(required).collect()
}

fn worst_of(one: Exit, other: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Ready => 0,
        Exit::Incomplete => 1,
        Exit::InTheWay => 2,
        Exit::Failed | Exit::Interrupted => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// What is left out of account, and what is said of that.
struct Account<'g> {
    gate: &'g Gate<'g>,
    document: &'g Document,
    sentences: Vec<String>,
    /// Positions of the acceptances that accepted something, or would have.
    used: BTreeSet<usize>,
    /// How many deciders are as bad as in the baseline.
    known: usize,
}

impl Account<'_> {
    /// What one answer comes to.
    fn exit(&mut self, answer: &Answer<'_>, has_trouble: bool) -> Exit {
        let left_out: Vec<bool> =
            answer.deciders.iter().map(|decider| self.is_left_out(decider, answer.mode)).collect();
        let kept = answer.deciders.iter().zip(left_out).filter(|(_, is_left_out)| !is_left_out);
        let kept: Vec<Verdict> = kept.map(|(decider, _)| decider.judged.verdict).collect();
        match answer.verdict_of(&kept, has_trouble) {
            Verdict::Unsafe | Verdict::Blocked => Exit::InTheWay,
            // With --strict what is degraded is in the way, and so it goes before what is unknown.
            _ if self.gate.is_strict && kept.contains(&Verdict::Degraded) => Exit::InTheWay,
            Verdict::Unknown => Exit::Incomplete,
            Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => Exit::Ready,
        }
    }

    /// Whether an acceptance or the baseline takes a decider out of account.
    fn is_left_out(&mut self, decider: &Decider<'_>, mode: Mode) -> bool {
        let (name, judged) = (decider.name.unwrap_or("(no distribution)"), decider.judged);
        let is_bad = match judged.verdict {
            Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown => true,
            Verdict::Degraded => self.gate.is_strict,
            Verdict::Ready | Verdict::NotApplicable => false,
        };
        if !is_bad {
            return false;
        }
        let mut accepted = self.gate.accepted.iter().enumerate();
        if let Some((index, accepted)) = accepted.find(|(_, each)| each.is_about(decider.name, mode, judged))
        {
            self.used.insert(index);
            let (expires, reason) = (accepted.expires, &accepted.reason);
            if !accepted.is_expired(self.gate.today) {
                let verdict = judged.verdict;
                self.sentences
                    .push(format!("accepted until {expires}: {name} is {verdict} in {mode}: {reason}"));
                return true;
            }
            self.sentences.push(format!("no longer accepted since {expires}: {name} in {mode}: {reason}"));
        }
        let Some(since) = self.gate.since else { return false };
        if !since.is_worse(self.document, decider.name, mode) {
            self.known += 1;
            return true;
        }
        self.sentences.push(format!("worse than in the baseline: {name} is {} in {mode}", judged.verdict));
        false
    }

    /// The sentences, with those about what was left out of account nowhere.
    fn close(mut self) -> Vec<String> {
        for (index, accepted) in self.gate.accepted.iter().enumerate() {
            if !self.used.contains(&index) {
                let name = &accepted.distribution;
                self.sentences.push(format!("unused acceptance for {name}: remove it"));
            }
        }
        if self.gate.since.is_some() {
            let known = self.known;
            self.sentences.push(format!("{known} in the way as in the baseline, and left out of account"));
        }
        self.sentences
    }
}
