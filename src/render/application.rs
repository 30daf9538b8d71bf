//! Renders the report's sections about applications and exercises, for a terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::answer;
use super::escape::{escape, escape_and_truncate};
use super::requests;
use crate::model::{InstalledDistribution, Mode, Verdict};
use crate::report::v1::{
    Application, Document, Exercise, ModuleReach, SourceFinding, SourcePlace, Tried, UsedModule,
};

/// Maximum number of lines in a list. The rest is counted.
const MAX_LINES: usize = 20;

/// Renders a section for each application.
pub(super) fn render_applications(document: &Document) -> String {
    document.applications.iter().map(|application| render_application(document, application)).collect()
}

/// Renders a section for each exercise: a script that was run, or a list of requests.
pub(super) fn render_exercises(document: &Document) -> String {
    let each = |(index, exercise): (usize, &Exercise)| {
        let head = format!("\nExercise {}\n{}", escape(&exercise.file), render_verdicts(&exercise.modes));
        head + &requests::render_requests(document, index, exercise)
    };
    document.exercises.iter().enumerate().map(each).collect()
}

/// Renders a line for each mode except the control.
fn render_verdicts(modes: &BTreeMap<Mode, Tried>) -> String {
    let mut text = String::new();
    for (mode, tried) in modes.iter().filter(|(mode, _)| **mode != Mode::Main) {
        let reason = match tried.judged.reason.as_str() {
            "" => String::new(),
            reason => format!(": {}", escape_and_truncate(reason, 400)),
        };
        let _ = writeln!(text, "  {mode}: {}{reason}", tried.judged.verdict);
    }
    text
}

fn render_application(document: &Document, application: &Application) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\nApplication {} ({} Python files read)",
        escape(&application.name),
        application.files
    );
    text.push_str(&render_verdicts(&application.modes));
    let of = |reach: &[ModuleReach]| {
        application.modules.iter().filter(|used| reach.contains(&used.reached)).collect::<Vec<_>>()
    };
    let lazy = of(&[ModuleReach::Lazy, ModuleReach::LazyOptional]);
    let not = of(&[ModuleReach::NotReached]);
    let _ = writeln!(
        text,
        "  extension modules: {} at import, {} conditional, {} optional, {} lazily, {} not reached",
        of(&[ModuleReach::AtImport]).len(),
        of(&[ModuleReach::Conditional]).len(),
        of(&[ModuleReach::Optional]).len(),
        lazy.len(),
        not.len()
    );
    text.push_str(&render_failing_lazy_imports(document, &lazy));
    push_list(
        &mut text,
        "in its own folders, but not reached according to its source",
        describe_unreached_modules(document, &not),
    );
    push_list(
        &mut text,
        "hazards in its source, worst first",
        application.hazards.iter().map(describe_hazard),
    );
    if let Some(command) =
        answer::format_explain_command(application.hazards.iter().map(|hazard| hazard.rule.as_str()))
    {
        let _ = writeln!(text, "    What to do: {command}");
    }
    text.push_str(&render_minor_hazards(application));
    let not_followed = application.not_followed.iter();
    let not_followed = not_followed
        .map(|each| format!("{}: {}", format_location(&each.place), escape_and_truncate(&each.what, 200)));
    push_list(&mut text, "not followed", not_followed);
    let (hazards, imports) = (application.hazards_elsewhere.len(), application.not_followed_elsewhere.len());
    if hazards + imports > 0 {
        let _ = writeln!(
            text,
            "  in what it uses: {hazards} hazards, {imports} imports that were not followed: see --format json"
        );
    }
    text
}

/// Describes a hazard, with the lines of its other locations.
fn describe_hazard(hazard: &SourceFinding) -> String {
    let lines: Vec<String> = hazard.places.iter().take(5).map(|place| place.line.to_string()).collect();
    let more = match hazard.places.len() {
        0 => String::new(),
        1 => format!("; also line {}", lines.join(", ")),
        count if count > lines.len() => {
            format!("; also lines {} and {} more", lines.join(", "), count - lines.len())
        }
        _ => format!("; also lines {}", lines.join(", ")),
    };
    format!(
        "{}: {}: {}{more}",
        format_location(&hazard.place),
        hazard.rule,
        escape_and_truncate(&hazard.text, 200)
    )
}

/// Renders a line for each rule of minor hazards, with names only.
fn render_minor_hazards(application: &Application) -> String {
    let mut text = String::new();
    for (rule, title) in [
        ("per-interpreter-cache", "filled once in each interpreter"),
        ("environment-variable", "environment variables that are set at start"),
    ] {
        let of_rule = application.minor_hazards.iter().filter(|hazard| hazard.rule == rule);
        let names: BTreeSet<&str> = of_rule.filter_map(|hazard| hazard.name.as_deref()).collect();
        let shown: Vec<String> = names.iter().take(8).map(|name| escape_and_truncate(name, 40)).collect();
        let more = match names.len().saturating_sub(shown.len()) {
            0 => String::new(),
            more => format!(" and {more} more: see --format json"),
        };
        if !shown.is_empty() {
            let _ = writeln!(text, "  {title}: {}{more}", shown.join(", "));
        }
    }
    text
}

/// Renders the imports inside functions that fail with an own GIL, each import once.
fn render_failing_lazy_imports(document: &Document, lazy: &[&UsedModule]) -> String {
    let mut seen = BTreeSet::new();
    let fails = |used: &&&UsedModule| {
        let row = document.modules.iter().find(|row| row.name == used.name);
        let judged = row.and_then(|row| row.modes.get(&Mode::OwnGil));
        used.reached == ModuleReach::Lazy
            && judged.is_some_and(|tried| matches!(tried.judged.verdict, Verdict::Blocked | Verdict::Unsafe))
    };
    let failing: Vec<(&UsedModule, &SourcePlace)> = lazy
        .iter()
        .filter(fails)
        .filter_map(|used| Some((*used, used.through.as_ref()?)))
        .filter(|(_, through)| seen.insert((through.file.clone(), through.line)))
        .collect();
    let mut text = String::new();
    let all = failing.iter().map(|(used, through)| {
        format!("{}: {}", format_location(through), escape_and_truncate(&used.chain.join(" -> "), 200))
    });
    push_list(&mut text, "the first request that runs this import fails with an own GIL", all);
    text
}

/// Describes the application's own extension modules that it does not reach, each with its verdicts.
fn describe_unreached_modules(document: &Document, not: &[&UsedModule]) -> std::vec::IntoIter<String> {
    let own = document.modules.iter().filter(|row| {
        row.distribution.as_deref() == Some(InstalledDistribution::THE_APPLICATION)
            && not.iter().any(|used| used.name == row.name)
    });
    let shown = own.map(|row| {
        let modes = row.modes.iter().filter(|(mode, _)| **mode != Mode::Main);
        let verdicts: Vec<String> =
            modes.map(|(mode, tried)| format!("{mode} {}", tried.judged.verdict)).collect();
        format!("{}: {}", escape(&row.name), verdicts.join(", "))
    });
    shown.collect::<Vec<_>>().into_iter()
}

/// Appends a list with a title. Appends nothing if the list is empty.
fn push_list(text: &mut String, title: &str, all: impl ExactSizeIterator<Item = String>) {
    let count = all.len();
    if count == 0 {
        return;
    }
    let _ = writeln!(text, "  {title}:");
    for line in all.take(MAX_LINES) {
        let _ = writeln!(text, "    {line}");
    }
    if count > MAX_LINES {
        let _ = writeln!(text, "    and {} more: see --format json", count - MAX_LINES);
    }
}

fn format_location(place: &SourcePlace) -> String {
    escape(&place.to_string()).into_owned()
}
