//! Ranks the extension modules of a distribution: which of several root causes a report names first.

use std::collections::BTreeMap;

use crate::model::{Environment, ExtensionFile, Mode, Trial};
use crate::rules::VerdictInput;

/// Returns the rank of each module of the environment among those of its distribution, 0 for the most important: the
/// one that the import of its public names loads first; then one with a public name (`lxml.etree`, not
/// `lxml._elementpath`); then the one that most trials load in the control; then the largest.
pub(super) fn rank_modules(input: &VerdictInput<'_>, environment: &Environment) -> Vec<usize> {
    let mut loads: BTreeMap<&str, usize> = BTreeMap::new();
    for load in input.trials.trials_in_mode(Mode::Main).flat_map(Trial::successful_loads) {
        *loads.entry(load.name.as_str()).or_default() += 1;
    }
    let mut members: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (index, module) in environment.modules.iter().enumerate() {
        members.entry(module.distribution).or_default().push(index);
    }
    let mut ranks = vec![0; environment.modules.len()];
    for (distribution, mut members) in members {
        let names = distribution.and_then(|index| environment.distributions.get(index));
        let names = names.into_iter().flat_map(|distribution| &distribution.top_level);
        let public = names.filter(|name| !name.starts_with('_'));
        let trials = public.filter_map(|name| input.trials.get(name, Mode::Main));
        let loaded: Vec<&str> =
            trials.flat_map(Trial::successful_loads).map(|load| load.name.as_str()).collect();
        let key = |module: &ExtensionFile| {
            let position = loaded.iter().position(|name| *name == module.name).unwrap_or(usize::MAX);
            let count = loads.get(module.name.as_str()).copied().unwrap_or_default();
            let is_private = module.name.split('.').skip(1).any(|part| part.starts_with('_'));
            (position, is_private, usize::MAX - count, u64::MAX - module.size)
        };
        members.sort_by_key(|index| environment.modules.get(*index).map(key));
        for (rank, index) in members.into_iter().enumerate() {
            if let Some(place) = ranks.get_mut(index) {
                *place = rank;
            }
        }
    }
    ranks
}
