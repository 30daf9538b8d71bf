//! Groups root causes: the root modules of each distribution, the distributions that they block, and what
//! else blocks those.

use std::collections::{BTreeMap, BTreeSet};

use super::{BlockedDistribution, BlockerRoot, BlockerRow, DistributionRow, ModuleRow};
use crate::model::{ExtensionFileKind, Judgement, Mode, RootCause, Trial, Verdict};
use crate::rules::is_refused_by_declaration;

/// The distribution that a root cause belongs to; `None` for the standard library and unclaimed files.
type OwningDistribution<'a> = Option<&'a str>;

/// Finds the root causes in one mode. Those that block most distributions come first.
pub(super) fn find_blockers(
    mode: Mode,
    distributions: &[DistributionRow],
    modules: &[ModuleRow],
) -> Vec<BlockerRow> {
    let refused = find_refused_modules(mode, distributions, modules);
    let obstacles: Vec<Obstacles<'_>> = distributions
        .iter()
        .filter_map(|row| Obstacles::find_in_distribution(mode, row, modules, &refused))
        .collect();
    let mut found: BTreeMap<OwningDistribution<'_>, BlockerRow> = BTreeMap::new();
    for each in &obstacles {
        let name = each.row.name.as_deref().unwrap_or("(no distribution)");
        for (owner, cause) in &each.causes {
            let blocker = found.entry(*owner).or_insert_with(|| BlockerRow {
                distribution: owner.map(str::to_owned),
                roots: Vec::new(),
                blocks: Vec::new(),
                upgrade: None,
            });
            let root =
                BlockerRoot { module: cause.module.clone(), what: cause.what.clone(), rule: cause.rule };
            if !blocker.roots.contains(&root) {
                blocker.roots.push(root);
            }
            if *owner != each.row.name.as_deref()
                && !blocker.blocks.iter().any(|blocked| blocked.distribution == name)
            {
                blocker.blocks.push(BlockedDistribution {
                    distribution: name.to_owned(),
                    chain: cause.chain.clone(),
                    also_needs: each.remaining_without(*owner),
                });
            }
        }
    }
    let mut blockers: Vec<BlockerRow> = found.into_values().collect();
    for blocker in &mut blockers {
        blocker.roots.sort();
        blocker.blocks.sort();
    }
    blockers.sort_by(|a, b| {
        b.blocks.len().cmp(&a.blocks.len()).then_with(|| a.distribution.cmp(&b.distribution))
    });
    blockers
}

/// Everything that is known to block one distribution.
struct Obstacles<'a> {
    row: &'a DistributionRow,
    /// The root causes of its blocked and unsafe modules.
    causes: Vec<(OwningDistribution<'a>, &'a RootCause)>,
    /// Owners of modules that it loads in the control and that CPython refuses for what they declare. An
    /// import that stops at its first refused module never reaches them.
    beyond: BTreeSet<OwningDistribution<'a>>,
}

impl<'a> Obstacles<'a> {
    /// Returns `None` if the distribution is neither blocked nor unsafe.
    fn find_in_distribution(
        mode: Mode,
        row: &'a DistributionRow,
        modules: &'a [ModuleRow],
        refused: &BTreeMap<&'a str, OwningDistribution<'a>>,
    ) -> Option<Self> {
        row.judgements.get(&mode).filter(|judgement| is_blocking(judgement.verdict))?;
        let own = || modules.iter().filter(|module| module.distribution == row.name);
        let judgements = row.top_level.iter().map(|name| &name.judgements);
        let causes = judgements
            .chain(own().map(|module| &module.judgements))
            .filter_map(|judgements| judgements.get(&mode))
            .filter(|judgement: &&Judgement| is_blocking(judgement.verdict))
            .filter_map(|judgement| judgement.cause.as_ref())
            .map(|cause| (find_owner(cause, row, modules), cause));
        let trials = row.top_level.iter().map(|name| &name.trials).chain(own().map(|module| &module.trials));
        let loads = trials.filter_map(|trials| trials.get(&Mode::Main)).flat_map(Trial::successful_loads);
        let beyond = loads.filter_map(|load| refused.get(load.name.as_str()).copied());
        Some(Self { row, causes: causes.collect(), beyond: beyond.collect() })
    }

    /// Returns the distributions that would still block it without this owner's root causes.
    fn remaining_without(&self, solved: OwningDistribution<'_>) -> Vec<String> {
        let roots = self.causes.iter().map(|(owner, _)| *owner).chain(self.beyond.iter().copied());
        let others: BTreeSet<OwningDistribution<'_>> = roots.filter(|owner| *owner != solved).collect();
        others.into_iter().map(|owner| owner.unwrap_or("(no distribution)").to_owned()).collect()
    }
}

/// Returns the modules that CPython refuses for what they declare, each with its owner. Leaves out modules of
/// a distribution that is not blocked: it works without them, and other distributions mostly do, too.
fn find_refused_modules<'a>(
    mode: Mode,
    distributions: &'a [DistributionRow],
    modules: &'a [ModuleRow],
) -> BTreeMap<&'a str, OwningDistribution<'a>> {
    let in_the_way: BTreeSet<OwningDistribution<'_>> = distributions
        .iter()
        .filter(|row| row.judgements.get(&mode).is_some_and(|each| is_blocking(each.verdict)))
        .map(|row| row.name.as_deref())
        .collect();
    modules
        .iter()
        .filter(|_| mode == Mode::OwnGil)
        .filter(|module| {
            module.kind == ExtensionFileKind::ExtensionModule && is_refused_by_declaration(&module.facts)
        })
        .filter(|module| in_the_way.contains(&module.distribution.as_deref()))
        .map(|module| (module.name.as_str(), module.distribution.as_deref()))
        .collect()
}

fn find_owner<'a>(
    cause: &RootCause,
    row: &'a DistributionRow,
    modules: &'a [ModuleRow],
) -> OwningDistribution<'a> {
    match modules.iter().find(|module| module.name == cause.module) {
        Some(module) => module.distribution.as_deref(),
        // The root is a Python module. Its owner is known only if it is the distribution that is judged.
        None => {
            let top = cause.module.split('.').next().unwrap_or_default();
            row.top_level.iter().any(|name| name.name == top).then_some(row.name.as_deref()).flatten()
        }
    }
}

fn is_blocking(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Unsafe | Verdict::Blocked => true,
        Verdict::Unknown | Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => false,
    }
}
