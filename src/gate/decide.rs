//! The exit status, with notes on the verdicts that an acceptance or the baseline covers.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::Acceptance;
use crate::diff::Comparison;
use crate::exit::Exit;
use crate::model::{Mode, Verdict};
use crate::report::{Answer, DecidingItem, Document};

/// The conditions that decide the exit status.
#[derive(Clone, Debug)]
pub struct Gate<'a> {
    /// The modes that must pass.
    pub required: Vec<Mode>,
    /// Whether a degraded verdict fails.
    pub is_strict: bool,
    /// Verdicts that do not fail.
    pub accepted: &'a [Acceptance],
    /// The comparison with a baseline report; if set, only verdicts that got worse fail.
    pub since: Option<&'a Comparison>,
    /// The current date (UTC), for expiry dates.
    pub today: Date,
}

/// The exit status, and the notes that explain it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The exit status.
    pub exit: Exit,
    /// Notes on verdicts accepted, acceptances expired or unused, verdicts that got worse, and the number
    /// ignored because of the baseline.
    pub sentences: Vec<String>,
}

/// Decides the exit status. It is [`Exit::Incomplete`] if a required mode was not tried, or if the audit left
/// something out.
pub fn decide(document: &Document, gate: &Gate<'_>) -> Decision {
    let mut builder =
        DecisionBuilder { gate, document, sentences: Vec::new(), used: BTreeSet::new(), known: 0 };
    let trouble = gate.since.map_or(&document.trouble, |since| &since.new_trouble);
    let mut worst = Exit::Ready;
    for answer in relevant_answers(document, gate) {
        let exit = match answer {
            Some(answer) => builder.exit_of_answer(&answer, !trouble.is_empty()),
            None => Exit::Incomplete,
        };
        worst = worst_of(worst, exit);
    }
    Decision { exit: worst, sentences: builder.into_sentences() }
}

/// Returns the answers that count; `None` stands for a required mode that was not tried. For a report on a
/// web server's configuration, of the modes tried only those of its mounts count.
fn relevant_answers<'a>(document: &'a Document, gate: &Gate<'_>) -> Vec<Option<Answer<'a>>> {
    let mount_answers: Vec<_> =
        document.apache.iter().flat_map(|_| document.compute_answers()).map(Some).collect();
    let is_settled = |mode: &&Mode| !mount_answers.is_empty() && document.modes.contains(mode);
    let required = gate.required.iter().filter(|mode| !is_settled(mode));
    let required: Vec<_> = required.map(|mode| document.compute_answer(*mode)).collect();
    mount_answers.into_iter().chain(required).collect()
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

/// Collects notes while the answers are evaluated.
struct DecisionBuilder<'g> {
    gate: &'g Gate<'g>,
    document: &'g Document,
    sentences: Vec<String>,
    /// Indices of the acceptances that matched a verdict, expired or not.
    used: BTreeSet<usize>,
    /// How many verdicts are ignored because they were as bad in the baseline.
    known: usize,
}

impl DecisionBuilder<'_> {
    /// Returns the exit status for one answer.
    fn exit_of_answer(&mut self, answer: &Answer<'_>, has_trouble: bool) -> Exit {
        let waived: Vec<bool> =
            answer.deciders.iter().map(|decider| self.is_waived(decider, answer.mode)).collect();
        let counted = answer.deciders.iter().zip(waived).filter(|(_, is_waived)| !is_waived);
        let counted: Vec<Verdict> = counted.map(|(decider, _)| decider.judged.verdict).collect();
        match answer.verdict_from(&counted, has_trouble) {
            Verdict::Unsafe | Verdict::Blocked => Exit::InTheWay,
            // With --strict a degraded verdict fails, which takes precedence over an unknown one.
            _ if self.gate.is_strict && counted.contains(&Verdict::Degraded) => Exit::InTheWay,
            Verdict::Unknown => Exit::Incomplete,
            Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => Exit::Ready,
        }
    }

    /// Whether an acceptance or the baseline keeps a verdict from failing the audit.
    fn is_waived(&mut self, decider: &DecidingItem<'_>, mode: Mode) -> bool {
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
        if let Some((index, accepted)) =
            accepted.find(|(_, each)| each.applies_to(decider.name, mode, judged))
        {
            self.used.insert(index);
            let (expires, reason) = (accepted.expires, &accepted.reason);
            if !accepted.is_expired(self.gate.today) {
                let verdict = judged.verdict;
                self.sentences
                    .push(format!("accepted until {expires}: {name} is {verdict} in {mode}: {reason}"));
                return true;
            }
            self.sentences.push(format!("acceptance expired on {expires}: {name} in {mode}: {reason}"));
        }
        let Some(since) = self.gate.since else { return false };
        if !since.is_worse(self.document, decider.name, mode) {
            self.known += 1;
            return true;
        }
        self.sentences.push(format!("worse than in the baseline: {name} is {} in {mode}", judged.verdict));
        false
    }

    /// Returns the notes, with those on unused acceptances and the baseline added.
    fn into_sentences(mut self) -> Vec<String> {
        for (index, accepted) in self.gate.accepted.iter().enumerate() {
            if !self.used.contains(&index) {
                let name = &accepted.distribution;
                self.sentences.push(format!("unused acceptance for {name}: remove it"));
            }
        }
        if self.gate.since.is_some() {
            let known = self.known;
            self.sentences.push(format!("{known} failing as in the baseline, and ignored"));
        }
        self.sentences
    }
}
