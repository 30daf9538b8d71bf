//! Compares configurations: a short first round for all, then rounds for those that may be the best.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::candidates::{CandidateLimits, describe_left_out, list_candidates, list_interval_variants};
use super::configuration::ServerConfiguration;
use super::goal::Goal;
use super::measurement::{MeasureError, Measurement, MeasurementPlan, Measurer};
use super::selection::{drop_hopeless, is_further_useless, select_for_rounds};
use super::tried::{Fate, TriedConfiguration};
use crate::model::Mode;

/// Rounds before a configuration is dropped by its ranks: with fewer, no difference is certain.
const FIRST_RANKS: usize = 4;
/// The share of what the best configuration carried at which response times are compared, if no rate is given.
const LOAD_SHARE: f64 = 0.7;

/// What to compare, and how long.
#[derive(Clone, Debug)]
pub(super) struct SearchOptions {
    /// The modes that the audit allows.
    pub(super) allowed: Vec<Mode>,
    /// Number of processor cores.
    pub(super) cores: usize,
    /// Most threads of an interpreter.
    pub(super) threads: usize,
    /// Memory for all processes, in bytes.
    pub(super) memory: u64,
    /// What is better.
    pub(super) goal: Goal,
    /// Most rounds.
    pub(super) rounds: usize,
    /// How long each load lasts.
    pub(super) duration: Duration,
}

/// What was compared.
#[derive(Clone, Debug, Default)]
pub(super) struct SearchResult {
    /// All configurations that were tried, the simplest first.
    pub(super) tried: Vec<TriedConfiguration>,
    /// The rate of the open loads in requests per second; `None` if no round came so far.
    pub(super) rate: Option<f64>,
    /// Number of rounds.
    pub(super) rounds: usize,
    /// What was not tried, and why.
    pub(super) not_tried: Vec<String>,
    /// Whether the user has stopped it.
    pub(super) is_interrupted: bool,
}

/// Runs the search. `say` is told what goes on.
///
/// # Errors
/// If the simplest configuration does not serve the application or does not fit into the memory, and if something else than
/// a server fails.
pub(super) fn search_configurations(
    measurer: &mut dyn Measurer,
    options: &SearchOptions,
    say: &dyn Fn(&str),
) -> Result<SearchResult> {
    let mut search = Search { measurer, options, say, result: SearchResult::default() };
    match search.run() {
        Ok(()) => Ok(search.result),
        Err(MeasureError::Interrupted) => Ok(SearchResult { is_interrupted: true, ..search.result }),
        Err(MeasureError::NotServed(why)) => Err(anyhow!(why)),
        Err(MeasureError::Failed(error)) => Err(error),
    }
}

struct Search<'a> {
    measurer: &'a mut dyn Measurer,
    options: &'a SearchOptions,
    say: &'a dyn Fn(&str),
    result: SearchResult,
}

impl Search<'_> {
    fn run(&mut self) -> Result<(), MeasureError> {
        let (first, limits) = self.measure_simplest()?;
        let candidates = list_candidates(&self.options.allowed, &limits);
        self.result.not_tried = describe_left_out(&self.options.allowed, &limits);
        for (number, configuration) in candidates.iter().enumerate() {
            let tried = match first.configuration == *configuration {
                true => first.clone(),
                false if is_further_useless(&self.result.tried, configuration, self.options.goal) => {
                    let why = "more threads had brought nothing";
                    self.result.not_tried.push(format!("{configuration}: {why}"));
                    continue;
                }
                false => {
                    let pilot = self.measure_first_round(*configuration)?;
                    let said = pilot.describe_first(self.options.goal);
                    (self.say)(&format!("first round, {} of {}: {said}", number + 1, candidates.len()));
                    pilot
                }
            };
            self.result.tried.push(tried);
        }
        self.find_rate();
        select_for_rounds(&mut self.result.tried, self.options.goal);
        self.add_interval_variants();
        self.run_rounds()
    }

    /// Measures the simplest configuration, which tells how much memory a process needs.
    fn measure_simplest(&mut self) -> Result<(TriedConfiguration, CandidateLimits), MeasureError> {
        let mut limits = CandidateLimits {
            cores: self.options.cores,
            threads: self.options.threads,
            memory: self.options.memory,
            process_memory: 0,
        };
        let first = list_candidates(&self.options.allowed, &limits).into_iter().next();
        let first = first.ok_or_else(|| anyhow!("there is nothing to try"))?;
        let measured = self.measurer.measure(&first, &self.plan_first_round());
        let measured = measured.map_err(|error| match error {
            MeasureError::NotServed(why) => {
                MeasureError::Failed(anyhow!("the application is not served ({first}):\n{why}"))
            }
            MeasureError::Interrupted | MeasureError::Failed(_) => error,
        })?;
        limits.process_memory = measured.metrics.resident_bytes;
        check_memory(&limits)?;
        let tried = self.judge_first(TriedConfiguration::new(first), Ok(measured))?;
        (self.say)(&format!("first round: {}", tried.describe_first(self.options.goal)));
        Ok((tried, limits))
    }

    fn plan_first_round(&self) -> MeasurementPlan {
        MeasurementPlan {
            duration: (self.options.duration / 2).max(Duration::from_millis(300)),
            finds_capacity: self.options.goal.finds_capacity(),
            rate: self.options.goal.rate,
            seed: 0,
        }
    }

    fn measure_first_round(
        &mut self,
        configuration: ServerConfiguration,
    ) -> Result<TriedConfiguration, MeasureError> {
        let measured = self.measurer.measure(&configuration, &self.plan_first_round());
        self.judge_first(TriedConfiguration::new(configuration), measured)
    }

    /// Adds the measurement of the first round.
    fn judge_first(
        &self,
        mut tried: TriedConfiguration,
        measured: Result<Measurement, MeasureError>,
    ) -> Result<TriedConfiguration, MeasureError> {
        if let Some(measured) = self.accept(&mut tried, measured)? {
            tried.first = Some(measured);
        }
        Ok(tried)
    }

    /// Returns a measurement, after a look at what disqualifies its configuration.
    fn accept(
        &self,
        tried: &mut TriedConfiguration,
        measured: Result<Measurement, MeasureError>,
    ) -> Result<Option<Measurement>, MeasureError> {
        let measured = match measured {
            Ok(measured) => measured,
            Err(MeasureError::NotServed(why)) => {
                let last = why.lines().last().unwrap_or_default().to_owned();
                tried.fate = Fate::Failed(format!("it is not served: {last}"));
                return Ok(None);
            }
            Err(error @ (MeasureError::Interrupted | MeasureError::Failed(_))) => return Err(error),
        };
        tried.failures += measured.failures;
        if measured.failures > 0 {
            let example = measured.failure.clone().unwrap_or_default();
            tried.fate = Fate::Failed(format!("{} requests failed: {example}", measured.failures));
        } else if measured.metrics.resident_bytes > self.options.memory {
            tried.fate = Fate::Failed("it takes more than --memory".to_owned());
        } else if measured.capacity.is_some_and(|rate| rate <= 0.0) {
            tried.fate = Fate::Failed("it answered no request in the time of a load (--duration)".to_owned());
        }
        Ok(Some(measured))
    }

    /// Chooses the rate at which response times are compared.
    fn find_rate(&mut self) {
        let goal = self.options.goal;
        let fit = self.result.tried.iter().filter(|tried| tried.fate == Fate::Compared);
        let best = fit.filter_map(|tried| tried.first.as_ref()?.capacity).fold(0.0, f64::max);
        self.result.rate = goal.rate.or((best > 0.0).then(|| round_rate(LOAD_SHARE * best)));
    }

    /// Adds shorter switch intervals for the best configuration that can have them.
    fn add_interval_variants(&mut self) {
        let goal = self.options.goal;
        let compared = self.result.tried.iter().filter(|tried| tried.fate == Fate::Compared);
        let variants =
            |tried: &TriedConfiguration| list_interval_variants(&tried.configuration, &self.options.allowed);
        let fit = compared.filter(|tried| !variants(tried).is_empty());
        let score = |tried: &&TriedConfiguration| tried.first_score(goal).unwrap_or(f64::NEG_INFINITY);
        let best = fit.max_by(|one, other| score(one).total_cmp(&score(other)));
        if let Some(best) = best {
            let added: Vec<_> = variants(best).into_iter().map(TriedConfiguration::new).collect();
            self.result.tried.extend(added);
            self.result.tried.sort_by_key(|tried| tried.configuration.simplicity());
        }
    }

    /// Measures what is left in rounds, in another order each time.
    fn run_rounds(&mut self) -> Result<(), MeasureError> {
        for round in 0..self.options.rounds {
            if self.list_active().is_empty() {
                self.readmit_dropped();
            }
            let mut active = self.list_active();
            let alone = active.len() == 1;
            if active.is_empty() {
                return Ok(());
            }
            let count = active.len();
            active.rotate_left(round % count);
            if round % 2 == 1 {
                active.reverse();
            }
            (self.say)(&format!(
                "round {} of at most {}: {count} configurations",
                round + 1,
                self.options.rounds
            ));
            self.run_round(round, &active)?;
            self.result.rounds = round + 1;
            if round + 1 >= FIRST_RANKS {
                drop_hopeless(&mut self.result.tried, self.options.goal);
            }
            // Nothing is left to compare with.
            if self.list_active().len() == 1 && (alone || round + 1 >= FIRST_RANKS) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn run_round(&mut self, round: usize, active: &[usize]) -> Result<(), MeasureError> {
        let goal = self.options.goal;
        let plan = MeasurementPlan {
            duration: self.options.duration,
            finds_capacity: goal.finds_capacity(),
            rate: self.result.rate,
            seed: round as u64 + 1,
        };
        for index in active {
            let Some(mut tried) = self.result.tried.get(*index).cloned() else { continue };
            let measured = self.measurer.measure(&tried.configuration, &plan);
            if let Some(measured) = self.accept(&mut tried, measured)? {
                tried.rounds.push(measured);
            }
            if let Some(place) = self.result.tried.get_mut(*index) {
                *place = tried;
            }
        }
        Ok(())
    }

    /// Compares what was dropped after all: everything that was better has failed.
    fn readmit_dropped(&mut self) {
        for tried in &mut self.result.tried {
            if matches!(tried.fate, Fate::Dropped(_)) {
                tried.fate = Fate::Compared;
            }
        }
        select_for_rounds(&mut self.result.tried, self.options.goal);
    }

    fn list_active(&self) -> Vec<usize> {
        let tried = self.result.tried.iter().enumerate();
        tried.filter(|(_, tried)| tried.fate == Fate::Compared).map(|(index, _)| index).collect()
    }
}

/// Checks that a process has room.
fn check_memory(limits: &CandidateLimits) -> Result<()> {
    if limits.process_memory <= limits.memory {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    bail!(
        "--memory: {} MB is less than one process of the application needs: {} MB",
        megabytes(limits.memory),
        megabytes(limits.process_memory)
    )
}

/// Rounds to three significant digits.
fn round_rate(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 2.0);
    (rate / unit).round() * unit
}
