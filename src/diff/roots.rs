//! Root causes that came and went.

use std::collections::{BTreeMap, BTreeSet};

use super::RootChange;
use crate::model::Mode;
use crate::report::normalised;
use crate::report::v1::Document;

/// Those of the first that are not in the second, in these modes; what a root does may have changed.
pub(super) fn only_in(first: &Document, second: &Document, modes: &BTreeSet<Mode>) -> Vec<RootChange> {
    let others = all(second, modes);
    let own = all(first, modes).into_iter();
    own.filter(|(key, _)| !others.contains_key(key)).map(|(_, root)| root).collect()
}

fn all(document: &Document, modes: &BTreeSet<Mode>) -> BTreeMap<(Mode, Option<String>, String), RootChange> {
    let mut all = BTreeMap::new();
    for (mode, blockers) in document.blockers.iter().filter(|(mode, _)| modes.contains(mode)) {
        for blocker in blockers {
            for root in &blocker.roots {
                let change = RootChange {
                    mode: *mode,
                    distribution: blocker.distribution.clone(),
                    module: root.module.clone(),
                    what: root.what.clone(),
                    rule: root.rule.clone(),
                    blocks: blocker.blocks.len(),
                };
                let owner = blocker.distribution.as_deref().map(normalised);
                all.insert((*mode, owner, root.module.clone()), change);
            }
        }
    }
    all
}
