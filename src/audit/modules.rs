//! From candidates to modules: what each file is, and what it declares.

use std::path::Path;

use rayon::prelude::*;

use crate::image;
use crate::model::{Facts, FileKind, Initialisation, Module, Target};
use crate::venv::Candidate;

/// Reads every candidate, in parallel. The candidates come in the order in which the import system finds
/// them: of several with one name, the first is the module and the others are never imported.
pub(super) fn read(
    candidates: Vec<Candidate>,
    target: Option<Target>,
    owner: impl Fn(&Path) -> Option<usize> + Sync,
) -> Vec<Module> {
    let mut modules: Vec<Module> =
        candidates.into_par_iter().map(|candidate| read_one(candidate, target, &owner)).collect();
    let mut found: Option<(String, String)> = None;
    for module in modules.iter_mut().filter(|module| module.kind == FileKind::ExtensionModule) {
        match &found {
            Some((name, file)) if *name == module.name => module.kind = FileKind::Shadowed(file.clone()),
            Some(_) | None => found = Some((module.name.clone(), module.file.clone())),
        }
    }
    modules.sort_by(|a, b| (&a.file, &a.path).cmp(&(&b.file, &b.path)));
    modules
}

fn read_one(candidate: Candidate, target: Option<Target>, owner: impl Fn(&Path) -> Option<usize>) -> Module {
    let (kind, facts) = classify(&candidate, target);
    Module {
        distribution: owner(&candidate.path),
        name: candidate.name.dotted,
        path: candidate.path,
        file: candidate.file,
        kind,
        facts,
    }
}

fn classify(candidate: &Candidate, target: Option<Target>) -> (FileKind, Facts) {
    if candidate.is_broken_link {
        return (FileKind::BrokenLink, Facts::undetermined("a link to nothing"));
    }
    let stem = candidate.name.dotted.rsplit('.').next().unwrap_or_default();
    let facts = image::inspect_file(&candidate.path, stem, target);
    let kind = if !candidate.name.is_for_this_python {
        FileKind::OtherAbi
    } else if facts.initialisation == Initialisation::None {
        FileKind::PlainLibrary
    } else if !candidate.name.is_importable {
        FileKind::UnimportableName
    } else {
        FileKind::ExtensionModule
    };
    (kind, facts)
}
