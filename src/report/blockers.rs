//! Groups root causes: the root modules of each distribution, the distributions that they block, and what
//! else blocks those.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{DistributionRow, ModuleRow};
use super::v1::{Blocked, Blocker, Root};
use crate::model::{ExtensionFileKind, Judgement, Mode, RootCause, Trial, Verdict};
use crate::rules::is_refused_by_declaration;

/// The distribution that a root cause belongs to; `None` for the standard library and unclaimed files.
type OwningDistribution<'a> = Option<&'a str>;

/// Finds the root causes in one mode. Those that block most distributions come first.
pub(super) fn find_blockers(
    mode: Mode,
    distributions: &[DistributionRow],
    modules: &[ModuleRow],
) -> Vec<Blocker> {
    let refused = find_refused_modules(mode, distributions, modules);
    let obstacles: Vec<Obstacles<'_>> = distributions
        .iter()
        .filter_map(|row| Obstacles::find_in_distribution(mode, row, modules, &refused))
        .collect();
    let mut found: BTreeMap<OwningDistribution<'_>, Blocker> = BTreeMap::new();
    for each in &obstacles {
        let name = each.row.name.as_deref().unwrap_or("(no distribution)");
        for (owner, cause) in &each.causes {
            let blocker = found.entry(*owner).or_insert_with(|| Blocker {
                distribution: owner.map(str::to_owned),
                roots: Vec::new(),
                blocks: Vec::new(),
                upgrade: None,
            });
            let root = Root {
                module: cause.module.clone(),
                what: cause.what.clone(),
                rule: cause.rule.id().to_owned(),
            };
            if !blocker.roots.contains(&root) {
                blocker.roots.push(root);
            }
            if *owner != each.row.name.as_deref()
                && !blocker.blocks.iter().any(|blocked| blocked.distribution == name)
            {
                blocker.blocks.push(Blocked {
                    distribution: name.to_owned(),
                    chain: cause.chain.clone(),
                    also_needs: each.remaining_without(*owner),
                });
            }
        }
    }
    let mut blockers: Vec<Blocker> = found.into_values().collect();
    for blocker in &mut blockers {
        // Of several roots, the first is the one that is shown.
        blocker.roots.sort_by(|a, b| rank_of(modules, a).cmp(&rank_of(modules, b)).then_with(|| a.cmp(b)));
        blocker.blocks.sort();
    }
    blockers.sort_by(|a, b| {
        b.blocks.len().cmp(&a.blocks.len()).then_with(|| a.distribution.cmp(&b.distribution))
    });
    blockers
}

/// The rank of a root among the modules of its distribution. A Python module comes first: it was imported before.
fn rank_of(modules: &[ModuleRow], root: &Root) -> usize {
    modules.iter().find(|module| module.name == root.module).map_or(0, |module| module.rank)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::{
        blocked_by, control, distribution, in_mode, judged, module, multi_phase, own_gil, top_level,
    };

    /// Blockers as `OWNER: ROOTS; BLOCKED (ALSO NEEDS), ...`.
    fn describe(blockers: &[Blocker]) -> Vec<String> {
        let each = |blocker: &Blocker| {
            let roots: Vec<&str> = blocker.roots.iter().map(|root| root.module.as_str()).collect();
            let blocked = blocker.blocks.iter();
            let blocked =
                blocked.map(|each| format!("{} ({})", each.distribution, each.also_needs.join(" ")));
            let owner = blocker.distribution.as_deref().unwrap_or("none");
            format!("{owner}: {}; {}", roots.join(" "), blocked.collect::<Vec<_>>().join(", "))
        };
        blockers.iter().map(each).collect()
    }

    fn blocked(name: Option<&str>, top: &str, chain: &[&str]) -> DistributionRow {
        let mut row = distribution(name, own_gil(judged(Verdict::Blocked)));
        row.top_level.push(top_level(top, own_gil(blocked_by(chain))));
        row
    }

    #[test]
    fn a_root_is_listed_once_with_all_that_it_blocks() {
        let modules = [
            module("numpy.core", Some("numpy"), own_gil(blocked_by(&["numpy.core"]))),
            module("numpy.fft", Some("numpy"), own_gil(blocked_by(&["numpy.fft"]))),
            module("pandas.lib", Some("pandas"), own_gil(blocked_by(&["pandas.lib"]))),
        ];
        let distributions = [
            blocked(Some("numpy"), "numpy", &["numpy", "numpy.core"]),
            blocked(Some("pandas"), "pandas", &["pandas", "numpy", "numpy.core"]),
            blocked(Some("pure"), "pure", &["pure", "numpy.core"]),
            blocked(Some("self"), "helper", &["helper", "helper.python"]),
            blocked(Some("other"), "other", &["other", "_socket"]),
            blocked(None, "loose", &["loose", "loose.python"]),
            distribution(Some("fine"), own_gil(blocked_by(&["numpy.core"]))),
        ];
        let mut all = distributions.to_vec();
        all[6].judgements = own_gil(judged(Verdict::Ready));
        all[6].top_level.push(top_level("fine", own_gil(blocked_by(&["fine", "numpy.core"]))));
        let expected = [
            "numpy: numpy.core numpy.fft; pandas (pandas), pure ()",
            // The standard library's module, and a Python module of no distribution.
            "none: _socket loose.python; other ()",
            "pandas: pandas.lib; ",
            "self: helper.python; ",
        ];
        assert_eq!(describe(&find_blockers(Mode::OwnGil, &all, &modules)), expected);
        assert_eq!(find_blockers(Mode::SharedGil, &all, &modules), []);
    }

    #[test]
    fn what_an_import_would_reach_next_is_needed_too() {
        let refused = |name: &str, owner: &str| {
            let mut row = module(name, Some(owner), own_gil(blocked_by(&[name])));
            row.facts = multi_phase(&[]);
            row
        };
        let mut modules =
            vec![refused("first.c", "first"), refused("second.c", "second"), refused("fine.c", "fine")];
        let mut shop = blocked(Some("shop"), "shop", &["shop", "first.c"]);
        shop.top_level[0].trials.insert(Mode::Main, control(&["first.c", "second.c", "fine.c", "ok.c"]));
        modules.push(module("ok.c", Some("second"), own_gil(judged(Verdict::Ready))));
        let mut all = vec![shop];
        all.extend(
            ["first", "second"].map(|name| distribution(Some(name), own_gil(judged(Verdict::Blocked)))),
        );
        all.push(distribution(Some("fine"), own_gil(judged(Verdict::Degraded))));
        let expected = ["first: first.c; shop (second)", "second: second.c; "];
        assert_eq!(describe(&find_blockers(Mode::OwnGil, &all, &modules)), expected);
        // Only an own GIL is refused by declaration.
        let in_shared = |row: &mut BTreeMap<Mode, Judgement>| {
            if let Some(judgement) = row.remove(&Mode::OwnGil) {
                row.extend(in_mode(Mode::SharedGil, judgement));
            }
        };
        all.iter_mut().for_each(|row| in_shared(&mut row.judgements));
        all[0].top_level.iter_mut().for_each(|row| in_shared(&mut row.judgements));
        let expected = ["first: first.c; shop ()"];
        assert_eq!(describe(&find_blockers(Mode::SharedGil, &all, &modules)), expected);
    }
}
