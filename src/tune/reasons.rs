//! Puts a decision into two sentences. Pure functions.

use super::decision::{Decision, Sureness};
use super::goal::Goal;
use super::rank_test::{RankComparison, compare_ranks, median};
use super::tried::TriedConfiguration;

/// Says why a configuration is recommended, and how sure that is.
pub(super) fn explain_decision(tried: &[TriedConfiguration], decision: &Decision, goal: Goal) -> String {
    let Some(chosen) = tried.get(decision.recommended) else { return String::new() };
    let figure = describe_score(chosen, goal);
    let simplest = tried.iter().filter(|each| !each.rounds.is_empty());
    let simplest = simplest.min_by_key(|each| each.configuration.simplicity());
    let simplest = simplest.filter(|each| each.configuration != chosen.configuration);
    let compared = simplest.and_then(|each| {
        let compared = compare_ranks(&each.scores(goal), &chosen.scores(goal))?;
        Some(format!(
            "; {}, the simplest that was compared, {}",
            each.configuration,
            describe_difference(&compared, &chosen.scores(goal), goal)
        ))
    });
    let first = format!("{} {figure}{}.", chosen.configuration, compared.unwrap_or_default());
    format!("{first} {}", explain_sureness(tried, decision, goal, chosen.rounds.len()))
}

/// What a configuration carried, or how soon it answered.
fn describe_score(tried: &TriedConfiguration, goal: Goal) -> String {
    let quantile = format!("p{}", goal.share() * 100.0);
    let time = goal.quantile(&tried.all_latencies()).map(describe_time).unwrap_or_default();
    match (goal.finds_capacity(), tried.median_score(goal)) {
        (true, Some(score)) => format!("carried {score:.1} requests/s ({:.0} a minute)", score * 60.0),
        (true, None) => "carried an unknown number of requests".to_owned(),
        (false, _) => format!("answered with a {quantile} of {time}"),
    }
}

/// Says how scores compare with those of the recommended configuration: `38 to 52 % less`.
pub(super) fn describe_difference(compared: &RankComparison, scores: &[f64], goal: Goal) -> String {
    let size = median(scores).unwrap_or_default().abs().max(1e-12);
    let percent = |value: f64| 100.0 * value / size;
    let (low, high) = (percent(compared.interval.0), percent(compared.interval.1));
    // A higher score is better: more requests, or less time.
    let (worse, better) = if goal.finds_capacity() { ("less", "more") } else { ("longer", "shorter") };
    if high < 0.0 {
        format!("{:.0} to {:.0} % {worse}", -high, -low)
    } else if low > 0.0 {
        format!("{low:.0} to {high:.0} % {better}")
    } else {
        format!("between {:.0} % {worse} and {high:.0} % {better}", -low)
    }
}

fn explain_sureness(tried: &[TriedConfiguration], decision: &Decision, goal: Goal, rounds: usize) -> String {
    let others = decision.equal.len() + 1;
    let rounds = if rounds == 1 { "1 round".to_owned() } else { format!("{rounds} rounds") };
    match decision.sureness {
        Sureness::Clear => match tried.iter().filter(|each| !each.rounds.is_empty()).count() {
            1 if tried.len() == 1 => "There was nothing else to try.".to_owned(),
            1 => "Every other configuration failed or was far worse in the first round.".to_owned(),
            _ => format!(
                "In {rounds} every other configuration failed, missed the target, or was worse beyond noise (p < 0.05)."
            ),
        },
        Sureness::SimplestOfEqual => {
            format!("It is the simplest of {others} that do not differ beyond noise in {rounds}.")
        }
        Sureness::SimplestThatKeepsTarget => {
            let target = goal.target.map(|target| describe_time(target.seconds)).unwrap_or_default();
            format!(
                "In {rounds} it kept p{} within {target}, and nothing simpler that was compared did.",
                goal.share() * 100.0
            )
        }
        Sureness::Unsure => {
            let doubt = decision.doubt.clone().unwrap_or_default();
            format!("This is not sure: {doubt}.")
        }
    }
}

/// Formats a time: `12.3 ms`, `2.50 s`.
pub(super) fn describe_time(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_an_interval() {
        let (open, fixed) = (Goal { rate: None, target: None }, Goal { rate: Some(1.0), target: None });
        let compared = |low, high| RankComparison { p: 0.01, shift: 0.0, interval: (low, high) };
        let said = |low, high, goal| describe_difference(&compared(low, high), &[100.0], goal);
        assert_eq!(said(-52.0, -38.0, open), "38 to 52 % less");
        assert_eq!(said(3.0, 12.0, open), "3 to 12 % more");
        assert_eq!(said(-4.0, 5.0, fixed), "between 4 % longer and 5 % shorter");
        assert_eq!((describe_time(0.01234), describe_time(2.5)), ("12.3 ms".to_owned(), "2.50 s".to_owned()));
    }
}
