//! What of a configuration has no effect, the wrong one or a hidden one. Each rule has a page in `src/rules/pages`;
//! the ids in the texts are those of mod_wsgi's messages (6.1.1).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::served;
use super::site::Site;
use super::values::Set;
use crate::model::{
    ConfigPlace, DaemonProcess, Deployment, DeploymentFinding, Judgement, Landing, Mode, ModulePath, Verdict,
};

/// The Python that mod_wsgi is built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// E.g. `3.14.7`.
    pub release: String,
    /// Built with `--disable-gil`.
    pub is_free_threaded: bool,
    /// Whether it knows per-interpreter GILs: 3.12 or later.
    pub has_own_gil: bool,
}

/// An application of the report.
#[derive(Clone, Debug)]
pub struct Applied {
    /// As the report names it.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// The name in it.
    pub callable: String,
    /// What was put in front of `sys.path` for it; `None` where it was audited without a configuration.
    pub path: Option<ModulePath>,
    /// Its verdicts.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// The first thread pool in its source, as `file:line`.
    pub pool: Option<String>,
}

/// Where a configuration puts its applications, and what is found of it.
pub fn findings(file: PathBuf, site: &Site, build: &Build, applications: &[Applied]) -> Deployment {
    let mut landings = served::landings(site, build);
    let mut not_told: Vec<(ConfigPlace, String)> =
        site.placed.not_told.iter().chain(&site.not_told).cloned().collect();
    not_told.sort();
    not_told.dedup();
    for landing in &mut landings {
        let path = site.module_path(&landing.process_group, &landing.application_group);
        let is_it = |each: &&Applied| {
            each.file == landing.script
                && each.callable == landing.callable
                && each.path.as_ref().is_none_or(|applied| *applied == path)
        };
        let found = applications.iter().find(is_it);
        landing.application = found.map(|each| each.name.clone());
    }
    let check = Check { site, build, landings: &landings, applications };
    let mut found = check.all(!not_told.is_empty());
    found.extend(served::findings(site, build, &landings, !not_told.is_empty()));
    served::put_usual_mode(&mut found, &landings);
    found.sort();
    found.dedup();
    let daemons = site.daemons.iter().map(|(name, daemon)| DaemonProcess {
        name: name.clone(),
        options: daemon.options.clone(),
        place: daemon.place.clone(),
    });
    Deployment {
        file,
        daemons: daemons.collect(),
        python_path: site.python_path.clone(),
        landings,
        findings: found,
        not_told,
    }
}

struct Check<'a> {
    site: &'a Site,
    build: &'a Build,
    landings: &'a [Landing],
    applications: &'a [Applied],
}

/// An interpreter in words: `the main interpreter of process group d`.
pub fn name_interpreter(process: &str, application: &str) -> String {
    let process = process_named(process);
    match application {
        "" => format!("the main interpreter of {process}"),
        name => format!("application group {name} of {process}"),
    }
}

fn process_named(process: &str) -> String {
    if process.is_empty() { "Apache's own processes".to_owned() } else { format!("process group {process}") }
}

impl Check<'_> {
    fn all(&self, is_incomplete: bool) -> Vec<DeploymentFinding> {
        let mut found = self.builds();
        found.extend(self.interpreters());
        found.extend(self.daemons());
        found.extend(self.processes());
        found.extend(self.applied());
        if !is_incomplete {
            found.extend(self.unused());
        }
        found
    }

    /// Every interpreter that requests or imports come to: process group and application group.
    fn groups(&self) -> BTreeSet<(&str, &str)> {
        let landings = self.landings.iter();
        let landings = landings.map(|each| (each.process_group.as_str(), each.application_group.as_str()));
        let imports = self.site.imports.iter();
        landings.chain(imports.map(|each| (each.process.as_str(), each.application.as_str()))).collect()
    }

    /// What the build of Python, or the place of a line, deprives of its effect.
    fn builds(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        let top = [(&self.site.options, None)].into_iter();
        let all = top.chain(self.site.blocks.iter().map(|block| (&block.options, Some(block))));
        for (options, block) in all {
            if let Some(set) = on(options.own_gil.as_ref()) {
                if !self.build.has_own_gil {
                    let release = &self.build.release;
                    let text =
                        format!("WSGIPerInterpreterGIL needs Python 3.12, and this is {release} (WSGI0198)");
                    found.push(finding(set, "apache-own-gil-old-python", Mode::OwnGil, text));
                } else if block.is_some_and(|block| block.application.as_deref() == Some("")) {
                    let text =
                        "the main interpreter has the process's GIL: ignored without a message".to_owned();
                    found.push(finding(set, "apache-own-gil-main", Mode::Main, text));
                }
            }
            let Some(set) = &options.free_threading else { continue };
            if block.is_some_and(|block| block.application.is_some()) {
                let text = "free threading is a matter of the whole process: ignored in a block that names an \
                            application group (WSGI0201)";
                found.push(finding(
                    set,
                    "apache-free-threading-one-group",
                    Mode::FreeThreaded,
                    text.to_owned(),
                ));
            } else if set.value && !self.build.is_free_threaded {
                let text = "this build of Python has a GIL: free threading has no effect (WSGI0200), but turns \
                            WSGIPerInterpreterGIL off";
                found.push(finding(
                    set,
                    "apache-free-threading-gil-build",
                    Mode::FreeThreaded,
                    text.to_owned(),
                ));
            }
        }
        found
    }

    /// What does not come to an interpreter as it is written.
    fn interpreters(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        for (process, application) in self.groups() {
            let name = name_interpreter(process, application);
            let resolved = self.site.resolved(process, application);
            let is_free = on(self.site.free_threading(process).as_ref()).is_some();
            let mode = self.site.mode(process, application, self.build);
            if let Some(set) = on(resolved.own_gil.as_ref()) {
                if application.is_empty() {
                    let text =
                        format!("does not come to {name}, which has the process's GIL: no message says so");
                    found.push(finding(set, "apache-own-gil-main", Mode::Main, text));
                } else if is_free {
                    let text = format!(
                        "skipped for {name}, where WSGIFreeThreading is On (WSGI0202){}",
                        if self.build.is_free_threaded { "" } else { ": it gets neither" }
                    );
                    found.push(finding(set, "apache-own-gil-free-threading", Mode::OwnGil, text));
                }
            }
            let Some(set) = &resolved.switch_interval else { continue };
            if is_free {
                let text = format!("skipped for {name}, where WSGIFreeThreading is On (WSGI0205)");
                found.push(finding(set, "apache-switch-interval-free-threading", mode, text));
            } else if resolved.is_scoped && mode != Mode::OwnGil && !application.is_empty() {
                let text = format!("skipped for {name}, which has no GIL of its own (WSGI0199)");
                found.push(finding(set, "apache-switch-interval-shared-gil", mode, text));
            } else if mode == Mode::SharedGil {
                let daemon = self.site.daemons.get(process).and_then(|daemon| daemon.switch_interval);
                if let Some(interval) = daemon.filter(|interval| *interval != set.value) {
                    let text = format!(
                        "and switch-interval={interval} of {} are set in the same GIL: what is set last holds, this \
                         one as {name} begins",
                        process_named(process)
                    );
                    found.push(finding(set, "apache-switch-interval-overridden", mode, text));
                }
            }
        }
        found
    }

    /// `switch-interval=`, and the top level's interval in Apache's own processes.
    fn daemons(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        let is_free = |process: &str| on(self.site.free_threading(process).as_ref()).is_some();
        let rule = "apache-switch-interval-free-threading";
        for (name, daemon) in &self.site.daemons {
            let Some(interval) = daemon.switch_interval else { continue };
            let set = Set { value: interval, place: daemon.place.clone() };
            if is_free(name) {
                let text = format!(
                    "switch-interval={interval} of {name} is skipped: WSGIFreeThreading is On (WSGI0204)"
                );
                found.push(finding(&set, rule, Mode::FreeThreaded, text));
                continue;
            }
            for (process, application) in self.groups() {
                let is_own = self.site.mode(process, application, self.build) == Mode::OwnGil;
                let is_missed = self.site.resolved(process, application).switch_interval.is_none();
                if process == name && is_own && is_missed {
                    let text = format!(
                        "switch-interval={interval} is set in the interpreter that {} used last as it starts: {}, which \
                         has its own GIL, stays at 0.005 if it is another",
                        process_named(process),
                        name_interpreter(process, application)
                    );
                    found.push(finding(&set, "apache-switch-interval-own-gil", Mode::OwnGil, text));
                }
            }
        }
        if let Some(set) = self.site.options.switch_interval.as_ref().filter(|_| is_free(""))
            && self.landings.iter().any(|landing| landing.process_group.is_empty())
        {
            let text = "skipped in Apache's own processes: WSGIFreeThreading is On (WSGI0203)".to_owned();
            found.push(finding(set, rule, Mode::FreeThreaded, text));
        }
        found
    }

    /// Applications that share a process with what they should not, or have none.
    fn processes(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        for landing in self.landings {
            let process = landing.process_group.as_str();
            if !landing.application_group.is_empty() {
                continue;
            }
            let beside = |other: &&Landing| {
                other.process_group == landing.process_group && !other.application_group.is_empty()
            };
            if let Some(other) = self.landings.iter().find(beside) {
                let text = format!(
                    "{} in the main interpreter shares {} with application group {} ({}): requests are served by \
                     whichever interpreter their thread ran last",
                    landing.url,
                    process_named(process),
                    other.application_group,
                    other.place,
                );
                found.push(at(&landing.place, "apache-main-beside-groups", landing.mode, text));
            }
        }
        found
    }

    /// What the audit of an application says of the interpreter that it lands in.
    fn applied(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        let is_destroyed = self.site.destroy_interpreter.as_ref().is_none_or(|set| set.value);
        for landing in self.landings {
            let named_so = |each: &&Applied| Some(&each.name) == landing.application.as_ref();
            let Some(application) = self.applications.iter().find(named_so) else { continue };
            let verdict = |mode: Mode| application.judgements.get(&mode);
            let mode = landing.mode;
            if let Some(judgement) = verdict(mode).filter(|judged| judged.verdict <= Verdict::Blocked) {
                let text = format!(
                    "{} is {} in {mode}, where it lands ({}): {}",
                    application.name,
                    judgement.verdict,
                    name_interpreter(&landing.process_group, &landing.application_group),
                    judgement.reason
                );
                let application = landing.application.clone();
                let unfit = at(&landing.place, "apache-unfit-interpreter", mode, text);
                found.push(DeploymentFinding { application, ..unfit });
            }
            if let Some(pool) = application.pool.as_ref().filter(|_| is_destroyed)
                && !landing.application_group.is_empty()
            {
                let text = format!(
                    "{} makes a thread pool ({pool}): where it lives when {} is destroyed, the process crashes",
                    application.name,
                    name_interpreter(&landing.process_group, &landing.application_group)
                );
                found.push(at(&landing.place, "apache-pool-destroyed", mode, text));
            }
            let could = matches!(mode, Mode::SharedGil | Mode::Main) && self.build.has_own_gil;
            let is_ready = verdict(Mode::OwnGil).is_some_and(|judged| judged.verdict == Verdict::Ready);
            if could && is_ready && !self.build.is_free_threaded {
                let text = format!("{} is ready for an own GIL, and lands in {mode}", application.name);
                found.push(at(&landing.place, "apache-own-gil-unused", Mode::OwnGil, text));
            }
        }
        found
    }

    /// Blocks that are for no interpreter.
    fn unused(&self) -> Vec<DeploymentFinding> {
        let is_open = self.landings.iter().any(|landing| landing.application_group.contains("%{"));
        let unused = self.site.blocks.iter().filter(|block| {
            let is_for_any =
                self.groups().into_iter().any(|(process, application)| block.is_for(process, application));
            let is_for_main = block.application.as_deref() == Some("");
            !is_for_any && !is_for_main && !is_open
        });
        let text = "no application lands in what it selects";
        unused.map(|block| at(&block.place, "apache-options-unused", Mode::Main, text.to_owned())).collect()
    }
}

/// A flag that is on.
fn on(set: Option<&Set<bool>>) -> Option<&Set<bool>> {
    set.filter(|set| set.value)
}

fn finding<T>(set: &Set<T>, rule: &'static str, mode: Mode, text: String) -> DeploymentFinding {
    at(&set.place, rule, mode, text)
}

fn at(place: &ConfigPlace, rule: &'static str, mode: Mode, text: String) -> DeploymentFinding {
    DeploymentFinding { place: place.clone(), rule, mode, text, application: None }
}
