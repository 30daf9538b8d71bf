//! What to do about a finding.

use super::contention::WaitShape;

/// Threads of a process may be waiting for something else than a processor, below this many processors.
const LITTLE_CPU: f64 = 0.5;

/// What to do about a process that takes no more requests.
pub(super) fn advise_on_saturation(cpu: Option<f64>, threads: u64, is_gil_bound: bool) -> String {
    match cpu {
        _ if is_gil_bound => "see gil-bound: more threads would make it worse".to_owned(),
        Some(cpu) if cpu < LITTLE_CPU => {
            "more threads for each interpreter (--threads, threads=): requests wait for something else".to_owned()
        }
        Some(cpu) if threads > 1 && cpu < 1.2 => {
            "more interpreters with their own GIL (--interpreters, WSGIPerInterpreterGIL On), free threading, or more \
             processes: one processor is used"
                .to_owned()
        }
        Some(_) | None => {
            "more processes (--processes, processes=) if the machine has processors and memory for them, or cheaper \
             requests"
                .to_owned()
        }
    }
}

/// What to do about waits for a GIL that several threads share.
pub(super) fn advise_on_gil(shape: Option<WaitShape>, switch_interval: Option<f64>, mean: f64) -> String {
    let more = "own GILs (--interpreters, WSGIPerInterpreterGIL On) or free threading if an audit finds the application \
                ready, else more processes";
    let is_long = switch_interval.is_some_and(|seconds| seconds >= 0.002 && mean >= seconds / 2.0);
    match shape {
        Some(WaitShape::Transient) if is_long => {
            format!("a shorter switch interval (switch-interval, WSGISwitchInterval); or {more}")
        }
        Some(WaitShape::Convoy) => format!("fewer threads for each GIL; or {more}"),
        Some(WaitShape::Transient | WaitShape::Compounding) | None => more.to_owned(),
    }
}

/// What to do about a process that uses one processor.
pub(super) const ON_ONE_CORE: &str = "own GILs (--interpreters, WSGIPerInterpreterGIL On), free threading, or more processes; not more threads";

/// What to do about threads that wait.
pub(super) const ON_WAITING: &str =
    "look what slow requests wait for; if it is another service, more threads serve more requests";

/// What to do about a process that is silent.
pub(super) const ON_SILENCE: &str = "read the server's log: it may have crashed, been killed, or hang";

/// What to do about datagrams that are missing.
pub(super) const ON_LOSS: &str = "send less often (--telemetry-interval, WSGITelemetryService interval=); figures are too low by what is missing";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_follows_from_the_figures() {
        for (cpu, threads, is_gil_bound, expected) in [
            (Some(0.2), 2, false, "more threads"),
            (Some(0.95), 2, false, "more interpreters"),
            (Some(0.95), 1, false, "more processes"),
            (Some(3.0), 8, false, "more processes"),
            (None, 8, false, "more processes"),
            (Some(0.2), 2, true, "see gil-bound"),
        ] {
            let advice = advise_on_saturation(cpu, threads, is_gil_bound);
            assert!(advice.starts_with(expected), "{cpu:?} {threads}: {advice}");
        }
        for (shape, interval, mean, expected) in [
            (Some(WaitShape::Transient), Some(0.005), 0.004, "a shorter switch interval"),
            (Some(WaitShape::Transient), Some(0.001), 0.004, "own GILs"),
            (Some(WaitShape::Transient), Some(0.005), 0.001, "own GILs"),
            (Some(WaitShape::Convoy), Some(0.005), 0.004, "fewer threads"),
            (Some(WaitShape::Compounding), Some(0.005), 0.004, "own GILs"),
            (None, None, 0.004, "own GILs"),
        ] {
            let advice = advise_on_gil(shape, interval, mean);
            assert!(advice.starts_with(expected), "{shape:?} {interval:?}: {advice}");
        }
    }
}
