//! Extension modules that got worse. A distribution's verdict does not show them where another of its modules
//! was as bad before.

use std::collections::BTreeMap;

use crate::model::{Mode, Verdict};
use crate::report::normalised;
use crate::report::v1::{Document, Module};

/// By distribution (its normalised name) and mode: modules that are blocked or unsafe now and were better, and new
/// ones that are unsafe.
pub(super) fn worse(old: &Document, new: &Document) -> BTreeMap<(Option<String>, Mode), Vec<String>> {
    let owner = |module: &Module| module.distribution.as_deref().map(normalised);
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
