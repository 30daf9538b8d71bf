//! Findings: what the figures mean, by the rules of the group `telemetry`.

use crate::telemetry::phase_meter::Phase;
use serde::Serialize;

use super::advice;
use super::contention::fit_wait_shape;
use super::finding_rule::FindingRule;
use super::fleet::{Fleet, Process, ProcessState};
use super::sample::Sample;

/// Limits, as the pages of the rules state them.
const SATURATED_BUSY: f64 = 0.8;
const SATURATED_QUEUE: f64 = 0.05;
const SLOW_TOGETHER: usize = 3;
const SLOW_BUSY: f64 = 0.7;
const GIL_SHARE: f64 = 0.15;
const LOADED_BUSY: f64 = 0.3;
const ONE_CORE: f64 = 0.9;
const SEVERAL_CORES: f64 = 1.2;
const WAITING_BUSY: f64 = 0.5;
const WAITING_CPU: f64 = 0.5;

/// What the figures of a process mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Its rule, for `wsgiaudit explain`.
    pub rule: &'static str,
    /// What it is about: `process 7`, `process 7, interpreter shop/1`, or `all`.
    pub subject: String,
    /// What was found, with its figures.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    fn new(rule: FindingRule, subject: &str, message: String, advice: String) -> Self {
        Self { rule: rule.id(), subject: subject.to_owned(), message, advice }
    }
}

/// Returns the findings, process by process.
pub(super) fn diagnose(fleet: &Fleet) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (pid, process) in &fleet.processes {
        let subject = match pid {
            0 => "the process".to_owned(),
            pid => format!("process {pid}"),
        };
        if process.state == ProcessState::Lost {
            let silent = fleet.now.saturating_sub(process.last_arrival).as_secs();
            let message = format!("has sent nothing for {silent} s, and did not say that it ends");
            findings.push(Finding::new(
                FindingRule::ProcessLost,
                &subject,
                message,
                advice::ON_SILENCE.to_owned(),
            ));
        }
        let slow = fleet.slow.iter().filter(|slow| slow.pid == *pid && !slow.is_complete).count();
        if matches!(process.state, ProcessState::Serving | ProcessState::Stopping) {
            findings.extend(diagnose_process(&subject, process, slow));
        }
    }
    let missing = fleet.missing;
    if missing > 0 || fleet.damaged > 0 {
        let message = format!("{missing} datagrams did not arrive, {} could not be read", fleet.damaged);
        findings.push(Finding::new(FindingRule::DatagramsLost, "all", message, advice::ON_LOSS.to_owned()));
    }
    findings
}

fn diagnose_process(subject: &str, process: &Process, slow: usize) -> Vec<Finding> {
    let Some(sample) = process.join().filter(|sample| sample.requests > 0) else { return Vec::new() };
    let mut gil_bound: Vec<Finding> = process
        .interpreters
        .iter()
        .filter_map(|(name, samples)| {
            find_gil_waits(&format!("{subject}, interpreter {name}"), &samples.join()?)
        })
        .collect();
    if process.interpreters.is_empty() {
        gil_bound.extend(find_gil_waits(subject, &sample));
    }
    let mut findings = Vec::new();
    findings.extend(find_saturation(subject, &sample, slow, !gil_bound.is_empty()));
    if gil_bound.is_empty() {
        // Interpreters of several GILs use one processor together for another reason.
        if process.interpreters.len() <= 1 {
            findings.extend(find_one_core(subject, &sample));
        }
        findings.extend(find_waiting_threads(subject, &sample));
    }
    findings.extend(gil_bound);
    findings
}

fn find_saturation(subject: &str, sample: &Sample, slow: usize, is_gil_bound: bool) -> Option<Finding> {
    let busy = sample.busy.unwrap_or(0.0);
    let queue = sample.phase(Phase::Queue).mean().unwrap_or(0.0);
    let mut reasons = Vec::new();
    if busy > SATURATED_BUSY {
        reasons.push(format!("threads are busy {:.0} % of the time", busy * 100.0));
    }
    if queue > SATURATED_QUEUE {
        reasons.push(format!("requests wait {:.0} ms for a thread", queue * 1000.0));
    }
    if slow >= SLOW_TOGETHER && busy >= SLOW_BUSY {
        reasons.push(format!("{slow} requests are slow at the same time"));
    }
    let threads = sample.threads.unwrap_or(1);
    let advice = advice::advise_on_saturation(sample.cpu, threads, is_gil_bound);
    (!reasons.is_empty()).then(|| Finding::new(FindingRule::Saturated, subject, reasons.join("; "), advice))
}

fn find_gil_waits(subject: &str, sample: &Sample) -> Option<Finding> {
    let busy = sample.busy.unwrap_or(0.0);
    let (wait, application) = (sample.phase(Phase::GilWait), sample.phase(Phase::Application));
    let (waited, worked) = (wait.sum?, application.sum?);
    if sample.requests == 0 || busy <= LOADED_BUSY || worked <= 0.0 || waited < GIL_SHARE * worked {
        return None;
    }
    let mean = wait.mean().unwrap_or(0.0);
    let mut message = format!(
        "{:.0} % of the time in the application is waiting for the GIL, {:.1} ms for each request",
        (waited / worked * 100.0).min(100.0),
        mean * 1000.0
    );
    let fit = sample.switch_interval.and_then(|interval| fit_wait_shape(&wait.buckets, interval));
    if let Some((q, shape)) = fit {
        message += &format!(" ({}, q = {q:.2})", shape.name());
    }
    let advice = advice::advise_on_gil(fit.map(|(_, shape)| shape), sample.switch_interval, mean);
    Some(Finding::new(FindingRule::GilBound, subject, message, advice))
}

fn find_one_core(subject: &str, sample: &Sample) -> Option<Finding> {
    let (cpu, busy, threads) = (sample.cpu?, sample.busy?, sample.threads?);
    let is_found = (ONE_CORE..=SEVERAL_CORES).contains(&cpu) && busy > LOADED_BUSY && threads >= 2;
    let message = format!("{threads} threads use {cpu:.2} processors");
    is_found.then(|| Finding::new(FindingRule::OneCore, subject, message, advice::ON_ONE_CORE.to_owned()))
}

fn find_waiting_threads(subject: &str, sample: &Sample) -> Option<Finding> {
    let busy: f64 = sample.workers.iter().map(|worker| worker.busy).sum();
    let cpu: f64 = sample.workers.iter().map(|worker| worker.cpu).sum();
    let is_found = sample.busy? > WAITING_BUSY && busy > 0.0 && cpu < WAITING_CPU * busy;
    let message =
        format!("threads use the processor {:.0} % of the time that requests take", cpu / busy * 100.0);
    is_found
        .then(|| Finding::new(FindingRule::BusyWithoutCpu, subject, message, advice::ON_WAITING.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::telemetry::datagram::{Datagram, Kind, field};

    use super::super::test_datagrams::{add_phase, request_datagram};
    use super::*;

    fn rules_of(datagrams: &[Datagram], seconds: u64) -> Vec<Finding> {
        let mut fleet = Fleet::default();
        datagrams.iter().for_each(|datagram| fleet.take_datagram(&datagram.encode(), Duration::ZERO));
        fleet.pass_time(Duration::from_secs(seconds));
        diagnose(&fleet)
    }

    #[track_caller]
    fn expect(datagrams: &[Datagram], rules: &[FindingRule]) -> Vec<Finding> {
        let found = rules_of(datagrams, 0);
        let ids: Vec<&str> = rules.iter().map(|rule| rule.id()).collect();
        assert_eq!(found.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ids, "{found:#?}");
        found
    }

    /// With so much CPU that nothing else is to be said.
    fn with_cpu(mut datagram: Datagram, cpu: f64) -> Datagram {
        datagram.add_number(field::CPU, cpu);
        datagram
    }

    #[test]
    fn what_works_well_has_no_finding() {
        expect(&[request_datagram(7, 100, 0.5)], &[]);
        expect(&[with_cpu(request_datagram(7, 100, 0.8), 0.5)], &[]);
        expect(&[request_datagram(7, 0, 1.0)], &[]);
    }

    #[test]
    fn saturation_is_found_by_threads_queue_and_slow_requests() {
        let busy = with_cpu(request_datagram(7, 100, 0.85), 0.3);
        let [found] = expect(&[busy], &[FindingRule::Saturated]).try_into().unwrap();
        assert!(found.message.contains("85 %") && found.advice.starts_with("more threads"), "{found:?}");
        let mut queued = request_datagram(7, 100, 0.1);
        add_phase(&mut queued, 1, 0.06, 20, 100);
        let [found] = expect(&[queued], &[FindingRule::Saturated]).try_into().unwrap();
        assert!(found.message.contains("60 ms"), "{found:?}");
        let mut all = vec![with_cpu(request_datagram(7, 100, 0.75), 0.5)];
        for number in 0..3 {
            let mut slow = Datagram::new(Kind::SlowRequest, 7, 2 + number, 0.0);
            slow.add_number(field::SLOW_START, f64::from(number));
            all.push(slow);
        }
        let [found] = expect(&all, &[FindingRule::Saturated]).try_into().unwrap();
        assert!(found.message.contains("3 requests are slow"), "{found:?}");
    }

    #[test]
    fn waits_for_the_gil_are_found_in_the_process_or_in_its_interpreters() {
        let mut waiting = request_datagram(7, 1000, 0.5);
        add_phase(&mut waiting, 5, 0.0004, 0, 1000);
        let [found] = expect(std::slice::from_ref(&waiting), &[FindingRule::GilBound]).try_into().unwrap();
        assert!(found.message.contains("20 %") && found.subject == "process 7", "{found:?}");
        let mut own = waiting.clone();
        own.add_text(field::INTERPRETER_NAME, "shop/2");
        let [found] = expect(&[waiting, own], &[FindingRule::GilBound]).try_into().unwrap();
        assert_eq!(found.subject, "process 7, interpreter shop/2");
        // Below the limit.
        let mut quick = request_datagram(7, 1000, 0.5);
        add_phase(&mut quick, 5, 0.00029, 0, 1000);
        expect(&[quick], &[]);
    }

    #[test]
    fn the_shape_of_waits_is_named() {
        let mut waiting = request_datagram(7, 1000, 0.5);
        add_phase(&mut waiting, 5, 0.006, 9, 1000);
        let [found] = expect(&[waiting], &[FindingRule::GilBound]).try_into().unwrap();
        assert!(found.message.contains("(transient, q = 1.00)"), "{found:?}");
        assert!(found.advice.starts_with("a shorter switch interval"), "{found:?}");
    }

    #[test]
    fn one_processor_and_waiting_threads_are_found() {
        let found = expect(&[with_cpu(request_datagram(7, 100, 0.6), 0.95)], &[FindingRule::OneCore]);
        assert!(found[0].message.contains("2 threads use 0.95"), "{found:?}");
        expect(&[with_cpu(request_datagram(7, 100, 0.6), 1.3)], &[]);
        let mut waiting = with_cpu(request_datagram(7, 100, 0.6), 0.5);
        waiting.add_numbers(field::WORKER_CPU, vec![0.1, 0.2]);
        let found = expect(&[waiting], &[FindingRule::BusyWithoutCpu]);
        assert!(found[0].message.contains("25 %"), "{found:?}");
    }

    #[test]
    fn silence_and_loss_are_found() {
        let [found] = rules_of(&[request_datagram(7, 100, 0.9)], 5).try_into().unwrap();
        assert_eq!((found.rule, found.subject.as_str()), (FindingRule::ProcessLost.id(), "process 7"));
        assert!(found.message.contains("nothing for 5 s"), "{found:?}");
        let mut later = request_datagram(7, 100, 0.5);
        later.sequence = 4;
        let found = expect(&[request_datagram(7, 100, 0.5), later], &[FindingRule::DatagramsLost]);
        assert!(found[0].message.starts_with("2 datagrams did not arrive, 0 could"), "{found:?}");
    }
}
