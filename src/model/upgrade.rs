//! What a newer version of a distribution declares.

/// What an index has of a distribution that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upgrade {
    /// The newest version with a wheel for this Python; `None` where the index gave no answer.
    pub newest: Option<String>,
    /// The first version from which on every root module declares what is asked for, as far as was looked.
    pub since: Option<String>,
    /// The same in a sentence, without the distribution's name.
    pub words: String,
}
