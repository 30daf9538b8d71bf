//! Texts that several renderers share: the answer for each mode, and the command that explains rules.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::escape::{escape, escape_and_truncate};
use crate::model::{Mode, RULES, Verdict};
use crate::report::{Answer, DecidedBy, DecidingItem, DecidingItemKind, Document};

/// Renders a line for each mode that was asked about, except for main and shared-gil, and a comparison if own
/// GIL and free threading were both asked about. Required modes always have a line, and so have all modes
/// that Apache's configuration uses.
pub(super) fn render_answers(document: &Document, required: &[Mode]) -> String {
    let is_shown = |mode: &Mode| match mode {
        _ if document.apache.is_some() || required.contains(mode) => true,
        Mode::OwnGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => true,
        // The line of `own-gil` says it, too.
        Mode::Main | Mode::SharedGil | Mode::OwnGilCopies => false,
    };
    let shown = ORDER.into_iter().filter(is_shown);
    let mut lines: Vec<String> = shown
        .filter_map(|mode| match document.compute_answer(mode) {
            Some(answer) => Some(render_answer(document, &answer)),
            None if required.contains(&mode) && document.apache.is_none() => {
                Some(format!("{}: not known. It was not tried.", directive_of_mode(mode)))
            }
            None => None,
        })
        .collect();
    if lines.is_empty() {
        lines.push("Not known. No mode that was asked about could be tried.".to_owned());
    }
    lines.extend(compare_own_gil_and_free_threading(document));
    lines.join("\n") + "\n"
}

/// The order in which modes are shown: the most important first, the control last.
pub(super) const ORDER: [Mode; 6] = [
    Mode::OwnGil,
    Mode::OwnGilCopies,
    Mode::SharedGil,
    Mode::FreeThreaded,
    Mode::FreeThreadedGroup,
    Mode::Main,
];

/// Returns the name of a mode in mod_wsgi's configuration.
pub(super) fn directive_of_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Main => "WSGIApplicationGroup %{GLOBAL}",
        Mode::SharedGil => "Application groups with a shared GIL",
        Mode::OwnGil => "WSGIPerInterpreterGIL On",
        Mode::OwnGilCopies => "WSGIPerInterpreterGIL On, with private copies",
        Mode::FreeThreaded => "WSGIFreeThreading On",
        Mode::FreeThreadedGroup => "WSGIFreeThreading On, in application groups",
    }
}

/// Renders the answer for one mode as a line.
fn render_answer(document: &Document, answer: &Answer<'_>) -> String {
    let text = AnswerText::new(answer);
    let about = describe_scope(document, answer);
    let sentence = if text.sentence.is_empty() { String::new() } else { format!(". {}", text.sentence) };
    let counts = if text.counts.is_empty() { String::new() } else { format!(" {}", text.counts) };
    let copies = describe_private_copies(document, answer).unwrap_or_default();
    let headline = text.headline.to_lowercase();
    format!("{}{about}: {headline}{sentence}{counts}.{copies}", directive_of_mode(answer.mode))
}

/// Maximum number of names of what is in the way with private copies.
const MAX_NAMES: usize = 6;

/// Describes, after an answer for `own-gil` that is not yes, what private copies change. `None` for other modes
/// and if private copies were not tried.
fn describe_private_copies(document: &Document, answer: &Answer<'_>) -> Option<String> {
    if answer.mode != Mode::OwnGil || answer.verdict() >= Verdict::Degraded {
        return None;
    }
    let with_copies = document.compute_answer(Mode::OwnGilCopies)?;
    let text = AnswerText::new(&with_copies);
    let is_obstacle = |each: &&DecidingItem<'_>| each.judged.verdict <= Verdict::Unknown;
    let obstacles: Vec<_> = with_copies.deciders.iter().filter(is_obstacle).collect();
    let names = obstacles.iter().take(MAX_NAMES).map(|each| {
        let name = each.name.map_or("(no distribution)".into(), |name| escape_and_truncate(name, 60));
        format!("{name} {}", each.judged.verdict)
    });
    let mut names = names.collect::<Vec<_>>().join(", ");
    if let Some(more) = obstacles.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        names += &format!(" and {more} more");
    }
    let total = with_copies.deciders.len();
    let passing = total - obstacles.len();
    let rest = if names.is_empty() { String::new() } else { format!("; not: {names}") };
    Some(format!(
        " With private copies (own-gil-copies): {} ({passing} of {total}{rest}).",
        text.headline.to_lowercase()
    ))
}

/// Names the scope of the answer: `, as configured in FILE`, ` for NAME`. Empty for the whole environment.
fn describe_scope(document: &Document, answer: &Answer<'_>) -> String {
    if let Some(apache) = &document.apache {
        return format!(", as configured in {}", escape(&apache.file));
    }
    let of = |kind| answer.deciders.iter().filter(move |each| each.kind == kind);
    let (kind, several) = match document.decided_by() {
        DecidedBy::Distributions => return String::new(),
        DecidedBy::Applications => (DecidingItemKind::Application, "the applications named"),
        DecidedBy::Modules => (DecidingItemKind::Module, "the modules named"),
    };
    let mut all = of(kind);
    match (all.next().and_then(|first| first.name), all.next()) {
        (Some(name), None) => format!(" for {}", escape_and_truncate(name, 120)),
        (_, _) => format!(" for {several}"),
    }
}

/// The text of an answer.
pub(super) struct AnswerText {
    /// `No`, `Yes`, `Yes, with accelerators lost`, `Not known`.
    pub(super) headline: &'static str,
    /// Why; empty if the counts show it.
    pub(super) sentence: String,
    /// `(15 blocked, 1 unknown)`; empty if nothing was judged.
    pub(super) counts: String,
}

impl AnswerText {
    /// Describes an answer.
    pub(super) fn new(answer: &Answer<'_>) -> Self {
        let (headline, sentence) = match answer.verdict() {
            Verdict::Unsafe | Verdict::Blocked => {
                ("No", format!("{} in the way", describe_obstacles(answer)))
            }
            Verdict::Unknown | Verdict::NotApplicable => ("Not known", explain_unknown(answer)),
            Verdict::Degraded => ("Yes, with accelerators lost", String::new()),
            Verdict::Ready => ("Yes", String::new()),
        };
        let counts = Verdict::ALL.into_iter().filter(|verdict| answer.count_with_verdict(*verdict) > 0);
        let counts: Vec<String> =
            counts.map(|verdict| format!("{} {verdict}", answer.count_with_verdict(verdict))).collect();
        let counts = if counts.is_empty() { String::new() } else { format!("({})", counts.join(", ")) };
        Self { headline, sentence, counts }
    }
}

/// Explains why the answer is not known.
fn explain_unknown(answer: &Answer<'_>) -> String {
    match answer.count_with_verdict(Verdict::Unknown) {
        _ if answer.deciders.is_empty() => "Nothing here was tried".to_owned(),
        0 if answer.has_trouble => "The audit is incomplete".to_owned(),
        0 => "Not everything was tried".to_owned(),
        _ => "No problem was found, but not everything was judged".to_owned(),
    }
}

/// Returns the command that explains these rules, in the catalog's order. `None` if none of them is in the
/// catalog.
pub(super) fn format_explain_command<'a>(rules: impl Iterator<Item = &'a str>) -> Option<String> {
    let named: BTreeSet<&str> = rules.collect();
    let known: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| named.contains(id)).collect();
    (!known.is_empty()).then(|| format!("wsgiaudit explain {}", known.join(" ")))
}

/// `1 distribution`, `2 distributions`.
pub(super) fn format_distribution_count(count: usize) -> String {
    if count == 1 { "1 distribution".to_owned() } else { format!("{count} distributions") }
}

/// Counts the obstacles, with a verb: `1 distribution is`, `2 distributions and 1 exercise are`.
fn describe_obstacles(answer: &Answer<'_>) -> String {
    let kinds = [
        (DecidingItemKind::Distribution, "distribution"),
        (DecidingItemKind::Application, "application"),
        (DecidingItemKind::Module, "module"),
        (DecidingItemKind::Exercise, "exercise"),
        (DecidingItemKind::ConfigurationLine, "line of the configuration"),
    ];
    let all = kinds.into_iter().map(|(kind, noun)| (answer.count_blocking(kind), noun));
    let all: Vec<(usize, &str)> = all.filter(|(count, _)| *count > 0).collect();
    let counted = |(count, noun): &(usize, &str)| match (count, *noun) {
        (1, noun) => format!("1 {noun}"),
        (count, "line of the configuration") => format!("{count} lines of the configuration"),
        (count, noun) => format!("{count} {noun}s"),
    };
    let nouns: Vec<String> = all.iter().map(counted).collect();
    let is_one = all.iter().map(|(count, _)| count).sum::<usize>() == 1;
    format!("{} {}", nouns.join(" and "), if is_one { "is" } else { "are" })
}

/// Compares own GIL and free threading by the number of obstacles. `None` unless both were asked about.
pub(super) fn compare_own_gil_and_free_threading(document: &Document) -> Option<String> {
    let (own, free) = (document.compute_answer(Mode::OwnGil)?, document.compute_answer(Mode::FreeThreaded)?);
    let count = |answer: &Answer<'_>| {
        answer.count_with_verdict(Verdict::Unsafe) + answer.count_with_verdict(Verdict::Blocked)
    };
    let (in_own, in_free) = (count(&own), count(&free));
    let unknown = free.count_with_verdict(Verdict::Unknown);
    let nearer = match in_own.cmp(&in_free) {
        Ordering::Less => "an own GIL is closer",
        Ordering::Greater if in_free + unknown < in_own => "free threading is closer",
        Ordering::Greater => "it is not known which is closer",
        Ordering::Equal => "both are equally close",
    };
    let unknown = if unknown > 0 { format!(" ({unknown} unknown)") } else { String::new() };
    let what = match document.decided_by() {
        DecidedBy::Distributions => format_distribution_count(in_own),
        DecidedBy::Applications | DecidedBy::Modules => in_own.to_string(),
    };
    Some(format!("In the way: own GIL: {what}; free threading: {in_free}{unknown}: {nearer}."))
}
