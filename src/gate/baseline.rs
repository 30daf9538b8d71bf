//! What was so before: an older report of the same environment.

use crate::model::{Mode, Verdict};
use crate::report::{Document, normalised};

/// Whether the older report has the same distribution, or application, with a verdict in this mode that is as bad,
/// or worse.
pub(super) fn was_so(older: &Document, name: Option<&str>, mode: Mode, verdict: Verdict) -> bool {
    let is_same = |other: Option<&str>| other.map(normalised) == name.map(normalised);
    older.deciders(mode).into_iter().any(|(other, judged)| is_same(other) && judged.verdict <= verdict)
}
