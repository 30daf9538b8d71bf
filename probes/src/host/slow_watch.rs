//! Watches for requests that become slow, asks for their stacks, and logs them. Runs on the thread of the telemetry, and
//! never waits for a GIL.

use std::time::{Duration, Instant};

use wsgiaudit_probes_core::telemetry::process_telemetry::{FoundSlow, ProcessTelemetry};
use wsgiaudit_probes_core::telemetry::stack::{MissingStack, StackSample};

use super::log::log_warning;

/// How long to wait for a stack.
const STACK_TIMEOUT: Duration = Duration::from_secs(1);

/// How often to check whether a stack has arrived.
const STACK_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The shortest time between two checks for slow requests.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// The stacks that were asked for.
#[derive(Debug, Default)]
pub(super) struct SlowWatch {
    pending: Vec<PendingStack>,
}

#[derive(Debug)]
struct PendingStack {
    slow: FoundSlow,
    until: Instant,
}

impl SlowWatch {
    /// Looks for slow requests. Returns the time until the next check; `None` if there is no threshold.
    pub(super) fn check(&mut self, telemetry: &ProcessTelemetry) -> Option<Duration> {
        let (found, next) = telemetry.find_slow()?;
        found.into_iter().for_each(|slow| self.request_stack(slow));
        let now = Instant::now();
        self.pending.retain(|PendingStack { slow, until }| {
            if now >= *until {
                let _ = slow.trace.stack.set(StackSample::Missing(MissingStack::GilHeld));
            }
            let Some(stack) = slow.trace.stack.get() else { return true };
            log_slow_request(slow, stack);
            false
        });
        let next = if self.pending.is_empty() { next } else { next.min(STACK_CHECK_INTERVAL) };
        Some(next.max(SHORTEST_INTERVAL))
    }

    fn request_stack(&mut self, slow: FoundSlow) {
        if let Err(why) = slow.interpreter.stack_requests.request(slow.worker, &slow.trace) {
            let _ = slow.trace.stack.set(StackSample::Missing(why));
        }
        self.pending.push(PendingStack { slow, until: Instant::now() + STACK_TIMEOUT });
    }
}

fn log_slow_request(FoundSlow { interpreter, trace, .. }: &FoundSlow, stack: &StackSample) {
    let what = trace.identity.as_ref().map(|identity| format!("{} {}", identity.method, identity.uri.path()));
    log_warning(&format!(
        "slow request: {:?} has taken {:.1} s so far, in {}: {}",
        what.unwrap_or_default(),
        trace.began.elapsed().as_secs_f64(),
        interpreter.name,
        stack.describe()
    ));
}
