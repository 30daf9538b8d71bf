//! The search, with a server that behaves as it is told.

use std::cell::RefCell;
use std::time::Duration;

use super::configuration::ServerConfiguration;
use super::decision::decide;
use super::goal::Goal;
use super::load_outcome::LoadOutcome;
use super::measurement::{MeasureError, Measurement, MeasurementPlan, Measurer};
use super::search::{SearchOptions, SearchResult, search_configurations};
use super::server_metrics::ServerMetrics;
use super::tried::Fate;
use crate::model::Mode;

/// Capacities come from a function, with some noise; response times from the load.
struct ScriptedMeasurer<F> {
    capacity: F,
    /// The plans so far.
    plans: Vec<(ServerConfiguration, MeasurementPlan)>,
    random: fastrand::Rng,
}

impl<F: Fn(&ServerConfiguration) -> Result<f64, MeasureError>> Measurer for ScriptedMeasurer<F> {
    fn measure(
        &mut self,
        configuration: &ServerConfiguration,
        plan: &MeasurementPlan,
    ) -> Result<Measurement, MeasureError> {
        self.plans.push((*configuration, *plan));
        let noise = 1.0 + 0.02 * (self.random.f64() - 0.5);
        let capacity = (self.capacity)(configuration)? * noise;
        let resident_bytes = 50_000_000 * configuration.processes as u64;
        let mut open = LoadOutcome { window: plan.duration, ..LoadOutcome::default() };
        let load = plan.rate.unwrap_or_default() / capacity;
        let millis = if load < 1.0 { (10.0 / (1.0 - load)) as u64 } else { 5000 };
        open.latencies.record(Duration::from_millis(millis));
        Ok(Measurement {
            capacity: plan.finds_capacity.then_some(capacity),
            open: plan.rate.map(|_| open),
            metrics: ServerMetrics { resident_bytes, ..ServerMetrics::default() },
            seconds: 1.0,
            ..Measurement::default()
        })
    }
}

fn options(goal: Goal) -> SearchOptions {
    SearchOptions {
        allowed: vec![Mode::Main, Mode::SharedGil, Mode::OwnGil],
        cores: 2,
        threads: 8,
        memory: 1_000_000_000,
        goal,
        rounds: 5,
        duration: Duration::from_secs(4),
    }
}

const CAPACITY: Goal = Goal { rate: None, target: None };

fn search(
    options: &SearchOptions,
    capacity: impl Fn(&ServerConfiguration) -> Result<f64, MeasureError>,
) -> (anyhow::Result<SearchResult>, Vec<(ServerConfiguration, MeasurementPlan)>) {
    let mut measurer = ScriptedMeasurer { capacity, plans: Vec::new(), random: fastrand::Rng::with_seed(1) };
    let said = RefCell::new(Vec::new());
    let result =
        search_configurations(&mut measurer, options, &|line| said.borrow_mut().push(line.to_owned()));
    (result, measurer.plans)
}

/// The configuration that is recommended.
fn recommended(result: &SearchResult, goal: Goal) -> ServerConfiguration {
    let decision = decide(&result.tried, goal).unwrap();
    result.tried[decision.recommended].configuration
}

#[test]
fn pure_python_needs_a_second_gil_and_no_threads() {
    let (result, _) = search(&options(CAPACITY), |each| Ok(100.0 * each.all_interpreters() as f64));
    let result = result.unwrap();
    let chosen = recommended(&result, CAPACITY);
    assert_eq!((chosen.mode, chosen.processes, chosen.threads), (Mode::Main, 2, 1));
    // One GIL carries half: it is out after the first round.
    let single = result.tried.iter().find(|each| each.configuration.all_interpreters() == 1).unwrap();
    assert!(matches!(&single.fate, Fate::Dropped(why) if why.contains("50 %")), "{single:?}");
    assert!((130.0..145.0).contains(&result.rate.unwrap()), "{:?}", result.rate);
    assert!(result.not_tried.iter().any(|line| line.contains("more threads had brought nothing")));
}

#[test]
fn waiting_needs_threads() {
    let (result, plans) = search(&options(CAPACITY), |each| Ok(10.0 * each.all_threads() as f64));
    let result = result.unwrap();
    let chosen = recommended(&result, CAPACITY);
    assert_eq!((chosen.processes, chosen.threads), (2, 8));
    assert!(plans.iter().any(|(each, _)| each.switch_interval.is_some()), "intervals are tried");
}

#[test]
fn where_nothing_differs_the_simplest_is_recommended() {
    let (result, _) = search(&options(CAPACITY), |_| Ok(100.0));
    let chosen = recommended(&result.unwrap(), CAPACITY);
    assert_eq!(chosen, ServerConfiguration::simplest_of(Mode::Main));
}

#[test]
fn orders_alternate_and_all_have_the_same_arrivals_in_a_round() {
    let (_, plans) = search(&options(CAPACITY), |_| Ok(100.0));
    let rounds: Vec<Vec<_>> = (1..=5)
        .map(|seed| plans.iter().filter(|(_, plan)| plan.seed == seed).map(|(each, _)| *each).collect())
        .collect();
    assert!(rounds.iter().all(|round: &Vec<ServerConfiguration>| round.len() >= 2), "{rounds:?}");
    assert_ne!(rounds[0], rounds[1]);
}

#[test]
fn what_does_not_start_is_left_out_unless_it_is_the_simplest() {
    let no_processes = |each: &ServerConfiguration| match each.processes {
        1 => Ok(100.0),
        _ => Err(MeasureError::NotServed("line\nthe port is taken".to_owned())),
    };
    let (result, _) = search(&options(CAPACITY), no_processes);
    let result = result.unwrap();
    let failed = result.tried.iter().find(|each| each.configuration.processes == 2).unwrap();
    assert_eq!(failed.fate, Fate::Failed("it is not served: the port is taken".to_owned()));
    let (none, _) = search(&options(CAPACITY), |_| Err(MeasureError::NotServed("no module shop".to_owned())));
    let said = format!("{:#}", none.unwrap_err());
    assert!(
        said.contains("not served (main: 1 process x 1 thread)") && said.contains("no module shop"),
        "{said}"
    );
}

#[test]
fn memory_bounds_processes_and_one_must_fit() {
    let small = SearchOptions { memory: 60_000_000, ..options(CAPACITY) };
    let (result, plans) = search(&small, |_| Ok(100.0));
    assert!(plans.iter().all(|(each, _)| each.processes == 1));
    assert!(result.unwrap().not_tried.iter().any(|line| line.contains("--memory")));
    let (none, _) = search(&SearchOptions { memory: 10_000_000, ..small }, |_| Ok(100.0));
    let said = none.unwrap_err().to_string();
    assert_eq!(said, "--memory: 10 MB is less than one process of the application needs: 50 MB");
}

#[test]
fn a_stop_leaves_what_was_measured() {
    let count = RefCell::new(0);
    let (result, _) = search(&options(CAPACITY), |_| {
        *count.borrow_mut() += 1;
        if *count.borrow() > 3 { Err(MeasureError::Interrupted) } else { Ok(100.0) }
    });
    let result = result.unwrap();
    assert!(result.is_interrupted && result.tried.len() == 3, "{result:?}");
}

#[test]
fn what_answers_nothing_is_not_recommended() {
    let (result, _) = search(&options(CAPACITY), |each| Ok(if each.threads == 1 { 0.0 } else { 100.0 }));
    let result = result.unwrap();
    assert!(matches!(&result.tried[0].fate, Fate::Failed(why) if why.contains("no request")));
    assert_eq!(recommended(&result, CAPACITY).threads, 2);
    let (nothing, _) = search(&options(CAPACITY), |_| Ok(0.0));
    assert_eq!(decide(&nothing.unwrap().tried, CAPACITY), None);
}

#[test]
fn what_was_dropped_is_compared_if_what_was_better_fails() {
    let best = |each: &ServerConfiguration| each.all_threads() == 16;
    let count = RefCell::new(0);
    let (result, _) = search(&options(CAPACITY), |each| {
        *count.borrow_mut() += usize::from(best(each));
        match best(each) {
            // In the first round only.
            true if *count.borrow() > 1 => Err(MeasureError::NotServed("it crashed".to_owned())),
            true => Ok(1000.0),
            false => Ok(100.0),
        }
    });
    let result = result.unwrap();
    assert_eq!(recommended(&result, CAPACITY), ServerConfiguration::simplest_of(Mode::Main));
}

#[test]
fn with_a_rate_what_answers_soonest_is_better() {
    let goal = Goal { rate: Some(150.0), target: None };
    let (result, plans) = search(&options(goal), |each| Ok(100.0 * each.all_interpreters() as f64));
    let result = result.unwrap();
    assert_eq!(recommended(&result, goal).all_interpreters(), 2);
    assert!(plans.iter().all(|(_, plan)| !plan.finds_capacity && plan.rate == Some(150.0)));
}
