//! What was so before: an older report of the same environment.

use crate::model::{Mode, Verdict};
use crate::report::normalised;
use crate::report::v1::{Distribution, Document};

/// Whether the older report has the same distribution with a verdict in this mode that is as bad, or worse.
pub(super) fn was_so(older: &Document, row: &Distribution, mode: Mode, verdict: Verdict) -> bool {
    let name = row.name.as_deref().map(normalised);
    let before = older.distributions.iter().find(|each| each.name.as_deref().map(normalised) == name);
    before.and_then(|each| each.modes.get(&mode)).is_some_and(|judged| judged.verdict <= verdict)
}
