//! The loaded segments of private copies, by address.

use std::collections::BTreeMap;
use std::ops::Range;

/// A loaded segment of a private copy.
#[derive(Clone)]
pub(super) struct CopiedSegment {
    pub(super) range: Range<usize>,
    /// The tree that the copy belongs to.
    pub(super) tree: usize,
    /// The file that it is a copy of.
    pub(super) file: String,
    /// Whether it contains code.
    pub(super) is_code: bool,
}

/// Loaded segments of private copies.
#[derive(Default)]
pub(super) struct CopiedSegments(BTreeMap<usize, CopiedSegment>);

impl CopiedSegments {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn add(&mut self, segment: CopiedSegment) {
        self.0.insert(segment.range.start, segment);
    }

    /// The segment that contains this address.
    pub(super) fn find(&self, address: usize) -> Option<&CopiedSegment> {
        let (_, segment) = self.0.range(..=address).next_back()?;
        segment.range.contains(&address).then_some(segment)
    }

    /// The files of which a tree has a copy that is loaded.
    pub(super) fn files_of_tree(&self, tree: usize) -> std::collections::BTreeSet<&str> {
        self.0.values().filter(|segment| segment.tree == tree).map(|segment| segment.file.as_str()).collect()
    }
}
