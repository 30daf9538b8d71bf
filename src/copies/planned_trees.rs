//! The trees of a request, before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::copy_error::CopyError;
use super::copy_plan::{CopyPlan, plan_copies};
use super::inventory::Inventory;
use super::shared_object::SharedObject;
use super::summary::CopySummary;
use super::write_trees::FailedCopies;

/// What to copy, and how often.
#[derive(Clone, Debug)]
pub struct CopyRequest<'r> {
    /// Folders with shared objects: `site-packages`, the source folders of editable installs, and for conda the
    /// `lib` of the prefix.
    pub roots: &'r [PathBuf],
    /// The number of trees, one for each interpreter.
    pub count: usize,
    /// Copy only these files and what they need. Paths without a shared object below a root have no effect.
    pub only: Option<&'r BTreeSet<PathBuf>>,
    /// SHA-256 digests that the sources must have, as far as they are known.
    pub expected: &'r BTreeMap<PathBuf, String>,
}

/// What a report admits to be copied.
#[derive(Clone, Debug, Default)]
pub struct AdmittedCopies {
    /// Absolute paths of the admitted extension modules. What they need is copied too.
    pub sources: BTreeSet<PathBuf>,
    /// SHA-256 digests of the files by absolute path, as far as the report has them.
    pub digests: BTreeMap<PathBuf, String>,
    /// SHA-256 of the report itself.
    pub report_sha256: String,
}

/// The trees of a request, before anything is written.
#[derive(Clone, Debug)]
pub struct PlannedTrees {
    /// One plan for each tree; all have the same sources.
    pub plans: Vec<CopyPlan>,
    /// The environment's shared objects.
    pub inventory: Inventory,
}

impl PlannedTrees {
    /// Plans the trees of a request.
    ///
    /// # Errors
    /// When a root cannot be found, or a source to be copied does not have its expected digest.
    pub fn from_request(request: &CopyRequest<'_>) -> Result<Self, CopyError> {
        let inventory = Inventory::read(request.roots)?;
        let plans = (0..request.count).map(|tree| match (plan_copies(&inventory, tree), request.only) {
            (plan, Some(only)) => plan.restrict_to(only),
            (plan, None) => plan,
        });
        let planned = Self { plans: plans.collect(), inventory };
        planned.check_digests(request.expected)?;
        Ok(planned)
    }

    /// Summarizes a tree, without the sources whose copies failed.
    pub(super) fn summarize(&self, failed: &FailedCopies) -> CopySummary {
        CopySummary::new(self.copied_objects(), &self.inventory.unreadable, failed)
    }

    /// The objects that are copied, in the order of the plans.
    pub(super) fn copied_objects(&self) -> impl Iterator<Item = &SharedObject> {
        let copies = self.plans.first().into_iter().flat_map(|plan| &plan.copies);
        let sources: BTreeSet<&Path> = copies.map(|copy| copy.source.as_path()).collect();
        self.inventory.objects.iter().filter(move |object| sources.contains(object.path.as_path()))
    }

    fn check_digests(&self, expected: &BTreeMap<PathBuf, String>) -> Result<(), CopyError> {
        for object in self.copied_objects() {
            let known = std::iter::once(&object.path).chain(&object.aliases).find_map(|path| {
                let digest = expected.get(path)?;
                Some((path, digest))
            });
            if let Some((path, expected)) = known.filter(|(_, expected)| **expected != object.digest) {
                let (path, found) = (path.clone(), object.digest.clone());
                return Err(CopyError::Changed { path, expected: expected.clone(), found });
            }
        }
        Ok(())
    }
}
