//! Renders the report for a terminal: the answer and what to do, distributions, worst first, then root causes. Also
//! renders tables of declarations and rules.

use std::fmt::Write;

use comfy_table::{Attribute, Cell, Color};

use super::escape::{escape, escape_and_truncate};
use super::grid::{Column, Row, draw_grid};
use super::reasons::describe_reasons;
use super::style::{TextStyle, to_ascii, wrap_lines};
use super::{advice, answer, apache, application, untried_files};
use crate::model::{BinaryFacts, ExtensionFileClass, Mode, RULES, SlotDeclaration, Verdict};
use crate::report::DecidedBy;
use crate::report::v1::{Blocked, Blocker, Distribution, Document, Judged, Module};

/// How to draw a report.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions {
    /// The terminal.
    pub style: TextStyle,
    /// Whether to show a row for each module instead of each distribution.
    pub modules: bool,
}

/// Maximum number of root causes that are listed. The rest is counted.
const MAX_BLOCKERS: usize = 20;

/// Number of lines after which the answer is repeated at the end, where a terminal shows it.
const LONG_REPORT: usize = 40;

/// Renders the whole report. Required modes always have an answer.
pub fn render(report: &Document, required: &[Mode], options: TableOptions) -> String {
    let answers = answer::render_answers(report, required);
    let opening =
        format!("{}\n{answers}\n{}", render_heading(report), advice::render_advice(report, required));
    let table = match options.modules {
        true => render_modules(report, options.style),
        false => render_distributions(report, options.style),
    };
    let details = render_details(report);
    let is_long = opening.lines().chain(table.lines()).chain(details.lines()).count() > LONG_REPORT;
    let closing = if is_long { format!("\n{answers}") } else { String::new() };
    let width = options.style.width;
    let text =
        [wrap_lines(&opening, width), "\n".to_owned(), table, wrap_lines(&(details + &closing), width)];
    finish(text.concat(), options.style)
}

/// Renders what was audited: the environment and its Python.
fn render_heading(report: &Document) -> String {
    let mut text = String::new();
    if let Some(name) = environment_name(report) {
        let _ = writeln!(text, "Environment {}", escape_and_truncate(name, 300));
    }
    if let Some(python) = &report.environment {
        let build = if python.free_threaded { ", free-threaded" } else { "" };
        let beside = report.free_threaded.as_ref().map(|other| escape(&other.python).into_owned());
        let beside =
            beside.map(|release| format!("; beside it {release}, free-threaded")).unwrap_or_default();
        let (release, platform) = (escape(&python.python), escape(&python.platform));
        let _ = writeln!(text, "Python {release}{build}, {platform}{beside}");
    }
    text
}

/// Returns the folder of the environment. `None` if it is not known, or was made for the audit of single modules.
pub(super) fn environment_name(report: &Document) -> Option<&str> {
    let places = &report.header.as_ref().filter(|_| report.decided_by() != DecidedBy::Modules)?.places;
    places.get("environment").map(String::as_str)
}

/// Renders everything below the table.
fn render_details(report: &Document) -> String {
    let mut text = String::new();
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
    text
}

/// Applies what the terminal cannot show.
fn finish(text: String, style: TextStyle) -> String {
    if style.is_ascii { to_ascii(&text) } else { text }
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
fn render_distributions(report: &Document, style: TextStyle) -> String {
    let modes = column_modes(report);
    let mut columns = vec![
        Column::name("Distribution", 30),
        Column::optional("Version", 14, "version"),
        Column::optional("Modules", 7, "modules"),
        Column::optional("Declaration", 42, "declares"),
    ];
    columns.extend(modes.iter().map(|mode| Column::word(mode.name())));
    let (shown, plain): (Vec<_>, Vec<_>) = report.distributions.iter().partition(|row| {
        let is_fine = |judgement: &Judged| match judgement.verdict {
            Verdict::Ready | Verdict::NotApplicable => true,
            Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded => false,
        };
        row.extension_modules > 0 || !row.modes.values().all(is_fine)
    });
    let rows: Vec<Row> = shown.into_iter().map(|row| distribution_row(row, &modes)).collect();
    let mut text = draw_grid(&columns, &rows, style);
    if !plain.is_empty() {
        let rest = format!(
            "And {} without extension modules, none of them in the way.\n",
            answer::format_distribution_count(plain.len())
        );
        text.push_str(&wrap_lines(&rest, style.width));
    }
    text
}

/// Returns the modes that have a column. Application groups of a free-threaded build have none: the reasons
/// below a row show where they differ.
fn column_modes(report: &Document) -> Vec<Mode> {
    let has_column = |mode: &Mode| match mode {
        Mode::SharedGil | Mode::OwnGil | Mode::OwnGilCopies | Mode::FreeThreaded => true,
        Mode::Main | Mode::FreeThreadedGroup => false,
    };
    report.modes.iter().copied().filter(has_column).collect()
}

fn distribution_row(row: &Distribution, modes: &[Mode]) -> Row {
    let count = row.extension_modules;
    let mut cells = vec![
        text_cell(row.name.as_deref().unwrap_or("(no distribution)"), 100),
        text_cell(&row.version, 60),
        Cell::new(if count == 0 { "-".to_owned() } else { count.to_string() }),
        text_cell(&row.declaration, 200),
    ];
    cells.extend(modes.iter().map(|mode| verdict_cell(row.modes.get(mode))));
    let reasons = describe_reasons(modes, |mode| row.modes.get(&mode));
    Row { cells, below: reasons.iter().map(|reason| escape_and_truncate(reason, 300)).collect() }
}

/// Renders the declarations of files, a row each.
pub fn render_declarations(all: &[(String, BinaryFacts)], style: TextStyle) -> String {
    let columns = [
        Column::name("File", 60),
        Column::word("Initialisation"),
        Column::word("Slot 3"),
        Column::word("Slot 4"),
        Column::optional("m_size", 12, "m_size"),
    ];
    let row = |(file, facts): &(String, BinaryFacts)| {
        let hazards = facts.hazards.iter().map(|hazard| format!("{}: {}", hazard.kind.id(), hazard.evidence));
        let doubts = facts.doubts.iter().map(|doubt| doubt.0.clone());
        let size = facts.m_size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        Row {
            cells: vec![
                text_cell(file, 300),
                Cell::new(facts.initialisation.name()),
                slot_cell(facts.multiple_interpreters_slot()),
                slot_cell(facts.gil_slot()),
                Cell::new(size),
            ],
            below: hazards.chain(doubts).map(|line| escape_and_truncate(&line, 300)).collect(),
        }
    };
    let rows: Vec<Row> = all.iter().map(row).collect();
    finish(draw_grid(&columns, &rows, style), style)
}

/// Renders the catalog of rules, a row each.
pub fn render_rules(style: TextStyle) -> String {
    let columns = [
        Column::name("Rule", 30),
        Column::word("Severity"),
        Column::word("Evidence"),
        Column::optional("What it says", 120, ""),
    ];
    let row = |rule: &crate::model::Rule| Row {
        cells: vec![
            Cell::new(rule.id),
            Cell::new(rule.severity.to_string()),
            Cell::new(rule.confidence.to_string()),
            Cell::new(rule.title()),
        ],
        below: Vec::new(),
    };
    let rows: Vec<Row> = RULES.iter().map(row).collect();
    finish(draw_grid(&columns, &rows, style), style)
}

fn slot_cell(declared: SlotDeclaration) -> Cell {
    Cell::new(match declared {
        SlotDeclaration::Undetermined => "?".to_owned(),
        SlotDeclaration::Absent => "-".to_owned(),
        SlotDeclaration::Value(value) => value.to_string(),
    })
}

/// Renders the table of extension modules.
fn render_modules(report: &Document, style: TextStyle) -> String {
    let modes = column_modes(report);
    let mut columns = vec![
        Column::name("Module", 40),
        Column::optional("Distribution", 24, "of"),
        Column::optional("Declaration", 36, "declares"),
    ];
    columns.extend(modes.iter().map(|mode| Column::word(mode.name())));
    let rows: Vec<Row> = report.modules.iter().map(|row| module_row(row, &modes)).collect();
    draw_grid(&columns, &rows, style)
}

fn module_row(row: &Module, modes: &[Mode]) -> Row {
    let declaration = row.declaration.as_ref().filter(|_| row.kind == ExtensionFileClass::ExtensionModule);
    let is_module = declaration.is_some();
    let declares = declaration.map_or_else(|| row.kind.name().replace('-', " "), |each| each.summary.clone());
    let mut cells = vec![
        text_cell(if is_module { &row.name } else { &row.file }, 120),
        text_cell(row.distribution.as_deref().unwrap_or("(none)"), 100),
        text_cell(&declares, 200),
    ];
    cells.extend(modes.iter().map(|mode| verdict_cell(row.modes.get(mode).map(|tried| &tried.judged))));
    let reasons = describe_reasons(modes, |mode| row.modes.get(&mode).map(|tried| &tried.judged));
    let findings = row.findings.iter().map(|finding| format!("{}: {}", finding.rule, finding.text));
    let below = reasons.into_iter().chain(findings).map(|line| escape_and_truncate(&line, 300));
    Row { cells, below: below.collect() }
}

fn text_cell(text: &str, limit: usize) -> Cell {
    Cell::new(escape_and_truncate(text, limit))
}

fn verdict_cell(judgement: Option<&Judged>) -> Cell {
    let Some(judgement) = judgement else { return Cell::new("-") };
    let cell = Cell::new(judgement.verdict.short_name());
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
