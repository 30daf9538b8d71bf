//! Finds root causes that appeared or disappeared.

use std::collections::{BTreeMap, BTreeSet};

use super::RootCauseChange;
use crate::model::Mode;
use crate::report::normalize_name;
use crate::report::v1::Document;

/// Returns the root causes of the first report that are not in the second, in these modes. They are compared
/// by distribution and module, not by what the module does.
pub(super) fn root_causes_only_in(
    first: &Document,
    second: &Document,
    modes: &BTreeSet<Mode>,
) -> Vec<RootCauseChange> {
    let others = collect_root_causes(second, modes);
    let own = collect_root_causes(first, modes).into_iter();
    own.filter(|(key, _)| !others.contains_key(key)).map(|(_, root)| root).collect()
}

fn collect_root_causes(
    document: &Document,
    modes: &BTreeSet<Mode>,
) -> BTreeMap<(Mode, Option<String>, String), RootCauseChange> {
    let mut all = BTreeMap::new();
    for (mode, blockers) in document.blockers.iter().filter(|(mode, _)| modes.contains(mode)) {
        for blocker in blockers {
            for root in &blocker.roots {
                let change = RootCauseChange {
                    mode: *mode,
                    distribution: blocker.distribution.clone(),
                    module: root.module.clone(),
                    what: root.what.clone(),
                    rule: root.rule.clone(),
                    blocks: blocker.blocks.len(),
                };
                let owner = blocker.distribution.as_deref().map(normalize_name);
                all.insert((*mode, owner, root.module.clone()), change);
            }
        }
    }
    all
}
