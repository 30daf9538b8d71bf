//! Decides which configuration to recommend. Pure functions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::goal::Goal;
use super::rank_test::{RankComparison, compare_ranks, median};
use super::selection::{find_best, is_worse};
use super::tried::{Fate, TriedConfiguration};

/// With fewer rounds no difference is certain: 2 of 70 orders of four and four values are as extreme as the most extreme.
const FEWEST_ROUNDS: usize = 4;
/// What is worse than the recommended configuration by less than this share came close.
const CLOSE: f64 = 0.15;
/// From this share of a core on, the generator of load may be what is measured.
const BUSY_GENERATOR: f64 = 0.9;

/// How sure a recommendation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sureness {
    /// Every other configuration was worse beyond noise, or far worse in the first round.
    Clear,
    /// Others do not differ from it beyond noise: it is the simplest of them.
    SimplestOfEqual,
    /// It keeps the target, and no simpler one that was compared does.
    SimplestThatKeepsTarget,
    /// There were too few rounds to tell configurations apart, or the generator of load was at its limit.
    Unsure,
}

/// What to recommend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decision {
    /// The index of the configuration.
    pub(super) recommended: usize,
    /// How sure it is.
    pub(super) sureness: Sureness,
    /// Others that do not differ from the best beyond noise.
    pub(super) equal: Vec<usize>,
    /// Simpler ones that are worse than the recommended one by little, each with the comparison to it.
    pub(super) close: Vec<(usize, RankComparison)>,
    /// Why it is unsure, if it is.
    pub(super) doubt: Option<String>,
}

/// Decides. `None` if no configuration was compared in a round and keeps the target.
pub(super) fn decide(tried: &[TriedConfiguration], goal: Goal) -> Option<Decision> {
    let fit = |each: &TriedConfiguration| !each.rounds.is_empty() && goal.is_target_kept(&each.rounds);
    let eligible: Vec<TriedConfiguration> = tried
        .iter()
        .map(|each| match fit(each) {
            true => each.clone(),
            false => TriedConfiguration { fate: Fate::Dropped(String::new()), ..each.clone() },
        })
        .collect();
    let best = find_best(&eligible, goal)?;
    let best_scores = eligible.get(best)?.scores(goal);
    let mut equal: Vec<usize> = Vec::new();
    for (index, each) in eligible.iter().enumerate() {
        if each.fate == Fate::Compared && !is_worse(&each.scores(goal), &best_scores) {
            equal.push(index);
        }
    }
    // With a rate and a target, whatever keeps the target will do.
    let is_satisfied = !goal.finds_capacity() && goal.target.is_some();
    let choice: Vec<usize> = match is_satisfied {
        true => (0..eligible.len())
            .filter(|index| fit(&eligible[*index]) && has_not_failed(&tried[*index]))
            .collect(),
        false => equal.clone(),
    };
    let recommended = choice.into_iter().min_by_key(|index| tried[*index].configuration.simplicity())?;
    equal.retain(|index| *index != recommended);
    let doubt = find_doubt(tried, tried[recommended].rounds.len());
    let sureness = if doubt.is_some() {
        Sureness::Unsure
    } else if is_satisfied {
        Sureness::SimplestThatKeepsTarget
    } else if equal.is_empty() {
        Sureness::Clear
    } else {
        Sureness::SimplestOfEqual
    };
    let close = find_close(tried, recommended, goal);
    Some(Decision { recommended, sureness, equal, close, doubt })
}

fn has_not_failed(tried: &TriedConfiguration) -> bool {
    match tried.fate {
        Fate::Compared | Fate::Dropped(_) => true,
        Fate::Failed(_) => false,
    }
}

/// Why a recommendation that rests on so many rounds is unsure.
fn find_doubt(tried: &[TriedConfiguration], rounds: usize) -> Option<String> {
    let is_alone = tried.iter().filter(|each| each.fate == Fate::Compared).count() < 2;
    // Also in what was dropped: it may have lost because of the generator.
    let busy = tried
        .iter()
        .filter(|each| has_not_failed(each))
        .flat_map(|each| each.first.iter().chain(&each.rounds))
        .any(|measured| measured.generator_cpu >= BUSY_GENERATOR);
    if busy {
        return Some(
            "the generator of load took a whole core, so that the server may carry more than was measured"
                .to_owned(),
        );
    }
    (rounds < FEWEST_ROUNDS && !is_alone)
        .then(|| format!("fewer than {FEWEST_ROUNDS} rounds cannot tell configurations apart"))
}

/// Simpler configurations than the recommended one that are worse by little.
fn find_close(tried: &[TriedConfiguration], recommended: usize, goal: Goal) -> Vec<(usize, RankComparison)> {
    let Some(chosen) = tried.get(recommended) else { return Vec::new() };
    let scores = chosen.scores(goal);
    let size = median(&scores).unwrap_or_default().abs();
    let simpler = tried.iter().enumerate().filter(|(_, each)| {
        each.configuration.simplicity() < chosen.configuration.simplicity() && has_not_failed(each)
    });
    let compared = simpler.filter_map(|(index, each)| {
        let compared = compare_ranks(&each.scores(goal), &scores)?;
        (compared.shift >= -CLOSE * size).then_some((index, compared))
    });
    compared.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::ResponseTarget;
    use crate::model::Mode;
    use crate::tune::configuration::ServerConfiguration;
    use crate::tune::load_outcome::LoadOutcome;
    use crate::tune::measurement::Measurement;

    const GOAL: Goal = Goal { rate: None, target: None };

    fn measured(capacity: f64, millis: u64) -> Measurement {
        let mut open = LoadOutcome::default();
        open.latencies.record(Duration::from_millis(millis));
        Measurement { capacity: Some(capacity), open: Some(open), ..Measurement::default() }
    }

    fn tried(shape: (Mode, usize, usize), rounds: &[f64], millis: u64) -> TriedConfiguration {
        let (mode, processes, threads) = shape;
        let configuration =
            ServerConfiguration { processes, threads, ..ServerConfiguration::simplest_of(mode) };
        let rounds = rounds.iter().map(|capacity| measured(*capacity, millis)).collect();
        TriedConfiguration { rounds, ..TriedConfiguration::new(configuration) }
    }

    fn main(processes: usize, threads: usize, rounds: &[f64], millis: u64) -> TriedConfiguration {
        tried((Mode::Main, processes, threads), rounds, millis)
    }

    #[test]
    fn the_simplest_of_those_that_do_not_differ_is_recommended() {
        let all = [
            main(1, 1, &[100.0, 104.0, 97.0, 103.0, 101.0], 5),
            main(1, 4, &[101.0, 98.0, 105.0, 100.0, 106.0], 5),
            main(2, 1, &[102.0, 99.0, 96.0, 107.0, 103.5], 5),
        ];
        let decision = decide(&all, GOAL).unwrap();
        assert_eq!((decision.recommended, decision.sureness), (0, Sureness::SimplestOfEqual));
        assert_eq!(decision.equal, [1, 2]);
    }

    #[test]
    fn what_is_better_beyond_noise_is_recommended_with_what_came_close() {
        let all = [
            main(1, 1, &[50.0, 51.0, 52.0, 50.5, 51.5], 5),
            main(1, 4, &[90.0, 91.0, 92.0, 90.5, 91.5], 5),
            main(2, 1, &[100.0, 101.0, 102.0, 100.5, 101.5], 5),
        ];
        let decision = decide(&all, GOAL).unwrap();
        assert_eq!((decision.recommended, decision.sureness), (2, Sureness::Clear));
        let close: Vec<usize> = decision.close.iter().map(|(index, _)| *index).collect();
        assert_eq!((close, decision.equal), (vec![1], vec![]));
    }

    #[test]
    fn what_failed_is_not_recommended() {
        let mut all = [main(1, 1, &[50.0; 5], 5), main(1, 4, &[90.0; 5], 5)];
        all[1].fate = Fate::Failed("3 requests failed".to_owned());
        assert_eq!(decide(&all, GOAL).unwrap().recommended, 0);
        all[0].fate = Fate::Failed("3 requests failed".to_owned());
        assert_eq!(decide(&all, GOAL), None);
        let satisfied = Goal { rate: Some(9.0), target: Some(ResponseTarget { share: 0.5, seconds: 1.0 }) };
        assert_eq!(decide(&all, satisfied), None);
    }

    #[test]
    fn few_rounds_and_a_busy_generator_make_it_unsure() {
        let mut all = [main(1, 1, &[50.0, 51.0], 5), main(1, 4, &[52.0, 53.0], 5)];
        let decision = decide(&all, GOAL).unwrap();
        assert_eq!((decision.recommended, decision.sureness), (0, Sureness::Unsure));
        all[1].rounds[0].generator_cpu = 0.95;
        assert!(decide(&all, GOAL).unwrap().doubt.unwrap().contains("generator"));
    }

    #[test]
    fn one_round_in_which_a_single_one_keeps_the_target_is_unsure() {
        let all = [main(1, 1, &[50.0], 80), main(1, 4, &[90.0], 30)];
        for rate in [None, Some(40.0)] {
            let target = Some(ResponseTarget { share: 0.95, seconds: 0.050 });
            let decision = decide(&all, Goal { rate, target }).unwrap();
            assert_eq!((decision.recommended, decision.sureness), (1, Sureness::Unsure));
        }
    }

    #[test]
    fn a_busy_generator_makes_it_unsure_where_others_were_dropped_too() {
        let mut all = [main(1, 1, &[50.0; 5], 5), main(1, 4, &[90.0; 5], 5)];
        all[0].fate = Fate::Dropped(String::new());
        all[0].first = Some(Measurement { generator_cpu: 0.95, ..measured(50.0, 5) });
        assert_eq!(decide(&all, GOAL).unwrap().sureness, Sureness::Unsure);
    }

    #[test]
    fn the_target_is_kept() {
        let all = [
            main(1, 1, &[50.0; 5], 80),
            main(1, 4, &[90.0, 91.0, 92.0, 93.0, 94.0], 30),
            main(2, 4, &[190.0, 191.0, 192.0, 193.0, 194.0], 20),
        ];
        let target = Some(ResponseTarget { share: 0.95, seconds: 0.050 });
        // At a given rate, the simplest that keeps it will do; otherwise what carries most and keeps it.
        let fixed = decide(&all, Goal { rate: Some(40.0), target }).unwrap();
        assert_eq!((fixed.recommended, fixed.sureness), (1, Sureness::SimplestThatKeepsTarget));
        assert_eq!(decide(&all, Goal { rate: None, target }).unwrap().recommended, 2);
        let strict = Some(ResponseTarget { share: 0.95, seconds: 0.010 });
        assert_eq!(decide(&all, Goal { rate: None, target: strict }), None);
    }

    #[test]
    fn threads_on_one_gil_are_not_preferred_to_a_second_one_without_reason() {
        let all = [
            main(1, 4, &[50.0, 51.0, 49.0, 50.5, 50.2], 5),
            tried((Mode::OwnGil, 2, 1), &[95.0, 96.0, 97.0, 98.0, 99.0], 5),
        ];
        assert_eq!(decide(&all, GOAL).unwrap().recommended, 1);
    }
}
