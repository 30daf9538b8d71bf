//! Summarizes the files that were found but not tried.

use std::collections::BTreeMap;

use crate::model::{ExtensionFileClass, Verdict};
use crate::report::v1::{Document, Module};

/// Returns a line with the number of files for each reason. `None` if every file that was found was tried.
pub(super) fn summarize_untried_files(document: &Document) -> Option<String> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for module in document.modules.iter().filter(|module| !is_tried(module)) {
        *reasons.entry(describe_class(module.kind)).or_default() += 1;
    }
    let count: usize = reasons.values().sum();
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by(|(a, first), (b, second)| second.cmp(first).then(a.cmp(b)));
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    (count > 0).then(|| format!("Found and not tried: {files} ({}).", reasons.join(", ")))
}

/// Whether the file was tried under its own name, or under other names that it was loaded as.
fn is_tried(module: &Module) -> bool {
    let is_judged = || module.modes.values().all(|tried| tried.judged.verdict != Verdict::Unknown);
    module.modes.values().any(|tried| tried.outcome.is_some())
        || (module.kind == ExtensionFileClass::OtherNames && is_judged())
}

/// Describes why files of this class are not tried.
fn describe_class(class: ExtensionFileClass) -> &'static str {
    match class {
        ExtensionFileClass::PlainLibrary => "without an init function",
        ExtensionFileClass::OtherAbi => "for another Python",
        ExtensionFileClass::OtherArchitecture => "for another machine",
        ExtensionFileClass::BrokenLink => "with a broken link",
        ExtensionFileClass::UnimportableName => "with a name that cannot be imported",
        ExtensionFileClass::Shadowed => "shadowed by another file of the same name",
        ExtensionFileClass::Unreadable => "not readable",
        ExtensionFileClass::OtherNames => "with init functions for other names only",
        ExtensionFileClass::Archived => "in zip files",
        ExtensionFileClass::UserSite => "in the user's own site-packages",
        ExtensionFileClass::ExtensionModule | ExtensionFileClass::Corrupt => "without a trial",
    }
}
