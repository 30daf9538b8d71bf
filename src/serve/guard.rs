//! Builds the import guard's configuration from a report, and checks that the report still matches the
//! environment.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wsgiaudit_probes_core::host_config::{GuardConfig, StandardModule, VettedModule};

use crate::cli::{AdmitLevel, ServeArgs, UnvettedPolicy};
use crate::digest;
use crate::model::Interpreter;
use crate::regular_file;
use crate::report::{Document, MAX_REPORT_SIZE, v1};

/// Maximum number of differences that the error message lists.
const MAX_CHANGES: usize = 5;

/// Builds the guard's configuration from the report that the command line names. `None` if it names none.
///
/// # Errors
/// If the report cannot be read, or is stale: made with another Python, or with files that changed or were
/// removed since.
pub(super) fn build_guard(
    args: &ServeArgs,
    python: &Interpreter,
    folder: &Path,
) -> Result<Option<GuardConfig>> {
    let Some(path) = &args.report else { return Ok(None) };
    let shown = path.display();
    let text =
        regular_file::read_text(path, MAX_REPORT_SIZE).with_context(|| format!("cannot read {shown}"))?;
    let document = Document::parse(&text, &shown.to_string())?;
    let document = document.with_real_paths();
    let (vetted, mut changes) = vet_modules(&document);
    let standard = match document.environment.as_ref().map(|python| python.standard_modules.as_deref()) {
        Some(Some(modules)) => vet_standard_modules(modules, &mut changes),
        Some(None) | None => {
            changes.push("it does not have the digests of Python's own extension modules".to_owned());
            Vec::new()
        }
    };
    let now = (python.release.as_str(), python.abi.as_str());
    let then = document.environment.as_ref().map(|python| (python.python.as_str(), python.abi.as_str()));
    if then != Some(now) {
        let then = then.map_or_else(|| "none".to_owned(), |(release, abi)| format!("{release} ({abi})"));
        changes.insert(0, format!("the Python was {then} and is {} ({})", now.0, now.1));
    }
    if !changes.is_empty() {
        let more = changes.len().saturating_sub(MAX_CHANGES);
        changes.truncate(MAX_CHANGES);
        if more > 0 {
            changes.push(format!("and {more} more"));
        }
        bail!(
            "{shown} does not match the environment any more:\n  {}\nhint: audit again: wsgiaudit {} --json {shown}",
            changes.join("\n  "),
            python.executable.display()
        );
    }
    let copies = folder.join("copies");
    fs::create_dir_all(&copies)?;
    Ok(Some(GuardConfig {
        vetted,
        standard,
        admit_degraded: args.admit == Some(AdmitLevel::Degraded),
        warn_only: args.unvetted == UnvettedPolicy::Warn,
        folder: copies.canonicalize()?.to_string_lossy().into_owned(),
    }))
}

/// Returns CPython's own extension modules as the report lists them, and adds a message for each that changed.
fn vet_standard_modules(modules: &[v1::StandardModule], changes: &mut Vec<String>) -> Vec<StandardModule> {
    let mut standard = Vec::new();
    for v1::StandardModule { file, sha256 } in modules {
        let path = Path::new(file);
        match digest::of_file(path) {
            Ok(found) if found == *sha256 => {}
            Ok(_) => changes.push(format!("{file} has changed")),
            Err(error) => changes.push(format!("{file}: {error}")),
        }
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let path = real.to_string_lossy().into_owned();
        standard.push(StandardModule { path, sha256: sha256.clone() });
    }
    standard
}

/// Returns the report's verdicts for each unchanged file, and a message for each file that changed.
fn vet_modules(document: &Document) -> (Vec<VettedModule>, Vec<String>) {
    let (mut vetted, mut changes) = (Vec::new(), Vec::new());
    for module in &document.modules {
        let Some(sha256) = &module.sha256 else { continue };
        let folder = Path::new(&module.folder);
        let path = folder.join(&module.file);
        match digest::of_file(&path) {
            Ok(found) if found == *sha256 => {}
            Ok(_) => {
                changes.push(format!("{} has changed", path.display()));
                continue;
            }
            Err(error) => {
                changes.push(format!("{}: {error}", path.display()));
                continue;
            }
        }
        let (Ok(path), Ok(folder)) = (path.canonicalize(), folder.canonicalize()) else { continue };
        // A symbolic link may lead out of the folder. The folder of its target is used then.
        let folder = match path.starts_with(&folder) {
            true => folder,
            false => path.parent().unwrap_or(&path).to_owned(),
        };
        let verdicts = module.modes.iter().map(|(mode, tried)| {
            let verdict = tried.judged.verdict.name().to_owned();
            (mode.name().to_owned(), (verdict, tried.judged.reason.clone()))
        });
        vetted.push(VettedModule {
            path: path.to_string_lossy().into_owned(),
            folder: folder.to_string_lossy().into_owned(),
            sha256: sha256.clone(),
            verdicts: verdicts.collect(),
        });
    }
    (vetted, changes)
}
