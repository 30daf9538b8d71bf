//! The report for a terminal: distributions worst first, what stands in the way, and the answer.

use std::fmt::Write;

use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width,
};

use super::escape::{escape, escape_within};
use crate::model::{Declared, Facts, FileKind, Judgement, Mode, Verdict};
use crate::report::{Blocked, Blocker, DistributionRow, ModuleRow, Report};
use crate::rules::declaration;

/// How to draw it.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns of text, 80 to 200.
    pub width: u16,
    /// ANSI colours. The words say the same without.
    pub colour: bool,
    /// A row for each module.
    pub modules: bool,
}

/// How many blockers are named before the rest is counted.
const BLOCKERS: usize = 20;

/// Renders the whole report.
pub fn render(report: &Report, style: Style) -> String {
    let mut text = String::new();
    if let Some(python) = &report.python {
        let build = if python.free_threaded { ", free-threaded" } else { "" };
        let _ = writeln!(text, "Python {}{build}, {}", escape(&python.release), escape(&python.platform));
    }
    if style.modules {
        text.push_str(&modules(report, style));
    } else {
        text.push_str(&distributions(report, style));
    }
    text.push_str(&in_the_way(report));
    let _ = writeln!(text, "\n{LEGEND}");
    for note in &report.notes {
        let _ = writeln!(text, "\nnote: {}", escape(note));
    }
    for trouble in &report.trouble {
        let _ = writeln!(text, "\nincomplete: {}", escape(trouble));
    }
    let _ = writeln!(text, "\n{}", answer(report));
    text
}

fn distributions(report: &Report, style: Style) -> String {
    let header = ["Distribution", "Version", "Modules", "Declaration", "shared-gil", "own-gil", "Reason"];
    let (shown, plain): (Vec<_>, Vec<_>) = report.distributions.iter().partition(|row| {
        let is_fine = |judgement: &Judgement| match judgement.verdict {
            Verdict::Ready | Verdict::NotApplicable => true,
            Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded => false,
        };
        row.modules > 0 || !row.judgements.values().all(is_fine)
    });
    let mut text = table(style, &header, shown.into_iter().map(|row| distribution_row(row, style)));
    if !plain.is_empty() {
        let _ = writeln!(
            text,
            "And {} without extension modules, all of them ready.",
            distributions_in_words(plain.len())
        );
    }
    text
}

fn distributions_in_words(count: usize) -> String {
    if count == 1 { "1 distribution".to_owned() } else { format!("{count} distributions") }
}

fn distribution_row(row: &DistributionRow, style: Style) -> Vec<Cell> {
    vec![
        text_cell(row.name.as_deref().unwrap_or("(no distribution)"), 32),
        text_cell(&row.version, 16),
        Cell::new(if row.modules == 0 { "-".to_owned() } else { row.modules.to_string() }),
        text_cell(&row.declaration, 60),
        verdict_cell(row.judgements.get(&Mode::SharedGil), style),
        verdict_cell(row.judgements.get(&Mode::OwnGil), style),
        text_cell(
            reason(&row.judgements.get(&Mode::OwnGil), &row.judgements.get(&Mode::SharedGil)).as_str(),
            300,
        ),
    ]
}

/// What files declare: a row each.
pub fn declarations(all: &[(String, Facts)], width: u16) -> String {
    let header = ["File", "Initialisation", "Slot 3", "Slot 4", "m_size", "Hazards and doubts"];
    let row = |(file, facts): &(String, Facts)| {
        let hazards =
            facts.hazards.iter().map(|hazard| format!("{}: {}", hazard.kind.name(), hazard.evidence));
        let doubts = facts.doubts.iter().map(|doubt| doubt.0.clone());
        vec![
            text_cell(file, 120),
            Cell::new(facts.initialisation.name()),
            slot_cell(facts.multiple_interpreters()),
            slot_cell(facts.gil()),
            Cell::new(facts.m_size.map_or_else(|| "-".to_owned(), |size| size.to_string())),
            text_cell(&hazards.chain(doubts).collect::<Vec<_>>().join("; "), 300),
        ]
    };
    table(Style { width, colour: false, modules: true }, &header, all.iter().map(row))
}

fn slot_cell(declared: Declared) -> Cell {
    Cell::new(match declared {
        Declared::Undetermined => "?".to_owned(),
        Declared::Absent => "-".to_owned(),
        Declared::Value(value) => value.to_string(),
    })
}

fn modules(report: &Report, style: Style) -> String {
    let header = ["Module", "Distribution", "Declaration", "shared-gil", "own-gil", "Reason"];
    table(style, &header, report.modules.iter().map(|row| module_row(row, style)))
}

fn module_row(row: &ModuleRow, style: Style) -> Vec<Cell> {
    let is_module = row.kind == FileKind::ExtensionModule;
    let declares = if is_module { declaration(&row.facts) } else { row.kind.name().replace('-', " ") };
    vec![
        text_cell(if is_module { &row.name } else { &row.file }, 80),
        text_cell(row.distribution.as_deref().unwrap_or("(none)"), 32),
        text_cell(&declares, 40),
        verdict_cell(row.judgements.get(&Mode::SharedGil), style),
        verdict_cell(row.judgements.get(&Mode::OwnGil), style),
        text_cell(&reason_and_findings(row), 300),
    ]
}

fn reason_and_findings(row: &ModuleRow) -> String {
    let reason = reason(&row.judgements.get(&Mode::OwnGil), &row.judgements.get(&Mode::SharedGil));
    let findings = row.findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.text));
    [reason].into_iter().filter(|reason| !reason.is_empty()).chain(findings).collect::<Vec<_>>().join("; ")
}

/// The reason for own-gil; where that is fine, the one for shared-gil.
fn reason(own: &Option<&Judgement>, shared: &Option<&Judgement>) -> String {
    match (own, shared) {
        (Some(own), _) if own.verdict != Verdict::Ready || !own.reason.is_empty() => own.reason.clone(),
        (_, Some(shared)) if shared.verdict != Verdict::Ready => format!("shared-gil: {}", shared.reason),
        _ => String::new(),
    }
}

fn table(style: Style, header: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(style.width.clamp(80, 200))
        .set_header(header.iter().map(Cell::new));
    for row in rows {
        table.add_row(row);
    }
    // Verdicts never wrap: they are what the eye looks for.
    for (column, title) in table.column_iter_mut().zip(header) {
        if title.ends_with("-gil") {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(12)));
        }
    }
    if style.colour {
        table.enforce_styling();
    }
    format!("{table}\n")
}

fn text_cell(text: &str, most: usize) -> Cell {
    Cell::new(escape_within(text, most))
}

fn verdict_cell(judgement: Option<&Judgement>, style: Style) -> Cell {
    let Some(judgement) = judgement else { return Cell::new("-") };
    let word = match judgement.verdict {
        Verdict::NotApplicable => "n/a",
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded | Verdict::Ready => {
            judgement.verdict.name()
        }
    };
    let cell = Cell::new(word);
    if !style.colour {
        return cell;
    }
    match judgement.verdict {
        Verdict::Unsafe => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        Verdict::Blocked => cell.fg(Color::Red),
        Verdict::Unknown => cell.fg(Color::Magenta),
        Verdict::Degraded => cell.fg(Color::Yellow),
        Verdict::Ready => cell.fg(Color::Green),
        Verdict::NotApplicable => cell.add_attribute(Attribute::Dim),
    }
}

/// What the declarations in the table mean.
const LEGEND: &str = "Slot 3 is Py_mod_multiple_interpreters: 2 allows an own GIL, 1 a shared one, 0 no sub-interpreter. Without it, and \
     with single-phase initialisation, CPython refuses the module in an own-GIL interpreter.";

/// What stands in the way of own-gil, each root once.
fn in_the_way(report: &Report) -> String {
    let blockers = report.blockers.get(&Mode::OwnGil).map(Vec::as_slice).unwrap_or_default();
    let mut text = String::new();
    if blockers.is_empty() {
        return text;
    }
    let _ = writeln!(text, "\nIn the way of own-gil: {}", counted(report, blockers));
    for blocker in blockers.iter().take(BLOCKERS) {
        let owner = blocker.distribution.as_deref().unwrap_or("the standard library, or no distribution");
        let _ = writeln!(text, "  {}: {}", escape(owner), roots(blocker));
        for blocked in &blocker.blocks {
            let _ = writeln!(
                text,
                "    also blocks {}: {}{}",
                escape(&blocked.distribution),
                escape(&short(&blocked.chain)),
                escape(&beside(blocked))
            );
        }
    }
    if blockers.len() > BLOCKERS {
        let _ = writeln!(text, "  and {} more: see --format json", blockers.len() - BLOCKERS);
    }
    text
}

/// `3 root causes block 14 distributions`.
fn counted(report: &Report, blockers: &[Blocker]) -> String {
    let blocked = report.count(Mode::OwnGil, Verdict::Unsafe) + report.count(Mode::OwnGil, Verdict::Blocked);
    let (roots, verb) = match blockers.len() {
        1 => ("1 root cause".to_owned(), "blocks"),
        count => (format!("{count} root causes"), "block"),
    };
    format!("{roots} {verb} {}", distributions_in_words(blocked))
}

/// What would still be in the way of a distribution if the root above it were gone.
fn beside(blocked: &Blocked) -> String {
    let is_own = |name: &&String| **name == blocked.distribution;
    let own = blocked.also_needs.iter().any(|name| is_own(&name));
    let others: Vec<&str> =
        blocked.also_needs.iter().filter(|name| !is_own(name)).map(String::as_str).collect();
    match (own, others.as_slice()) {
        (false, []) => " (nothing else known is)".to_owned(),
        (true, []) => " (so do modules of its own)".to_owned(),
        (false, others) => format!(" (so does {})", others.join(", ")),
        (true, others) => format!(" (so do modules of its own, and {})", others.join(", ")),
    }
}

fn roots(blocker: &Blocker) -> String {
    let Some((module, what)) = blocker.roots.first() else { return String::new() };
    let more = match blocker.roots.len() {
        1 => String::new(),
        count => format!(" (and {} more of its modules)", count - 1),
    };
    format!("{}: {}{more}", escape(module), escape_within(what, 200))
}

/// `pandas -> numpy -> numpy._core._multiarray_umath`: one step a top-level package, and the root.
fn short(chain: &[String]) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for name in chain {
        let top = name.split('.').next().unwrap_or_default();
        if steps.last() != Some(&top) {
            steps.push(top);
        }
    }
    if let Some(root) = chain.last().filter(|root| steps.last() != Some(&root.as_str())) {
        steps.push(root);
    }
    steps.join(" -> ")
}

/// The closing line: the question's answer.
fn answer(report: &Report) -> String {
    let count = |verdict| report.count(Mode::OwnGil, verdict);
    let in_the_way = count(Verdict::Unsafe) + count(Verdict::Blocked);
    let counts = [Verdict::Unsafe, Verdict::Blocked, Verdict::Unknown, Verdict::Degraded, Verdict::Ready]
        .into_iter()
        .filter(|verdict| count(*verdict) > 0)
        .map(|verdict| format!("{} {verdict}", count(verdict)))
        .collect::<Vec<_>>()
        .join(", ");
    match report.answer(Mode::OwnGil) {
        Verdict::Unsafe | Verdict::Blocked => {
            let verb = if in_the_way == 1 { "is" } else { "are" };
            let them = distributions_in_words(in_the_way);
            format!("WSGIPerInterpreterGIL On: no. {them} {verb} in the way ({counts}).")
        }
        Verdict::Unknown => format!(
            "WSGIPerInterpreterGIL On: not known. Nothing bad was found, and not all was judged ({counts})."
        ),
        Verdict::Degraded => format!("WSGIPerInterpreterGIL On: yes, with accelerators lost ({counts})."),
        Verdict::Ready if !report.trouble.is_empty() => {
            format!("WSGIPerInterpreterGIL On: not known. The audit is incomplete ({counts}).")
        }
        Verdict::Ready => format!("WSGIPerInterpreterGIL On: yes ({counts})."),
        Verdict::NotApplicable if !report.trouble.is_empty() => {
            "WSGIPerInterpreterGIL On: not known. The audit is incomplete.".to_owned()
        }
        Verdict::NotApplicable => {
            "WSGIPerInterpreterGIL On: yes. There is nothing here that could stand in the way.".to_owned()
        }
    }
}
