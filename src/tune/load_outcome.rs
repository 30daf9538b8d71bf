//! What a load has shown.

use std::time::Duration;

use super::latencies::Latencies;

/// What a load has shown.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadOutcome {
    /// Times of the requests: of an open load from when they were to be sent.
    pub(super) latencies: Latencies,
    /// Number of requests that were sent; of a closed load, those that were answered in its time.
    pub(super) sent: u64,
    /// Number of whole answers.
    pub(super) answered: u64,
    /// Number of requests without an answer when the load ended. Their time so far is in `latencies`.
    pub(super) unanswered: u64,
    /// Number of answers with a status of 500 or more, and of requests that failed otherwise.
    pub(super) failures: u64,
    /// The first of them.
    pub(super) failure: Option<String>,
    /// Number of answers with a status from 400 to 499.
    pub(super) client_errors: u64,
    /// The first of them.
    pub(super) client_error: Option<String>,
    /// How late requests of an open load were sent.
    pub(super) lag: Latencies,
    /// How long requests were sent.
    pub(super) window: Duration,
    /// The share of a core that the generator took.
    pub(super) generator_cpu: f64,
}

impl LoadOutcome {
    /// Counts a request that is sent, this late.
    pub(super) fn add_sent(&mut self, lag: Duration) {
        self.sent += 1;
        self.lag.record(lag);
    }

    /// Counts a request that ended: its time, and the status or why there is none.
    pub(super) fn add_result(
        &mut self,
        time: Duration,
        result: &Result<u16, String>,
        describe: impl FnOnce() -> String,
    ) {
        self.latencies.record(time);
        self.answered += u64::from(result.is_ok());
        let what = match result {
            Ok(..400) => return,
            Ok(status) => format!("status {status}"),
            Err(why) => why.clone(),
        };
        let (count, example) = match result {
            Ok(400..500) => (&mut self.client_errors, &mut self.client_error),
            Ok(_) | Err(_) => (&mut self.failures, &mut self.failure),
        };
        *count += 1;
        if example.is_none() {
            *example = Some(format!("{}: {what}", describe()));
        }
    }

    /// Counts a request that has no answer after this time.
    pub(super) fn add_unanswered(&mut self, time: Duration) {
        self.unanswered += 1;
        self.latencies.record(time);
    }

    /// Good answers per second.
    pub(super) fn throughput(&self) -> f64 {
        self.answered.saturating_sub(self.failures) as f64 / self.window.as_secs_f64().max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_their_status() {
        let mut outcome = LoadOutcome { window: Duration::from_secs(2), ..LoadOutcome::default() };
        let second = Duration::from_secs(1);
        for result in [Ok(200), Ok(304), Ok(404), Ok(500), Err("broke off".to_owned())] {
            outcome.add_sent(Duration::ZERO);
            outcome.add_result(second, &result, || "GET /".to_owned());
        }
        outcome.add_unanswered(second);
        assert_eq!((outcome.sent, outcome.answered, outcome.unanswered), (5, 4, 1));
        assert_eq!((outcome.failures, outcome.client_errors, outcome.latencies.count()), (2, 1, 6));
        assert_eq!(outcome.failure.as_deref(), Some("GET /: status 500"));
        assert_eq!(outcome.client_error.as_deref(), Some("GET /: status 404"));
    }
}
