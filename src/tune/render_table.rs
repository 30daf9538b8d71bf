//! Renders the result for a terminal. Pure functions.

use std::fmt::Write;

use comfy_table::{Cell, CellAlignment};

use super::document::{Standing, TimeSummary, TuneDocument, TunedConfiguration};
use super::reasons::describe_time;
use crate::render::copies::format_bytes;
use crate::render::escape::escape;
use crate::render::grid::{Column, Row, draw_grid};
use crate::render::style::{TextStyle, to_ascii, wrap_lines};

/// Renders the result.
pub fn render_table(document: &TuneDocument, style: TextStyle) -> String {
    let mut text = format!("Application {}, environment {}\n", document.application, document.environment);
    let _ = writeln!(text, "{}\n", describe_load(document));
    match &document.recommendation {
        None => text.push_str("No configuration is recommended.\n"),
        Some(recommendation) => {
            let _ = writeln!(text, "Recommended: {}\n  {}", recommendation.name, recommendation.reasons);
            for close in &recommendation.close {
                let _ = writeln!(text, "  Simpler, and close: {}: {}.", close.name, close.difference);
            }
        }
    }
    for note in &document.notes {
        let _ = writeln!(text, "Note: {note}");
    }
    let escaped: String = text.lines().map(|line| escape(line).into_owned() + "\n").collect();
    let mut text = wrap_lines(&escaped, style.width);
    if !document.configurations.is_empty() {
        let rows: Vec<Row> = document.configurations.iter().map(build_row).collect();
        text.push('\n');
        text.push_str(&draw_grid(&list_columns(), &rows, style));
    }
    text.push_str(&render_not_tried(document, style));
    text.push_str(&render_settings(document));
    if style.is_ascii { to_ascii(&text) } else { text }
}

/// What was sent, in a line.
pub(super) fn describe_load(document: &TuneDocument) -> String {
    let load = &document.load;
    let rate = match (load.rate, load.rate_was_given) {
        (Some(rate), true) => format!(", at {rate} requests/s"),
        (Some(rate), false) => {
            format!(
                "; response times at {rate:.1} requests/s, 70 % of what the best carried in the first round"
            )
        }
        (None, _) => String::new(),
    };
    let rounds = match load.rounds {
        1 => "1 round".to_owned(),
        count => format!("{count} rounds"),
    };
    let cores = if document.cores == 1 { "1 core".to_owned() } else { format!("{} cores", document.cores) };
    let target = document.target.map_or(String::new(), |target| {
        format!("; target p{} within {}", target.quantile * 100.0, describe_time(target.time))
    });
    let interrupted = if document.interrupted { " (interrupted)" } else { "" };
    format!("{cores}, {}: {rounds} of {} s{interrupted}{rate}{target}", load.requests, load.duration)
}

fn list_columns() -> Vec<Column> {
    let figures = [
        ("mean ms", "response in ms: mean"),
        ("p50", "p50"),
        ("p95", "p95"),
        ("p99", "p99"),
        ("app ms", "application in ms"),
        ("GIL-wait p50", "GIL wait in ms: p50"),
        ("p95", "p95"),
        ("p99", "p99"),
        ("cores", "cores"),
        ("memory", "memory"),
        ("errors", "errors"),
    ];
    let first = [Column::name("Configuration", 60), Column::word("requests/min")];
    first.into_iter().chain(figures.map(|(title, label)| Column::optional(title, 16, label))).collect()
}

/// The figures of a configuration, as texts.
pub(super) fn list_figures(each: &TunedConfiguration) -> Vec<String> {
    let millis = |time: Option<f64>| time.map_or("-".to_owned(), |seconds| format!("{:.1}", seconds * 1e3));
    let of = |times: &Option<TimeSummary>, part: fn(&TimeSummary) -> f64| millis(times.as_ref().map(part));
    vec![
        each.requests_per_minute.map_or("-".to_owned(), |rate| format!("{rate:.0}")),
        of(&each.response, |times| times.mean),
        of(&each.response, |times| times.p50),
        of(&each.response, |times| times.p95),
        of(&each.response, |times| times.p99),
        of(&each.application_time, |times| times.mean),
        of(&each.gil_wait, |times| times.p50),
        of(&each.gil_wait, |times| times.p95),
        of(&each.gil_wait, |times| times.p99),
        each.cpu_cores.map_or("-".to_owned(), |cores| format!("{cores:.2}")),
        each.memory.map_or("-".to_owned(), format_bytes),
        each.failures.to_string(),
    ]
}

/// What became of a configuration, in words.
pub(super) fn describe_standing(each: &TunedConfiguration) -> String {
    match each.standing {
        Standing::Recommended => "recommended".to_owned(),
        Standing::Equal => "does not differ from the best beyond noise".to_owned(),
        Standing::Worse if each.reason.is_empty() => "worse beyond noise".to_owned(),
        Standing::MissesTarget => "does not keep the target".to_owned(),
        Standing::Dropped if each.reason.is_empty() => "not compared: interrupted".to_owned(),
        Standing::Worse | Standing::Dropped | Standing::Failed => each.reason.clone(),
    }
}

fn build_row(each: &TunedConfiguration) -> Row {
    let figures = list_figures(each).into_iter();
    let figures = figures.map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
    let cells = [Cell::new(each.name.clone())].into_iter().chain(figures).collect();
    Row { cells, below: vec![escape(&describe_standing(each)).into_owned()] }
}

fn render_not_tried(document: &TuneDocument, style: TextStyle) -> String {
    if document.not_tried.is_empty() {
        return String::new();
    }
    let lines: String =
        document.not_tried.iter().map(|line| format!("  {}\n", escape(line.trim_end()))).collect();
    format!("\nNot tried:\n{}", wrap_lines(&lines, style.width))
}

fn render_settings(document: &TuneDocument) -> String {
    let mut text = String::new();
    for settings in document.recommendation.iter().flat_map(|each| &each.settings) {
        let _ = match &settings.text {
            None => writeln!(text, "\n{}", escape(&settings.note)),
            Some(lines) => {
                let lines: String = lines.lines().map(|line| format!("    {}\n", escape(line))).collect();
                write!(text, "\n{} ({}):\n{lines}", settings.server, escape(&settings.note))
            }
        };
    }
    text
}
