//! Which file uses an item of which other file, and the circles in that.
//!
//! A path is followed through `use` declarations and re-exports to the file that defines the item, as rustc resolves
//! it. Calls of methods name no file and are not seen.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use crate::references::{References, collect_references};
use crate::sources::SourceFile;

/// The names from the crate's root to a module.
pub type ModulePath = Vec<String>;

/// Re-exports that go in a circle are followed no further than this.
const MAX_STEPS: usize = 32;

/// The modules of a crate with their uses of each other.
pub struct ModuleGraph {
    modules: BTreeMap<ModulePath, References>,
}

impl ModuleGraph {
    /// The graph of these files.
    pub fn new(files: &[SourceFile]) -> Self {
        Self { modules: files.iter().map(|file| (file.module.clone(), collect_references(file))).collect() }
    }

    /// Each module with those that it uses an item of, itself left out.
    pub fn collect_uses(&self) -> BTreeMap<&ModulePath, BTreeSet<&ModulePath>> {
        let mut uses: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (module, references) in &self.modules {
            let named = references.imports.values().chain(&references.paths).chain(&references.globs);
            let used =
                named.filter_map(|path| self.resolve_path(module, path, 0)).filter(|used| *used != module);
            uses.insert(module, used.collect());
        }
        uses
    }

    /// The circles: groups of two or more modules, each of which uses each other one, at least by way of others.
    /// Modules that only declare (`mod.rs`, `lib.rs`) stand in none: who goes through them uses the file behind.
    pub fn find_circles(&self) -> Vec<Vec<&ModulePath>> {
        let uses = self.collect_uses();
        let mut graph = DiGraph::new();
        let nodes: BTreeMap<_, _> = uses.keys().map(|module| (*module, graph.add_node(*module))).collect();
        for (module, used) in uses.iter().filter(|(module, _)| !self.has_children(module)) {
            for each in used.iter().filter(|each| !self.has_children(each)) {
                graph.add_edge(nodes[*module], nodes[*each], ());
            }
        }
        let mut circles: Vec<Vec<_>> = tarjan_scc(&graph)
            .into_iter()
            .filter(|group| group.len() > 1)
            .map(|group| {
                let mut names: Vec<_> = group.into_iter().map(|node| graph[node]).collect();
                names.sort();
                names
            })
            .collect();
        circles.sort();
        circles
    }

    fn has_children(&self, module: &ModulePath) -> bool {
        self.modules.keys().any(|other| other.len() > module.len() && other.starts_with(module))
    }

    /// The module that defines what `path` names in the module `from`. `None`: another crate's, or a local name.
    fn resolve_path<'a>(
        &'a self,
        from: &'a ModulePath,
        path: &[String],
        steps: usize,
    ) -> Option<&'a ModulePath> {
        let (first, rest) = path.split_first()?;
        if steps > MAX_STEPS {
            return None;
        }
        match first.as_str() {
            "crate" => self.descend_path(self.find_module(&[])?, rest, steps),
            "self" => self.descend_path(from, rest, steps),
            "super" => {
                let (_, parent) = from.split_last()?;
                let parent = self.find_module(parent)?;
                if rest.first().is_some_and(|next| next == "super") {
                    return self.resolve_path(parent, rest, steps);
                }
                self.descend_path(parent, rest, steps)
            }
            _ if rest.is_empty() && !self.brings_in(from, first) => None,
            _ => self.descend_path(from, path, steps),
        }
    }

    /// Follows `path` down from `module`.
    fn descend_path<'a>(
        &'a self,
        module: &'a ModulePath,
        path: &[String],
        steps: usize,
    ) -> Option<&'a ModulePath> {
        let Some((first, rest)) = path.split_first() else { return Some(module) };
        let mut child = module.clone();
        child.push(first.clone());
        if let Some(child) = self.find_module(&child) {
            return self.descend_path(child, rest, steps);
        }
        let references = self.modules.get(module)?;
        if references.definitions.contains(first) {
            return Some(module);
        }
        if let Some(target) = references.imports.get(first) {
            // `use a::b` of another crate, or of the module's own child, which is found above.
            if target.first() == Some(first) {
                return None;
            }
            let whole: Vec<String> = target.iter().chain(rest).cloned().collect();
            return self.resolve_path(module, &whole, steps + 1);
        }
        let from_glob = references.globs.iter().find_map(|glob| {
            let source = self.resolve_path(module, glob, steps + 1)?;
            (source != module).then(|| self.descend_path(source, path, steps + 1)).flatten()
        });
        from_glob.or(Some(module))
    }

    fn find_module(&self, path: &[String]) -> Option<&ModulePath> {
        self.modules.get_key_value(path).map(|(module, _)| module)
    }

    fn brings_in(&self, module: &ModulePath, name: &str) -> bool {
        self.modules.get(module).is_some_and(|references| references.imports.contains_key(name))
    }
}

/// Modules as they are written in Rust, joined by `separator`.
pub fn join_modules(modules: &[&ModulePath], separator: &str) -> String {
    modules.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(separator)
}
