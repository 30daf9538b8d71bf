//! The trees of private copies of this process, one for each interpreter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsgiaudit_probes_core::protocol::CopyTrees;

use super::copy_tree::find_copy;
use super::{find_package_context, install_copy_loader};
use crate::python;
use wsgiaudit_probes_core::lock::lock_ignoring_poison;

/// The trees of this process; `None` if its interpreters load the environment's own files.
static TREES: Mutex<Option<CopyTrees>> = Mutex::new(None);

/// The next tree to use. A tree serves one interpreter only, since the static data of its copies outlive that
/// interpreter.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The origin of each image below the trees that was asked for, by its path.
static ORIGINS: Mutex<BTreeMap<String, ImageOrigin>> = Mutex::new(BTreeMap::new());

/// Number of the tree of each interpreter, by the interpreter's id. CPython uses no id twice.
static IN_USE: Mutex<BTreeMap<i64, usize>> = Mutex::new(BTreeMap::new());

/// Prepares this process for private copies in these trees. This loads the library itself once more, so it must run
/// before an import guard is installed.
///
/// # Errors
/// If this Python does not allow it.
///
/// # Safety
/// The thread holds the main interpreter's GIL.
pub(crate) unsafe fn set_process_trees(mut trees: CopyTrees) -> Result<(), String> {
    // SAFETY: guaranteed by the caller.
    unsafe { find_package_context() }?;
    // The loader opens copies by their real path.
    if let Ok(real) = std::fs::canonicalize(&trees.folder) {
        trees.folder = real.to_string_lossy().into_owned();
    }
    *lock_ignoring_poison(&TREES) = Some(trees);
    Ok(())
}

/// Makes the current interpreter load private copies from a tree that no other interpreter has used.
///
/// # Errors
/// If this process has no trees, no tree is left, or the loader cannot be installed.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(crate) unsafe fn install_next_tree() -> Result<(), String> {
    let trees = lock_ignoring_poison(&TREES).clone().ok_or("this process has no private copies")?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    if number >= trees.count {
        return Err(format!("there are only {} trees of private copies", trees.count));
    }
    // SAFETY: guaranteed by the caller.
    let interpreter = unsafe { python::current_interpreter_id() };
    lock_ignoring_poison(&IN_USE).insert(interpreter, number);
    // SAFETY: guaranteed by the caller.
    unsafe { install_copy_loader(&trees.tree(number)) }
}

/// Whether this process has trees.
pub(crate) fn has_trees() -> bool {
    lock_ignoring_poison(&TREES).is_some()
}

/// Whether this process has private copies of a file. All trees have the same files. True also if the tree cannot be
/// searched: the loader then reports the error.
pub(crate) fn has_copy(file: &Path) -> bool {
    let Some(trees) = lock_ignoring_poison(&TREES).clone() else { return false };
    std::fs::canonicalize(trees.tree(0)).is_ok_and(|tree| !matches!(find_copy(&tree, file), Ok(None)))
}

/// Whether the trees of this process mirror this file: it belongs to the environment.
pub(crate) fn is_mirrored(file: &Path) -> bool {
    let Some(tree) = lock_ignoring_poison(&TREES).as_ref().map(|trees| trees.tree(0)) else { return false };
    let relative =
        std::fs::canonicalize(file).ok().and_then(|real| Some(real.strip_prefix("/").ok()?.to_owned()));
    relative.is_some_and(|relative| Path::new(&tree).join(relative).exists())
}

/// Where an image comes from.
#[derive(Clone, Debug)]
pub(crate) struct ImageOrigin {
    /// The environment's file: the image itself, or what it is a private copy of.
    pub(crate) file: String,
    /// Number of the tree that a private copy belongs to.
    pub(crate) tree: Option<usize>,
}

/// Finds the origin of an image by the path under which the dynamic linker knows it. That may be a link in a tree, to
/// a copy of the tree or to a file of the environment.
pub(crate) fn find_origin(path: &str) -> ImageOrigin {
    let trees = lock_ignoring_poison(&TREES);
    let Some(trees) = trees.as_ref().filter(|trees| trees.tree_of_path(path).is_some()) else {
        return ImageOrigin { file: path.to_owned(), tree: None };
    };
    let mut known = lock_ignoring_poison(&ORIGINS);
    let origin = known.entry(path.to_owned()).or_insert_with(|| {
        let real = std::fs::canonicalize(path)
            .map_or_else(|_| path.to_owned(), |real| real.to_string_lossy().into());
        let file = trees.original_path(&real).unwrap_or(&real).to_owned();
        ImageOrigin { tree: trees.tree_of_path(&real), file }
    });
    origin.clone()
}

/// Number of the tree of the current interpreter; `None` if it loads the environment's own files.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(crate) unsafe fn current_tree() -> Option<usize> {
    // SAFETY: guaranteed by the caller.
    let interpreter = unsafe { python::current_interpreter_id() };
    lock_ignoring_poison(&IN_USE).get(&interpreter).copied()
}

/// The private copy of a file for the current interpreter.
///
/// # Safety
/// The thread holds the interpreter's GIL.
pub(crate) unsafe fn copy_of(file: &Path) -> Option<PathBuf> {
    // SAFETY: guaranteed by the caller.
    let number = unsafe { current_tree() }?;
    let tree = lock_ignoring_poison(&TREES).as_ref()?.tree(number);
    find_copy(tree.as_ref(), file).ok().flatten()
}
