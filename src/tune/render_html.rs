//! Renders the result as a page that loads nothing from outside and has no script. Pure functions.

use askama::Template;

use super::document::{Recommendation, Standing, TuneDocument, TunedConfiguration};
use super::reasons::describe_time;
use super::render_table::{describe_load, describe_standing, list_figures};
use crate::render::html::csp_digest;

const STYLE: &str = include_str!("tune.css");
/// Edges of the charts, in units of their view boxes.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 470.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 260.0;
/// Buckets of a GIL wait in an octave, and octaves from 1 ms on (`serve`'s histogram).
const BUCKETS_PER_OCTAVE: usize = 4;

#[derive(Template)]
#[template(path = "tune.html")]
struct TunePage<'a> {
    application: &'a str,
    load: String,
    style: &'static str,
    style_digest: String,
    recommendation: Option<&'a Recommendation>,
    notes: &'a [String],
    not_tried: &'a [String],
    dots: Vec<Dot>,
    most_time: String,
    most_requests: String,
    bars: Vec<Bar>,
    rows: Vec<TableRow<'a>>,
}

/// A configuration in the chart of throughput and response time.
struct Dot {
    class: &'static str,
    x: String,
    y: String,
    title: String,
}

/// A bar of the histogram of GIL waits.
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
    middle: String,
    label: String,
    title: String,
}

/// A row of the table.
struct TableRow<'a> {
    class: &'static str,
    name: &'a str,
    figures: Vec<String>,
    standing: String,
}

/// Renders the page.
///
/// # Errors
/// If the template fails, which does not happen with these types.
pub fn render_html(document: &TuneDocument) -> askama::Result<String> {
    let shown: Vec<(&TunedConfiguration, f64, f64)> = document
        .configurations
        .iter()
        .filter_map(|each| Some((each, each.requests_per_minute?, each.response?.p95)))
        .collect();
    let most_requests = shown.iter().map(|(_, requests, _)| *requests).fold(0.0, f64::max);
    let most_time = shown.iter().map(|(.., time)| *time).fold(0.0, f64::max);
    let chosen = document.configurations.iter().find(|each| each.standing == Standing::Recommended);
    TunePage {
        application: &document.application,
        load: describe_load(document),
        style: STYLE,
        style_digest: csp_digest(STYLE),
        recommendation: document.recommendation.as_ref(),
        notes: &document.notes,
        not_tried: &document.not_tried,
        dots: shown
            .iter()
            .map(|(each, requests, time)| place_dot(each, (*requests, most_requests), (*time, most_time)))
            .collect(),
        most_time: format!("{} p95", describe_time(most_time)),
        most_requests: format!("{most_requests:.0}"),
        bars: chosen.map(|each| build_bars(&each.gil_wait_buckets)).unwrap_or_default(),
        rows: document.configurations.iter().map(build_row).collect(),
    }
    .render()
}

/// Places a configuration: each value with the largest of its kind. Times from 0.1 ms on are placed by their logarithm.
fn place_dot(each: &TunedConfiguration, requests: (f64, f64), time: (f64, f64)) -> Dot {
    let right = requests.0 / requests.1.max(1e-9);
    let octaves = |seconds: f64| (seconds / 1e-4).max(1.0).log2();
    let up = octaves(time.0) / octaves(time.1).max(1e-9);
    Dot {
        class: class_of(each.standing),
        x: format!("{:.1}", LEFT + right * (RIGHT - LEFT)),
        y: format!("{:.1}", BOTTOM - up.clamp(0.0, 1.0) * (BOTTOM - TOP)),
        title: format!("{}: {:.0} requests/min, p95 {}", each.name, requests.0, describe_time(time.0)),
    }
}

/// Builds a bar for each octave of GIL waits, up to the last one that has any. The first has what is below 2 ms.
fn build_bars(buckets: &[u64]) -> Vec<Bar> {
    let octaves: Vec<u64> = buckets.chunks(BUCKETS_PER_OCTAVE).map(|octave| octave.iter().sum()).collect();
    let all: u64 = octaves.iter().sum();
    let count = octaves.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    let width = (RIGHT - 20.0) / count.max(4) as f64;
    let bar = |(index, waits): (usize, &u64)| {
        let share = *waits as f64 / all.max(1) as f64;
        let (x, height) = (20.0 + width * index as f64, share * (BOTTOM - TOP));
        let end = 2_u64 << index;
        Bar {
            x: format!("{:.1}", x + 2.0),
            y: format!("{:.1}", BOTTOM - height),
            width: format!("{:.1}", (width - 4.0).max(1.0)),
            height: format!("{height:.1}"),
            middle: format!("{:.1}", x + width / 2.0),
            label: end.to_string(),
            title: format!("below {end} ms: {:.1} % of {all}", share * 100.0),
        }
    };
    octaves.iter().take(count).enumerate().map(bar).collect()
}

fn build_row(each: &TunedConfiguration) -> TableRow<'_> {
    TableRow {
        class: class_of(each.standing),
        name: &each.name,
        figures: list_figures(each),
        standing: describe_standing(each),
    }
}

fn class_of(standing: Standing) -> &'static str {
    match standing {
        Standing::Recommended => "recommended",
        Standing::Failed => "failed",
        Standing::Equal | Standing::Worse | Standing::MissesTarget | Standing::Dropped => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_octaves_of_milliseconds() {
        let mut buckets = vec![0; 65];
        (buckets[0], buckets[3], buckets[4]) = (5, 1, 2);
        let bars = build_bars(&buckets);
        let labels: Vec<&str> = bars.iter().map(|bar| bar.label.as_str()).collect();
        assert_eq!(labels, ["2", "4"]);
        assert_eq!(bars[0].title, "below 2 ms: 75.0 % of 8");
        assert!(build_bars(&[0; 65]).is_empty());
    }

    #[test]
    fn the_style_cannot_end_its_element() {
        assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
