//! Random numbers that are the same in every run.

/// Marsaglia's xorshift, with this seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Returns a number below `sides`; 0 if there are none.
    pub(crate) fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).unwrap()
    }
}
