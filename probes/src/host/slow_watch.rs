//! Watches for requests that become slow, asks for their stacks, and logs them. Runs on the thread of the telemetry, and
//! never waits for a GIL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wsgiaudit_probes_core::telemetry::process_telemetry::{FoundSlow, ProcessTelemetry};
use wsgiaudit_probes_core::telemetry::request_trace::RequestTrace;
use wsgiaudit_probes_core::telemetry::stack::{MissingStack, StackSample};

use super::log::log_warning;

/// How long a stack is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often is looked for a stack that is wanted.
const MOMENT: Duration = Duration::from_millis(20);

/// The shortest time between two looks for slow requests.
const SHORTEST: Duration = Duration::from_millis(10);

/// The stacks that were asked for.
#[derive(Debug, Default)]
pub(super) struct SlowWatch {
    pending: Vec<PendingStack>,
}

#[derive(Debug)]
struct PendingStack {
    trace: Arc<RequestTrace>,
    interpreter: usize,
    until: Instant,
}

impl SlowWatch {
    /// Looks for slow requests, and says in how long to look again. `None`: never.
    pub(super) fn check(&mut self, telemetry: &ProcessTelemetry) -> Option<Duration> {
        let (found, next) = telemetry.find_slow()?;
        for slow in found {
            self.ask(telemetry, slow);
        }
        let now = Instant::now();
        self.pending.retain(|pending| {
            if now >= pending.until {
                let _ = pending.trace.stack.set(StackSample::Missing(MissingStack::GilHeld));
            }
            let Some(stack) = pending.trace.stack.get() else { return true };
            log_slow_request(telemetry, pending.interpreter, &pending.trace, stack);
            false
        });
        let next = if self.pending.is_empty() { next } else { next.min(MOMENT) };
        Some(next.max(SHORTEST))
    }

    fn ask(&mut self, telemetry: &ProcessTelemetry, slow: FoundSlow) {
        let Some(interpreter) = telemetry.interpreters.get(slow.interpreter) else { return };
        if let Err(why) = interpreter.stack_requests.request(slow.worker, &slow.trace) {
            let _ = slow.trace.stack.set(StackSample::Missing(why));
        }
        let until = Instant::now() + PATIENCE;
        self.pending.push(PendingStack { trace: slow.trace, interpreter: slow.interpreter, until });
    }
}

fn log_slow_request(
    telemetry: &ProcessTelemetry,
    interpreter: usize,
    trace: &RequestTrace,
    stack: &StackSample,
) {
    let name = telemetry.interpreters.get(interpreter).map_or("", |interpreter| interpreter.name.as_str());
    let what = trace.identity.as_ref().map(|identity| format!("{} {}", identity.method, identity.uri.path()));
    log_warning(&format!(
        "slow request: {:?} has taken {:.1} s so far, in {name}: {}",
        what.unwrap_or_default(),
        trace.began.elapsed().as_secs_f64(),
        stack.describe()
    ));
}
