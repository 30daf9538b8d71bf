//! What was found on the disk and not tried: one line, with the reasons summed up.

use std::collections::BTreeMap;

use crate::model::Verdict;
use crate::report::v1::{Document, Module};

/// The line; `None` where everything that was found was tried.
pub(super) fn summarize_untried_files(document: &Document) -> Option<String> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for module in document.modules.iter().filter(|module| !is_tried(module)) {
        *reasons.entry(describe_kind(&module.kind)).or_default() += 1;
    }
    let count: usize = reasons.values().sum();
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by(|(a, first), (b, second)| second.cmp(first).then(a.cmp(b)));
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    (count > 0).then(|| format!("Found and not tried: {files} ({}).", reasons.join(", ")))
}

/// Whether it was tried by its name, or by another one that it was seen to be loaded under.
fn is_tried(module: &Module) -> bool {
    let is_judged = || module.modes.values().all(|tried| tried.judged.verdict != Verdict::Unknown);
    module.modes.values().any(|tried| tried.outcome.is_some())
        || (module.kind == "other-names" && is_judged())
}

fn describe_kind(kind: &str) -> &'static str {
    match kind {
        "plain-library" => "without an init function",
        "other-abi" => "for another Python",
        "other-architecture" => "for another machine",
        "broken-link" => "linked to nothing",
        "unimportable-name" => "with a name that cannot be imported",
        "shadowed" => "behind another file of the same name",
        "unreadable" => "not readable",
        "other-names" => "with init functions for other names only",
        "archived" => "in zip files",
        "user-site" => "in the user's own site-packages",
        _ => "without a trial",
    }
}
