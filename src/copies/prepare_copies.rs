//! Prepares the trees of copies for the interpreters of one process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::copy_error::CopyError;
use super::copy_set::CopySet;
use super::copy_store::CopyStore;
use super::disk_space::{check_loadable, check_room, estimate_disk_need};
use super::planned_trees::{CopyRequest, PlannedTrees};
use super::write_trees::{CopyStorage as _, write_trees};

/// Makes, or reuses, `count` trees of private copies of the shared objects below `roots` (`site-packages` folders,
/// source folders of editable installs). With `only`, just these files and what they need are copied.
///
/// # Errors
/// As [`prepare_requested_copies`].
pub fn prepare_copies(
    roots: &[PathBuf],
    count: usize,
    store: &CopyStore,
    only: Option<&BTreeSet<PathBuf>>,
) -> Result<CopySet, CopyError> {
    prepare_requested_copies(&CopyRequest { roots, count, only, expected: &BTreeMap::new() }, store)
}

/// Makes, or reuses, the trees of a request.
///
/// # Errors
/// When a root or a source cannot be read, a source does not have its expected digest or changes meanwhile, there
/// is not enough room, or the copies cannot be written or could not be loaded.
pub fn prepare_requested_copies(request: &CopyRequest<'_>, store: &CopyStore) -> Result<CopySet, CopyError> {
    let planned = PlannedTrees::from_request(request)?;
    check_loadable(&store.sets_folder())?;
    store.clean_up();
    let measure = || {
        estimate_disk_need(&planned.plans, &store.incoming_folder(), &|key| store.find_copy(key).is_some())
    };
    let mut lock = store.lock_for_use()?;
    let mut needed = measure();
    if check_room(&store.sets_folder(), needed).is_err() {
        drop(lock);
        store.make_room(needed);
        lock = store.lock_for_use()?;
        needed = measure();
    }
    check_room(&store.sets_folder(), needed)?;
    let mut set = CopySet::create(store)?;
    let written = write_trees(&planned.plans, store, set.folder())?;
    drop(lock);
    set.describe(planned.summarize(&written.failed()), needed);
    Ok(set)
}
