//! From the application through everything that it imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::find::{Finder, Found};
use super::imports::Import;
use super::scan::{Around, Scan, scan};
use crate::model::{NOT_THERE, PathChange, Reached, SourceHazard, Sources, Spot, Way};

/// What is known of an application's imports beside its sources.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The extension modules that one of them loads by itself: what C code imports cannot be read.
    pub loads: BTreeMap<String, BTreeSet<String>>,
    /// Modules that its framework loads when it is first asked.
    pub by_framework: BTreeSet<String>,
    /// Whether its Python reads `__lazy_modules__` (PEP 810, since 3.15).
    pub has_lazy_modules: bool,
}

/// Follows an application.
pub fn sources(finder: &Finder, application: &str, known: &Known) -> Sources {
    let mut graph =
        Graph { finder, known, seen: BTreeMap::new(), files: BTreeMap::new(), out: Sources::default() };
    graph.run(application);
    graph.out
}

#[derive(Clone, Debug)]
struct Step {
    way: Way,
    from: Option<String>,
    through: Option<Spot>,
}

struct Graph<'a> {
    finder: &'a Finder,
    known: &'a Known,
    /// How each module is reached best.
    seen: BTreeMap<String, Step>,
    /// What each file says; one scan a file.
    files: BTreeMap<PathBuf, Vec<Import>>,
    out: Sources,
}

impl Graph<'_> {
    /// The surest ways first: what is reached so is not looked at again.
    fn run(&mut self, application: &str) {
        let mut waiting: BTreeMap<Way, VecDeque<(String, Step)>> = BTreeMap::new();
        let first = Step { way: Way::AtImport, from: None, through: None };
        waiting.entry(Way::AtImport).or_default().push_back((application.to_owned(), first));
        for name in &self.known.by_framework {
            let later = Step { way: Way::Lazy, from: Some(application.to_owned()), through: None };
            waiting.entry(Way::Lazy).or_default().push_back((name.clone(), later));
        }
        while let Some(mut entry) = waiting.first_entry() {
            let Some((name, step)) = entry.get_mut().pop_front() else {
                entry.remove();
                continue;
            };
            if self.seen.contains_key(&name) {
                continue;
            }
            let found = self.finder.find(&name);
            if matches!(found, Found::Nothing | Found::Library) && step.from.is_some() {
                continue;
            }
            self.seen.insert(name.clone(), step.clone());
            for (next, step) in self.after(&name, &found, &step) {
                if !self.seen.contains_key(&next) {
                    waiting.entry(step.way).or_default().push_back((next, step));
                }
            }
        }
        let reached = self.seen.iter().map(|(name, step)| Reached {
            name: name.clone(),
            way: step.way,
            through: step.through.clone(),
            chain: self.chain(name),
        });
        self.out.reached = reached.collect();
        self.out.files = self.files.len();
        self.out.path_changes.sort();
        for all in [&mut self.out.hazards, &mut self.out.elsewhere] {
            all.sort();
        }
        for all in [&mut self.out.not_followed, &mut self.out.not_followed_elsewhere] {
            all.sort();
        }
    }

    /// What a module leads to.
    fn after(&mut self, name: &str, found: &Found, step: &Step) -> Vec<(String, Step)> {
        // The import that decided it stays the one that is told; but a function tells more than a name in a string.
        let through = |spot: &Spot, way: Way| match &step.through {
            Some(kept) if way == step.way && (!kept.function.is_empty() || spot.function.is_empty()) => {
                Some(kept.clone())
            }
            Some(_) | None => Some(spot.clone()),
        };
        match found {
            Found::Nothing | Found::Library | Found::Namespace => Vec::new(),
            Found::Extension => {
                let loads = self.known.loads.get(name).into_iter().flatten().filter(|each| *each != name);
                let next = |each: &String| {
                    let step =
                        Step { way: step.way, from: Some(name.to_owned()), through: step.through.clone() };
                    (each.clone(), step)
                };
                loads.map(next).collect()
            }
            Found::Source(file, is_package) => {
                let package = match is_package {
                    true => name,
                    false => name.rsplit_once('.').map_or("", |(package, _)| package),
                };
                let mut next = Vec::new();
                for import in self.read(file, package) {
                    let spot =
                        Spot { file: file.clone(), line: import.line, function: import.function.clone() };
                    for target in self.targets(&import, &spot) {
                        let way = step.way.then(import.way);
                        let through =
                            if way == Way::AtImport { Some(spot.clone()) } else { through(&spot, way) };
                        next.push((target, Step { way, from: Some(name.to_owned()), through }));
                    }
                }
                next
            }
        }
    }

    /// Every module that an import loads: packages on the way, and what it names. What is not there is told, but
    /// where it may be missing.
    fn targets(&mut self, import: &Import, spot: &Spot) -> Vec<String> {
        let mut targets = Vec::new();
        let ends = import.name.match_indices('.').map(|(at, _)| at).chain([import.name.len()]);
        for end in ends {
            let name = &import.name[..end];
            match self.finder.find(name) {
                Found::Source(..) | Found::Extension | Found::Namespace => targets.push(name.to_owned()),
                Found::Library => break,
                Found::Nothing => {
                    let is_needed = matches!(import.way, Way::AtImport | Way::Lazy)
                        && !import.is_conditional
                        && !import.is_named;
                    if is_needed && !import.is_from {
                        self.not_followed(spot, format!("{name}{NOT_THERE}"));
                    }
                    break;
                }
            }
        }
        if import.is_named {
            return self.named(import, targets);
        }
        targets
    }

    /// What a string names: a module of the application, or by a dotted name one of the environment. Django imports
    /// these of each application that its settings name.
    fn named(&self, import: &Import, targets: Vec<String>) -> Vec<String> {
        let Some(last) = targets.last() else { return Vec::new() };
        let Found::Source(file, is_package) = self.finder.find(last) else { return Vec::new() };
        let is_own = self.finder.is_own(&file);
        // A word may be anything; a dotted name must name more than a package.
        let is_meant = if import.name.contains('.') { last.contains('.') } else { is_own };
        if !is_meant {
            return Vec::new();
        }
        let mut all = targets.clone();
        if is_package && *last == import.name {
            let parts = ["apps", "models", "admin"].map(|part| format!("{last}.{part}"));
            all.extend(parts.into_iter().filter(|name| matches!(self.finder.find(name), Found::Source(..))));
        }
        all
    }

    fn read(&mut self, file: &Path, package: &str) -> Vec<Import> {
        if let Some(imports) = self.files.get(file) {
            return imports.clone();
        }
        let is_own = self.finder.is_own(file);
        let around = Around { package, is_own, has_lazy_modules: self.known.has_lazy_modules };
        let text = std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let scanned = text.map_err(|error| error.to_string()).and_then(|text| scan(&text, around));
        let Scan { imports, hazards, not_followed, path_changes } = scanned
            .unwrap_or_else(|why| Scan { not_followed: vec![(1, String::new(), why)], ..Scan::default() });
        let spot = |line: usize, function: String| Spot { file: file.to_owned(), line, function };
        let hazards = hazards.into_iter().map(|hazard| SourceHazard {
            spot: spot(hazard.line, hazard.function),
            weight: hazard.weight,
            rule: hazard.rule,
            text: hazard.text,
            name: hazard.name,
            used: hazard.used,
            others: hazard.others.into_iter().map(|(line, function)| spot(line, function)).collect(),
            refused: hazard.refused,
        });
        if is_own {
            self.out.hazards.extend(hazards)
        } else {
            self.out.elsewhere.extend(hazards)
        }
        self.out.path_changes.extend(path_changes.into_iter().map(|change| PathChange {
            spot: spot(change.line, change.function),
            text: change.text,
            lines: change.lines,
        }));
        for (line, function, what) in not_followed {
            self.not_followed(&spot(line, function), what);
        }
        self.files.insert(file.to_owned(), imports.clone());
        imports
    }

    fn not_followed(&mut self, spot: &Spot, what: String) {
        let all = match self.finder.is_own(&spot.file) {
            true => &mut self.out.not_followed,
            false => &mut self.out.not_followed_elsewhere,
        };
        let entry = (spot.clone(), what);
        if !all.contains(&entry) {
            all.push(entry);
        }
    }

    fn chain(&self, name: &str) -> Vec<String> {
        let mut chain = vec![name.to_owned()];
        let mut at = name;
        while let Some(from) = self.seen.get(at).and_then(|step| step.from.as_deref()) {
            chain.push(from.to_owned());
            at = from;
        }
        chain.reverse();
        chain
    }
}
