//! Classifies the candidates of a scan: what each file is, and what it declares.

use std::fs::File;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::cached_inspection::CachedInspector;
use crate::image::{self, SharedObjectError, SharedObjectKind};
use crate::model::{BinaryFacts, ExtensionFile, ExtensionFileKind, InitKind, TargetPython};
use crate::venv::{self, Candidate, CandidateOrigin};

/// The Python that would load the files.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LoadTarget<'a> {
    /// Its version and build.
    pub(super) target: Option<TargetPython>,
    /// The format and machine of its executable.
    pub(super) kind: Option<SharedObjectKind>,
    /// The folders with installed packages on its `sys.path`, in order.
    pub(super) site: &'a [PathBuf],
    /// Its file suffixes of extension modules.
    pub(super) suffixes: &'a [String],
}

/// Reads every candidate, in parallel. The candidates are in the order in which the import system finds them:
/// of several with one name, the first is the module, and the others are never imported.
pub(super) fn read_modules(
    candidates: Vec<Candidate>,
    target: LoadTarget<'_>,
    inspector: &CachedInspector<'_>,
    owner: impl Fn(&Path) -> Option<usize> + Sync,
) -> Vec<ExtensionFile> {
    let mut modules: Vec<ExtensionFile> = candidates
        .into_par_iter()
        .map(|candidate| read_module(candidate, target, inspector, &owner))
        .collect();
    let mut found: Option<(String, String)> = None;
    for module in modules.iter_mut().filter(|module| module.is_trial_subject()) {
        match &found {
            Some((name, file)) if *name == module.name => {
                module.kind = ExtensionFileKind::Shadowed(file.clone())
            }
            Some(_) | None => found = Some((module.name.clone(), module.file.clone())),
        }
    }
    modules.sort_by(|a, b| (&a.file, &a.path).cmp(&(&b.file, &b.path)));
    modules
}

fn read_module(
    candidate: Candidate,
    target: LoadTarget<'_>,
    inspector: &CachedInspector<'_>,
    owner: impl Fn(&Path) -> Option<usize>,
) -> ExtensionFile {
    let (kind, facts) = classify_candidate(&candidate, target, inspector);
    ExtensionFile {
        distribution: owner(&candidate.path),
        name: candidate.name.dotted,
        file: candidate.file,
        sha256: if kind == ExtensionFileKind::ExtensionModule {
            inspector.sha256_of_file(&candidate.path)
        } else {
            None
        },
        toolchain: match kind == ExtensionFileKind::ExtensionModule {
            true => inspector.toolchain_of_file(&candidate.path),
            false => None,
        },
        size: candidate.path.metadata().map_or(0, |metadata| metadata.len()),
        path: candidate.path,
        kind,
        facts,
    }
}

fn classify_candidate(
    candidate: &Candidate,
    target: LoadTarget<'_>,
    inspector: &CachedInspector<'_>,
) -> (ExtensionFileKind, BinaryFacts) {
    let is_what = |kind: ExtensionFileKind, why: &str| (kind, BinaryFacts::undetermined(why));
    if let CandidateOrigin::Archive { has_stub } = candidate.place {
        return match candidate.name.is_importable && candidate.name.is_for_this_python {
            true => is_what(ExtensionFileKind::Archived { has_stub }, "in a zip file"),
            false => is_what(ExtensionFileKind::Archived { has_stub: false }, "in a zip file"),
        };
    }
    if candidate.is_broken_link {
        return is_what(ExtensionFileKind::BrokenLink, "a link to nothing");
    }
    let kind = match image::kind_of_file(&candidate.path) {
        Ok(kind) => kind,
        Err(SharedObjectError::Unreadable) => {
            let why = File::open(&candidate.path).err().map_or_else(String::new, |error| error.to_string());
            return (ExtensionFileKind::Unreadable(why.clone()), BinaryFacts::undetermined(why));
        }
        Err(damage) => {
            return (
                ExtensionFileKind::Corrupt(damage.to_string()),
                BinaryFacts::undetermined(damage.to_string()),
            );
        }
    };
    if !candidate.name.is_for_this_python {
        return is_what(ExtensionFileKind::OtherAbi, "for another Python");
    }
    if target.kind.is_some_and(|expected| expected != kind) {
        return (
            ExtensionFileKind::OtherArchitecture(kind.to_string()),
            BinaryFacts::undetermined("for another machine"),
        );
    }
    if !candidate.name.is_importable && candidate.name.dotted.contains(".libs.") {
        return is_what(ExtensionFileKind::PlainLibrary, "a wheel's own library");
    }
    let stem = candidate.name.dotted.rsplit('.').next().unwrap_or_default();
    let facts = inspector.inspect_module(&candidate.path, stem, target.target);
    let others = match facts.initialisation {
        InitKind::None => image::read_init_functions(&candidate.path),
        InitKind::SinglePhase | InitKind::MultiPhase | InitKind::ModExport | InitKind::Undetermined => {
            Vec::new()
        }
    };
    let kind = match facts.initialisation {
        _ if !others.is_empty() => ExtensionFileKind::OtherNames(others),
        _ if !candidate.name.is_importable => ExtensionFileKind::UnimportableName,
        InitKind::None => ExtensionFileKind::PlainLibrary,
        _ if candidate.place == CandidateOrigin::UserSite => ExtensionFileKind::UserSite,
        InitKind::SinglePhase | InitKind::MultiPhase | InitKind::ModExport | InitKind::Undetermined => {
            match venv::find_shadowing_file(candidate, target.site, target.suffixes) {
                Some(by) => ExtensionFileKind::Shadowed(by),
                None => ExtensionFileKind::ExtensionModule,
            }
        }
    };
    (kind, facts)
}
