//! What stands in the way, told once: root modules by their distribution, what each of them blocks, and what
//! would be free without it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Blocked, Blocker, DistributionRow, ModuleRow, Root};
use crate::model::{Cause, FileKind, Judgement, Mode, Trial, Verdict};
use crate::rules::refused_by_declaration;

/// The distribution that a root cause belongs to; `None` for the standard library and unclaimed files.
type Owner<'a> = Option<&'a str>;

/// The root causes of one mode, those that block most distributions first.
pub(super) fn blockers(mode: Mode, distributions: &[DistributionRow], modules: &[ModuleRow]) -> Vec<Blocker> {
    let refused = refused(mode, distributions, modules);
    let obstacles: Vec<Obstacles<'_>> =
        distributions.iter().filter_map(|row| Obstacles::of(mode, row, modules, &refused)).collect();
    let mut found: BTreeMap<Owner<'_>, Blocker> = BTreeMap::new();
    for each in &obstacles {
        let name = each.row.name.as_deref().unwrap_or("(no distribution)");
        for (owner, cause) in &each.causes {
            let blocker = found.entry(*owner).or_insert_with(|| Blocker {
                distribution: owner.map(str::to_owned),
                roots: Vec::new(),
                blocks: Vec::new(),
                upgrade: None,
            });
            let root = Root { module: cause.module.clone(), what: cause.what.clone(), rule: cause.rule };
            if !blocker.roots.contains(&root) {
                blocker.roots.push(root);
            }
            if *owner != each.row.name.as_deref()
                && !blocker.blocks.iter().any(|blocked| blocked.distribution == name)
            {
                blocker.blocks.push(Blocked {
                    distribution: name.to_owned(),
                    chain: cause.chain.clone(),
                    also_needs: each.beside(*owner),
                });
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

/// Everything known to be in the way of one distribution.
struct Obstacles<'a> {
    row: &'a DistributionRow,
    /// The causes of what is blocked or unsafe in it.
    causes: Vec<(Owner<'a>, &'a Cause)>,
    /// Owners of modules that it loads in the control and that CPython refuses for what they declare: what
    /// an import that stops at its first obstacle never reaches.
    beyond: BTreeSet<Owner<'a>>,
}

impl<'a> Obstacles<'a> {
    /// `None` where the distribution is neither blocked nor unsafe.
    fn of(
        mode: Mode,
        row: &'a DistributionRow,
        modules: &'a [ModuleRow],
        refused: &BTreeMap<&'a str, Owner<'a>>,
    ) -> Option<Self> {
        row.judgements.get(&mode).filter(|judgement| stands_in_the_way(judgement.verdict))?;
        let own = || modules.iter().filter(|module| module.distribution == row.name);
        let judgements = row.top_level.iter().map(|name| &name.judgements);
        let causes = judgements
            .chain(own().map(|module| &module.judgements))
            .filter_map(|judgements| judgements.get(&mode))
            .filter(|judgement: &&Judgement| stands_in_the_way(judgement.verdict))
            .filter_map(|judgement| judgement.cause.as_ref())
            .map(|cause| (owner(cause, row, modules), cause));
        let trials = row.top_level.iter().map(|name| &name.trials).chain(own().map(|module| &module.trials));
        let loads = trials.filter_map(|trials| trials.get(&Mode::Main)).flat_map(Trial::loaded);
        let beyond = loads.filter_map(|load| refused.get(load.name.as_str()).copied());
        Some(Self { row, causes: causes.collect(), beyond: beyond.collect() })
    }

    /// What would still be in the way if this owner's root causes were gone: distributions, or `None` for
    /// the standard library and unclaimed files.
    fn beside(&self, solved: Owner<'_>) -> Vec<String> {
        let roots = self.causes.iter().map(|(owner, _)| *owner).chain(self.beyond.iter().copied());
        let others: BTreeSet<Owner<'_>> = roots.filter(|owner| *owner != solved).collect();
        others.into_iter().map(|owner| owner.unwrap_or("(no distribution)").to_owned()).collect()
    }
}

/// The modules that CPython refuses for what they declare, each with its owner. Not those that their own
/// distribution does without: others mostly do too.
fn refused<'a>(
    mode: Mode,
    distributions: &'a [DistributionRow],
    modules: &'a [ModuleRow],
) -> BTreeMap<&'a str, Owner<'a>> {
    let in_the_way: BTreeSet<Owner<'_>> = distributions
        .iter()
        .filter(|row| row.judgements.get(&mode).is_some_and(|each| stands_in_the_way(each.verdict)))
        .map(|row| row.name.as_deref())
        .collect();
    modules
        .iter()
        .filter(|_| mode == Mode::OwnGil)
        .filter(|module| module.kind == FileKind::ExtensionModule && refused_by_declaration(&module.facts))
        .filter(|module| in_the_way.contains(&module.distribution.as_deref()))
        .map(|module| (module.name.as_str(), module.distribution.as_deref()))
        .collect()
}

fn owner<'a>(cause: &Cause, row: &'a DistributionRow, modules: &'a [ModuleRow]) -> Owner<'a> {
    match modules.iter().find(|module| module.name == cause.module) {
        Some(module) => module.distribution.as_deref(),
        // A Python module at the root: its package's distribution, where it is the one judged.
        None => {
            let top = cause.module.split('.').next().unwrap_or_default();
            row.top_level.iter().any(|name| name.name == top).then_some(row.name.as_deref()).flatten()
        }
    }
}

fn stands_in_the_way(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Unsafe | Verdict::Blocked => true,
        Verdict::Unknown | Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => false,
    }
}
