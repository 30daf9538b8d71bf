//! Makes the private copies for trials in the mode `own-gil-copies`.

use std::path::{Path, PathBuf};

use wsgiaudit_probes_core::protocol::CopyTrees;

use crate::copies::{CopyError, CopySet, CopyStore, CopySummary, prepare_copies};
use crate::model::{Judgement, Mode, ReasonId};

/// Maximum bytes of copies that are kept for later audits.
const STORE_LIMIT: u64 = 8 << 30;

/// Trees of private copies for trials. They are removed with this value.
#[derive(Debug)]
pub(super) struct TrialCopies {
    set: CopySet,
    trees: CopyTrees,
}

impl TrialCopies {
    /// Makes a tree for each interpreter of a trial, with the shared objects below these folders. `folder` holds
    /// the store of copies.
    ///
    /// # Errors
    /// As [`prepare_copies`].
    pub(super) fn prepare(folder: &Path, roots: &[PathBuf]) -> Result<Self, CopyError> {
        let count = Mode::OwnGilCopies.interpreters().len();
        let store = CopyStore::new(&folder.join("copies"), STORE_LIMIT)?;
        let set = prepare_copies(roots, count, &store, None)?;
        let trees = CopyTrees { folder: set.folder().to_string_lossy().into_owned(), count };
        Ok(Self { set, trees })
    }

    /// The trees, in the form of the protocol.
    pub(super) fn trees(&self) -> &CopyTrees {
        &self.trees
    }

    /// Describes what private copies need; `None` if there is nothing to copy.
    pub(super) fn describe_needs(&self) -> Option<String> {
        let summary = self.set.summary();
        (summary.objects > 0).then(|| describe_summary(summary))
    }
}

/// Describes the size of a tree, and how many interpreters can have one.
fn describe_summary(summary: &CopySummary) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rounded number is shown")]
    let megabytes = summary.bytes as f64 / 1e6;
    let limit = match (summary.most_interpreters(), summary.static_tls.first()) {
        (Some(most), Some((library, _))) if Some(most) == summary.most_by_static_tls() => {
            let library = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
            format!("; up to {most} interpreters in a process, limited by the static TLS of {library}")
        }
        (Some(most), _) => format!("; up to {most} interpreters in a process, limited by memory mappings"),
        (None, _) => String::new(),
    };
    format!(
        "private copies: {} files, {megabytes:.1} MB on disk for each interpreter that loads them all{limit}",
        summary.objects
    )
}

/// The judgement of every subject if the copies cannot be made.
pub(super) fn judge_without_copies(error: &CopyError) -> Judgement {
    Judgement::from_reason_id(ReasonId::NoTrials, format!("was not tried: no private copies: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_names_what_limits_the_number_of_interpreters() {
        let summary = CopySummary { objects: 3, bytes: 2_500_000, mappings: 20, ..CopySummary::default() };
        let text = describe_summary(&summary);
        assert!(text.starts_with("private copies: 3 files, 2.5 MB on disk for each interpreter"), "{text}");
        assert!(text.ends_with("limited by memory mappings"), "{text}");
        let static_tls = vec![(PathBuf::from("/site/x.libs/libgomp.so.1"), 400)];
        let text = describe_summary(&CopySummary { static_tls, ..summary });
        assert!(
            text.ends_with("up to 4 interpreters in a process, limited by the static TLS of libgomp.so.1")
        );
    }
}
