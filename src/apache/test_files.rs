//! Configurations in memory, for tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::{
    ApacheSite, AuditedApplication, ConfigurationError, ConfigurationSource, Definitions, PythonBuild,
    analyze_deployment, build_site, read_configuration,
};
use crate::model::{Deployment, Judgement, Mode, Verdict};

/// Files in memory.
pub(super) struct Files(BTreeMap<PathBuf, String>);

impl ConfigurationSource for Files {
    fn read_text(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_text(path).map(String::into_bytes)
    }

    fn list_folder(&self, folder: &Path) -> io::Result<Vec<String>> {
        let below = self.0.keys().filter_map(|path| path.strip_prefix(folder).ok()?.iter().next());
        Ok(below.map(|name| name.to_str().unwrap().to_owned()).collect())
    }

    fn is_folder(&self, path: &Path) -> bool {
        !self.0.contains_key(path) && self.exists(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.keys().any(|file| file.starts_with(path))
    }

    fn environment_variable(&self, name: &str) -> Option<String> {
        (name == "SITE").then(|| "/srv".to_owned())
    }
}

/// Makes files of paths and texts.
pub(super) fn files(all: &[(&str, &str)]) -> Files {
    Files(all.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect())
}

/// Reads `/etc/apache/httpd.conf`.
pub(super) fn site(source: &Files) -> Result<ApacheSite, ConfigurationError> {
    build_site(
        &read_configuration(Path::new("/etc/apache/httpd.conf"), &Definitions::default(), source)?,
        source,
    )
}

/// Analyzes a configuration, with an application of each kind. Its first line gives the environment's Python and, if
/// they are not the usual ones, the version of mod_wsgi and the Python that it is built for:
/// `# build: 3.14.7, mod_wsgi 6.0.3 for 3.13.0`. `#== PATH` begins another file.
pub(super) fn deployment(text: &str) -> Deployment {
    let first = text.lines().next().unwrap().strip_prefix("# build: ").unwrap();
    let (release, module) = first.split_once(", ").unwrap_or((first, "mod_wsgi 6.1.1"));
    let (version, python) = module.split_once(" for ").unwrap_or((module, release.trim_end_matches('t')));
    let load = if version == "no mod_wsgi" { "" } else { "LoadModule wsgi_module mod_wsgi.so\n" };
    let main = format!(
        "{load}Listen 80\nListen 8443\nServerName localhost\nUseCanonicalName On\nInclude case.conf\n"
    );
    let module = format!("mod_wsgi/%s\0{}\0{python}\0", version.trim_start_matches("mod_wsgi "));
    let (text, more) = text.split_once("#== ").unwrap_or((text, ""));
    let mut all = vec![
        ("/etc/apache/httpd.conf", main.as_str()),
        ("/etc/apache/mod_wsgi.so", module.as_str()),
        ("/etc/apache/case.conf", text),
    ];
    all.extend(more.split("#== ").filter_map(|part| part.split_once('\n')));
    let source = files(&all);
    let build = PythonBuild {
        release: release.to_owned(),
        is_free_threaded: release.ends_with('t'),
        has_own_gil: !release.starts_with("3.11"),
    };
    let judged = |verdict| Judgement::from_evidence(verdict, None, "as tried");
    let applied = |name: &str, own, pool: Option<&str>| AuditedApplication {
        name: name.to_owned(),
        file: Path::new("/srv").join(name),
        callable: "application".to_owned(),
        path: None,
        judgements: [(Mode::Main, judged(Verdict::Ready)), (Mode::OwnGil, judged(own))].into(),
        pool: pool.map(str::to_owned),
    };
    let applications = [
        applied("ready.wsgi", Verdict::Ready, None),
        applied("blocked.wsgi", Verdict::Blocked, None),
        applied("pool.wsgi", Verdict::Ready, Some("/srv/pool.wsgi:3")),
    ];
    analyze_deployment("/etc/apache/httpd.conf".into(), &site(&source).unwrap(), &build, &applications)
}

/// Lists mounts, findings and what could not be determined.
pub(super) fn described(deployment: &Deployment) -> String {
    let mut text = String::new();
    for each in &deployment.landings {
        let (process, application) = (&each.process_group, &each.application_group);
        let (host, url, script) = (&each.host, &each.url, each.script.display());
        writeln!(text, "{host} {url} {script}: {process:?} {application:?} {}", each.mode).unwrap();
    }
    for each in &deployment.findings {
        writeln!(text, "{}: {} ({}): {}", each.place, each.rule, each.mode, each.text).unwrap();
    }
    for (place, what) in &deployment.not_told {
        writeln!(text, "{place}: not told: {what}").unwrap();
    }
    text
}
