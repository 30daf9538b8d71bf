//! Common interface of the instruction interpreters for both processors.

use super::machine_state::{Condition, MachineState};
use super::value::AbstractValue;

/// Memory as the interpreted code sees it.
pub(in crate::image) trait MemoryBus {
    fn load(&self, state: &MachineState, address: AbstractValue, bytes: u32) -> AbstractValue;
    fn store(&self, state: &mut MachineState, address: AbstractValue, bytes: u32, value: AbstractValue);
    /// Reads code bytes into `buffer`. Returns how many there are.
    fn fetch_code(&self, address: u64, buffer: &mut [u8]) -> usize;
}

/// Where execution continues after an instruction; [`MachineState::at`] is already the address of the next
/// instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum ControlTransfer {
    Next,
    Jump(AbstractValue),
    Branch(Condition, u64),
    /// Branch if the value is zero (`true`) or nonzero (`false`): value, width in bytes, condition, target
    /// (AArch64).
    BranchZero(AbstractValue, u32, bool, u64),
    /// A branch whose condition is not evaluated.
    Either(u64),
    Call(AbstractValue),
    Return,
    /// A trap or an invalid instruction.
    Stop,
}

/// Synthetic address of the thread block (TEB), which Windows has in `gs`.
pub(in crate::image) const THREAD: u64 = 0x7080_0000_0000;
