//! Times and durations. A date is hidden where it is the run's own: that of a release stays.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use regex::Captures;

use super::pattern::{Pattern, number};
use super::{Clock, Run};

/// A date, with the time of day where that follows: `2026-11-29T19:57:52.123Z`.
const DATE: &str = r"\b(?<n>(?<year>[0-9]{4})[-/.](?<month>[0-9]{2})[-/.](?<day>[0-9]{2})(?:[T _][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)?(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})\b)?)";

/// The same without anything between: `20261129`, `20261129-195752`.
const COMPACT: &str =
    r"\b(?<n>(?<year>[0-9]{4})(?<month>[0-9]{2})(?<day>[0-9]{2})(?:[T_-]?[0-9]{6,12})?Z?)\b";

/// A month and a day before a time, as Google's log has them.
const OF_A_LOG: &str = r"\b[IWEF](?<n>[0-9]{4}) [0-9]{2}:[0-9]{2}:[0-9]{2}\b";

/// A time of day, and what Python makes of a duration: `0:00:01.234567`.
const OF_DAY: &str = r"\b(?<n>[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?)(?<after>:?)";

/// With a month by its name and a time, which is hidden already: `Sun Nov 29 ? 2026`, `Sun, 29 Nov 2026 ? GMT`.
const WITH_NAMES: &str = r"\b(?<n>(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?(?:[0-9]{1,2} +)?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(?:[0-9]{1,2} +)?(?:[0-9]{4} +)?\?(?: [A-Z]{3,4}\b)?(?: [+-]?[0-9]{4}\b)?)";

/// Seconds since 1970, and in thousandths, millionths and billionths.
const EPOCH: &str = r"\b(?<n>[0-9]{10}(?:\.[0-9]+)?|[0-9]{13}|[0-9]{16}|[0-9]{19})\b";

/// Seconds since the machine came up, or billionths.
const UPTIME: &str = r"\b(?<n>[0-9]+\.[0-9]{2,}|[0-9]{11,18})\b";

/// A duration that was measured: with a fraction, or in small units.
const MEASURED: [&str; 3] = [
    r"\b(?<n>[0-9]+\.[0-9]{2,}(?:[eE]-?[0-9]+)?|[0-9](?:\.[0-9]+)?[eE]-[0-9]+) ?(?:[mu\u{b5}\u{3bc}n]?s|secs?|seconds?|m(?:illi|icro)seconds?|mins?|minutes?)\b",
    r"(?i)\b(?:took|elapsed|in|time|spent|duration)[ :=]+(?<n>[0-9]+(?:\.[0-9]+)?) ?(?:m?s|msec|secs?|seconds?|milliseconds?)\b",
    r"\b(?<n>[0-9]+(?:\.[0-9]+)?) ?(?:[u\u{b5}\u{3bc}n]s|usec|nsec|microseconds?|nanoseconds?)\b",
];

/// A fraction that nobody writes by hand.
const LONG: &str = r"\b(?<n>[0-9]+\.[0-9]{9,}(?:[eE]-?[0-9]+)?|[0-9]\.[0-9]{5,}[eE]-[0-9]+)\b";

/// Days and seconds by which a clock may be apart: those of time zones, and what rounding does.
const DAYS: i64 = 1;
const SECONDS: f64 = 2.0;

/// The text without the run's times.
pub(super) fn hide(run: &Run, mut text: String) -> String {
    static PATTERNS: LazyLock<Vec<(Pattern, Hides)>> = LazyLock::new(|| {
        let all = patterns().into_iter();
        all.filter_map(|(pattern, hides)| Some((Pattern::new(pattern)?, hides))).collect()
    });
    if !text.contains(|letter: char| letter.is_ascii_digit()) {
        return text;
    }
    for (pattern, hides) in &*PATTERNS {
        text = pattern.hide(text, |found, before| hides(run, found, before));
    }
    text
}

/// Whether what was found is hidden: by the run, and what stands before it.
type Hides = fn(&Run, &Captures<'_>, &str) -> bool;

/// In the order in which they are looked for.
pub(super) fn patterns() -> Vec<(&'static str, Hides)> {
    let mut all: Vec<(&str, Hides)> = vec![
        (DATE, is_own_day),
        (COMPACT, is_own_day),
        (OF_A_LOG, |_, _, _| true),
        (OF_DAY, is_time_of_day),
        (WITH_NAMES, |_, _, _| true),
        (EPOCH, is_own_second),
        (UPTIME, is_own_uptime),
    ];
    all.extend(MEASURED.map(|pattern| (pattern, (|_, _, _| true) as Hides)));
    all.push((LONG, |_, _, _| true));
    all
}

fn is_own_day(run: &Run, found: &Captures<'_>, _: &str) -> bool {
    let part = |name| number(found, name).and_then(|number| i16::try_from(number).ok());
    let (Some(year), Some(month), Some(day)) = (part("year"), part("month"), part("day")) else {
        return false;
    };
    let month_and_day = i8::try_from(month).ok().zip(i8::try_from(day).ok());
    let date = month_and_day.and_then(|(month, day)| Date::new(year, month, day).ok());
    let days = |clock: &Clock| {
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
        let second = Timestamp::from_second(clock.epoch as i64).ok()?;
        let until = date?.until(TimeZone::UTC.to_datetime(second).date()).ok()?;
        Some(i64::from(until.get_days()))
    };
    run.time.iter().filter_map(days).any(|days| days.abs() <= DAYS)
}

/// Behind a date that stays, the time stays too. An address of a network card is none.
fn is_time_of_day(_: &Run, found: &Captures<'_>, before: &str) -> bool {
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

fn is_own_second(run: &Run, found: &Captures<'_>, _: &str) -> bool {
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

fn is_own_uptime(run: &Run, found: &Captures<'_>, before: &str) -> bool {
    let text = found.name("n").map_or("", |number| number.as_str());
    let scale = if text.contains('.') { 1.0 } else { 1e9 };
    let [from, to] = run.time.map(|clock| clock.uptime);
    // Part of a version, it is none.
    !before.ends_with('.') && text.parse::<f64>().is_ok_and(|number| is_within(number / scale, from, to))
}

fn is_within(second: f64, from: f64, to: f64) -> bool {
    (from - SECONDS..=to + SECONDS).contains(&second)
}
