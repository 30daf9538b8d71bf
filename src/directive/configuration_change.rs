//! Changes an existing Apache configuration as far as the report supports it. The changed configuration is
//! read again as Apache would read it. The change is printed only if every application is then served in the
//! planned interpreter and everything else as before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::apache_syntax::{escape_comment, render_interpreter_block};
use super::application_mounts::{GeneratedConfiguration, passes_in_mode, render_header};
use super::change_plan::{AuditedMount, ChangeStep, plan_steps};
use super::file_edit::FileEdit;
use super::overlaid_source::OverlaidSource;
use super::own_gil_modes::{OwnGilModes, explain_verdict, find_objection};
use super::process_options::{ProcessOptions, audited_environment};
use crate::apache::{
    ApacheSite, ConfigurationError, ConfigurationSource, Definitions, PythonBuild, analyze_deployment,
    build_site, describe_interpreter,
};
use crate::model::{DaemonProcess, Deployment, Mode, ScriptMount, Verdict};
use crate::report::Document;
use crate::report::v1::{Apache, Application};

/// The input of a configuration change.
#[derive(Clone, Copy)]
pub struct ConfigurationChange<'a> {
    /// The report.
    pub report: &'a Document,
    /// Apache's main configuration, or the file of one site.
    pub file: &'a Path,
    /// Names that Apache is started with (`-D`).
    pub definitions: &'a [String],
    /// Access to the configuration's files.
    pub source: &'a dyn ConfigurationSource,
}

/// Why no change is printed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Apache would not start with the present configuration.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// Apache would not start with the change.
    #[error("Apache would not start with the change: {0}\n{HINT}")]
    Changed(ConfigurationError),
    /// The change would have an unintended effect.
    #[error("{0}\n{HINT}")]
    OtherEffect(String),
    /// A file that cannot be edited.
    #[error("{}: {why}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason.
        why: String,
    },
}

const HINT: &str = "hint: leave out --apache-config to print lines to insert by hand";

/// A configuration and its analysis.
struct AnalyzedConfiguration {
    site: ApacheSite,
    deployment: Deployment,
}

/// The edited files.
struct EditedFiles {
    /// The original text of each file.
    before: BTreeMap<PathBuf, String>,
    /// The new text of each changed file.
    texts: BTreeMap<PathBuf, String>,
    /// Changes that must be made by hand, by the index of the mount.
    by_hand: BTreeMap<usize, String>,
}

impl ConfigurationChange<'_> {
    /// Returns the change as a unified diff, with the reasons as comments before it.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn render_change(&self) -> Result<GeneratedConfiguration, ChangeError> {
        if let Some(objection) = find_objection(self.report, OwnGilModes::Plain) {
            return Ok(GeneratedConfiguration::Nothing(objection));
        }
        let before = self.read_configuration(self.source)?;
        let served: Vec<AuditedMount<'_>> = before
            .deployment
            .landings
            .iter()
            .map(|mount| AuditedMount { mount, application: self.find_application(mount, &before.site) })
            .collect();
        let audited = served.iter().filter_map(|each| each.application);
        if !audited.clone().any(|each| passes_in_mode(self.report, each, Mode::OwnGil)) {
            let mut lines: Vec<String> = audited
                .map(|each| format!("{}\n", explain_verdict(self.report, each, OwnGilModes::Plain)))
                .collect();
            lines.sort();
            lines.dedup();
            let none = || format!("{} serves no application of the report\n", self.file.display());
            return Ok(GeneratedConfiguration::Nothing(if lines.is_empty() {
                none()
            } else {
                lines.concat()
            }));
        }
        let daemons = before.deployment.daemons.iter().map(|daemon| daemon.name.clone());
        let mut steps = plan_steps(self.report, &served, &daemons.collect::<BTreeSet<String>>());
        let changed = self.edit_files(&before.deployment, &mut steps)?;
        self.verify_change(&before, &changed, &steps)?;
        let mut text = self.render_reasons(&served, &steps, &changed);
        for (file, new) in &changed.texts {
            text.push_str(&render_diff(file, changed.before.get(file).map_or("", String::as_str), new));
        }
        Ok(GeneratedConfiguration::Lines(text))
    }

    fn read_configuration(
        &self,
        source: &dyn ConfigurationSource,
    ) -> Result<AnalyzedConfiguration, ConfigurationError> {
        let tree =
            crate::apache::read_configuration(self.file, &Definitions(self.definitions.to_vec()), source)?;
        let site = build_site(&tree, source)?;
        let deployment = analyze_deployment(self.file.to_owned(), &site, &self.python_build(), &[]);
        Ok(AnalyzedConfiguration { site, deployment })
    }

    fn python_build(&self) -> PythonBuild {
        let python = self.report.environment.as_ref();
        PythonBuild {
            release: python.map(|python| python.python.clone()).unwrap_or_default(),
            is_free_threaded: python.is_some_and(|python| python.free_threaded),
            // Applications that can have their own GIL were tried with one.
            has_own_gil: true,
        }
    }

    /// Returns the report's application that a mount serves, if it uses the audited environment.
    fn find_application(&self, mount: &ScriptMount, site: &ApacheSite) -> Option<&Application> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_other = |home: &Path| {
            audited_environment(self.report).is_some_and(|root| real(home) != real(Path::new(root)))
        };
        if site.python_home_of(&mount.process_group).is_some_and(is_other) {
            return None;
        }
        let mounts = self.report.apache.iter().flat_map(|apache| &apache.landings);
        let mut same = mounts.filter(|other| {
            other.host == mount.host && other.url == mount.url && Path::new(&other.script) == mount.script
        });
        let named = same.find_map(|other| other.application.as_ref());
        let file = real(&mount.script);
        let is_it = |each: &&Application| {
            Path::new(&each.file) == file
                && super::application_mounts::callable_name(each) == mount.callable
                && named.is_none_or(|name| *name == each.name)
        };
        self.report.applications.iter().find(is_it)
    }

    /// Edits the files. A mount that cannot be edited stays as it is and is listed in `by_hand`.
    fn edit_files(&self, before: &Deployment, steps: &mut [ChangeStep]) -> Result<EditedFiles, ChangeError> {
        let mut edits: BTreeMap<PathBuf, FileEdit> = BTreeMap::new();
        let mut texts_before = BTreeMap::new();
        let mut by_hand = BTreeMap::new();
        // Several virtual hosts may serve the same application.
        let mut written = BTreeSet::new();
        for (index, (mount, step)) in before.landings.iter().zip(steps.iter_mut()).enumerate() {
            let place = &mount.place;
            let (process, application, own_gil) = match &*step {
                ChangeStep::Keep => continue,
                ChangeStep::Switch { own_gil } => (&mount.process_group, &mount.application_group, *own_gil),
                ChangeStep::Move(to) => (&to.process, &to.application, !to.application.is_empty()),
            };
            let edit = match edits.entry(place.file.clone()) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    let text = self.read_text(&place.file)?;
                    let edit = FileEdit::new(&text);
                    texts_before.insert(place.file.clone(), text);
                    new.insert(edit)
                }
            };
            let around = edit.outermost_section(place.line);
            if let ChangeStep::Move(to) = &*step {
                let name = if to.application.is_empty() { "%{GLOBAL}" } else { &to.application };
                if let Err(why) =
                    edit.set_options(place.line, &[("process-group", process), ("application-group", name)])
                {
                    by_hand.insert(
                        index,
                        format!("{why}: set process-group={process} application-group={name} by hand"),
                    );
                    *step = ChangeStep::Keep;
                    continue;
                }
                let line = self.process_options(before, mount).render_directive(process);
                if to.is_new_process && written.insert(process.clone()) {
                    edit.insert_before(*around.start(), line);
                }
            }
            let block = render_interpreter_block(process, application, own_gil);
            if !application.is_empty() && written.insert(block.clone()) {
                edit.insert_after(*around.end(), block);
            }
        }
        let texts = edits.into_iter().map(|(file, edit)| (file, edit.to_text()));
        let texts = texts.filter(|(file, text)| texts_before.get(file) != Some(text)).collect();
        Ok(EditedFiles { before: texts_before, texts, by_hand })
    }

    fn read_text(&self, file: &Path) -> Result<String, ChangeError> {
        let wrong = |why: String| ChangeError::File { file: file.to_owned(), why };
        let bytes = self.source.read_bytes(file).map_err(|error| wrong(error.to_string()))?;
        String::from_utf8(bytes)
            .map_err(|_| wrong("it is not UTF-8, so a change of it cannot be printed".to_owned()))
    }

    /// Returns the options of a new process for a mount: those of its present process.
    fn process_options(&self, before: &Deployment, mount: &ScriptMount) -> ProcessOptions {
        let is_it = |daemon: &&DaemonProcess| daemon.name == mount.process_group;
        let present = before.daemons.iter().find(is_it).map(|daemon| daemon.options.clone());
        let options = present.unwrap_or_else(|| {
            let path = before.python_path.iter().map(|folder| folder.to_string_lossy());
            let path = path.collect::<Vec<_>>().join(":");
            let path = Some(path).filter(|path| !path.is_empty());
            path.map(|path| ("python-path".to_owned(), path)).into_iter().collect()
        });
        ProcessOptions::new(options, self.report)
    }

    /// Reads the changed configuration as Apache would, and compares it with the plan.
    fn verify_change(
        &self,
        before: &AnalyzedConfiguration,
        changed: &EditedFiles,
        steps: &[ChangeStep],
    ) -> Result<(), ChangeError> {
        if changed.texts.is_empty() {
            return Ok(());
        }
        let overlay = OverlaidSource { base: self.source, texts: &changed.texts };
        let after = self.read_configuration(&overlay).map_err(ChangeError::Changed)?;
        let (old, new) = (&before.deployment.landings, &after.deployment.landings);
        if old.len() != new.len() {
            return Err(ChangeError::OtherEffect("the change would alter which URLs are served".to_owned()));
        }
        for ((old, new), step) in old.iter().zip(new).zip(steps) {
            if expected_mount(old, step, new) != *new {
                return Err(ChangeError::OtherEffect(format!(
                    "{}: with the change, requests to {} would not be served as planned: in {} ({})",
                    old.place,
                    old.url,
                    describe_interpreter(&new.process_group, &new.application_group),
                    new.mode
                )));
            }
        }
        let (old, new) = (count_findings(&before.deployment), count_findings(&after.deployment));
        match new.iter().find(|(rule, count)| old.get(*rule).is_none_or(|old| old < count)) {
            Some((rule, _)) => {
                Err(ChangeError::OtherEffect(format!("the change would cause new findings of {rule}")))
            }
            None => Ok(()),
        }
    }

    /// Renders the comments before the diff.
    fn render_reasons(
        &self,
        served: &[AuditedMount<'_>],
        steps: &[ChangeStep],
        changed: &EditedFiles,
    ) -> String {
        let mut text = render_header(self.report);
        match changed.texts.is_empty() {
            true => text.push_str(
                "# The configuration already does this, as far as it can be changed automatically:\n",
            ),
            false => text.push_str("# Apply this with `patch -d / -p1`, and then `apachectl configtest`:\n"),
        }
        let mut lines = Vec::new();
        for (index, (each, step)) in served.iter().zip(steps).enumerate() {
            let mount = each.mount;
            let host = if mount.host.is_empty() { String::new() } else { format!("{} ", mount.host) };
            let why = match each.application {
                Some(application) => explain_verdict(self.report, application, OwnGilModes::Plain),
                None => format!("{}: not in the report", mount.script.display()),
            };
            let becomes = match (changed.by_hand.get(&index), step) {
                (Some(why), _) => format!("{}: {why}", mount.place),
                (None, ChangeStep::Keep) => {
                    format!(
                        "stays in {}",
                        describe_interpreter(&mount.process_group, &mount.application_group)
                    )
                }
                (None, ChangeStep::Switch { own_gil: true }) => {
                    "gets its own GIL in the present interpreter".to_owned()
                }
                (None, ChangeStep::Switch { own_gil: false }) => "shares the process's GIL again".to_owned(),
                (None, ChangeStep::Move(to)) => {
                    format!("moves to {}", describe_interpreter(&to.process, &to.application))
                }
            };
            lines.push(format!(
                "# {}{}: {}: {}",
                escape_comment(&host),
                escape_comment(&mount.url),
                escape_comment(&why),
                escape_comment(&becomes)
            ));
        }
        lines.dedup();
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// Renders a unified diff for `patch -p1`.
fn render_diff(file: &Path, old: &str, new: &str) -> String {
    // `patch` does not follow symbolic links.
    let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let name = |side: &str| format!("{side}{}", real.display());
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(&name("a"), &name("b")).to_string()
}

/// Returns the expected mount after a step. Line numbers, which the edit changes, are taken from `new`.
fn expected_mount(old: &ScriptMount, step: &ChangeStep, new: &ScriptMount) -> ScriptMount {
    let same = ScriptMount { place: new.place.clone(), limited: new.limited.clone(), ..old.clone() };
    match step {
        ChangeStep::Keep => same,
        ChangeStep::Switch { own_gil } => {
            ScriptMount { mode: if *own_gil { Mode::OwnGil } else { Mode::SharedGil }, ..same }
        }
        ChangeStep::Move(to) => ScriptMount {
            process_group: to.process.clone(),
            application_group: to.application.clone(),
            other_groups: Vec::new(),
            mode: if to.application.is_empty() { Mode::Main } else { Mode::OwnGil },
            ..same
        },
    }
}

/// Counts the harmful findings of each rule.
fn count_findings(deployment: &Deployment) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for finding in &Apache::from(deployment).findings {
        if finding.judged.verdict <= Verdict::Degraded {
            *all.entry(finding.rule_id().to_owned()).or_default() += 1;
        }
    }
    all
}
