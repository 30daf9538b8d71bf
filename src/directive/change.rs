//! What a report supports, as a change of Apache's present configuration. The change is read again as Apache would read it: it is
//! printed only where every application lands as it should, and everything else as before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::applications::{Directive, head, is_fit, objection, why};
use super::edit::Edit;
use super::overlay::Overlay;
use super::plan::{Served, Step, steps};
use super::process::{ProcessOptions, environment};
use super::words::{comment, interpreter_block};
use crate::apache::{Build, Definitions, Problem, Site, Source, findings, name_interpreter};
use crate::model::{DaemonProcess, Deployment, Landing, Mode, Verdict};
use crate::report::Document;
use crate::report::v1::{Apache, Application};

/// A change of a configuration, to be made.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// The report.
    pub report: &'a Document,
    /// Apache's main configuration, or the file of one site.
    pub file: &'a Path,
    /// Names that Apache is started with (`-D`).
    pub definitions: &'a [String],
    /// Where files come from.
    pub source: &'a dyn Source,
}

/// Why there is no change.
#[derive(Debug, thiserror::Error)]
pub enum Unchanged {
    /// Apache would not start with the configuration as it is.
    #[error(transparent)]
    Configuration(#[from] Problem),
    /// Apache would not start with the change.
    #[error("Apache would not start with the change: {0}\n{HINT}")]
    Changed(Problem),
    /// The change would have another effect.
    #[error("{0}\n{HINT}")]
    OtherEffect(String),
    /// A file that cannot be edited.
    #[error("{}: {why}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

const HINT: &str = "hint: without --apache-config it prints lines to put in by hand";

/// A configuration, read.
struct Reading {
    site: Site,
    deployment: Deployment,
}

/// What is changed.
struct Changed {
    /// Each file's text before.
    before: BTreeMap<PathBuf, String>,
    /// The new texts of those that are changed.
    texts: BTreeMap<PathBuf, String>,
    /// Lines that have to be changed by hand, by the index of what they serve.
    by_hand: BTreeMap<usize, String>,
}

impl Change<'_> {
    /// The change as a unified diff, with the reasons as comments before it.
    ///
    /// # Errors
    /// See [`Unchanged`].
    pub fn directive(&self) -> Result<Directive, Unchanged> {
        if let Some(objection) = objection(self.report) {
            return Ok(Directive::Nothing(objection));
        }
        let before = self.read(self.source)?;
        let served: Vec<Served<'_>> = before
            .deployment
            .landings
            .iter()
            .map(|landing| Served { landing, application: self.application(landing, &before.site) })
            .collect();
        let audited = served.iter().filter_map(|each| each.application);
        if !audited.clone().any(|each| is_fit(self.report, each)) {
            let mut lines: Vec<String> =
                audited.map(|each| format!("{}\n", why(self.report, each))).collect();
            lines.sort();
            lines.dedup();
            let none = || format!("{} serves no application of the report\n", self.file.display());
            return Ok(Directive::Nothing(if lines.is_empty() { none() } else { lines.concat() }));
        }
        let daemons = before.deployment.daemons.iter().map(|daemon| daemon.name.clone());
        let mut steps = steps(self.report, &served, &daemons.collect::<BTreeSet<String>>());
        let changed = self.edit(&before.deployment, &mut steps)?;
        self.check(&before, &changed, &steps)?;
        let mut text = self.reasons(&served, &steps, &changed);
        for (file, new) in &changed.texts {
            text.push_str(&diff(file, changed.before.get(file).map_or("", String::as_str), new));
        }
        Ok(Directive::Lines(text))
    }

    fn read(&self, source: &dyn Source) -> Result<Reading, Problem> {
        let tree = crate::apache::read(self.file, &Definitions(self.definitions.to_vec()), source)?;
        let site = Site::new(&tree, source)?;
        let deployment = findings(self.file.to_owned(), &site, &self.build(), &[]);
        Ok(Reading { site, deployment })
    }

    fn build(&self) -> Build {
        let python = self.report.environment.as_ref();
        Build {
            release: python.map(|python| python.python.clone()).unwrap_or_default(),
            is_free_threaded: python.is_some_and(|python| python.free_threaded),
            // What is fit for an own GIL was tried in one.
            has_own_gil: true,
        }
    }

    /// The application of the report that a landing serves, by the report's environment.
    fn application(&self, landing: &Landing, site: &Site) -> Option<&Application> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_other =
            |home: &Path| environment(self.report).is_some_and(|root| real(home) != real(Path::new(root)));
        if site.home_of(&landing.process_group).is_some_and(is_other) {
            return None;
        }
        let landings = self.report.apache.iter().flat_map(|apache| &apache.landings);
        let mut same = landings.filter(|other| {
            other.host == landing.host
                && other.url == landing.url
                && Path::new(&other.script) == landing.script
        });
        let named = same.find_map(|other| other.application.as_ref());
        let file = real(&landing.script);
        let is_it = |each: &&Application| {
            Path::new(&each.file) == file
                && super::applications::callable(each) == landing.callable
                && named.is_none_or(|name| *name == each.name)
        };
        self.report.applications.iter().find(is_it)
    }

    /// Edits the files. What cannot be edited stays, and is named.
    fn edit(&self, before: &Deployment, steps: &mut [Step]) -> Result<Changed, Unchanged> {
        let mut edits: BTreeMap<PathBuf, Edit> = BTreeMap::new();
        let mut texts_before = BTreeMap::new();
        let mut by_hand = BTreeMap::new();
        // Several virtual hosts may serve the same application.
        let mut written = BTreeSet::new();
        for (index, (landing, step)) in before.landings.iter().zip(steps.iter_mut()).enumerate() {
            let place = &landing.place;
            let (process, application, own_gil) = match &*step {
                Step::Keep => continue,
                Step::Switch { own_gil } => (&landing.process_group, &landing.application_group, *own_gil),
                Step::Move(to) => (&to.process, &to.application, !to.application.is_empty()),
            };
            if !edits.contains_key(&place.file) {
                let text = self.text(&place.file)?;
                edits.insert(place.file.clone(), Edit::new(&text));
                texts_before.insert(place.file.clone(), text);
            }
            let Some(edit) = edits.get_mut(&place.file) else { continue };
            let around = edit.outermost_section(place.line);
            if let Step::Move(to) = &*step {
                let name = if to.application.is_empty() { "%{GLOBAL}" } else { &to.application };
                if let Err(why) =
                    edit.set_options(place.line, &[("process-group", process), ("application-group", name)])
                {
                    by_hand.insert(
                        index,
                        format!("{why}: set process-group={process} application-group={name} by hand"),
                    );
                    *step = Step::Keep;
                    continue;
                }
                let line = self.options(before, landing).line(process);
                if to.is_new_process && written.insert(process.clone()) {
                    edit.insert_before(*around.start(), line);
                }
            }
            let block = interpreter_block(process, application, own_gil);
            if !application.is_empty() && written.insert(block.clone()) {
                edit.insert_after(*around.end(), block);
            }
        }
        let texts = edits.into_iter().map(|(file, edit)| (file, edit.text()));
        let texts = texts.filter(|(file, text)| texts_before.get(file) != Some(text)).collect();
        Ok(Changed { before: texts_before, texts, by_hand })
    }

    fn text(&self, file: &Path) -> Result<String, Unchanged> {
        let wrong = |why: String| Unchanged::File { file: file.to_owned(), why };
        let bytes = self.source.bytes(file).map_err(|error| wrong(error.to_string()))?;
        String::from_utf8(bytes)
            .map_err(|_| wrong("it is not UTF-8, so no change of it can be printed".to_owned()))
    }

    /// Options of a new process for what a landing serves: those of its present process.
    fn options(&self, before: &Deployment, landing: &Landing) -> ProcessOptions {
        let is_it = |daemon: &&DaemonProcess| daemon.name == landing.process_group;
        let present = before.daemons.iter().find(is_it).map(|daemon| daemon.options.clone());
        let options = present.unwrap_or_else(|| {
            let path = before.python_path.iter().map(|folder| folder.to_string_lossy());
            let path = path.collect::<Vec<_>>().join(":");
            let path = Some(path).filter(|path| !path.is_empty());
            path.map(|path| ("python-path".to_owned(), path)).into_iter().collect()
        });
        ProcessOptions::new(options, self.report)
    }

    /// Reads the changed configuration as Apache would, and compares.
    fn check(&self, before: &Reading, changed: &Changed, steps: &[Step]) -> Result<(), Unchanged> {
        if changed.texts.is_empty() {
            return Ok(());
        }
        let overlay = Overlay { base: self.source, texts: &changed.texts };
        let after = self.read(&overlay).map_err(Unchanged::Changed)?;
        let (old, new) = (&before.deployment.landings, &after.deployment.landings);
        if old.len() != new.len() {
            return Err(Unchanged::OtherEffect("the change would alter which URLs are served".to_owned()));
        }
        for ((old, new), step) in old.iter().zip(new).zip(steps) {
            if expect(old, step, new) != *new {
                return Err(Unchanged::OtherEffect(format!(
                    "{}: with the change, requests to {} would be served in {} ({})",
                    old.place,
                    old.url,
                    name_interpreter(&new.process_group, &new.application_group),
                    new.mode
                )));
            }
        }
        let (old, new) = (count(&before.deployment), count(&after.deployment));
        match new.iter().find(|(rule, count)| old.get(*rule).is_none_or(|old| old < count)) {
            Some((rule, _)) => Err(Unchanged::OtherEffect(format!("the change would bring in {rule}"))),
            None => Ok(()),
        }
    }

    /// The comments before the diff.
    fn reasons(&self, served: &[Served<'_>], steps: &[Step], changed: &Changed) -> String {
        let mut text = head(self.report);
        match changed.texts.is_empty() {
            true => {
                text.push_str("# The configuration does that already, as far as it can be changed here:\n")
            }
            false => text.push_str("# Apply this with `patch -d / -p1`, and then `apachectl configtest`:\n"),
        }
        let mut lines = Vec::new();
        for (index, (each, step)) in served.iter().zip(steps).enumerate() {
            let landing = each.landing;
            let host = if landing.host.is_empty() { String::new() } else { format!("{} ", landing.host) };
            let why = match each.application {
                Some(application) => why(self.report, application),
                None => format!("{}: not in the report", landing.script.display()),
            };
            let becomes = match (changed.by_hand.get(&index), step) {
                (Some(why), _) => format!("{}: {why}", landing.place),
                (None, Step::Keep) => {
                    format!(
                        "stays in {}",
                        name_interpreter(&landing.process_group, &landing.application_group)
                    )
                }
                (None, Step::Switch { own_gil: true }) => "gets an own GIL where it is".to_owned(),
                (None, Step::Switch { own_gil: false }) => "shares the GIL again".to_owned(),
                (None, Step::Move(to)) => {
                    format!("goes to {}", name_interpreter(&to.process, &to.application))
                }
            };
            lines.push(format!(
                "# {}{}: {}: {}",
                comment(&host),
                comment(&landing.url),
                comment(&why),
                comment(&becomes)
            ));
        }
        lines.dedup();
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// A unified diff, for `patch -p1`.
fn diff(file: &Path, old: &str, new: &str) -> String {
    // `patch` does not follow links.
    let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let name = |side: &str| format!("{side}{}", real.display());
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(&name("a"), &name("b")).to_string()
}

/// A landing as it should be after a step. `new`: what it became, for the lines, whose numbers have changed.
fn expect(old: &Landing, step: &Step, new: &Landing) -> Landing {
    let same = Landing { place: new.place.clone(), limited: new.limited.clone(), ..old.clone() };
    match step {
        Step::Keep => same,
        Step::Switch { own_gil } => {
            Landing { mode: if *own_gil { Mode::OwnGil } else { Mode::SharedGil }, ..same }
        }
        Step::Move(to) => Landing {
            process_group: to.process.clone(),
            application_group: to.application.clone(),
            other_groups: Vec::new(),
            mode: if to.application.is_empty() { Mode::Main } else { Mode::OwnGil },
            ..same
        },
    }
}

/// How often each rule finds something that does harm.
fn count(deployment: &Deployment) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for finding in &Apache::from(deployment).findings {
        if finding.judged.verdict <= Verdict::Degraded {
            *all.entry(finding.rule().to_owned()).or_default() += 1;
        }
    }
    all
}
