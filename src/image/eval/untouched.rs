//! What compilers know of their own functions.

use super::processor::Convention;
use super::state::State;

/// Volatile registers that a function leaves alone on every path: compilers know that of their own functions,
/// and go on using them after a call (`-fipa-ra` of GCC, on by default).
pub(super) struct Untouched(u32);

impl Untouched {
    pub(super) fn all() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn pass(&mut self, convention: &Convention, entry: &State, end: &State) {
        let touched = convention.volatile.iter().filter(|at| entry.registers[**at] != end.registers[**at]);
        self.0 = touched.fold(self.0, |left, register| left & !(1 << register));
    }

    pub(super) fn keep(&self, convention: &Convention, entry: &State, end: &mut State) {
        for register in convention.volatile.iter().filter(|register| self.0 >> **register & 1 == 1) {
            end.registers[*register] = entry.registers[*register];
        }
    }
}
