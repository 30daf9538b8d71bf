//! What the report answers, and where the way out is explained: the lines that several renderings share.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::model::{Mode, Verdict};
use crate::report::v1::Document;
use crate::rules::RULES;

/// A line for each question that was asked, and which road is nearer where both were.
pub(super) fn all(document: &Document) -> String {
    let mut lines = vec![in_mode(document, Mode::OwnGil)];
    if document.modes.contains(&Mode::FreeThreaded) {
        lines.push(in_mode(document, Mode::FreeThreaded));
        lines.push(in_mode(document, Mode::FreeThreadedGroup));
        lines.push(nearer(document));
    }
    lines.join("\n") + "\n"
}

/// The command that explains these rules, in the catalog's order; `None` without any that is known.
pub(super) fn explain<'a>(rules: impl Iterator<Item = &'a str>) -> Option<String> {
    let named: BTreeSet<&str> = rules.collect();
    let known: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| named.contains(id)).collect();
    (!known.is_empty()).then(|| format!("wsgiaudit explain {}", known.join("|")))
}

/// `1 distribution`, `2 distributions`.
pub(super) fn distributions(count: usize) -> String {
    if count == 1 { "1 distribution".to_owned() } else { format!("{count} distributions") }
}

/// `1 distribution is`, `2 distributions and 1 exercise are`: what is in the way of a mode.
pub(super) fn they_are(document: &Document, mode: Mode) -> String {
    let some = document.count(mode, Verdict::Unsafe) + document.count(mode, Verdict::Blocked);
    let modes = document.exercises.iter().filter_map(|each| each.modes.get(&mode));
    let failing = modes.filter(|tried| tried.judged.verdict <= Verdict::Blocked).count();
    let exercises = if failing == 1 { "1 exercise".to_owned() } else { format!("{failing} exercises") };
    let them = match (some, failing) {
        (_, 0) => distributions(some),
        (0, _) => exercises,
        _ => format!("{} and {exercises}", distributions(some)),
    };
    them + if some + failing == 1 { " is" } else { " are" }
}

/// Which of the two roads has less in its way.
pub(super) fn nearer(document: &Document) -> String {
    let count = |mode| document.count(mode, Verdict::Unsafe) + document.count(mode, Verdict::Blocked);
    let (own, free) = (count(Mode::OwnGil), count(Mode::FreeThreaded));
    let unknown = document.count(Mode::FreeThreaded, Verdict::Unknown);
    let nearer = match own.cmp(&free) {
        Ordering::Less => "an own GIL is nearer",
        Ordering::Greater if free + unknown < own => "free threading is nearer",
        Ordering::Greater => "which is nearer is not known",
        Ordering::Equal => "both are as near",
    };
    let unknown = if unknown > 0 { format!(" ({unknown} unknown)") } else { String::new() };
    format!("In the way: own GIL: {}; free threading: {free}{unknown}: {nearer}.", distributions(own))
}

/// A closing line: the question's answer.
pub(super) fn in_mode(document: &Document, mode: Mode) -> String {
    let directive = match mode {
        Mode::FreeThreaded => "WSGIFreeThreading On",
        Mode::FreeThreadedGroup => "WSGIFreeThreading On, in application groups",
        Mode::Main | Mode::SharedGil | Mode::OwnGil => "WSGIPerInterpreterGIL On",
    };
    let exercises = document.exercises.iter().filter_map(|each| Some(each.modes.get(&mode)?.judged.verdict));
    let exercises: Vec<Verdict> = exercises.collect();
    let count =
        |verdict| document.count(mode, verdict) + exercises.iter().filter(|found| **found == verdict).count();
    let counts = [Verdict::Unsafe, Verdict::Blocked, Verdict::Unknown, Verdict::Degraded, Verdict::Ready]
        .into_iter()
        .filter(|verdict| count(*verdict) > 0)
        .map(|verdict| format!("{} {verdict}", count(verdict)))
        .collect::<Vec<_>>()
        .join(", ");
    match document.answer(mode) {
        Verdict::Unsafe | Verdict::Blocked => {
            format!("{directive}: no. {} in the way ({counts}).", they_are(document, mode))
        }
        Verdict::Unknown => {
            format!("{directive}: not known. Nothing bad was found, and not all was judged ({counts}).")
        }
        Verdict::Degraded => format!("{directive}: yes, with accelerators lost ({counts})."),
        Verdict::Ready if !document.trouble.is_empty() => {
            format!("{directive}: not known. The audit is incomplete ({counts}).")
        }
        Verdict::Ready => format!("{directive}: yes ({counts})."),
        Verdict::NotApplicable if !document.trouble.is_empty() => {
            format!("{directive}: not known. The audit is incomplete.")
        }
        Verdict::NotApplicable => {
            format!("{directive}: yes. There is nothing here that could stand in the way.")
        }
    }
}
