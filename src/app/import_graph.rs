//! Traces the imports of an application transitively, and scans each source file once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::imports::Import;
use super::module_finder::{ModuleFinder, ModuleResolution};
use super::scan::{read_source, scan_source};
use super::scanner::{FileContext, FileScan};
use crate::model::{
    ImportKind, PathChange, ReachedModule, SourceAnalysis, SourceHazard, SourceLocation, UnresolvedImport,
};

/// Facts about an application's imports that its sources do not show.
#[derive(Clone, Debug, Default)]
pub struct KnownImports {
    /// For each extension module, the extension modules that its C code imports: trials show them, sources do
    /// not.
    pub loads: BTreeMap<String, BTreeSet<String>>,
    /// Modules that the application's framework imports at the first request.
    pub by_framework: BTreeSet<String>,
    /// Whether the application's Python heeds `__lazy_modules__` (PEP 810, since 3.15).
    pub has_lazy_modules: bool,
}

/// Traces the imports of an application, and collects the hazards of every source file on the way.
pub fn trace_application(finder: &ModuleFinder, application: &str, known: &KnownImports) -> SourceAnalysis {
    let mut graph = ImportGraph {
        finder,
        known,
        seen: BTreeMap::new(),
        files: BTreeMap::new(),
        out: SourceAnalysis::default(),
    };
    graph.follow_imports(application);
    graph.out
}

/// How a module is reached.
#[derive(Clone, Debug)]
struct ImportStep {
    /// The kind of the whole chain of imports.
    way: ImportKind,
    /// The importing module; `None` for the application itself.
    from: Option<String>,
    /// The import that determined the kind.
    through: Option<SourceLocation>,
}

/// The traversal of an application's imports.
struct ImportGraph<'a> {
    finder: &'a ModuleFinder,
    known: &'a KnownImports,
    /// For each module, the import that is most certain to run.
    seen: BTreeMap<String, ImportStep>,
    /// The imports of each file scanned so far.
    files: BTreeMap<PathBuf, Vec<Import>>,
    out: SourceAnalysis,
}

impl ImportGraph<'_> {
    /// Follows imports breadth-first, the most certain kind first, so that the first visit of a module is
    /// final.
    fn follow_imports(&mut self, application: &str) {
        let mut waiting: BTreeMap<ImportKind, VecDeque<(String, ImportStep)>> = BTreeMap::new();
        let first = ImportStep { way: ImportKind::AtImport, from: None, through: None };
        waiting.entry(ImportKind::AtImport).or_default().push_back((application.to_owned(), first));
        for name in &self.known.by_framework {
            let later =
                ImportStep { way: ImportKind::Lazy, from: Some(application.to_owned()), through: None };
            waiting.entry(ImportKind::Lazy).or_default().push_back((name.clone(), later));
        }
        while let Some(mut entry) = waiting.first_entry() {
            let Some((name, step)) = entry.get_mut().pop_front() else {
                entry.remove();
                continue;
            };
            if self.seen.contains_key(&name) {
                continue;
            }
            let found = self.finder.find_module(&name);
            if matches!(found, ModuleResolution::Nothing | ModuleResolution::Library) && step.from.is_some() {
                continue;
            }
            self.seen.insert(name.clone(), step.clone());
            for (next, step) in self.imports_of_module(&name, &found, &step) {
                if !self.seen.contains_key(&next) {
                    waiting.entry(step.way).or_default().push_back((next, step));
                }
            }
        }
        let reached = self.seen.iter().map(|(name, step)| ReachedModule {
            name: name.clone(),
            way: step.way,
            through: step.through.clone(),
            chain: self.import_chain(name),
        });
        self.out.reached = reached.collect();
        self.out.files = self.files.len();
        self.out.path_changes.sort();
        for all in [&mut self.out.hazards, &mut self.out.elsewhere] {
            all.sort();
        }
        for all in [&mut self.out.not_followed, &mut self.out.not_followed_elsewhere] {
            all.sort_by_cached_key(|(location, what)| (location.clone(), what.to_string()));
        }
    }

    /// Returns the modules that a module imports.
    fn imports_of_module(
        &mut self,
        name: &str,
        found: &ModuleResolution,
        step: &ImportStep,
    ) -> Vec<(String, ImportStep)> {
        // Report the import that determined the kind. A later one of the same kind replaces it only if it is
        // in a function and the first is not: a location in a function says more than a name in a string.
        let through = |location: &SourceLocation, way: ImportKind| match &step.through {
            Some(previous)
                if way == step.way && (!previous.function.is_empty() || location.function.is_empty()) =>
            {
                Some(previous.clone())
            }
            Some(_) | None => Some(location.clone()),
        };
        match found {
            ModuleResolution::Nothing | ModuleResolution::Library | ModuleResolution::Namespace => Vec::new(),
            ModuleResolution::Extension => {
                let loads = self.known.loads.get(name).into_iter().flatten().filter(|each| *each != name);
                let next = |each: &String| {
                    let step = ImportStep {
                        way: step.way,
                        from: Some(name.to_owned()),
                        through: step.through.clone(),
                    };
                    (each.clone(), step)
                };
                loads.map(next).collect()
            }
            ModuleResolution::Source(file, is_package) => {
                let package = match is_package {
                    true => name,
                    false => name.rsplit_once('.').map_or("", |(package, _)| package),
                };
                let mut next = Vec::new();
                for import in self.scan_file(file, package) {
                    let location = SourceLocation {
                        file: file.clone(),
                        line: import.line,
                        function: import.function.clone(),
                    };
                    for target in self.import_targets(&import, &location) {
                        let way = step.way.followed_by(import.way);
                        let through = if way == ImportKind::AtImport {
                            Some(location.clone())
                        } else {
                            through(&location, way)
                        };
                        next.push((target, ImportStep { way, from: Some(name.to_owned()), through }));
                    }
                }
                next
            }
        }
    }

    /// Returns every module that an import loads: the parent packages and the module itself. A missing module
    /// is recorded, unless the import may fail.
    fn import_targets(&mut self, import: &Import, location: &SourceLocation) -> Vec<String> {
        let mut targets = Vec::new();
        let ends = import.name.match_indices('.').map(|(index, _)| index).chain([import.name.len()]);
        for end in ends {
            let name = &import.name[..end];
            match self.finder.find_module(name) {
                ModuleResolution::Source(..) | ModuleResolution::Extension | ModuleResolution::Namespace => {
                    targets.push(name.to_owned())
                }
                ModuleResolution::Library => break,
                ModuleResolution::Nothing => {
                    let is_needed = matches!(import.way, ImportKind::AtImport | ImportKind::Lazy)
                        && !import.is_conditional
                        && !import.is_named;
                    if is_needed && !import.is_from {
                        self.record_not_followed(location, UnresolvedImport::Missing(name.to_owned()));
                    }
                    break;
                }
            }
        }
        if import.is_named {
            return self.targets_named_by_string(import, targets);
        }
        targets
    }

    /// Returns the modules that a string names: one of the application or, with a dotted name, one of the
    /// environment. Of a package also `apps`, `models` and `admin`, which Django imports for each application
    /// in its settings.
    fn targets_named_by_string(&self, import: &Import, targets: Vec<String>) -> Vec<String> {
        let Some(last) = targets.last() else { return Vec::new() };
        let ModuleResolution::Source(file, is_package) = self.finder.find_module(last) else {
            return Vec::new();
        };
        let is_own = self.finder.is_own(&file);
        // A single word may be anything, so it must be a module of the application. Of a dotted name, more
        // than the top-level package must exist.
        let is_meant = if import.name.contains('.') { last.contains('.') } else { is_own };
        if !is_meant {
            return Vec::new();
        }
        let mut all = targets.clone();
        if is_package && *last == import.name {
            let parts = ["apps", "models", "admin"].map(|part| format!("{last}.{part}"));
            all.extend(
                parts
                    .into_iter()
                    .filter(|name| matches!(self.finder.find_module(name), ModuleResolution::Source(..))),
            );
        }
        all
    }

    /// Scans a file, once, and returns its imports.
    fn scan_file(&mut self, file: &Path, package: &str) -> Vec<Import> {
        if let Some(imports) = self.files.get(file) {
            return imports.clone();
        }
        let is_own = self.finder.is_own(file);
        let context = FileContext { package, is_own, has_lazy_modules: self.known.has_lazy_modules };
        let scanned = read_source(file).and_then(|text| scan_source(&text, context));
        let FileScan { imports, hazards, not_followed, path_changes } = scanned.unwrap_or_else(|why| {
            FileScan { not_followed: vec![(1, String::new(), why)], ..FileScan::default() }
        });
        let location =
            |line: usize, function: String| SourceLocation { file: file.to_owned(), line, function };
        let hazards = hazards.into_iter().map(|hazard| SourceHazard {
            spot: location(hazard.line, hazard.function),
            weight: hazard.weight,
            rule: hazard.rule,
            text: hazard.text,
            name: hazard.name,
            used: hazard.used,
            others: hazard.others.into_iter().map(|(line, function)| location(line, function)).collect(),
            refused: hazard.refused,
        });
        if is_own {
            self.out.hazards.extend(hazards)
        } else {
            self.out.elsewhere.extend(hazards)
        }
        self.out.path_changes.extend(path_changes.into_iter().map(|change| PathChange {
            spot: location(change.line, change.function),
            text: change.text,
            lines: change.lines,
        }));
        for (line, function, what) in not_followed {
            self.record_not_followed(&location(line, function), UnresolvedImport::Computed(what));
        }
        self.files.insert(file.to_owned(), imports.clone());
        imports
    }

    fn record_not_followed(&mut self, location: &SourceLocation, what: UnresolvedImport) {
        let all = match self.finder.is_own(&location.file) {
            true => &mut self.out.not_followed,
            false => &mut self.out.not_followed_elsewhere,
        };
        let entry = (location.clone(), what);
        if !all.contains(&entry) {
            all.push(entry);
        }
    }

    /// Returns the chain of imports from the application to a module.
    fn import_chain(&self, name: &str) -> Vec<String> {
        let mut chain = vec![name.to_owned()];
        let mut current = name;
        while let Some(from) = self.seen.get(current).and_then(|step| step.from.as_deref()) {
            chain.push(from.to_owned());
            current = from;
        }
        chain.reverse();
        chain
    }
}
