//! Shows the environment's files instead of their private copies, whose folder has another name in each run.

use std::borrow::Cow;

use super::run_info::RunInfo;

/// Replaces the path of each private copy by that of the file that it is a copy of.
pub(super) fn show_originals<'t>(run: &RunInfo, text: &'t str) -> Cow<'t, str> {
    let Some(trees) = run.copies.as_ref().filter(|trees| text.contains(&trees.folder)) else {
        return Cow::Borrowed(text);
    };
    let mut parts = text.split(trees.folder.as_str());
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let path = format!("{}{part}", trees.folder);
        shown.push_str(trees.original_path(&path).unwrap_or(&path));
    }
    Cow::Owned(shown)
}
