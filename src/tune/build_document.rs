//! Builds the result from what was compared. Pure functions.

use std::path::Path;

use wsgiaudit_probes_core::histogram::HistogramSnapshot;

use super::allowed_modes::AllowedModes;
use super::decision::{Decision, decide};
use super::document::{
    CloseConfiguration, Recommendation, Standing, TimeSummary, TuneDocument, TuneLoad, TuneTarget,
    TunedConfiguration,
};
use super::equivalents::{ServedSubject, list_settings};
use super::goal::Goal;
use super::latencies::Latencies;
use super::measurement::Measurement;
use super::reasons::{describe_difference, describe_time, explain_decision};
use super::request_source::RequestSource;
use super::search::{SearchOptions, SearchResult};
use super::server_metrics::mean_of;
use super::tried::{Fate, TriedConfiguration};
use crate::report::Document;
use crate::report::v1::Tool;

/// From this share of response times on, the generator of load was late.
const LATE_SHARE: f64 = 0.1;
/// A lateness of less than this many seconds matters to nobody.
const LATE: f64 = 0.002;

/// What a result is built from.
pub(super) struct DocumentParts<'a> {
    pub(super) report: &'a Document,
    pub(super) application: &'a str,
    pub(super) environment: &'a Path,
    pub(super) free_threaded: Option<&'a Path>,
    pub(super) allowed: &'a AllowedModes,
    pub(super) source: &'a RequestSource,
    pub(super) options: &'a SearchOptions,
    pub(super) result: &'a SearchResult,
}

/// Builds the result.
pub(super) fn build_document(parts: &DocumentParts<'_>) -> TuneDocument {
    let (options, result) = (parts.options, parts.result);
    let goal = options.goal;
    let decision = decide(&result.tried, goal);
    let configurations = result.tried.iter().enumerate();
    let mut not_tried = parts.allowed.refused.clone();
    not_tried.extend(parts.source.left_out.iter().cloned());
    not_tried.extend(result.not_tried.iter().cloned());
    TuneDocument {
        schema: 1,
        tool: Tool::this_program(),
        application: parts.application.to_owned(),
        environment: parts.environment.to_string_lossy().into_owned(),
        cores: options.cores,
        memory_limit: options.memory,
        load: TuneLoad {
            requests: parts.source.description.clone(),
            rate: result.rate,
            rate_was_given: goal.rate.is_some(),
            rounds: result.rounds,
            duration: options.duration.as_secs_f64(),
        },
        target: goal.target.map(|target| TuneTarget { quantile: target.share, time: target.seconds }),
        configurations: configurations
            .map(|(index, tried)| {
                describe_configuration(tried, find_standing(index, tried, decision.as_ref(), goal))
            })
            .collect(),
        recommendation: decision.as_ref().and_then(|decision| recommend(parts, decision)),
        not_tried,
        notes: collect_notes(parts, decision.as_ref()),
        interrupted: result.is_interrupted,
    }
}

fn find_standing(
    index: usize,
    tried: &TriedConfiguration,
    decision: Option<&Decision>,
    goal: Goal,
) -> Standing {
    match &tried.fate {
        Fate::Failed(_) => Standing::Failed,
        Fate::Dropped(_) | Fate::Compared if tried.rounds.is_empty() => Standing::Dropped,
        Fate::Dropped(_) | Fate::Compared => match decision {
            Some(decision) if decision.recommended == index => Standing::Recommended,
            _ if !goal.is_target_kept(&tried.rounds) => Standing::MissesTarget,
            Some(decision) if decision.equal.contains(&index) => Standing::Equal,
            Some(_) | None => Standing::Worse,
        },
    }
}

fn describe_configuration(tried: &TriedConfiguration, standing: Standing) -> TunedConfiguration {
    let (latencies, (metrics, seconds)) = (tried.all_latencies(), tried.all_metrics());
    let has_figures = seconds > 0.0;
    let per_minute = tried.measurements().filter_map(Measurement::throughput).map(|rate| rate * 60.0);
    let reason = match &tried.fate {
        Fate::Compared => String::new(),
        Fate::Dropped(why) | Fate::Failed(why) => why.clone(),
    };
    let opens = tried.measurements().filter_map(|measured| measured.open.as_ref());
    TunedConfiguration {
        configuration: tried.configuration,
        name: tried.configuration.to_string(),
        standing,
        reason,
        rounds: tried.rounds.len(),
        requests_per_minute: tried.throughput().map(|rate| rate * 60.0),
        requests_per_minute_by_round: per_minute.collect(),
        response: summarize_latencies(&latencies),
        application_time: summarize_histogram(&metrics.application_time),
        gil_wait: summarize_histogram(&metrics.gil_wait),
        gil_wait_buckets: metrics.gil_wait.buckets.to_vec(),
        cpu_cores: has_figures.then(|| metrics.cpu_seconds / seconds),
        memory: has_figures.then_some(metrics.resident_bytes),
        failures: tried.failures,
        unanswered: opens.map(|open| open.unanswered).sum(),
    }
}

fn summarize_latencies(times: &Latencies) -> Option<TimeSummary> {
    Some(TimeSummary {
        mean: times.mean()?,
        p50: times.quantile(0.5)?,
        p95: times.quantile(0.95)?,
        p99: times.quantile(0.99)?,
    })
}

fn summarize_histogram(times: &HistogramSnapshot) -> Option<TimeSummary> {
    Some(TimeSummary {
        mean: mean_of(times)?,
        p50: times.quantile(0.5)?,
        p95: times.quantile(0.95)?,
        p99: times.quantile(0.99)?,
    })
}

fn recommend(parts: &DocumentParts<'_>, decision: &Decision) -> Option<Recommendation> {
    let (tried, goal) = (&parts.result.tried, parts.options.goal);
    let chosen = tried.get(decision.recommended)?;
    let scores = chosen.scores(goal);
    let close = decision.close.iter().filter_map(|(index, compared)| {
        let each = tried.get(*index)?;
        Some(CloseConfiguration {
            configuration: each.configuration,
            name: each.configuration.to_string(),
            difference: describe_difference(compared, &scores, goal),
        })
    });
    let environment = match chosen.configuration.mode.is_free_threaded() {
        true => parts.free_threaded.unwrap_or(parts.environment),
        false => parts.environment,
    };
    let subject = ServedSubject {
        report: parts.report,
        application: parts.application,
        environment: &environment.to_string_lossy(),
        allowed: &parts.allowed.modes,
    };
    Some(Recommendation {
        configuration: chosen.configuration,
        name: chosen.configuration.to_string(),
        reasons: explain_decision(tried, decision, goal),
        sureness: decision.sureness,
        close: close.collect(),
        settings: list_settings(&chosen.configuration, &subject),
    })
}

fn collect_notes(parts: &DocumentParts<'_>, decision: Option<&Decision>) -> Vec<String> {
    let (result, goal) = (parts.result, parts.options.goal);
    let mut notes: Vec<String> =
        parts.allowed.degraded.iter().map(|line| format!("the audit says {line}")).collect();
    if parts.allowed.modes.is_empty() {
        notes.push("the audit allows no mode in which it could be served".to_owned());
    } else if decision.is_none() {
        notes.push(explain_no_decision(result, goal));
    }
    let client_error = result
        .tried
        .iter()
        .flat_map(TriedConfiguration::measurements)
        .find_map(|each| each.client_error.clone());
    if let Some(example) = client_error {
        notes.push(format!("answers from 400 to 499 do not count as failures: {example}"));
    }
    notes.extend(describe_late_generator(result));
    let most = parts.options.threads;
    if decision
        .and_then(|decision| result.tried.get(decision.recommended))
        .is_some_and(|chosen| goal.finds_capacity() && most > 1 && chosen.configuration.threads == most)
    {
        notes
            .push(format!("{most} threads are the most that were tried: more may be better (--max-threads)"));
    }
    notes
}

/// Says why nothing is recommended.
fn explain_no_decision(result: &SearchResult, goal: Goal) -> String {
    if result.tried.iter().all(|tried| matches!(tried.fate, Fate::Failed(_))) {
        return "every configuration failed".to_owned();
    }
    if result.rounds > 0 && !result.tried.iter().any(|each| each.fate == Fate::Compared) {
        return "every configuration that was compared in rounds failed".to_owned();
    }
    let Some(target) = goal.target.filter(|_| result.rounds > 0) else {
        return "nothing was compared in a round".to_owned();
    };
    let closest =
        result.tried.iter().filter(|tried| !tried.rounds.is_empty() && tried.fate == Fate::Compared);
    let times = closest.filter_map(|tried| Some((tried, goal.quantile(&tried.all_latencies())?)));
    let closest = times.min_by(|one, other| one.1.total_cmp(&other.1));
    let closest = closest.map_or(String::new(), |(tried, time)| {
        format!("; the closest is {}, with {}", tried.configuration, describe_time(time))
    });
    format!(
        "no configuration keeps p{} within {} at {:.1} requests/s{closest} (--rate tries another rate)",
        goal.share() * 100.0,
        describe_time(target.seconds),
        result.rate.unwrap_or_default()
    )
}

/// Says that the generator of load was late, if that is so: it shares the cores with the server.
fn describe_late_generator(result: &SearchResult) -> Option<String> {
    let measured = result.tried.iter().flat_map(TriedConfiguration::measurements);
    let late = measured.filter_map(|measured| measured.open.as_ref()).filter_map(|open| {
        let (lag, time) = (open.lag.quantile(0.99)?, open.latencies.quantile(0.99)?);
        (lag > LATE && lag > LATE_SHARE * time).then_some(lag)
    });
    let worst = late.fold(0.0, f64::max);
    (worst > 0.0).then(|| {
        format!(
            "the generator of load was up to {} late (p99), which response times include: it shares the cores with \
             the server",
            describe_time(worst)
        )
    })
}
