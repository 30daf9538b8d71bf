//! Times and durations. Only dates of the run are hidden, so that the date of a release stays.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use regex::Captures;

use super::pattern::{HiddenPattern, parse_number};
use super::run_info::{ClockReading, RunInfo};

/// A date, with the time of day if one follows: `2026-11-29T19:57:52.123Z`.
const DATE: &str = r"\b(?<n>(?<year>[0-9]{4})[-/.](?<month>[0-9]{2})[-/.](?<day>[0-9]{2})(?:[T _][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)?(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})\b)?)";

/// The same without separators: `20261129`, `20261129-195752`.
const COMPACT_DATE: &str =
    r"\b(?<n>(?<year>[0-9]{4})(?<month>[0-9]{2})(?<day>[0-9]{2})(?:[T_-]?[0-9]{6,12})?Z?)\b";

/// Month and day before a time, as in Google's log lines.
const GOOGLE_LOG_DATE: &str = r"\b[IWEF](?<n>[0-9]{4}) [0-9]{2}:[0-9]{2}:[0-9]{2}\b";

/// A time of day, or a duration as Python prints it: `0:00:01.234567`.
const TIME_OF_DAY: &str = r"\b(?<n>[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?)(?<after>:?)";

/// A date with the month's name and a time, which is hidden already: `Sun Nov 29 ? 2026`, `Sun, 29 Nov 2026 ?
/// GMT`.
const DATE_WITH_MONTH_NAME: &str = r"\b(?<n>(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?(?:[0-9]{1,2} +)?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(?:[0-9]{1,2} +)?(?:[0-9]{4} +)?\?(?: [A-Z]{3,4}\b)?(?: [+-]?[0-9]{4}\b)?)";

/// Time since 1970-01-01 in seconds, milliseconds, microseconds or nanoseconds.
const EPOCH: &str = r"\b(?<n>[0-9]{10}(?:\.[0-9]+)?|[0-9]{13}|[0-9]{16}|[0-9]{19})\b";

/// Time since the machine started in seconds or nanoseconds.
const UPTIME: &str = r"\b(?<n>[0-9]+\.[0-9]{2,}|[0-9]{11,18})\b";

/// A measured duration: with a fraction, or in small units.
const MEASURED: [&str; 3] = [
    r"\b(?<n>[0-9]+\.[0-9]{2,}(?:[eE]-?[0-9]+)?|[0-9](?:\.[0-9]+)?[eE]-[0-9]+) ?(?:[mu\u{b5}\u{3bc}n]?s|secs?|seconds?|m(?:illi|icro)seconds?|mins?|minutes?)\b",
    r"(?i)\b(?:took|elapsed|in|time|spent|duration)[ :=]+(?<n>[0-9]+(?:\.[0-9]+)?) ?(?:m?s|msec|secs?|seconds?|milliseconds?)\b",
    r"\b(?<n>[0-9]+(?:\.[0-9]+)?) ?(?:[u\u{b5}\u{3bc}n]s|usec|nsec|microseconds?|nanoseconds?)\b",
];

/// A number with so many decimals that it is certainly measured.
const MANY_DECIMALS: &str = r"\b(?<n>[0-9]+\.[0-9]{9,}(?:[eE]-?[0-9]+)?|[0-9]\.[0-9]{5,}[eE]-[0-9]+)\b";

/// Tolerances when comparing with the run's clocks: days for time zones, seconds for rounding.
const TOLERANCE_DAYS: i64 = 1;
const TOLERANCE_SECONDS: f64 = 2.0;

/// Replaces times of the run.
pub(super) fn hide_times(run: &RunInfo, mut text: String) -> String {
    static PATTERNS: LazyLock<Vec<(HiddenPattern, HideCondition)>> = LazyLock::new(|| {
        let all = time_patterns().into_iter();
        all.filter_map(|(pattern, hides)| Some((HiddenPattern::new(pattern)?, hides))).collect()
    });
    if !text.contains(|letter: char| letter.is_ascii_digit()) {
        return text;
    }
    for (pattern, hides) in &*PATTERNS {
        text = pattern.hide_matches(text, |found, before| hides(run, found, before));
    }
    text
}

/// Whether a match is hidden, given the run and the text before the match.
type HideCondition = fn(&RunInfo, &Captures<'_>, &str) -> bool;

/// All patterns, in the order in which they are applied.
pub(super) fn time_patterns() -> Vec<(&'static str, HideCondition)> {
    let mut all: Vec<(&str, HideCondition)> = vec![
        (DATE, is_own_day),
        (COMPACT_DATE, is_own_day),
        (GOOGLE_LOG_DATE, |_, _, _| true),
        (TIME_OF_DAY, is_time_of_day),
        (DATE_WITH_MONTH_NAME, |_, _, _| true),
        (EPOCH, is_own_second),
        (UPTIME, is_own_uptime),
    ];
    all.extend(MEASURED.map(|pattern| (pattern, (|_, _, _| true) as HideCondition)));
    all.push((MANY_DECIMALS, |_, _, _| true));
    all
}

fn is_own_day(run: &RunInfo, found: &Captures<'_>, _: &str) -> bool {
    let part = |name| parse_number(found, name).and_then(|number| i16::try_from(number).ok());
    let (Some(year), Some(month), Some(day)) = (part("year"), part("month"), part("day")) else {
        return false;
    };
    let month_and_day = i8::try_from(month).ok().zip(i8::try_from(day).ok());
    let date = month_and_day.and_then(|(month, day)| Date::new(year, month, day).ok());
    let days = |clock: &ClockReading| {
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
        let second = Timestamp::from_second(clock.epoch as i64).ok()?;
        let until = date?.until(TimeZone::UTC.to_datetime(second).date()).ok()?;
        Some(i64::from(until.get_days()))
    };
    run.time.iter().filter_map(days).any(|days| days.abs() <= TOLERANCE_DAYS)
}

/// Whether this is a time of day.
///
/// A time after a date that stays is kept, too. MAC addresses are no times.
fn is_time_of_day(_: &RunInfo, found: &Captures<'_>, before: &str) -> bool {
    let is_dated =
        before.trim_end_matches(['T', ' ', '_']).get(before.len().saturating_sub(11)..).is_some_and(|date| {
            date.len() == 10
                && date.bytes().enumerate().all(|(at, byte)| match at {
                    4 | 7 => matches!(byte, b'-' | b'/' | b'.'),
                    _ => byte.is_ascii_digit(),
                })
        });
    let is_longer =
        before.ends_with([':', '.']) || found.name("after").is_some_and(|after| !after.is_empty());
    !is_dated && !is_longer
}

fn is_own_second(run: &RunInfo, found: &Captures<'_>, _: &str) -> bool {
    let text = found.name("n").map_or("", |number| number.as_str());
    let scale = match text.split('.').next().map_or(0, str::len) {
        13 => 1e3,
        16 => 1e6,
        19 => 1e9,
        _ => 1.0,
    };
    let [from, to] = run.time.map(|clock| clock.epoch);
    text.parse::<f64>().is_ok_and(|number| is_within(number / scale, from, to))
}

fn is_own_uptime(run: &RunInfo, found: &Captures<'_>, before: &str) -> bool {
    let text = found.name("n").map_or("", |number| number.as_str());
    let scale = if text.contains('.') { 1.0 } else { 1e9 };
    let [from, to] = run.time.map(|clock| clock.uptime);
    // Skip parts of a version.
    !before.ends_with('.') && text.parse::<f64>().is_ok_and(|number| is_within(number / scale, from, to))
}

fn is_within(second: f64, from: f64, to: f64) -> bool {
    (from - TOLERANCE_SECONDS..=to + TOLERANCE_SECONDS).contains(&second)
}
