//! How slowly a client may send the body of a request.

use std::time::Duration;

use crate::host_config::RequestLimits;

/// The pace that a client must keep.
#[derive(Clone, Copy, Debug)]
pub struct BodyPace {
    /// Time between two pieces, and time before the rate counts.
    stall: Duration,
    /// Minimum rate over the whole body, in bytes per second.
    rate: u64,
    /// Time for the whole body.
    whole: Duration,
}

impl BodyPace {
    /// Takes the pace from the limits of the server.
    pub fn new(limits: &RequestLimits) -> Self {
        Self {
            stall: Duration::from_secs_f64(limits.stall),
            rate: limits.body_rate,
            whole: Duration::from_secs_f64(limits.body),
        }
    }

    /// How long the next piece may take, if `received` bytes have arrived in this time; zero if the client is
    /// too slow already.
    pub fn next_piece(&self, elapsed: Duration, received: u64) -> Duration {
        let by_rate = match self.rate {
            0 => self.whole,
            rate => self.stall + Duration::from_secs_f64(received as f64 / rate as f64),
        };
        self.stall.min(self.whole.min(by_rate).saturating_sub(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::BodyPace;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_piece_may_take_as_long_as_the_strictest_limit_allows() {
        let pace = BodyPace { stall: 60 * SECOND, rate: 100, whole: 600 * SECOND };
        assert_eq!(pace.next_piece(Duration::ZERO, 0), 60 * SECOND);
        // The rate: 1000 bytes may take 10 seconds more.
        assert_eq!(pace.next_piece(30 * SECOND, 1000), 40 * SECOND);
        assert_eq!(pace.next_piece(70 * SECOND, 1000), Duration::ZERO);
        assert_eq!(pace.next_piece(100 * SECOND, 1000), Duration::ZERO);
        // The whole.
        assert_eq!(pace.next_piece(590 * SECOND, 1 << 30), 10 * SECOND);
        assert_eq!(pace.next_piece(601 * SECOND, 1 << 30), Duration::ZERO);
    }

    #[test]
    fn without_a_rate_the_other_limits_remain() {
        let pace = BodyPace { stall: 10 * SECOND, rate: 0, whole: 60 * SECOND };
        assert_eq!(pace.next_piece(40 * SECOND, 1), 10 * SECOND);
        assert_eq!(pace.next_piece(55 * SECOND, 1), 5 * SECOND);
    }
}
