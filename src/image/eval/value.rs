//! Values of registers and memory.

/// A known number or an unknown value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::image) enum AbstractValue {
    /// Exactly this number.
    Known(u64),
    /// Not determined by the file. Two values with the same [`UnknownId`] are equal, unless it is anonymous.
    Unknown(UnknownId),
}

/// Identity of an unknown value. [`UnknownId::NOBODY`] is equal to nothing, not even itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::image) struct UnknownId {
    pub(in crate::image) number: u32,
    /// The low half of an anonymous value of which only the high half is unknown: a slot's number, and
    /// padding.
    half: Option<u32>,
}

impl UnknownId {
    pub(in crate::image) const NOBODY: Self = Self::from_number(0);
    /// A register after a call of a local function that was not interpreted; also equal to nothing. It may
    /// hold an address: the compiler may know that its own function preserves the register (`-fipa-ra`).
    pub(in crate::image) const CLOBBERED: Self = Self::from_number(u32::MAX);

    pub(in crate::image) const fn from_number(number: u32) -> Self {
        Self { number, half: None }
    }

    pub(in crate::image) fn half(self) -> Option<u32> {
        self.half
    }

    /// Whether no other value is known to be equal to it.
    pub(in crate::image) fn is_anonymous(self) -> bool {
        [Self::NOBODY.number, Self::CLOBBERED.number].contains(&self.number)
    }
}

impl AbstractValue {
    pub(in crate::image) const UNKNOWN: Self = Self::Unknown(UnknownId::NOBODY);
    pub(in crate::image) const ZERO: Self = Self::Known(0);

    /// Eight bytes of which only the low four are known.
    pub(in crate::image) fn from_low_half(low: u32) -> Self {
        Self::Unknown(UnknownId { number: 0, half: Some(low) })
    }

    pub(in crate::image) fn as_known(self) -> Option<u64> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// The low `bytes` bytes, zero-extended.
    pub(in crate::image) fn low_bytes(self, bytes: u32) -> Self {
        match self {
            Self::Known(value) => Self::Known(value & byte_mask(bytes)),
            Self::Unknown(_) if bytes >= 8 => self,
            Self::Unknown(UnknownId { half: Some(half), .. }) if bytes <= 4 => {
                Self::Known(u64::from(half) & byte_mask(bytes))
            }
            Self::Unknown(_) => Self::UNKNOWN,
        }
    }

    /// `f` of both values if both are known, else unknown.
    pub(in crate::image) fn zip_with(self, other: Self, f: impl FnOnce(u64, u64) -> u64) -> Self {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => Self::Known(f(a, b)),
            (Self::Unknown(UnknownId::CLOBBERED), _) | (_, Self::Unknown(UnknownId::CLOBBERED)) => {
                Self::Unknown(UnknownId::CLOBBERED)
            }
            (Self::Known(_) | Self::Unknown(_), Self::Known(_) | Self::Unknown(_)) => Self::UNKNOWN,
        }
    }

    pub(in crate::image) fn map(self, f: impl FnOnce(u64) -> u64) -> Self {
        match self {
            Self::Known(value) => Self::Known(f(value)),
            Self::Unknown(UnknownId::CLOBBERED) => self,
            Self::Unknown(_) => Self::UNKNOWN,
        }
    }
}

/// A mask of the low `bytes` bytes.
pub(in crate::image) fn byte_mask(bytes: u32) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (bytes * 8)) - 1 }
}

/// Sign-extends the low `bytes` bytes to 64 bits.
pub(in crate::image) fn sign_extend(value: u64, bytes: u32) -> u64 {
    let unused = 64 - bytes.clamp(1, 8) * 8;
    ((value << unused).cast_signed() >> unused).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_masked_and_extended() {
        for (value, bytes, masked, extended) in [
            (0x80, 1, 0x80, 0xffff_ffff_ffff_ff80),
            (0x17f, 1, 0x7f, 0x7f),
            (0x8000_0000, 4, 0x8000_0000, 0xffff_ffff_8000_0000),
            (u64::MAX, 8, u64::MAX, u64::MAX),
        ] {
            assert_eq!((value & byte_mask(bytes), sign_extend(value, bytes)), (masked, extended));
        }
    }

    #[test]
    fn parts_of_unknown_values() {
        let named = AbstractValue::Unknown(UnknownId::from_number(7));
        let clobbered = AbstractValue::Unknown(UnknownId::CLOBBERED);
        let half = AbstractValue::from_low_half(0x1234_5678);
        for (value, bytes, expected) in [
            (AbstractValue::Known(0x1234), 1, AbstractValue::Known(0x34)),
            (named, 8, named),
            (named, 4, AbstractValue::UNKNOWN),
            (half, 4, AbstractValue::Known(0x1234_5678)),
            (half, 2, AbstractValue::Known(0x5678)),
        ] {
            assert_eq!(value.low_bytes(bytes), expected);
        }
        let add = |a: AbstractValue, b| a.zip_with(b, u64::wrapping_add);
        assert_eq!(add(AbstractValue::Known(1), AbstractValue::Known(2)), AbstractValue::Known(3));
        assert_eq!(add(AbstractValue::Known(1), named), AbstractValue::UNKNOWN);
        assert_eq!(add(named, clobbered), clobbered);
        assert_eq!(clobbered.map(|value| value + 1), clobbered);
    }
}
