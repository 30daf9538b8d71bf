//! mod_wsgi versions.

use std::fmt;

/// A version, e.g. 6.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModWsgiVersion(pub u32, pub u32, pub u32);

impl ModWsgiVersion {
    /// The oldest version that the directive table covers.
    pub(super) const OLDEST: Self = Self(4, 5, 24);
    /// The newest version that the directive table covers.
    pub const NEWEST: Self = Self(6, 1, 1);

    /// Parses three numbers separated by dots.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let release = Self(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(release)
    }
}

impl fmt::Display for ModWsgiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}
