//! What a newer version of a distribution declares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a package index offers for a distribution that blocks others. Declarations only: nothing of it was
/// tried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Upgrade")]
pub struct AvailableUpgrade {
    /// The newest version with a wheel for this Python; `None` where the index gave no answer.
    pub newest: Option<String>,
    /// The first version from which on every root module declares the support asked for, among those
    /// inspected.
    pub since: Option<String>,
    /// The same in a sentence, without the distribution's name.
    pub words: String,
}
