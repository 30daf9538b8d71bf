//! What stands in the way, told once: root modules by their distribution, and what each of them blocks.

use std::collections::BTreeMap;

use super::{Blocker, DistributionRow, ModuleRow};
use crate::model::{Cause, Judgement, Mode, Verdict};

/// The root causes of one mode, those that block most distributions first.
pub(super) fn blockers(mode: Mode, distributions: &[DistributionRow], modules: &[ModuleRow]) -> Vec<Blocker> {
    let owners: BTreeMap<&str, Option<&str>> =
        modules.iter().map(|row| (row.name.as_str(), row.distribution.as_deref())).collect();
    let mut found: BTreeMap<Option<&str>, Blocker> = BTreeMap::new();
    for row in distributions {
        let stands = row.judgements.get(&mode).is_some_and(|judgement| stands_in_the_way(judgement.verdict));
        if !stands {
            continue;
        }
        for cause in causes(mode, row, modules) {
            let owner = owners.get(cause.module.as_str()).copied().unwrap_or_else(|| {
                // A Python module at the root: its package's distribution, where it is the one judged.
                row.top_level
                    .iter()
                    .any(|name| name.name == cause.module)
                    .then_some(row.name.as_deref())
                    .flatten()
            });
            let blocker = found.entry(owner).or_insert_with(|| Blocker {
                distribution: owner.map(str::to_owned),
                roots: Vec::new(),
                blocks: Vec::new(),
            });
            let root = (cause.module.clone(), cause.what.clone());
            if !blocker.roots.contains(&root) {
                blocker.roots.push(root);
            }
            let name = row.name.as_deref().unwrap_or("(no distribution)");
            if owner != row.name.as_deref() && !blocker.blocks.iter().any(|(each, _)| each == name) {
                blocker.blocks.push((name.to_owned(), cause.chain.clone()));
            }
        }
    }
    let mut blockers: Vec<Blocker> = found.into_values().collect();
    for blocker in &mut blockers {
        blocker.roots.sort();
        blocker.blocks.sort();
    }
    blockers.sort_by(|a, b| {
        b.blocks.len().cmp(&a.blocks.len()).then_with(|| a.distribution.cmp(&b.distribution))
    });
    blockers
}

/// The causes of all that is blocked or unsafe in a distribution.
fn causes<'a>(
    mode: Mode,
    row: &'a DistributionRow,
    modules: &'a [ModuleRow],
) -> impl Iterator<Item = &'a Cause> {
    let names = row.top_level.iter().map(|name| &name.judgements);
    let own =
        modules.iter().filter(|module| module.distribution == row.name).map(|module| &module.judgements);
    let judgements = names.chain(own).filter_map(move |judgements| judgements.get(&mode));
    judgements
        .filter(|judgement: &&Judgement| stands_in_the_way(judgement.verdict))
        .filter_map(|judgement| judgement.cause.as_ref())
}

fn stands_in_the_way(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Unsafe | Verdict::Blocked => true,
        Verdict::Unknown | Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => false,
    }
}
