//! Finds extension modules that got worse. A distribution's verdict does not show them if another of its
//! modules was as bad before.

use std::collections::BTreeMap;

use crate::model::{Mode, Verdict};
use crate::report::normalize_name;
use crate::report::v1::{Document, Module};

/// Returns, by normalized distribution name and mode, the modules that became blocked or unsafe, and new
/// modules that are unsafe.
pub(super) fn find_worse_modules(
    old: &Document,
    new: &Document,
) -> BTreeMap<(Option<String>, Mode), Vec<String>> {
    let owner = |module: &Module| module.distribution.as_deref().map(normalize_name);
    let mut before = BTreeMap::new();
    for module in &old.modules {
        for (mode, tried) in &module.modes {
            let worst =
                before.entry((owner(module), module.name.as_str(), *mode)).or_insert(tried.judged.verdict);
            *worst = (*worst).min(tried.judged.verdict);
        }
    }
    let mut found: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for module in &new.modules {
        for (mode, tried) in &module.modes {
            let now = tried.judged.verdict;
            let is_worse = match before.get(&(owner(module), module.name.as_str(), *mode)) {
                Some(before) => now <= Verdict::Blocked && now < *before,
                None => now == Verdict::Unsafe,
            };
            if is_worse {
                found.entry((owner(module), *mode)).or_default().push(module.name.clone());
            }
        }
    }
    found
}
