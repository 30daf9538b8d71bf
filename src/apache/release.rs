//! Versions of mod_wsgi.

use std::fmt;

/// A version, e.g. 6.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(pub u32, pub u32, pub u32);

impl Release {
    /// What is known goes back to this one.
    pub(super) const OLDEST: Self = Self(4, 5, 24);
    /// And up to this one: later ones may know more.
    pub const NEWEST: Self = Self(6, 1, 1);

    /// Three numbers with dots.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let release = Self(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(release)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}
