//! `wsgiaudit module`: the extension modules and wheels that were named, and an environment around them that holds
//! what they need.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::around::{import_root, virtualenv};
use super::run::Audited;
use super::scratch::Scratch;
use super::unpack::{Unpacked, Unpacking};
use super::ways_out::base_python;
use crate::installer::{Installer, on_path};
use crate::model::{FileKind, Interpreter, Mode, Module, Outcome, Verdict};
use crate::plan::Named;
use crate::report::Report;
use crate::venv::{self, Located};

/// What is audited of an environment where that is not all of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Only {
    /// The folders on `sys.path` that hold it.
    pub(super) roots: Vec<PathBuf>,
    /// Extension modules. What else lies beside them is not audited.
    files: BTreeSet<PathBuf>,
    /// Where wheels were unpacked, all of which is audited.
    wheels: Option<PathBuf>,
    unpacked: Vec<Unpacked>,
    notes: Vec<String>,
    trouble: Vec<String>,
}

impl Only {
    /// Whether a file is audited.
    pub(super) fn holds(&self, file: &Path) -> bool {
        self.files.contains(file) || self.wheels.as_ref().is_some_and(|folder| file.starts_with(folder))
    }

    /// Whether a whole distribution is audited, with its names.
    pub(super) fn distributions(&self) -> Vec<PathBuf> {
        self.wheels.iter().cloned().collect()
    }

    /// Adds to an audit what a reader must know of what was named: what could not be tried, and what it needs.
    pub(super) fn add(&self, audited: &mut Audited) {
        audited.notes.extend(self.notes.iter().cloned());
        audited.trouble.extend(self.trouble.iter().cloned());
        let modules = &audited.environment.modules;
        if !modules.iter().any(Module::is_tried) {
            let nothing = "nothing here is an extension module that this Python could load";
            audited.trouble.push(nothing.to_owned());
        }
        for wheel in &self.unpacked {
            let is_in_it = |module: &&Module| wheel.files.contains(&module.file);
            let what = match modules.iter().filter(is_in_it).any(Module::is_tried) {
                true => continue,
                false if modules.iter().any(|module| is_in_it(&module)) => {
                    "has no extension module that this Python could load"
                }
                false => "holds no extension module",
            };
            audited.notes.push(format!("{} {what}", wheel.name));
        }
        audited.trouble.extend(self.missing(audited));
    }

    /// What the modules need and do not find, from the imports that failed in the control.
    fn missing(&self, audited: &Audited) -> Vec<String> {
        let controls = audited.trials.of(Mode::Main);
        let missing: BTreeSet<(&str, &str)> = controls
            .filter_map(|trial| match &trial.outcome {
                Outcome::Raised { error, .. } | Outcome::Refused { error, .. } => {
                    Some((error.missing_module()?, trial.subject.as_str()))
                }
                Outcome::Imported
                | Outcome::Crashed { .. }
                | Outcome::TimedOut { .. }
                | Outcome::LosesDescriptors { .. }
                | Outcome::LeftThreads { .. }
                | Outcome::Shares { .. }
                | Outcome::NotRun(_) => None,
            })
            .filter(|(missing, _)| !self.brings(missing))
            .collect();
        let required: Vec<String> =
            self.wheels.iter().flat_map(|folder| venv::requirements(folder)).collect();
        let mut told = BTreeSet::new();
        let first_of_each = missing.into_iter().filter(|(missing, _)| told.insert(*missing));
        first_of_each
            .map(|(missing, subject)| {
                let is_it = |requirement: &&String| {
                    Some(venv::required_name(requirement).as_str())
                        == missing.to_lowercase().split('.').next()
                };
                let how = match (required.iter().find(is_it), required.is_empty()) {
                    (Some(requirement), _) => format!("add --with '{requirement}'"),
                    (None, true) => "name what has it: --with REQUIREMENT, or --python VENV".to_owned(),
                    (None, false) => {
                        format!("the metadata names {}: add --with REQUIREMENT", required.join(", "))
                    }
                };
                format!("{subject} needs {missing}, which is not installed: {how}")
            })
            .collect()
    }

    /// Whether what was named has a module of this name, or its package: then it is not a dependency.
    fn brings(&self, module: &str) -> bool {
        let top = module.split('.').next().unwrap_or(module);
        let is_there = |root: &PathBuf| root.join(top).exists() || root.join(format!("{top}.py")).exists();
        self.roots.iter().any(is_there)
    }

    /// What was named and could not be judged is not known. Elsewhere it may be that nobody needs it.
    pub(super) fn hold_to_each(report: &mut Report) {
        for row in &mut report.modules {
            let is_asked_about = match row.kind {
                FileKind::ExtensionModule
                | FileKind::Corrupt(_)
                | FileKind::Shadowed(_)
                | FileKind::Unreadable(_)
                | FileKind::OtherNames(_)
                | FileKind::Archived { .. }
                | FileKind::UserSite => true,
                FileKind::PlainLibrary
                | FileKind::OtherAbi
                | FileKind::OtherArchitecture(_)
                | FileKind::BrokenLink
                | FileKind::UnimportableName => false,
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

/// Makes the environment.
///
/// # Errors
/// When a file cannot be read, is neither a wheel nor an extension module, or the environment cannot be made.
pub(super) fn make(named: &Named, python: &Located, scratch: &Scratch) -> Result<(Located, Only)> {
    let python = python.python.as_ref().map_err(|why| anyhow!("{why}"))?;
    let interpreter = venv::ask(python, scratch.path())?;
    let mut only = Only::default();
    let mut unpacking = Unpacking::into(scratch.path().join("wheels"));
    for file in &named.files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("whl") => match venv::wheel_is_foreign(&name, &interpreter) {
                Some(why) => only.notes.push(format!("{name} {why}: it was not tried")),
                None => match unpacking.unpack(file)? {
                    Ok(unpacked) => only.unpacked.push(unpacked),
                    Err(why) => only.trouble.push(format!("{name} was not tried: {why}")),
                },
            },
            Some("so" | "pyd") if file.is_file() => only.add_file(file)?,
            Some(_) | None => bail!("{} is neither an extension module nor a wheel", file.display()),
        }
    }
    if !only.unpacked.is_empty() {
        only.wheels = Some(unpacking.folder().to_owned());
        only.roots.insert(0, unpacking.folder().to_owned());
    }
    let located = environment(&only, named, &interpreter, python, scratch)?;
    Ok((located, only))
}

impl Only {
    fn add_file(&mut self, file: &Path) -> Result<()> {
        let file = file.canonicalize().with_context(|| format!("cannot read {}", file.display()))?;
        let root = import_root(&file)?;
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
        self.files.insert(file);
        Ok(())
    }
}

/// A virtualenv that imports what was named first, then `--with`, then what the Python named has.
fn environment(
    only: &Only,
    named: &Named,
    interpreter: &Interpreter,
    python: &Path,
    scratch: &Scratch,
) -> Result<Located> {
    let mut folders = only.roots.clone();
    if !named.with.is_empty() {
        let root = scratch.path().join("with");
        folders.push(virtualenv(python, &root)?);
        let base = base_python(interpreter);
        let installer = Installer { has_uv: on_path("uv").is_some(), python: &base, options: &named.index };
        installer
            .install_with_dependencies(&root, &named.with)
            .map_err(|said| anyhow!("cannot install {}: {said}", named.with.join(", ")))?;
    }
    folders.extend(interpreter.site.iter().cloned());
    let root = scratch.path().join("around");
    let site = virtualenv(python, &root)?;
    let lines: String = folders.iter().map(|folder| folder.to_string_lossy().into_owned() + "\n").collect();
    fs::write(site.join("wsgiaudit.pth"), lines).context("cannot write a .pth file")?;
    venv::locate(&root).context("the virtualenv that was made is none")
}
