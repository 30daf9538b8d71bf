//! What a tree of copies contains, and under which library names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::elf::StringRole;
use super::inventory::Inventory;
use super::library_search::{normalize, path_in_tree, relative_path};
use super::mirrored_folders::MirroredFolders;
use super::private_name::private_name;
use super::shared_object::{NeedTarget, SharedObject};
use crate::digest;

/// Changes whenever the same source and names give other bytes than before.
pub const COPY_FORMAT: u32 = 1;

/// One tree. Paths in it are absolute paths of the environment without the leading `/`.
#[derive(Clone, Debug, Default)]
pub struct CopyPlan {
    /// The shared objects.
    pub copies: Vec<PlannedCopy>,
    /// Symbolic links by path, with their targets: relative ones lead to copies, absolute ones to files that stay
    /// shared.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// The folders in which everything else is a link.
    pub(super) folders: MirroredFolders,
}

/// A shared object to be copied.
#[derive(Clone, Debug)]
pub struct PlannedCopy {
    /// The absolute path of the source.
    pub source: PathBuf,
    /// The path of the copy in the tree.
    pub destination: PathBuf,
    /// SHA-256 of the source when the plan was made.
    pub digest: String,
    /// The strings that change.
    pub names: NameMap,
    /// Identifies the content, the object and the tree. The dynamic linker takes one file for one library, so two
    /// copies must not be one file even if their content is the same.
    pub key: String,
    /// Most bytes that the copy can have.
    pub size: u64,
    /// Most bytes that it can have more than the source.
    pub growth: u64,
    /// Positions of the needed copies in the plan.
    pub needs: Vec<usize>,
}

/// The strings that change in one shared object. In an object of another folder the same library name may mean
/// another file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameMap {
    /// Old and new name of the library itself.
    pub own: Option<(String, String)>,
    /// New names of needed libraries by the old ones.
    pub needed: BTreeMap<String, String>,
    /// Old and new search path.
    pub search_path: Option<(String, String)>,
}

impl NameMap {
    /// Returns the new string for an old one in this role, or `None` to keep it.
    pub fn rename(&self, role: StringRole, old: &[u8]) -> Option<Vec<u8>> {
        let old = std::str::from_utf8(old).ok()?;
        let new = match role {
            StringRole::Soname | StringRole::DefinedVersion => {
                self.own.as_ref().filter(|(own, _)| own == old).map(|(_, new)| new)
            }
            StringRole::Needed | StringRole::NeededVersion | StringRole::Filter => self.needed.get(old),
            StringRole::RunPath | StringRole::Rpath => {
                self.search_path.as_ref().filter(|(path, _)| path == old).map(|(_, new)| new)
            }
            StringRole::Other => None,
        };
        new.map(|new| new.clone().into_bytes())
    }

    /// Most bytes by which a file grows that has to store these strings in a table of its own.
    fn largest_growth(&self, strings_size: u64) -> u64 {
        let pairs = self.own.iter().chain(self.search_path.iter()).map(|(_, new)| new);
        let new: u64 = pairs.chain(self.needed.values()).map(|name| name.len() as u64 + 1).sum();
        // The table, and the program headers with one more: 56 bytes each, rarely more than twenty.
        if new == 0 { 0 } else { strings_size + new + 4096 }
    }
}

/// Plans tree number `tree`. The same environment and number always give the same plan.
///
/// Every shared object is copied, even if no extension module needs it: Python code may load it by its path.
pub fn plan_copies(inventory: &Inventory, tree: usize) -> CopyPlan {
    let mut plan = CopyPlan { folders: MirroredFolders::from_inventory(inventory), ..CopyPlan::default() };
    let copies: BTreeSet<&Path> = inventory.objects.iter().map(|object| object.path.as_path()).collect();
    for object in &inventory.objects {
        let mut needs = Vec::new();
        let mut names = NameMap {
            own: own_name(object, tree),
            needed: BTreeMap::new(),
            search_path: object.search_path.clone(),
        };
        for need in &object.needs {
            let (index, folder) = match &need.target {
                NeedTarget::Object(index, folder) => (*index, Some(folder.as_path())),
                NeedTarget::Preloaded(index) => (*index, None),
                NeedTarget::Outside(path) if inventory.is_other_file_below_root(path) => {
                    // The search path leads to this folder in the tree.
                    plan.links.insert(path_in_tree(path), path.clone());
                    continue;
                }
                NeedTarget::System | NeedTarget::Outside(_) | NeedTarget::Unknown => continue,
            };
            let Some(target) = inventory.objects.get(index) else { continue };
            needs.push(index);
            let new = own_name(target, tree)
                .map_or_else(|| private_name(&need.name, &seed_of_name(target, tree)), |(_, new)| new);
            // The linker has to find the new name where it found the old one.
            let folder = folder.or_else(|| target.path.parent()).unwrap_or(Path::new("/"));
            plan.link_to_copy(&folder.join(&new), &target.path);
            names.needed.insert(need.name.clone(), new);
        }
        for alias in object.aliases.iter().filter(|alias| !copies.contains(alias.as_path())) {
            plan.link_to_copy(alias, &object.path);
        }
        let growth = names.largest_growth(object.names.strings_size);
        plan.copies.push(PlannedCopy {
            source: object.path.clone(),
            destination: path_in_tree(&object.path),
            digest: object.digest.clone(),
            key: digest::of_text(&format!(
                "{COPY_FORMAT}\n{tree}\n{}\n{}\n{names:?}",
                object.id, object.digest
            )),
            size: object.size + growth,
            growth,
            names,
            needs,
        });
    }
    for (given, root) in &inventory.other_roots {
        plan.link_to_copy(given, root);
    }
    plan.folders.remove_below_links(&plan.links);
    plan
}

impl CopyPlan {
    /// Returns the part of the plan for these sources, named by any of their absolute paths, and everything that
    /// they need. Library names stay the same.
    pub fn restrict_to(&self, sources: &BTreeSet<PathBuf>) -> Self {
        let asked: BTreeSet<PathBuf> =
            sources.iter().map(|path| self.resolve_path(&path_in_tree(path))).collect();
        let is_asked = |copy: &PlannedCopy| asked.contains(&copy.destination);
        let indices = self.copies.iter().enumerate().filter(|(_, copy)| is_asked(copy));
        let mut waiting: Vec<usize> = indices.map(|(index, _)| index).collect();
        let mut kept = BTreeSet::new();
        while let Some(index) = waiting.pop() {
            if let Some(copy) = self.copies.get(index).filter(|_| kept.insert(index)) {
                waiting.extend(&copy.needs);
            }
        }
        let positions: BTreeMap<usize, usize> =
            kept.iter().enumerate().map(|(new, old)| (*old, new)).collect();
        let copies: Vec<PlannedCopy> = kept
            .iter()
            .filter_map(|index| self.copies.get(*index))
            .map(|copy| PlannedCopy {
                needs: copy.needs.iter().filter_map(|old| positions.get(old).copied()).collect(),
                ..copy.clone()
            })
            .collect();
        let destinations: BTreeSet<&Path> = copies.iter().map(|copy| copy.destination.as_path()).collect();
        let is_needed = |path: &Path, target: &Path| {
            let target = target_in_tree(path, target);
            target.is_none_or(|target| {
                // A link to a whole root leads to some copy below it.
                destinations.range(target.as_path()..).next().is_some_and(|first| first.starts_with(&target))
            })
        };
        let links = self.links.iter().filter(|(path, target)| is_needed(path, target));
        let links = links.map(|(path, target)| (path.clone(), target.clone())).collect();
        Self { copies, links, folders: self.folders.clone() }
    }

    /// The path in the tree that this one leads to, through the plan's links.
    fn resolve_path(&self, path: &Path) -> PathBuf {
        let mut path = path.to_owned();
        // A link to a root, then one to a file.
        for _ in 0..2 {
            let linked = path.ancestors().find_map(|link| {
                let target = target_in_tree(link, self.links.get(link)?)?;
                Some(target.join(path.strip_prefix(link).ok()?))
            });
            let Some(linked) = linked else { break };
            path = linked.components().collect();
        }
        path
    }

    /// Adds a link from one absolute path to another, both in the tree. A path below a link needs none, and a
    /// folder with links in it cannot be one.
    fn link_to_copy(&mut self, path: &Path, target: &Path) {
        let place = path_in_tree(path);
        let is_linked = place.ancestors().any(|above| self.links.contains_key(above));
        let has_links =
            self.links.range(place.clone()..).next().is_some_and(|(link, _)| link.starts_with(&place));
        if path != target && !is_linked && !has_links {
            let folder = path.parent().unwrap_or(Path::new("/"));
            self.links.insert(place, relative_path(folder, target));
        }
    }
}

/// Where a link leads to in the tree; `None` if it leads out of it.
fn target_in_tree(path: &Path, target: &Path) -> Option<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    (!target.is_absolute()).then(|| normalize(&folder.join(target)))
}

fn own_name(object: &SharedObject, tree: usize) -> Option<(String, String)> {
    let old = object.names.soname.as_ref()?;
    Some((old.clone(), private_name(old, &seed_of_name(object, tree))))
}

/// Different for each object of an environment and each tree, and the same for the same wheel in another
/// environment, so that the store needs one copy for both.
fn seed_of_name(object: &SharedObject, tree: usize) -> String {
    format!("{tree} {}", object.id)
}
