//! What a register or a piece of memory holds.

/// A number, or something that the file does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::image) enum Value {
    /// Exactly this.
    Known(u64),
    /// Not told by the file; two values with the same [`Name`] are equal.
    Unknown(Name),
}

/// Identity of an unknown value; [`Name::NOBODY`] is equal to nothing, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::image) struct Name {
    pub(in crate::image) number: u32,
    /// The low half of an anonymous value, where the high one alone is unknown: a slot's number, and padding.
    half: Option<u32>,
}

impl Name {
    pub(in crate::image) const NOBODY: Self = Self::of(0);
    /// A register after a call of a function of the file that was not followed: equal to nothing either. A
    /// compiler that knows its own function may know more, and have an address in it (`-fipa-ra`).
    pub(in crate::image) const CLOBBERED: Self = Self::of(u32::MAX);

    pub(in crate::image) const fn of(number: u32) -> Self {
        Self { number, half: None }
    }

    pub(in crate::image) fn half(self) -> Option<u32> {
        self.half
    }

    /// Whether nothing is known to be equal to it.
    pub(in crate::image) fn is_anonymous(self) -> bool {
        [Self::NOBODY.number, Self::CLOBBERED.number].contains(&self.number)
    }
}

impl Value {
    pub(in crate::image) const UNKNOWN: Self = Self::Unknown(Name::NOBODY);
    pub(in crate::image) const ZERO: Self = Self::Known(0);

    /// Eight bytes of which the low four are this.
    pub(in crate::image) fn half(low: u32) -> Self {
        Self::Unknown(Name { number: 0, half: Some(low) })
    }

    pub(in crate::image) fn known(self) -> Option<u64> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// The low `bytes` of it, zero-extended.
    pub(in crate::image) fn low(self, bytes: u32) -> Self {
        match self {
            Self::Known(value) => Self::Known(value & mask(bytes)),
            Self::Unknown(_) if bytes >= 8 => self,
            Self::Unknown(Name { half: Some(half), .. }) if bytes <= 4 => {
                Self::Known(u64::from(half) & mask(bytes))
            }
            Self::Unknown(_) => Self::UNKNOWN,
        }
    }

    /// Both known: `f` of them; else unknown.
    pub(in crate::image) fn with(self, other: Self, f: impl FnOnce(u64, u64) -> u64) -> Self {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => Self::Known(f(a, b)),
            (Self::Unknown(Name::CLOBBERED), _) | (_, Self::Unknown(Name::CLOBBERED)) => {
                Self::Unknown(Name::CLOBBERED)
            }
            (Self::Known(_) | Self::Unknown(_), Self::Known(_) | Self::Unknown(_)) => Self::UNKNOWN,
        }
    }

    pub(in crate::image) fn map(self, f: impl FnOnce(u64) -> u64) -> Self {
        match self {
            Self::Known(value) => Self::Known(f(value)),
            Self::Unknown(Name::CLOBBERED) => self,
            Self::Unknown(_) => Self::UNKNOWN,
        }
    }
}

/// All ones in the low `bytes`.
pub(in crate::image) fn mask(bytes: u32) -> u64 {
    if bytes >= 8 { u64::MAX } else { (1 << (bytes * 8)) - 1 }
}

/// Sign-extends the low `bytes` to 64 bits.
pub(in crate::image) fn extend(value: u64, bytes: u32) -> u64 {
    let unused = 64 - bytes.clamp(1, 8) * 8;
    ((value << unused).cast_signed() >> unused).cast_unsigned()
}
