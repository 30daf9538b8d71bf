//! Links to what lies beside shared objects: code finds its data beside its copy.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::copy_error::CopyError;
use super::inventory::Inventory;
use super::library_search::path_in_tree;

/// A link in each mirrored folder to the folder that it mirrors. Links to files lead through it, since a short link
/// takes no block of a file system.
const ORIGINAL: &str = ".wsgiaudit-original";

/// The folders that a tree has as folders of its own: those with shared objects, and those between them and the roots.
/// By absolute path, with the names of the shared objects, which are no data.
#[derive(Clone, Debug, Default)]
pub(super) struct MirroredFolders(BTreeMap<PathBuf, BTreeSet<OsString>>);

impl MirroredFolders {
    /// Lists the folders of an environment.
    pub(super) fn from_inventory(inventory: &Inventory) -> Self {
        let mut folders: BTreeMap<PathBuf, BTreeSet<OsString>> = BTreeMap::new();
        let paths =
            inventory.objects.iter().flat_map(|object| [&object.path].into_iter().chain(&object.aliases));
        for path in paths {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { continue };
            folders.entry(folder.to_owned()).or_default().insert(name.to_owned());
            let Some(root) = inventory.roots.iter().find(|root| folder.starts_with(root)) else { continue };
            for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(root)) {
                folders.entry(above.to_owned()).or_default();
            }
        }
        Self(folders)
    }

    /// Leaves out folders that the links of a plan make, or lead to.
    pub(super) fn remove_below_links(&mut self, links: &BTreeMap<PathBuf, PathBuf>) {
        let is_linked =
            |folder: &Path| folder.ancestors().any(|above| links.contains_key(&path_in_tree(above)));
        self.0.retain(|folder, _| !is_linked(folder));
    }

    /// Paths of the folders in a tree.
    pub(super) fn paths_in_tree(&self) -> impl Iterator<Item = PathBuf> {
        self.0.keys().map(|folder| path_in_tree(folder))
    }

    /// Links what the folders contain and the tree has not, without shared objects.
    ///
    /// # Errors
    /// When a folder cannot be read, or a link cannot be made.
    pub(super) fn link_data(&self, tree: &Path) -> Result<(), CopyError> {
        for (folder, objects) in &self.0 {
            let place = tree.join(path_in_tree(folder));
            if place.is_symlink() {
                continue;
            }
            let read_error = || CopyError::io("read", folder);
            let link =
                |target: &Path, path: PathBuf| symlink(target, &path).map_err(CopyError::io("make", path));
            link(folder, place.join(ORIGINAL))?;
            for entry in fs::read_dir(folder).map_err(read_error())? {
                let name = entry.map_err(read_error())?.file_name();
                let path = place.join(&name);
                if !objects.contains(&name) && path.symlink_metadata().is_err() {
                    link(&Path::new(ORIGINAL).join(&name), path)?;
                }
            }
        }
        Ok(())
    }
}
