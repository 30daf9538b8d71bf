//! Reads and writes x86-64 registers.

use iced_x86::Register;

use super::machine_state::MachineState;
use super::value::{AbstractValue, byte_mask};

pub(super) fn read_register(state: &MachineState, register: Register) -> AbstractValue {
    if let Some(number) = high_byte_register(register) {
        return state.registers[number].map(|value| value >> 8 & 0xff);
    }
    if register.is_gpr() {
        state.registers[register.number() & 15].low_bytes(register.size() as u32)
    } else {
        AbstractValue::UNKNOWN
    }
}

pub(super) fn write_register(state: &mut MachineState, register: Register, value: AbstractValue) {
    if let Some(number) = high_byte_register(register) {
        state.registers[number] =
            state.registers[number].zip_with(value, |old, new| old & !0xff00 | (new & 0xff) << 8);
    } else if register.is_gpr() {
        let held = &mut state.registers[register.number() & 15];
        *held = match register.size() {
            8 => value,
            4 => value.low_bytes(4),
            size => {
                held.zip_with(value, |old, new| old & !byte_mask(size as u32) | new & byte_mask(size as u32))
            }
        };
    } else if register.is_vector_register() {
        state.vectors[register.number()] = [AbstractValue::UNKNOWN; 4];
    }
}

fn high_byte_register(register: Register) -> Option<usize> {
    match register {
        Register::AH => Some(0),
        Register::CH => Some(1),
        Register::DH => Some(2),
        Register::BH => Some(3),
        _ => None,
    }
}
