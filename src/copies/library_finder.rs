//! Finds the needed libraries of an environment's shared objects as the dynamic linker does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::library_search::{
    SystemLibraries, expand_entry, normalize, relative_path, resolve_entry, search_entries,
};
use super::shared_object::{Need, NeedTarget, SharedObject};

/// Fills in what each object needs, and the search path of its copy.
///
/// `DT_RPATH` applies to dependencies too. So the search begins at the extension modules, breadth first, and then
/// covers the objects that no module needs.
pub(super) fn resolve_needs(objects: &mut [SharedObject], roots: &[PathBuf]) {
    let finder = LibraryFinder::new(objects);
    let is_module = |index: &usize| objects.get(*index).is_some_and(|object| object.names.is_module);
    let (modules, others): (Vec<usize>, Vec<usize>) = (0..objects.len()).partition(is_module);
    let mut waiting: VecDeque<(usize, Vec<PathBuf>)> =
        modules.into_iter().map(|index| (index, Vec::new())).collect();
    let mut others = others.into_iter();
    let mut done: BTreeMap<usize, Vec<Need>> = BTreeMap::new();
    while let Some((index, inherited)) =
        waiting.pop_front().or_else(|| others.next().map(|index| (index, Vec::new())))
    {
        let Some(object) = objects.get(index).filter(|_| !done.contains_key(&index)) else { continue };
        let needs = finder.find_needs(object, &inherited);
        let mut passed_on = own_rpath(object);
        passed_on.extend(inherited);
        for need in &needs {
            match need.target {
                NeedTarget::Object(target, _) | NeedTarget::Preloaded(target) => {
                    waiting.push_back((target, passed_on.clone()));
                }
                NeedTarget::System | NeedTarget::Outside(_) | NeedTarget::Unknown => {}
            }
        }
        done.insert(index, needs);
    }
    for (index, needs) in done {
        if let Some(object) = objects.get_mut(index) {
            object.needs = needs;
            object.search_path = search_path_in_tree(object, roots);
        }
    }
}

/// The folders of `DT_RPATH`, which the linker ignores if there is a `DT_RUNPATH`.
fn own_rpath(object: &SharedObject) -> Vec<PathBuf> {
    match object.names.run_path.is_empty() {
        true => own_search_folders(object),
        false => Vec::new(),
    }
}

fn own_search_folders(object: &SharedObject) -> Vec<PathBuf> {
    let folder = object.path.parent().unwrap_or(Path::new("/"));
    search_entries(&object.names).iter().filter_map(|entry| resolve_entry(entry, folder)).collect()
}

/// Returns old and new search path, if the old one does not work in a tree: an absolute path to copied libraries
/// would lead to the originals, and a relative one to other libraries, or through a linked folder, to nothing.
fn search_path_in_tree(object: &SharedObject, roots: &[PathBuf]) -> Option<(String, String)> {
    let folder = object.path.parent().unwrap_or(Path::new("/"));
    let adapt = |entry: &String| {
        let resolved = expand_entry(entry, folder).zip(resolve_entry(entry, folder));
        let Some((expanded, target)) = resolved else { return entry.clone() };
        let (is_absolute, is_direct) = (entry.starts_with('/'), normalize(&expanded) == target);
        match roots.iter().any(|root| target.starts_with(root)) {
            true if is_absolute || !is_direct => {
                format!("$ORIGIN/{}", relative_path(folder, &target).display())
            }
            false if !is_absolute => target.display().to_string(),
            true | false => entry.clone(),
        }
    };
    let old = search_entries(&object.names);
    let new: Vec<String> = old.iter().map(adapt).collect();
    (new != *old).then(|| (old.join(":"), new.join(":")))
}

/// The libraries of an environment, by path and by name.
struct LibraryFinder {
    by_path: BTreeMap<PathBuf, usize>,
    by_name: BTreeMap<String, BTreeSet<usize>>,
    /// The machine of each object, in their order.
    machines: Vec<(u16, bool)>,
    system: SystemLibraries,
}

impl LibraryFinder {
    fn new(objects: &[SharedObject]) -> Self {
        let (mut by_path, mut by_name) = (BTreeMap::new(), BTreeMap::<String, BTreeSet<usize>>::new());
        for (index, object) in objects.iter().enumerate() {
            for path in std::iter::once(&object.path).chain(&object.aliases) {
                by_path.insert(path.clone(), index);
            }
            // The linker recognizes a loaded library by either name.
            let file = object.path.file_name().and_then(|name| name.to_str());
            for name in file.into_iter().chain(object.names.soname.as_deref()) {
                by_name.entry(name.to_owned()).or_default().insert(index);
            }
        }
        let machines = objects.iter().map(|object| object.names.machine).collect();
        Self { by_path, by_name, machines, system: SystemLibraries::find() }
    }

    fn find_needs(&self, object: &SharedObject, inherited: &[PathBuf]) -> Vec<Need> {
        let mut folders = own_search_folders(object);
        if object.names.run_path.is_empty() {
            folders.extend_from_slice(inherited);
        }
        let needed = object.names.needed.iter().chain(&object.names.filters);
        needed
            .map(|name| Need {
                name: name.clone(),
                target: self.find_library(name, &folders, object.names.machine),
            })
            .collect()
    }

    fn find_library(&self, name: &str, folders: &[PathBuf], machine: (u16, bool)) -> NeedTarget {
        if name.contains('/') {
            // The linker opens a name with a slash as it is, without a search.
            return NeedTarget::Outside(PathBuf::from(name));
        }
        let is_for_machine = |index: &usize| self.machines.get(*index) == Some(&machine);
        for folder in folders {
            let path = folder.join(name);
            // The linker passes over libraries for other machines.
            match self.by_path.get(&path) {
                Some(index) if is_for_machine(index) => return NeedTarget::Object(*index, folder.clone()),
                Some(_) => continue,
                None => {}
            }
            if path.exists() {
                let is_system = self.system.has_folder(folder);
                return if is_system { NeedTarget::System } else { NeedTarget::Outside(path) };
            }
        }
        if self.system.has_library(name) {
            return NeedTarget::System;
        }
        let mut named = self.by_name.get(name).into_iter().flatten().filter(|index| is_for_machine(index));
        match (named.next(), named.next()) {
            (Some(only), None) => NeedTarget::Preloaded(*only),
            _ => NeedTarget::Unknown,
        }
    }
}
