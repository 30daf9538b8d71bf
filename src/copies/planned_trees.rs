//! The trees of a request, before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::copy_error::CopyError;
use super::copy_plan::{CopyPlan, plan_copies};
use super::inventory::Inventory;

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

    fn check_digests(&self, expected: &BTreeMap<PathBuf, String>) -> Result<(), CopyError> {
        let copies = self.plans.first().into_iter().flat_map(|plan| &plan.copies);
        let sources: BTreeSet<&PathBuf> = copies.map(|copy| &copy.source).collect();
        for object in self.inventory.objects.iter().filter(|object| sources.contains(&object.path)) {
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
