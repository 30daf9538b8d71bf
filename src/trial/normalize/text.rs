//! Hides everything in a text that varies between runs.

use super::run_info::RunInfo;
use super::{addresses, copy_paths, ids, temporary_names, times};

/// Hides everything in a text that varies between runs.
pub(in crate::trial) fn normalize_text(run: &RunInfo, text: &str) -> String {
    let original = copy_paths::show_originals(run, text);
    let text = original.as_ref();
    let found = run.environment.iter().find_map(|path| Some((path, text.split_once(path.as_str())?)));
    if let Some((path, (before, after))) = found {
        return normalize_text(run, before) + path + &normalize_text(run, after);
    }
    let text = temporary_names::hide_temporary_names(run, text);
    let text = times::hide_times(run, text);
    addresses::hide_addresses(&ids::hide_ids(run, text))
}
