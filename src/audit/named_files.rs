//! `wsgiaudit module`: audits named extension modules and wheels, in an environment that is created around
//! them and has what they need.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::context::AuditedEnvironment;
use super::scratch::ScratchFolder;
use super::synthetic_venv::{create_virtualenv, find_import_root};
use super::upgrade_advice::base_python;
use super::wheels::{UnpackedWheel, WheelUnpacker};
use crate::installer::Installer;
use crate::model::{ExtensionFile, ExtensionFileKind, Interpreter, Mode, Verdict};
use crate::plan::SelectedModules;
use crate::report::Report;
use crate::venv::{self, LocatedEnvironment};

/// The part of an environment that is audited, if not all of it.
#[derive(Clone, Debug, Default)]
pub(super) struct AuditScope {
    /// The folders on `sys.path` that the audited modules lie in.
    pub(super) roots: Vec<PathBuf>,
    /// Extension modules. Other files next to them are not audited.
    files: BTreeSet<PathBuf>,
    /// The folder of unpacked wheels, all of which is audited.
    wheels: Option<PathBuf>,
    unpacked: Vec<UnpackedWheel>,
    notes: Vec<String>,
    trouble: Vec<String>,
}

impl AuditScope {
    /// Whether a file is audited.
    pub(super) fn contains_file(&self, file: &Path) -> bool {
        self.files.contains(file) || self.wheels.as_ref().is_some_and(|folder| file.starts_with(folder))
    }

    /// Returns the folders whose distributions are audited as a whole, with their top-level names.
    pub(super) fn wheel_folders(&self) -> Vec<PathBuf> {
        self.wheels.iter().cloned().collect()
    }

    /// Adds messages about the named files to an audit: what could not be tried, and what it needs.
    pub(super) fn add_to_audit(&self, audited: &mut AuditedEnvironment) {
        audited.notes.extend(self.notes.iter().cloned());
        audited.trouble.extend(self.trouble.iter().cloned());
        let modules = &audited.environment.modules;
        if !modules.iter().any(ExtensionFile::is_trial_subject) {
            let nothing = "none of the files is an extension module that this Python can load";
            audited.trouble.push(nothing.to_owned());
        }
        for wheel in &self.unpacked {
            let is_in_it = |module: &&ExtensionFile| wheel.files.contains(&module.file);
            let what = match modules.iter().filter(is_in_it).any(ExtensionFile::is_trial_subject) {
                true => continue,
                false if modules.iter().any(|module| is_in_it(&module)) => {
                    "has no extension module that this Python could load"
                }
                false => "holds no extension module",
            };
            audited.notes.push(format!("{} {what}", wheel.name));
        }
        audited.trouble.extend(self.missing_dependencies(audited));
    }

    /// Describes the dependencies that are not installed, from the imports that failed in the control.
    fn missing_dependencies(&self, audited: &AuditedEnvironment) -> Vec<String> {
        let controls = audited.trials.trials_in_mode(Mode::Main);
        let missing: BTreeSet<(&str, &str)> = controls
            .filter_map(|trial| Some((trial.outcome.error()?.missing_module()?, trial.subject.as_str())))
            .filter(|(missing, _)| !self.provides_module(missing))
            .collect();
        let required: Vec<String> =
            self.wheels.iter().flat_map(|folder| venv::read_requirements(folder)).collect();
        let mut told = BTreeSet::new();
        let first_of_each = missing.into_iter().filter(|(missing, _)| told.insert(*missing));
        first_of_each
            .map(|(missing, subject)| {
                let is_it = |requirement: &&String| {
                    Some(venv::import_name_of_requirement(requirement).as_str())
                        == missing.to_lowercase().split('.').next()
                };
                let how = match (required.iter().find(is_it), required.is_empty()) {
                    (Some(requirement), _) => format!("add --with '{requirement}'"),
                    (None, true) => "provide it: --with REQUIREMENT, or --python VENV".to_owned(),
                    (None, false) => {
                        format!("the metadata requires {}: add --with REQUIREMENT", required.join(", "))
                    }
                };
                format!("{subject} needs {missing}, which is not installed: {how}")
            })
            .collect()
    }

    /// Whether the named files contain this module or its package: then it is not a dependency.
    fn provides_module(&self, module: &str) -> bool {
        let top = module.split('.').next().unwrap_or(module);
        let is_there = |root: &PathBuf| root.join(top).exists() || root.join(format!("{top}.py")).exists();
        self.roots.iter().any(is_there)
    }

    /// Turns `not-applicable` into `unknown` for files that the user named. In an audit of an environment it
    /// can mean that the file is not needed.
    pub(super) fn mark_not_applicable_as_unknown(report: &mut Report) {
        for row in &mut report.modules {
            let is_asked_about = match row.kind {
                ExtensionFileKind::ExtensionModule
                | ExtensionFileKind::Corrupt(_)
                | ExtensionFileKind::Shadowed(_)
                | ExtensionFileKind::Unreadable(_)
                | ExtensionFileKind::OtherNames(_)
                | ExtensionFileKind::Archived { .. }
                | ExtensionFileKind::UserSite => true,
                ExtensionFileKind::PlainLibrary
                | ExtensionFileKind::OtherAbi
                | ExtensionFileKind::OtherArchitecture(_)
                | ExtensionFileKind::BrokenLink
                | ExtensionFileKind::UnimportableName => false,
            };
            let judgements = row.judgements.iter_mut().filter(|(mode, _)| **mode != Mode::Main);
            for (_, judgement) in judgements.filter(|_| is_asked_about) {
                if judgement.verdict == Verdict::NotApplicable {
                    judgement.verdict = Verdict::Unknown;
                }
            }
        }
    }
}

/// Creates an environment around the named files, and returns it with the part to audit.
///
/// # Errors
/// When a file cannot be read, is neither a wheel nor an extension module, or the environment cannot be
/// created.
pub(super) fn prepare_scoped_audit(
    named: &SelectedModules,
    python: &LocatedEnvironment,
    scratch: &ScratchFolder,
) -> Result<(LocatedEnvironment, AuditScope)> {
    let python = python.python.as_ref().map_err(|why| anyhow!("{why}"))?;
    let interpreter = venv::query_interpreter(python, scratch.path())?;
    let mut scope = AuditScope::default();
    let mut unpacking = WheelUnpacker::new(scratch.path().join("wheels"));
    for file in &named.files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("whl") => match venv::why_wheel_does_not_fit(&name, &interpreter) {
                Some(why) => scope.notes.push(format!("{name} {why}: it was not tried")),
                None => match unpacking.unpack_wheel(file)? {
                    Ok(unpacked) => scope.unpacked.push(unpacked),
                    Err(why) => scope.trouble.push(format!("{name} was not tried: {why}")),
                },
            },
            Some("so" | "pyd") if file.is_file() => scope.add_file(file)?,
            Some(_) | None => bail!("{} is neither an extension module nor a wheel", file.display()),
        }
    }
    if !scope.unpacked.is_empty() {
        scope.wheels = Some(unpacking.folder().to_owned());
        scope.roots.insert(0, unpacking.folder().to_owned());
    }
    let located = create_scoped_venv(&scope, named, &interpreter, python, scratch)?;
    Ok((located, scope))
}

impl AuditScope {
    fn add_file(&mut self, file: &Path) -> Result<()> {
        let file = file.canonicalize().with_context(|| format!("cannot read {}", file.display()))?;
        let root = find_import_root(&file)?;
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
        self.files.insert(file);
        Ok(())
    }
}

/// Creates a virtualenv whose search path has the named files first, then `--with`, then the packages of the
/// named Python.
fn create_scoped_venv(
    scope: &AuditScope,
    named: &SelectedModules,
    interpreter: &Interpreter,
    python: &Path,
    scratch: &ScratchFolder,
) -> Result<LocatedEnvironment> {
    let mut folders = scope.roots.clone();
    if !named.with.is_empty() {
        let root = scratch.path().join("with");
        folders.push(create_virtualenv(python, &root)?);
        let base = base_python(interpreter);
        let installer =
            Installer { has_uv: which::which_global("uv").is_ok(), python: &base, options: &named.index };
        installer
            .install_with_dependencies(&root, &named.with)
            .map_err(|said| anyhow!("cannot install {}: {said}", named.with.join(", ")))?;
    }
    folders.extend(interpreter.site.iter().cloned());
    let root = scratch.path().join("around");
    let site = create_virtualenv(python, &root)?;
    let lines: String = folders.iter().map(|folder| folder.to_string_lossy().into_owned() + "\n").collect();
    fs::write(site.join("audited.pth"), lines).context("cannot write a .pth file")?;
    venv::locate_environment(&root).context("the created virtualenv is invalid")
}
