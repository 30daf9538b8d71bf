//! The exit status, and what it leaves out of account.

use jiff::civil::Date;

use super::Accepted;
use crate::diff::Comparison;
use crate::exit::Exit;
use crate::model::{Mode, Verdict};
use crate::report::Document;
use crate::report::v1::Apache;

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

/// Decides. A mode that is required and was not tried leaves it incomplete, and so does what an audit left out.
pub fn decide(document: &Document, gate: &Gate<'_>) -> Decision {
    let mut sentences = Vec::new();
    let mut used = vec![false; gate.accepted.len()];
    let (mut is_in_the_way, mut is_open, mut known) = (false, false, 0_usize);
    // Where applications land asks for more than was required.
    let landed = document.apache.iter().flat_map(Apache::modes).filter(|mode| !gate.required.contains(mode));
    let modes: Vec<Mode> = gate.required.iter().copied().chain(landed).collect();
    let judged = modes
        .iter()
        .flat_map(|mode| document.deciders(*mode).into_iter().map(|(name, judged)| (*mode, name, judged)));
    for (mode, name, judged) in judged {
        let is_bad = match judged.verdict {
            Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown => true,
            Verdict::Degraded => gate.is_strict,
            Verdict::Ready | Verdict::NotApplicable => false,
        };
        if !is_bad {
            continue;
        }
        let about =
            gate.accepted.iter().enumerate().find(|(_, accepted)| accepted.is_about(name, mode, judged));
        if let Some((index, accepted)) = about {
            let name = name.unwrap_or("(no distribution)");
            if let Some(used) = used.get_mut(index) {
                *used = true;
            }
            let (expires, reason) = (accepted.expires, &accepted.reason);
            if !accepted.is_expired(gate.today) {
                sentences.push(format!(
                    "accepted until {expires}: {name} is {} in {mode}: {reason}",
                    judged.verdict
                ));
                continue;
            }
            sentences.push(format!("no longer accepted since {expires}: {name} in {mode}: {reason}"));
        }
        if let Some(since) = gate.since {
            if !since.is_worse(document, name, mode) {
                known += 1;
                continue;
            }
            let name = name.unwrap_or("(no distribution)");
            sentences.push(format!("worse than in the baseline: {name} is {} in {mode}", judged.verdict));
        }
        match judged.verdict {
            Verdict::Unknown => is_open = true,
            Verdict::Unsafe
            | Verdict::Blocked
            | Verdict::Degraded
            | Verdict::Ready
            | Verdict::NotApplicable => {
                is_in_the_way = true;
            }
        }
    }
    for (accepted, _) in gate.accepted.iter().zip(used).filter(|(_, is_used)| !is_used) {
        sentences.push(format!("an acceptance of {} accepts nothing: take it out", accepted.distribution));
    }
    if gate.since.is_some() {
        sentences.push(format!("{known} in the way as in the baseline, and left out of account"));
    }
    let trouble = gate.since.map_or(&document.trouble, |since| &since.new_trouble);
    let is_incomplete = gate.required.iter().any(|mode| !is_tried(document, *mode)) || !trouble.is_empty();
    let exit = match (is_in_the_way, is_open || is_incomplete) {
        (true, _) => Exit::InTheWay,
        (false, true) => Exit::Incomplete,
        (false, false) => Exit::Ready,
    };
    Decision { exit, sentences }
}

/// Whether this mode was tried, for each application too.
fn is_tried(document: &Document, mode: Mode) -> bool {
    document.modes.contains(&mode) && document.applications.iter().all(|each| each.modes.contains_key(&mode))
}
