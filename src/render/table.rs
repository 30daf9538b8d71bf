//! Renders the report for a terminal: distributions, worst first, then root causes and answers. Also renders
//! tables of declarations and rules.

use std::fmt::Write;

use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width,
};

use super::escape::{escape, escape_and_truncate};
use super::{answer, apache, application, untried_files};
use crate::model::{BinaryFacts, ExtensionFileClass, Mode, RULES, Rule, SlotDeclaration, Verdict};
use crate::report::v1::{Blocked, Blocker, Distribution, Document, Judged, Module};

/// How to draw a table.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions {
    /// Width in characters, limited to 80 to 200.
    pub width: u16,
    /// Whether to use ANSI colors.
    pub colour: bool,
    /// Whether to show a row for each module instead of each distribution.
    pub modules: bool,
}

/// Maximum number of root causes that are listed. The rest is counted.
const MAX_BLOCKERS: usize = 20;

/// Renders the whole report. Required modes always have an answer.
pub fn render(report: &Document, required: &[Mode], options: TableOptions) -> String {
    let mut text = String::new();
    if let Some(python) = &report.environment {
        let build = if python.free_threaded { ", free-threaded" } else { "" };
        let beside = report.free_threaded.as_ref().map(|other| escape(&other.python).into_owned());
        let beside =
            beside.map(|release| format!("; beside it {release}, free-threaded")).unwrap_or_default();
        let (release, platform) = (escape(&python.python), escape(&python.platform));
        let _ = writeln!(text, "Python {release}{build}, {platform}{beside}");
    }
    if options.modules {
        text.push_str(&render_modules(report, options));
    } else {
        text.push_str(&render_distributions(report, options));
    }
    for mode in [Mode::OwnGil, Mode::OwnGilCopies, Mode::FreeThreaded, Mode::FreeThreadedGroup] {
        text.push_str(&render_blockers(report, mode));
    }
    text.push_str(&render_unknown_hint(report));
    text.push_str(&application::render_applications(report));
    text.push_str(&application::render_exercises(report));
    text.push_str(&apache::render_apache(report));
    let _ = writeln!(text, "\n{LEGEND}");
    if report.modes.contains(&Mode::FreeThreaded) {
        let _ = writeln!(text, "\n{LEGEND_OF_SLOT_4}");
    }
    if let Some(line) = untried_files::summarize_untried_files(report) {
        let _ = writeln!(text, "\n{line}");
    }
    for note in &report.notes {
        let _ = writeln!(text, "\nnote: {}", escape(note));
    }
    for trouble in &report.trouble {
        let _ = writeln!(text, "\nincomplete: {}", escape(trouble));
    }
    text.push('\n');
    text.push_str(&answer::render_answers(report, required));
    text
}

/// Renders a hint to the rules that explain unknown verdicts. Empty if there are none.
fn render_unknown_hint(report: &Document) -> String {
    let distributions = report.distributions.iter().flat_map(|row| &row.modes);
    let tried = report.applications.iter().map(|each| &each.modes);
    let tried = tried.chain(report.exercises.iter().map(|each| &each.modes)).flatten();
    let all = distributions.chain(tried.map(|(mode, tried)| (mode, &tried.judged)));
    let unknown = all.filter(|(mode, judged)| **mode != Mode::Main && judged.verdict == Verdict::Unknown);
    match answer::format_explain_command(unknown.filter_map(|(_, judged)| judged.reason_id.as_deref())) {
        Some(command) => format!("\nWhat could not be judged, and what to do: {command}\n"),
        None => String::new(),
    }
}

/// Renders the table of distributions. Those without extension modules and obstacles are only counted.
fn render_distributions(report: &Document, options: TableOptions) -> String {
    let modes = column_modes(report);
    let header =
        [["Distribution", "Version", "Modules", "Declaration"].as_slice(), &mode_names(&modes), &["Reason"]];
    let (shown, plain): (Vec<_>, Vec<_>) = report.distributions.iter().partition(|row| {
        let is_fine = |judgement: &Judged| match judgement.verdict {
            Verdict::Ready | Verdict::NotApplicable => true,
            Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded => false,
        };
        row.extension_modules > 0 || !row.modes.values().all(is_fine)
    });
    let mut text = draw_table(
        options,
        &header.concat(),
        shown.into_iter().map(|row| distribution_row(row, &modes, options)),
    );
    if !plain.is_empty() {
        let _ = writeln!(
            text,
            "And {} without extension modules, none of them in the way.",
            answer::format_distribution_count(plain.len())
        );
    }
    text
}

/// Returns the modes that have a column. Application groups of a free-threaded build have none: the list of
/// root causes shows where they differ.
fn column_modes(report: &Document) -> Vec<Mode> {
    let has_column = |mode: &Mode| match mode {
        Mode::SharedGil | Mode::OwnGil | Mode::OwnGilCopies | Mode::FreeThreaded => true,
        Mode::Main | Mode::FreeThreadedGroup => false,
    };
    report.modes.iter().copied().filter(has_column).collect()
}

fn mode_names(modes: &[Mode]) -> Vec<&'static str> {
    modes.iter().map(|mode| mode.name()).collect()
}

fn distribution_row(row: &Distribution, modes: &[Mode], options: TableOptions) -> Vec<Cell> {
    let verdicts = modes.iter().map(|mode| verdict_cell(row.modes.get(mode), options));
    let mut cells = vec![
        text_cell(row.name.as_deref().unwrap_or("(no distribution)"), 32),
        text_cell(&row.version, 16),
        Cell::new(if row.extension_modules == 0 {
            "-".to_owned()
        } else {
            row.extension_modules.to_string()
        }),
        text_cell(&row.declaration, 60),
    ];
    cells.extend(verdicts);
    cells.push(text_cell(&summarize_reasons(|mode| row.modes.get(&mode)), 300));
    cells
}

/// Renders the declarations of files, a row each.
pub fn render_declarations(all: &[(String, BinaryFacts)], width: u16) -> String {
    let header = ["File", "Initialisation", "Slot 3", "Slot 4", "m_size", "Hazards and doubts"];
    let row = |(file, facts): &(String, BinaryFacts)| {
        let hazards = facts.hazards.iter().map(|hazard| format!("{}: {}", hazard.kind.id(), hazard.evidence));
        let doubts = facts.doubts.iter().map(|doubt| doubt.0.clone());
        vec![
            text_cell(file, 120),
            Cell::new(facts.initialisation.name()),
            slot_cell(facts.multiple_interpreters_slot()),
            slot_cell(facts.gil_slot()),
            Cell::new(facts.m_size.map_or_else(|| "-".to_owned(), |size| size.to_string())),
            text_cell(&hazards.chain(doubts).collect::<Vec<_>>().join("; "), 300),
        ]
    };
    draw_table(TableOptions { width, colour: false, modules: true }, &header, all.iter().map(row))
}

/// Renders the catalog of rules, a row each.
pub fn render_rules(width: u16) -> String {
    let row = |rule: &Rule| {
        vec![
            Cell::new(rule.id),
            Cell::new(rule.severity),
            Cell::new(rule.confidence),
            Cell::new(rule.title()),
        ]
    };
    let header = ["Rule", "Severity", "Evidence", "What it says"];
    draw_table(TableOptions { width, colour: false, modules: false }, &header, RULES.iter().map(row))
}

fn slot_cell(declared: SlotDeclaration) -> Cell {
    Cell::new(match declared {
        SlotDeclaration::Undetermined => "?".to_owned(),
        SlotDeclaration::Absent => "-".to_owned(),
        SlotDeclaration::Value(value) => value.to_string(),
    })
}

/// Renders the table of extension modules.
fn render_modules(report: &Document, options: TableOptions) -> String {
    let modes = column_modes(report);
    let header =
        [["Module", "Distribution", "Declaration"].as_slice(), &mode_names(&modes), &["Reason"]].concat();
    draw_table(options, &header, report.modules.iter().map(|row| module_row(row, &modes, options)))
}

fn module_row(row: &Module, modes: &[Mode], options: TableOptions) -> Vec<Cell> {
    let declaration = row.declaration.as_ref().filter(|_| row.kind == ExtensionFileClass::ExtensionModule);
    let is_module = declaration.is_some();
    let declares = declaration.map_or_else(|| row.kind.name().replace('-', " "), |each| each.summary.clone());
    let mut cells = vec![
        text_cell(if is_module { &row.name } else { &row.file }, 80),
        text_cell(row.distribution.as_deref().unwrap_or("(none)"), 32),
        text_cell(&declares, 40),
    ];
    cells.extend(
        modes.iter().map(|mode| verdict_cell(row.modes.get(mode).map(|tried| &tried.judged), options)),
    );
    cells.push(text_cell(&reason_and_findings(row), 300));
    cells
}

fn reason_and_findings(row: &Module) -> String {
    let reason = summarize_reasons(|mode| row.modes.get(&mode).map(|tried| &tried.judged));
    let findings = row.findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.text));
    [reason].into_iter().filter(|reason| !reason.is_empty()).chain(findings).collect::<Vec<_>>().join("; ")
}

/// Joins the reasons of the modes: that of own-gil, or of shared-gil if own-gil has none, then those of
/// own-gil-copies, if it is not ready, and of free-threaded.
pub(super) fn summarize_reasons<'a>(judged: impl Fn(Mode) -> Option<&'a Judged>) -> String {
    let own = judged(Mode::OwnGil).filter(|own| !own.reason.is_empty());
    let other = |mode| judged(mode).filter(|other| !other.reason.is_empty());
    let named = |mode: Mode, other: &Judged| format!("{mode}: {}", other.reason);
    let first = match (own, other(Mode::SharedGil)) {
        (Some(own), _) => Some(own.reason.clone()),
        (None, Some(shared)) if shared.verdict != Verdict::Ready => Some(named(Mode::SharedGil, shared)),
        (None, _) => None,
    };
    let same = |free: &&Judged| own.is_none_or(|own| own.reason != free.reason);
    let is_obstacle = |with_copies: &&Judged| with_copies.verdict <= Verdict::Degraded;
    let copies = other(Mode::OwnGilCopies).filter(same).filter(is_obstacle);
    let copies = copies.map(|with_copies| named(Mode::OwnGilCopies, with_copies));
    let second = other(Mode::FreeThreaded).filter(same).map(|free| named(Mode::FreeThreaded, free));
    first.into_iter().chain(copies).chain(second).collect::<Vec<_>>().join("; ")
}

/// Draws a table with a header.
fn draw_table(options: TableOptions, header: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> String {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(options.width.clamp(80, 200))
        .set_header(header.iter().map(Cell::new));
    for row in rows {
        table.add_row(row);
    }
    // Verdict columns are wide enough not to wrap.
    for (column, title) in table.column_iter_mut().zip(header) {
        let is_of_a_mode = Mode::ALL.iter().any(|mode| mode.name() == *title);
        if is_of_a_mode {
            let width = u16::try_from(title.len() + 2).unwrap_or(12).max(12);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }
    if options.colour {
        table.enforce_styling();
    }
    format!("{table}\n")
}

fn text_cell(text: &str, limit: usize) -> Cell {
    Cell::new(escape_and_truncate(text, limit))
}

fn verdict_cell(judgement: Option<&Judged>, options: TableOptions) -> Cell {
    let Some(judgement) = judgement else { return Cell::new("-") };
    let cell = Cell::new(judgement.verdict.short_name());
    if !options.colour {
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

/// Explains the declarations in the table.
const LEGEND: &str = "Slot 3 is Py_mod_multiple_interpreters: 2 allows an own GIL, 1 a shared one, 0 no sub-interpreter. Without it, and \
     with single-phase initialisation, CPython refuses the module in an own-GIL interpreter.";

/// Explains the verdicts in the column free-threaded.
const LEGEND_OF_SLOT_4: &str = "Slot 4 is Py_mod_gil: 1 needs no GIL. Without it, and with single-phase initialisation that does not call \
     PyUnstable_Module_SetGIL, a free-threaded CPython switches the GIL on; under mod_wsgi, which forces it off, \
     the module runs without what it relies on.";

/// Renders the root causes that block a mode, each once. For application groups on a free-threaded build,
/// only those that do not block the main interpreter, too.
fn render_blockers(report: &Document, mode: Mode) -> String {
    let of = |mode| report.blockers.get(&mode).map(Vec::as_slice).unwrap_or_default();
    let listed = if mode == Mode::FreeThreadedGroup { of(Mode::FreeThreaded) } else { &[] };
    let is_new = |blocker: &&Blocker| !listed.iter().any(|other| other.distribution == blocker.distribution);
    let blockers: Vec<&Blocker> = of(mode).iter().filter(is_new).collect();
    let mut text = String::new();
    if blockers.is_empty() {
        return text;
    }
    let _ = match mode {
        Mode::FreeThreadedGroup => writeln!(text, "\nIn the way of {mode} as well:"),
        Mode::Main | Mode::SharedGil | Mode::OwnGil | Mode::OwnGilCopies | Mode::FreeThreaded => {
            writeln!(text, "\nIn the way of {mode}: {}", summarize_root_causes(report, mode, blockers.len()))
        }
    };
    for blocker in blockers.iter().take(MAX_BLOCKERS) {
        let owner = blocker.distribution.as_deref().unwrap_or("the standard library, or no distribution");
        let _ = writeln!(text, "  {}: {}", escape(owner), describe_roots(blocker));
        if let Some(upgrade) = &blocker.upgrade {
            let _ = writeln!(text, "    newer versions: {}", escape_and_truncate(&upgrade.words, 200));
        }
        for blocked in &blocker.blocks {
            let _ = writeln!(
                text,
                "    also blocks {}: {}{}",
                escape(&blocked.distribution),
                escape(&shorten_chain(&blocked.chain)),
                escape(&describe_other_obstacles(blocked))
            );
        }
    }
    if blockers.len() > MAX_BLOCKERS {
        let _ = writeln!(text, "  and {} more: see --format json", blockers.len() - MAX_BLOCKERS);
    }
    let rules = blockers.iter().flat_map(|blocker| &blocker.roots).map(|root| root.rule.as_str());
    if let Some(command) = answer::format_explain_command(rules) {
        let _ = writeln!(text, "  What to do: {command}");
    }
    text
}

/// Counts root causes and the distributions that they block: `3 root causes block 14 distributions`.
pub(super) fn summarize_root_causes(report: &Document, mode: Mode, roots: usize) -> String {
    let blocked = report.count_distributions(mode, Verdict::Unsafe)
        + report.count_distributions(mode, Verdict::Blocked);
    let (roots, verb) = match roots {
        1 => ("1 root cause".to_owned(), "blocks"),
        count => (format!("{count} root causes"), "block"),
    };
    format!("{roots} {verb} {}", answer::format_distribution_count(blocked))
}

/// Describes the other obstacles of a blocked distribution, which remain when the root cause is removed.
pub(super) fn describe_other_obstacles(blocked: &Blocked) -> String {
    let is_own = |name: &&String| **name == blocked.distribution;
    let own = blocked.also_needs.iter().any(|name| is_own(&name));
    let others: Vec<&str> =
        blocked.also_needs.iter().filter(|name| !is_own(name)).map(String::as_str).collect();
    match (own, others.as_slice()) {
        (false, []) => " (no other obstacle known)".to_owned(),
        (true, []) => " (also blocked by its own modules)".to_owned(),
        (false, others) => format!(" (also blocked by {})", others.join(", ")),
        (true, others) => format!(" (also blocked by its own modules and {})", others.join(", ")),
    }
}

/// Describes the first root cause of a distribution, and counts the others.
fn describe_roots(blocker: &Blocker) -> String {
    let Some(root) = blocker.roots.first() else { return String::new() };
    let more = match blocker.roots.len() {
        1 => String::new(),
        count => format!(" (and {} more of its modules)", count - 1),
    };
    format!("{}: {}{more}", escape(&root.module), escape_and_truncate(&root.what, 200))
}

/// Shortens an import chain to one step per top-level package, and the root module:
/// `pandas -> numpy -> numpy._core._multiarray_umath`.
fn shorten_chain(chain: &[String]) -> String {
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
