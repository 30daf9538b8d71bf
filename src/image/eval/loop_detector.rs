//! Detects infinite loops.

use super::machine_state::MachineState;

/// Detects that a path repeats a state, with Brent's algorithm: the current state is compared with the one at
/// the last power of two.
#[derive(Default)]
pub(super) struct LoopDetector {
    rounds: u32,
    previous: u64,
}

impl LoopDetector {
    /// Backward jumps before states are compared: most loops end earlier.
    const MIN_ROUNDS: u32 = 64;

    /// Must be called at every backward jump. Returns whether the path is in an infinite loop.
    pub(super) fn is_looping(&mut self, state: &MachineState) -> bool {
        self.rounds += 1;
        if self.rounds < Self::MIN_ROUNDS {
            return false;
        }
        let now = state.fingerprint();
        let is_repeated = self.rounds > Self::MIN_ROUNDS && now == self.previous;
        if self.rounds.is_power_of_two() {
            self.previous = now;
        }
        is_repeated
    }
}
