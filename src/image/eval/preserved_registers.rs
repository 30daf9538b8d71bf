//! Caller-saved registers that a function does not change.

use super::calling_convention::CallingConvention;
use super::machine_state::MachineState;

/// Volatile registers that a function leaves unchanged on every path. Compilers use this knowledge of their
/// own functions, and rely on the registers after a call (`-fipa-ra` of GCC, on by default).
pub(super) struct PreservedRegisters(u32);

impl PreservedRegisters {
    pub(super) fn all_registers() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn remove_changed(
        &mut self,
        convention: &CallingConvention,
        entry: &MachineState,
        end: &MachineState,
    ) {
        let changed = convention.volatile.iter().filter(|at| entry.registers[**at] != end.registers[**at]);
        self.0 = changed.fold(self.0, |left, register| left & !(1 << register));
    }

    pub(super) fn restore_into(
        &self,
        convention: &CallingConvention,
        entry: &MachineState,
        end: &mut MachineState,
    ) {
        for register in convention.volatile.iter().filter(|register| self.0 >> **register & 1 == 1) {
            end.registers[*register] = entry.registers[*register];
        }
    }
}
