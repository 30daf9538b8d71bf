//! Conditions of x86-64 instructions.

use iced_x86::Mnemonic;

use super::machine_state::Condition;

/// The condition of a conditional jump (`Jcc`).
pub(super) fn jump_condition(mnemonic: Mnemonic) -> Option<Condition> {
    Some(match mnemonic {
        Mnemonic::Je => Condition::Equal,
        Mnemonic::Jne => Condition::NotEqual,
        Mnemonic::Jb => Condition::Below,
        Mnemonic::Jae => Condition::AboveEqual,
        Mnemonic::Jbe => Condition::BelowEqual,
        Mnemonic::Ja => Condition::Above,
        Mnemonic::Jl => Condition::Less,
        Mnemonic::Jge => Condition::GreaterEqual,
        Mnemonic::Jle => Condition::LessEqual,
        Mnemonic::Jg => Condition::Greater,
        Mnemonic::Js => Condition::Negative,
        Mnemonic::Jns => Condition::Positive,
        Mnemonic::Jo | Mnemonic::Jno | Mnemonic::Jp | Mnemonic::Jnp => Condition::Untold,
        _ => return None,
    })
}

/// The condition of a conditional move (`CMOVcc`).
pub(super) fn move_condition(mnemonic: Mnemonic) -> Option<Condition> {
    Some(match mnemonic {
        Mnemonic::Cmove => Condition::Equal,
        Mnemonic::Cmovne => Condition::NotEqual,
        Mnemonic::Cmovb => Condition::Below,
        Mnemonic::Cmovae => Condition::AboveEqual,
        Mnemonic::Cmovbe => Condition::BelowEqual,
        Mnemonic::Cmova => Condition::Above,
        Mnemonic::Cmovl => Condition::Less,
        Mnemonic::Cmovge => Condition::GreaterEqual,
        Mnemonic::Cmovle => Condition::LessEqual,
        Mnemonic::Cmovg => Condition::Greater,
        Mnemonic::Cmovs => Condition::Negative,
        Mnemonic::Cmovns => Condition::Positive,
        Mnemonic::Cmovo | Mnemonic::Cmovno | Mnemonic::Cmovp | Mnemonic::Cmovnp => Condition::Untold,
        _ => return None,
    })
}

/// The condition that an instruction stores (`SETcc`).
pub(super) fn set_condition(mnemonic: Mnemonic) -> Option<Condition> {
    Some(match mnemonic {
        Mnemonic::Sete => Condition::Equal,
        Mnemonic::Setne => Condition::NotEqual,
        Mnemonic::Setb => Condition::Below,
        Mnemonic::Setae => Condition::AboveEqual,
        Mnemonic::Setbe => Condition::BelowEqual,
        Mnemonic::Seta => Condition::Above,
        Mnemonic::Setl => Condition::Less,
        Mnemonic::Setge => Condition::GreaterEqual,
        Mnemonic::Setle => Condition::LessEqual,
        Mnemonic::Setg => Condition::Greater,
        Mnemonic::Sets => Condition::Negative,
        Mnemonic::Setns => Condition::Positive,
        Mnemonic::Seto | Mnemonic::Setno | Mnemonic::Setp | Mnemonic::Setnp => Condition::Untold,
        _ => return None,
    })
}
