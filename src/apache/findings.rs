//! Findings about a deployment: directives that have no effect, the wrong effect or a side effect that is
//! easy to miss. Each rule has a page in `src/rules/apache`. Message ids such as `WSGI0198` are those of
//! mod_wsgi 6.1.1.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::mount_findings::{self, finding_at};
use super::python_build::PythonBuild;
use super::site::ApacheSite;
use super::values::LocatedValue;
use crate::model::{
    ConfigLocation, DaemonProcess, Deployment, DeploymentFinding, Judgement, Mode, PythonPathOptions, RuleId,
    ScriptMount, Verdict,
};

/// An audited application.
#[derive(Clone, Debug)]
pub struct AuditedApplication {
    /// Its name in the report.
    pub name: String,
    /// The file of its WSGI script or module.
    pub file: PathBuf,
    /// The name of the WSGI callable in that file.
    pub callable: String,
    /// The `sys.path` entries it was audited with; `None` if it was audited without an Apache configuration.
    pub path: Option<PythonPathOptions>,
    /// Its verdict in each mode.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// The first thread pool in its source, as `file:line`.
    pub pool: Option<String>,
}

/// Returns the mounts of a configuration and the findings about them.
pub fn analyze_deployment(
    file: PathBuf,
    site: &ApacheSite,
    build: &PythonBuild,
    applications: &[AuditedApplication],
) -> Deployment {
    let mut mounts = mount_findings::list_mounts(site, build);
    let mut not_told: Vec<(ConfigLocation, String)> =
        site.placed.not_told.iter().chain(&site.not_told).cloned().collect();
    not_told.sort();
    not_told.dedup();
    for mount in &mut mounts {
        let path = site.module_path(&mount.process_group, &mount.application_group);
        let is_it = |each: &&AuditedApplication| {
            each.file == mount.script
                && each.callable == mount.callable
                && each.path.as_ref().is_none_or(|applied| *applied == path)
        };
        let found = applications.iter().find(is_it);
        mount.application = found.map(|each| each.name.clone());
    }
    let check = DeploymentCheck { site, build, mounts: &mounts, applications };
    let mut found = check.collect_findings(!not_told.is_empty());
    found.extend(mount_findings::collect_findings(site, build, &mounts, !not_told.is_empty()));
    mount_findings::assign_default_mode(&mut found, &mounts);
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
        landings: mounts,
        findings: found,
        not_told,
    }
}

struct DeploymentCheck<'a> {
    site: &'a ApacheSite,
    build: &'a PythonBuild,
    mounts: &'a [ScriptMount],
    applications: &'a [AuditedApplication],
}

/// Describes an interpreter, for example `the main interpreter of process group d`.
pub fn describe_interpreter(process: &str, application: &str) -> String {
    let process = describe_process(process);
    match application {
        "" => format!("the main interpreter of {process}"),
        name => format!("application group {name} of {process}"),
    }
}

fn describe_process(process: &str) -> String {
    if process.is_empty() { "Apache's own processes".to_owned() } else { format!("process group {process}") }
}

impl DeploymentCheck<'_> {
    fn collect_findings(&self, is_incomplete: bool) -> Vec<DeploymentFinding> {
        let mut found = self.check_build();
        found.extend(self.check_interpreters());
        found.extend(self.check_daemons());
        found.extend(self.check_shared_processes());
        found.extend(self.check_applications());
        if !is_incomplete {
            found.extend(self.find_unused_blocks());
        }
        found
    }

    /// Returns every interpreter that serves requests or imports a script, as (process group, application
    /// group).
    fn list_interpreters(&self) -> BTreeSet<(&str, &str)> {
        let mounts = self.mounts.iter();
        let mounts = mounts.map(|each| (each.process_group.as_str(), each.application_group.as_str()));
        let imports = self.site.imports.iter();
        mounts.chain(imports.map(|each| (each.process.as_str(), each.application.as_str()))).collect()
    }

    /// Finds options that have no effect in this Python build or at their location.
    fn check_build(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        let top = [(&self.site.options, None)].into_iter();
        let all = top.chain(self.site.blocks.iter().map(|block| (&block.options, Some(block))));
        for (options, block) in all {
            if let Some(set) = filter_on(options.own_gil.as_ref()) {
                if !self.build.has_own_gil {
                    let release = &self.build.release;
                    let text =
                        format!("WSGIPerInterpreterGIL needs Python 3.12, and this is {release} (WSGI0198)");
                    found.push(finding_for(set, RuleId::ApacheOwnGilOldPython, Mode::OwnGil, text));
                } else if block.is_some_and(|block| block.application.as_deref() == Some("")) {
                    let text =
                        "the main interpreter uses the process's GIL: ignored, and mod_wsgi logs no message"
                            .to_owned();
                    found.push(finding_for(set, RuleId::ApacheOwnGilMain, Mode::Main, text));
                }
            }
            let Some(set) = &options.free_threading else { continue };
            if block.is_some_and(|block| block.application.is_some()) {
                let text = "free threading applies to the whole process: ignored in a block that names an \
                            application group (WSGI0201)";
                found.push(finding_for(
                    set,
                    RuleId::ApacheFreeThreadingOneGroup,
                    Mode::FreeThreaded,
                    text.to_owned(),
                ));
            } else if set.value && !self.build.is_free_threaded {
                let text = "this build of Python has a GIL: free threading has no effect (WSGI0200), but \
                            disables WSGIPerInterpreterGIL";
                found.push(finding_for(
                    set,
                    RuleId::ApacheFreeThreadingGilBuild,
                    Mode::FreeThreaded,
                    text.to_owned(),
                ));
            }
        }
        found
    }

    /// Finds options that do not reach an interpreter as written.
    fn check_interpreters(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        for (process, application) in self.list_interpreters() {
            let name = describe_interpreter(process, application);
            let resolved = self.site.resolve_options(process, application);
            let is_free = filter_on(self.site.resolve_free_threading(process).as_ref()).is_some();
            let mode = self.site.interpreter_mode(process, application, self.build);
            if let Some(set) = filter_on(resolved.own_gil.as_ref()) {
                if application.is_empty() {
                    let text = format!(
                        "has no effect on {name}, which uses the process's GIL: mod_wsgi logs no message"
                    );
                    found.push(finding_for(set, RuleId::ApacheOwnGilMain, Mode::Main, text));
                } else if is_free {
                    let text = format!(
                        "skipped for {name}, where WSGIFreeThreading is On (WSGI0202){}",
                        if self.build.is_free_threaded { "" } else { ": neither takes effect" }
                    );
                    found.push(finding_for(set, RuleId::ApacheOwnGilFreeThreading, Mode::OwnGil, text));
                }
            }
            let Some(set) = &resolved.switch_interval else { continue };
            if is_free {
                let text = format!("skipped for {name}, where WSGIFreeThreading is On (WSGI0205)");
                found.push(finding_for(set, RuleId::ApacheSwitchIntervalFreeThreading, mode, text));
            } else if resolved.is_scoped && mode != Mode::OwnGil && !application.is_empty() {
                let text = format!("skipped for {name}, which has no GIL of its own (WSGI0199)");
                found.push(finding_for(set, RuleId::ApacheSwitchIntervalSharedGil, mode, text));
            } else if mode == Mode::SharedGil {
                let daemon = self.site.daemons.get(process).and_then(|daemon| daemon.switch_interval);
                if let Some(interval) = daemon.filter(|interval| *interval != set.value) {
                    let text = format!(
                        "conflicts with switch-interval={interval} of {}, which sets the same GIL: the last \
                         one set wins, this one when {name} is created",
                        describe_process(process)
                    );
                    found.push(finding_for(set, RuleId::ApacheSwitchIntervalOverridden, mode, text));
                }
            }
        }
        found
    }

    /// Finds daemon processes whose `switch-interval=` has no effect, and the same for the top-level interval
    /// in Apache's own processes.
    fn check_daemons(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        let is_free = |process: &str| filter_on(self.site.resolve_free_threading(process).as_ref()).is_some();
        let rule = RuleId::ApacheSwitchIntervalFreeThreading;
        for (name, daemon) in &self.site.daemons {
            let Some(interval) = daemon.switch_interval else { continue };
            let set = LocatedValue { value: interval, place: daemon.place.clone() };
            if is_free(name) {
                let text = format!(
                    "switch-interval={interval} of {name} is skipped: WSGIFreeThreading is On (WSGI0204)"
                );
                found.push(finding_for(&set, rule, Mode::FreeThreaded, text));
                continue;
            }
            for (process, application) in self.list_interpreters() {
                let is_own = self.site.interpreter_mode(process, application, self.build) == Mode::OwnGil;
                let is_missed = self.site.resolve_options(process, application).switch_interval.is_none();
                if process == name && is_own && is_missed {
                    let text = format!(
                        "switch-interval={interval} applies only to the interpreter that {} used last when \
                         it started: {}, which has its own GIL, keeps 0.005 unless it is that one",
                        describe_process(process),
                        describe_interpreter(process, application)
                    );
                    found.push(finding_for(&set, RuleId::ApacheSwitchIntervalOwnGil, Mode::OwnGil, text));
                }
            }
        }
        if let Some(set) = self.site.options.switch_interval.as_ref().filter(|_| is_free(""))
            && self.mounts.iter().any(|mount| mount.process_group.is_empty())
        {
            let text = "skipped in Apache's own processes: WSGIFreeThreading is On (WSGI0203)".to_owned();
            found.push(finding_for(set, rule, Mode::FreeThreaded, text));
        }
        found
    }

    /// Finds main interpreters that share their process with other application groups.
    fn check_shared_processes(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        for mount in self.mounts {
            let process = mount.process_group.as_str();
            if !mount.application_group.is_empty() {
                continue;
            }
            let beside = |other: &&ScriptMount| {
                other.process_group == mount.process_group && !other.application_group.is_empty()
            };
            if let Some(other) = self.mounts.iter().find(beside) {
                let text = format!(
                    "{} in the main interpreter shares {} with application group {} ({}): each request is \
                     served by the interpreter that its thread used last",
                    mount.url,
                    describe_process(process),
                    other.application_group,
                    other.place,
                );
                found.push(finding_at(&mount.place, RuleId::ApacheMainBesideGroups, mount.mode, text));
            }
        }
        found
    }

    /// Compares each application's verdicts with the interpreter that serves it.
    fn check_applications(&self) -> Vec<DeploymentFinding> {
        let mut found = Vec::new();
        let is_destroyed = self.site.destroy_interpreter.as_ref().is_none_or(|set| set.value);
        for mount in self.mounts {
            let named_so = |each: &&AuditedApplication| Some(&each.name) == mount.application.as_ref();
            let Some(application) = self.applications.iter().find(named_so) else { continue };
            let verdict = |mode: Mode| application.judgements.get(&mode);
            let mode = mount.mode;
            if let Some(judgement) = verdict(mode).filter(|judged| judged.verdict <= Verdict::Blocked) {
                let text = format!(
                    "{} is {} in {mode}, where it is served ({}): {}",
                    application.name,
                    judgement.verdict,
                    describe_interpreter(&mount.process_group, &mount.application_group),
                    judgement.reason
                );
                let application = mount.application.clone();
                let unfit = finding_at(&mount.place, RuleId::ApacheUnfitInterpreter, mode, text);
                found.push(DeploymentFinding { application, ..unfit });
            }
            if let Some(pool) = application.pool.as_ref().filter(|_| is_destroyed)
                && !mount.application_group.is_empty()
            {
                let text = format!(
                    "{} creates a thread pool ({pool}): if the pool is alive when {} is destroyed, the \
                     process crashes",
                    application.name,
                    describe_interpreter(&mount.process_group, &mount.application_group)
                );
                found.push(finding_at(&mount.place, RuleId::ApachePoolDestroyed, mode, text));
            }
            let could = matches!(mode, Mode::SharedGil | Mode::Main) && self.build.has_own_gil;
            let is_ready = verdict(Mode::OwnGil).is_some_and(|judged| judged.verdict == Verdict::Ready);
            if could && is_ready && !self.build.is_free_threaded {
                let text = format!("{} is ready for its own GIL, but is served in {mode}", application.name);
                found.push(finding_at(&mount.place, RuleId::ApacheOwnGilUnused, Mode::OwnGil, text));
            }
        }
        found
    }

    /// Finds `<WSGIInterpreterOptions>` blocks that select no interpreter in use.
    fn find_unused_blocks(&self) -> Vec<DeploymentFinding> {
        let is_open = self.mounts.iter().any(|mount| mount.application_group.contains("%{"));
        let unused = self.site.blocks.iter().filter(|block| {
            let is_for_any = self
                .list_interpreters()
                .into_iter()
                .any(|(process, application)| block.selects_interpreter(process, application));
            let is_for_main = block.application.as_deref() == Some("");
            !is_for_any && !is_for_main && !is_open
        });
        let text = "no application is served in an interpreter that it selects";
        unused
            .map(|block| finding_at(&block.place, RuleId::ApacheOptionsUnused, Mode::Main, text.to_owned()))
            .collect()
    }
}

/// Returns the flag only if it is on.
fn filter_on(set: Option<&LocatedValue<bool>>) -> Option<&LocatedValue<bool>> {
    set.filter(|set| set.value)
}

fn finding_for<T>(set: &LocatedValue<T>, rule: RuleId, mode: Mode, text: String) -> DeploymentFinding {
    finding_at(&set.place, rule, mode, text)
}
