//! Findings about mounts, and about directives that serve nothing. Each rule has a page in `src/rules/apache`.

use std::collections::BTreeSet;

use super::mod_wsgi_version::ModWsgiVersion;
use super::mount_table::MountPoint;
use super::python_build::PythonBuild;
use super::sections::MergeStage;
use super::served_request::ServedRequest;
use super::site::ApacheSite;
use crate::model::{ConfigLocation, DeploymentFinding, Mode, RuleId, ScriptMount};

/// Returns every mount, and an extra one for each mode that a client can choose through the application
/// group's name.
pub(super) fn list_mounts(site: &ApacheSite, build: &PythonBuild) -> Vec<ScriptMount> {
    let mut all = Vec::new();
    for mount_point in &site.placed.all {
        let mount = to_script_mount(mount_point, site, build);
        let mut modes = BTreeSet::from([mount.mode]);
        for other in mount.other_groups.clone() {
            let mode = site.interpreter_mode(&mount.process_group, &other, build);
            if modes.insert(mode) {
                all.push(ScriptMount {
                    application_group: other,
                    mode,
                    other_groups: Vec::new(),
                    ..mount.clone()
                });
            }
        }
        all.push(mount);
    }
    all
}

/// Returns the mount as the report shows it, for a build of Python.
fn to_script_mount(mount_point: &MountPoint, site: &ApacheSite, build: &PythonBuild) -> ScriptMount {
    let ServedRequest { script, process, application, callable, refusal, place, .. } = &mount_point.served;
    let application_group = match mount_point.is_one_for_each_url {
        true => "%{RESOURCE}".to_owned(),
        false => application.usual.clone(),
    };
    let mode = site.interpreter_mode(&process.usual, &application_group, build);
    ScriptMount {
        host: mount_point.host.clone(),
        url: mount_point.url.clone(),
        script: script.clone(),
        callable: callable.usual.clone(),
        process_group: process.usual.clone(),
        application_group,
        other_groups: application.others.clone(),
        except: mount_point.except.clone(),
        limited: mount_point.served.limited.clone(),
        mode,
        status: refusal.as_ref().map(|refusal| refusal.cause.status()),
        application: None,
        place: place.clone(),
    }
}

/// Returns the findings.
pub(super) fn collect_findings(
    site: &ApacheSite,
    build: &PythonBuild,
    mounts: &[ScriptMount],
    is_incomplete: bool,
) -> Vec<DeploymentFinding> {
    let mut found = find_refusals(site, build);
    found.extend(find_client_chosen_groups(site, mounts));
    found.extend(check_linked_python(site, build));
    found.extend(find_version_issues(site, mounts));
    if !is_incomplete {
        found.extend(find_unused_lines(site, mounts));
    }
    found
}

/// Assigns the mode of the first mount to findings that belong to no mount, so that they do not introduce a
/// mode that no mount uses.
pub(super) fn assign_default_mode(found: &mut [DeploymentFinding], mounts: &[ScriptMount]) {
    let modes: BTreeSet<Mode> = mounts.iter().map(|mount| mount.mode).collect();
    let Some(usual) = mounts.first().map(|mount| mount.mode) else { return };
    for finding in found.iter_mut().filter(|finding| RULES_WITHOUT_MOUNT.contains(&finding.rule)) {
        if !modes.contains(&finding.mode) {
            finding.mode = usual;
        }
    }
}

/// Rules whose findings belong to no mount.
const RULES_WITHOUT_MOUNT: [RuleId; 13] = [
    RuleId::ApacheAccessDenied,
    RuleId::ApacheAliasBroken,
    RuleId::ApacheAliasUnused,
    RuleId::ApacheBodiesCutOff,
    RuleId::ApacheDaemonUnused,
    RuleId::ApacheGroupByClient,
    RuleId::ApacheGroupForEachUrl,
    RuleId::ApacheHtaccessRefused,
    RuleId::ApacheModuleNotLoaded,
    RuleId::ApacheOptionsUnused,
    RuleId::ApacheOtherPython,
    RuleId::ApacheRequestTimeout,
    RuleId::ApacheSectionUnused,
];

/// Makes a finding about a line. The application, if it has one, is filled in later.
pub(super) fn finding_at(
    place: &ConfigLocation,
    rule: RuleId,
    mode: Mode,
    text: String,
) -> DeploymentFinding {
    DeploymentFinding { place: place.clone(), rule, mode, text, application: None }
}

/// Finds requests that are answered with an error, and directives that no request reaches.
fn find_refusals(site: &ApacheSite, build: &PythonBuild) -> Vec<DeploymentFinding> {
    let of_mod_wsgi = site.placed.all.iter().filter_map(|mount_point| {
        let refusal = mount_point.served.refusal.as_ref()?;
        Some(finding_at(
            &refusal.place,
            refusal.cause.rule(),
            to_script_mount(mount_point, site, build).mode,
            refusal.text.clone(),
        ))
    });
    let of_apache = site.placed.refused.iter();
    let of_apache = of_apache
        .map(|refusal| finding_at(&refusal.place, refusal.cause.rule(), Mode::Main, refusal.text.clone()));
    let shadowed = site.placed.shadowed.iter();
    let shadowed =
        shadowed.map(|(place, text)| finding_at(place, RuleId::ApacheAliasUnused, Mode::Main, text.clone()));
    of_mod_wsgi.chain(of_apache).chain(shadowed).collect()
}

/// Finds groups whose names depend on the client.
fn find_client_chosen_groups(site: &ApacheSite, mounts: &[ScriptMount]) -> Vec<DeploymentFinding> {
    let mut found = Vec::new();
    for mount_point in site.placed.all.iter().filter(|mount_point| mount_point.is_one_for_each_url) {
        let text = format!(
            "the application group is named after the URL, and {} matches many URLs: each gets its own \
             interpreter (set application-group=)",
            mount_point.url
        );
        found.push(finding_at(
            &mount_point.served.place,
            RuleId::ApacheGroupForEachUrl,
            Mode::SharedGil,
            text,
        ));
    }
    for mount_point in
        site.placed.all.iter().filter(|mount_point| !mount_point.served.process.others.is_empty())
    {
        let process = &mount_point.served.process;
        let text = format!(
            "the process group {} takes part of its name from the Host: header that a client sends, and can \
             be {} too: requests get 500 where there is no WSGIDaemonProcess of that name (WSGI0151)",
            process.usual,
            process.others.join(" or ")
        );
        found.push(finding_at(&mount_point.served.place, RuleId::ApacheGroupByClient, Mode::Main, text));
    }
    for mount in mounts.iter().filter(|mount| !mount.other_groups.is_empty()) {
        let text = format!(
            "the application group {} of {} takes part of its name from the Host: header that a client \
             sends, and can be {} too: each name gets an interpreter of its own",
            mount.application_group,
            mount.url,
            mount.other_groups.join(" or ")
        );
        found.push(finding_at(&mount.place, RuleId::ApacheGroupByClient, mount.mode, text));
    }
    found
}

/// Compares the Python that the module is linked with to that of the environment.
fn check_linked_python(site: &ApacheSite, build: &PythonBuild) -> Vec<DeploymentFinding> {
    let Some(file) = &site.module.file else {
        let first = site.servers.iter().flat_map(|server| &server.scripts).map(|script| &script.place).min();
        let newest = ModWsgiVersion::NEWEST;
        let text = format!(
            "the configuration has no LoadModule: assumed to be part of one that loads mod_wsgi {newest}"
        );
        return first
            .map(|place| finding_at(place, RuleId::ApacheModuleNotLoaded, Mode::Main, text))
            .into_iter()
            .collect();
    };
    let Some(python) = site.module.python.as_ref().filter(|_| !build.release.is_empty()) else {
        return Vec::new();
    };
    let version: Vec<&str> = build.release.split('.').take(2).collect();
    let is_same = version.join(".") == python.version
        && python.is_free_threaded.is_none_or(|is_free| is_free == build.is_free_threaded);
    if is_same {
        return Vec::new();
    }
    let kind = |is_free: bool| if is_free { " (free-threaded)" } else { "" };
    let text = format!(
        "{} is built for Python {}{}, but the environment has Python {}{}: mod_wsgi does not find its \
         modules",
        file.value.display(),
        python.version,
        kind(python.is_free_threaded == Some(true)),
        build.release.trim_end_matches('t'),
        kind(build.is_free_threaded)
    );
    vec![finding_at(&file.place, RuleId::ApacheOtherPython, Mode::Main, text)]
}

/// Finds defects of particular mod_wsgi versions.
fn find_version_issues(site: &ApacheSite, mounts: &[ScriptMount]) -> Vec<DeploymentFinding> {
    let mut found = Vec::new();
    let release = site.module.release.unwrap_or(ModWsgiVersion::NEWEST);
    let is_cutting = (ModWsgiVersion(6, 0, 0)..ModWsgiVersion(6, 0, 5)).contains(&release);
    for mount_point in site.placed.all.iter().filter(|mount_point| is_cutting && !mount_point.served.reloads)
    {
        let served = &mount_point.served;
        let Some(daemon) = site.daemons.get(&served.process.usual) else { continue };
        if daemon.queue_timeout == 0 {
            let text = format!(
                "mod_wsgi {release} cuts off the bodies of requests to {} where WSGIScriptReloading is Off \
                 and {} has no queue-timeout= (fixed in 6.0.5)",
                mount_point.url, served.process.usual
            );
            found.push(finding_at(&served.place, RuleId::ApacheBodiesCutOff, Mode::Main, text));
        }
    }
    for (name, daemon) in &site.daemons {
        let is_used = mounts.iter().any(|mount| mount.process_group == *name);
        if daemon.request_timeout == 0 || daemon.threads < 2 || !is_used {
            continue;
        }
        let timeout = daemon.request_timeout;
        let text = match release >= ModWsgiVersion(6, 0, 0) {
            true => {
                let seconds = f64::from(timeout) * (1.0 + f64::from(daemon.threads).ln());
                format!(
                    "request-timeout={timeout} of {name} lets a request run for {seconds:.0} seconds: \
                     mod_wsgi {release} multiplies it by 1 + ln(threads), here {}",
                    daemon.threads
                )
            }
            false => format!(
                "request-timeout={timeout} of {name} is the mean over its {} threads: in mod_wsgi {release} \
                 one request may run for {} seconds where no other does",
                daemon.threads,
                u64::from(timeout) * u64::from(daemon.threads)
            ),
        };
        found.push(finding_at(&daemon.place, RuleId::ApacheRequestTimeout, Mode::Main, text));
    }
    found
}

/// Finds directives that no application uses.
fn find_unused_lines(site: &ApacheSite, mounts: &[ScriptMount]) -> Vec<DeploymentFinding> {
    let mut found = Vec::new();
    let is_open = mounts.iter().any(|mount| mount.process_group.contains("%{"));
    for (name, daemon) in site.daemons.iter().filter(|_| !is_open) {
        let is_used = mounts.iter().any(|mount| mount.process_group == *name)
            || site.imports.iter().any(|import| import.process == *name);
        if !is_used {
            let text = format!("no application runs in {name}");
            found.push(finding_at(&daemon.place, RuleId::ApacheDaemonUnused, Mode::Main, text));
        }
    }
    for section in site.servers.iter().flat_map(|server| &server.sections) {
        let is_asked = !site.placed.sections.contains(&section.place);
        let is_if = section.conditions.iter().any(|condition| condition.stage == MergeStage::If);
        if section.settings.has_groups() && is_asked && !is_if {
            let text =
                "no application's script or URL is in it: the groups that it sets have no effect".to_owned();
            found.push(finding_at(&section.place, RuleId::ApacheSectionUnused, Mode::Main, text));
        }
    }
    found
}
