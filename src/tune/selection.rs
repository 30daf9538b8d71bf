//! Which configurations are worth further rounds. Pure functions.

use super::configuration::ServerConfiguration;
use super::goal::Goal;
use super::rank_test::compare_ranks;
use super::tried::{Fate, TriedConfiguration};

/// Most configurations that are compared in rounds.
const MOST_COMPARED: usize = 6;
/// What carries less than this share of the best in the first round is dropped.
const SHARE_OF_BEST: f64 = 0.75;
/// What takes more than this multiple of the best response time in the first round is dropped.
const MULTIPLE_OF_BEST: f64 = 2.0;
/// A difference of less than this share matters to nobody.
pub(super) const RELEVANT: f64 = 0.05;
/// What is less probable by chance than this differs beyond noise.
pub(super) const SIGNIFICANT: f64 = 0.05;

/// Whether more threads than a configuration's smaller siblings have are useless: the last two doublings of their number
/// have brought less than 5 %.
pub(super) fn is_further_useless(
    tried: &[TriedConfiguration],
    configuration: &ServerConfiguration,
    goal: Goal,
) -> bool {
    let is_sibling = |other: &ServerConfiguration| {
        ServerConfiguration { threads: configuration.threads, ..*other } == *configuration
            && other.threads < configuration.threads
    };
    let siblings =
        tried.iter().filter(|tried| tried.fate == Fate::Compared && is_sibling(&tried.configuration));
    let scores: Vec<f64> = siblings.filter_map(|tried| tried.first_score(goal)).collect();
    match scores[..] {
        [.., before, _, last] => last <= before + RELEVANT * before.abs(),
        _ => false,
    }
}

/// Drops what cannot be the best by the first round, and all but the best few of the rest. The simplest of those that might
/// be is kept.
pub(super) fn select_for_rounds(tried: &mut [TriedConfiguration], goal: Goal) {
    let scored = |tried: &TriedConfiguration| match tried.fate {
        Fate::Compared => tried.first_score(goal),
        Fate::Dropped(_) | Fate::Failed(_) => None,
    };
    if keep_simplest_that_satisfy(tried, goal) {
        return;
    }
    let Some(best) = tried.iter().filter_map(scored).max_by(f64::total_cmp) else { return };
    let mut left: Vec<(usize, f64)> = Vec::new();
    for (index, each) in tried.iter_mut().enumerate() {
        let Some(score) = scored(each) else { continue };
        match explain_hopeless_score(score, best, goal) {
            Some(why) => each.fate = Fate::Dropped(why),
            None => left.push((index, score)),
        }
    }
    let simplest =
        left.iter().map(|(index, _)| *index).min_by_key(|index| tried[*index].configuration.simplicity());
    left.sort_by(|one, other| other.1.total_cmp(&one.1));
    let is_kept = |(place, (index, _)): &(usize, &(usize, f64))| {
        let most = if left.iter().take(MOST_COMPARED).any(|(kept, _)| Some(*kept) == simplest) {
            MOST_COMPARED
        } else {
            MOST_COMPARED - 1
        };
        *place < most || Some(*index) == simplest
    };
    let kept: Vec<usize> = left.iter().enumerate().filter(is_kept).map(|(_, (index, _))| *index).collect();
    for (index, _) in &left {
        if !kept.contains(index) {
            tried[*index].fate =
                Fate::Dropped(format!("{MOST_COMPARED} others were better in the first round"));
        }
    }
}

/// With a rate and a target, whatever keeps the target will do: keeps the simplest of those that kept it in the first round.
/// Returns whether there was one.
fn keep_simplest_that_satisfy(tried: &mut [TriedConfiguration], goal: Goal) -> bool {
    let Some(target) = goal.target.filter(|_| !goal.finds_capacity()) else { return false };
    let keeps = |each: &TriedConfiguration| {
        each.fate == Fate::Compared && each.first_score(goal).is_some_and(|score| -score <= target.seconds)
    };
    let mut left: Vec<usize> = (0..tried.len()).filter(|index| keeps(&tried[*index])).collect();
    if left.is_empty() {
        return false;
    }
    left.sort_by_key(|index| tried[*index].configuration.simplicity());
    left.truncate(MOST_COMPARED);
    for (index, each) in tried.iter_mut().enumerate() {
        if each.fate == Fate::Compared && !left.contains(&index) {
            let why = match keeps(each) {
                true => "simpler ones keep the target, too",
                false => "it did not keep the target in the first round",
            };
            each.fate = Fate::Dropped(why.to_owned());
        }
    }
    true
}

/// Says why a score in the first round is hopeless; `None` if it is not.
fn explain_hopeless_score(score: f64, best: f64, goal: Goal) -> Option<String> {
    match goal.finds_capacity() {
        true => (score < SHARE_OF_BEST * best).then(|| {
            format!("in the first round it carried {:.0} % of what the best did", 100.0 * score / best)
        }),
        // A few milliseconds more may be chance.
        false => (-score > MULTIPLE_OF_BEST * -best + 0.005)
            .then(|| format!("in the first round it took {:.1} times as long as the best", score / best)),
    }
}

/// Drops what is worse than the best beyond noise, by the ranks of the rounds.
pub(super) fn drop_hopeless(tried: &mut [TriedConfiguration], goal: Goal) {
    let Some(best) = find_best(tried, goal) else { return };
    let best_scores = tried[best].scores(goal);
    for (index, each) in tried.iter_mut().enumerate() {
        if index != best && each.fate == Fate::Compared && is_worse(&each.scores(goal), &best_scores) {
            let rounds = each.rounds.len();
            each.fate = Fate::Dropped(format!("it was worse than the best in {rounds} rounds"));
        }
    }
}

/// The index of the configuration with the best median.
pub(super) fn find_best(tried: &[TriedConfiguration], goal: Goal) -> Option<usize> {
    let compared = tried.iter().enumerate().filter(|(_, each)| each.fate == Fate::Compared);
    let scored = compared.filter_map(|(index, each)| Some((index, each.median_score(goal)?)));
    scored.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(index, _)| index)
}

/// Whether scores are worse than those of the best beyond noise, and by more than nobody would notice.
pub(super) fn is_worse(scores: &[f64], best: &[f64]) -> bool {
    let Some(compared) = compare_ranks(scores, best) else { return false };
    let size = super::rank_test::median(best).unwrap_or_default().abs();
    compared.p < SIGNIFICANT && compared.shift < -RELEVANT * size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mode;
    use crate::tune::measurement::Measurement;

    const GOAL: Goal = Goal { rate: None, target: None };

    fn measured(capacity: f64) -> Measurement {
        Measurement { capacity: Some(capacity), ..Measurement::default() }
    }

    fn tried(threads: usize, first: f64, rounds: &[f64]) -> TriedConfiguration {
        let configuration = ServerConfiguration { threads, ..ServerConfiguration::simplest_of(Mode::Main) };
        let rounds = rounds.iter().map(|capacity| measured(*capacity)).collect();
        TriedConfiguration { first: Some(measured(first)), rounds, ..TriedConfiguration::new(configuration) }
    }

    fn left(all: &[TriedConfiguration]) -> Vec<usize> {
        let compared = all.iter().filter(|each| each.fate == Fate::Compared);
        compared.map(|each| each.configuration.threads).collect()
    }

    #[test]
    fn what_carries_far_less_is_dropped_after_the_first_round() {
        let mut all =
            vec![tried(1, 50.0, &[]), tried(2, 74.0, &[]), tried(4, 76.0, &[]), tried(8, 100.0, &[])];
        all[3].fate = Fate::Compared;
        select_for_rounds(&mut all, GOAL);
        assert_eq!(left(&all), [4, 8]);
    }

    #[test]
    fn the_simplest_that_may_be_best_stays_among_the_few() {
        let mut all: Vec<_> = (1..=9).map(|threads| tried(threads, 90.0 + threads as f64, &[])).collect();
        select_for_rounds(&mut all, GOAL);
        assert_eq!(left(&all), [1, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn with_a_rate_and_a_target_the_simplest_that_keep_it_are_left() {
        let target = Some(crate::cli::ResponseTarget { share: 0.95, seconds: 0.05 });
        let goal = Goal { rate: Some(10.0), target };
        let timed = |threads, millis| {
            let mut open = crate::tune::load_outcome::LoadOutcome::default();
            open.latencies.record(std::time::Duration::from_millis(millis));
            let first = Measurement { open: Some(open), ..Measurement::default() };
            TriedConfiguration { first: Some(first), ..tried(threads, 0.0, &[]) }
        };
        let mut all = vec![timed(1, 80), timed(2, 40), timed(4, 2)];
        select_for_rounds(&mut all, goal);
        assert_eq!(left(&all), [2, 4]);
        // If none keeps it, the fastest are left.
        let mut all = vec![timed(1, 300), timed(2, 140), timed(4, 80)];
        select_for_rounds(&mut all, goal);
        assert_eq!(left(&all), [2, 4]);
    }

    #[test]
    fn what_failed_is_no_measure_for_others() {
        let mut all = vec![tried(1, 50.0, &[]), tried(2, 100.0, &[])];
        all[1].fate = Fate::Failed("1 requests failed".to_owned());
        select_for_rounds(&mut all, GOAL);
        assert_eq!(left(&all), [1]);
    }

    #[test]
    fn threads_that_bring_nothing_are_not_doubled_again() {
        let all = vec![tried(1, 100.0, &[]), tried(2, 103.0, &[]), tried(4, 104.0, &[])];
        let more = ServerConfiguration { threads: 8, ..ServerConfiguration::simplest_of(Mode::Main) };
        assert!(is_further_useless(&all, &more, GOAL));
        assert!(!is_further_useless(&all[..2], &more, GOAL));
        let rising = vec![tried(1, 100.0, &[]), tried(2, 103.0, &[]), tried(4, 120.0, &[])];
        assert!(!is_further_useless(&rising, &more, GOAL));
        let other = ServerConfiguration { processes: 2, ..more };
        assert!(!is_further_useless(&all, &other, GOAL));
    }

    #[test]
    fn what_is_worse_beyond_noise_is_dropped() {
        let mut all = vec![
            tried(1, 1.0, &[100.0, 101.0, 99.0, 102.0]),
            tried(2, 1.0, &[80.0, 81.0, 79.0, 82.0]),
            tried(4, 1.0, &[97.0, 98.0, 96.0, 98.5]),
            tried(8, 1.0, &[60.0, 110.0, 70.0, 105.0]),
        ];
        drop_hopeless(&mut all, GOAL);
        // The third is worse for certain, by too little; the fourth is worse by much, and may be so by chance.
        assert_eq!(left(&all), [1, 4, 8]);
    }
}
