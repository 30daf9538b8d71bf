//! Paths that never end.

use super::state::State;

/// Notices that a path goes round for ever, by Brent's method: what it passes now is held against what it passed
/// at the last power of two.
#[derive(Default)]
pub(super) struct Circle {
    rounds: u32,
    passed: u64,
}

impl Circle {
    /// Rounds before it is worth the trouble: loops over a table end.
    const PATIENCE: u32 = 64;

    /// To be asked at every jump backwards.
    pub(super) fn closes(&mut self, state: &State) -> bool {
        self.rounds += 1;
        if self.rounds < Self::PATIENCE {
            return false;
        }
        let now = state.fingerprint();
        let closes = self.rounds > Self::PATIENCE && now == self.passed;
        if self.rounds.is_power_of_two() {
            self.passed = now;
        }
        closes
    }
}
