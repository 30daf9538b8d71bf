//! `--apache-config` held against Apache: each configuration of `tests/fixtures/apache-sites` is started, asked, and its answers are
//! compared with what is said of it. A difference that nothing warns of is the worst that can happen; what is not told is
//! allowed for few.
//!
//! The first lines of a configuration say what is asked (`# ask: HOST PATH`; `HOST=NAME` where the virtual host that answers has
//! another name); `#== NAME` begins another file of the site, and a
//! file that is `@app` is the application.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;
use wsgiaudit::apache::{
    Definitions, FileSystem, PythonBuild, analyze_deployment, build_site, read_configuration,
};
use wsgiaudit::model::{Deployment, Mode, ScriptMount};

use crate::support::apache::{Apache, Response, modwsgi};

/// Configurations of which something is not told.
const NOT_TOLD: [&str; 3] = ["dispatch-by-request", "if-decides", "set-env-if"];

/// At least so many are judged.
const LEAST: usize = 60;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apache-sites")
}

/// A configuration, on disk.
struct Case {
    name: String,
    text: String,
    asks: Vec<(String, String)>,
    site: TempDir,
}

impl Case {
    fn new(path: &Path) -> Self {
        let site = tempfile::Builder::new().prefix("site-").tempdir().unwrap();
        // Daemon processes run as another user.
        fs::set_permissions(site.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let here = site.path().to_str().unwrap().to_owned();
        let application =
            fs::read_to_string(folder().with_file_name("apache-scripts").join("lands.wsgi")).unwrap();
        for script in ["app.wsgi", "shop.wsgi", "blog.wsgi"] {
            fs::write(site.path().join(script), &application).unwrap();
        }
        fs::create_dir(site.path().join("static")).unwrap();
        let whole = fs::read_to_string(path).unwrap().replace("{site}", &here);
        let mut parts = whole.split("#== ");
        // The account that daemon processes run as may have no home.
        let with_home = |line: &str| {
            let is_daemon =
                line.to_ascii_lowercase().starts_with("wsgidaemonprocess ") && !line.ends_with('\\');
            if is_daemon && !line.contains("home=") {
                format!("{line} home={here}\n")
            } else {
                format!("{line}\n")
            }
        };
        let text: String = parts.next().unwrap().lines().map(with_home).collect();
        for part in parts {
            let (name, content) = part.split_once('\n').unwrap();
            let file = site.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let content = if content.trim() == "@app" { &application } else { content };
            fs::write(file, content).unwrap();
        }
        let asks = text.lines().filter_map(|line| line.strip_prefix("# ask: ")?.split_once(' '));
        let asks = asks.map(|(host, path)| (host.to_owned(), path.to_owned())).collect();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        Self { name, text, asks, site }
    }

    /// What is wrong with what is said of it, if anything.
    fn judge(&self) -> Judged {
        let apache = match Apache::try_start(&modwsgi("3.14"), &self.text) {
            Ok(apache) => apache,
            Err(refused) => return self.judge_refusal(&refused.config, &refused.said),
        };
        let said = match said_of(&apache.config()) {
            Ok(said) => said,
            Err(problem) => return Judged::Wrong(format!("Apache starts, and is said not to: {problem}")),
        };
        if !said.not_told.is_empty() {
            return Judged::NotTold(format!("{:?}", said.not_told));
        }
        let mut wrong = String::new();
        for (host, path) in &self.asks {
            let (host, name) = host.split_once('=').unwrap_or((host, host));
            let response = apache.get_from(&host.replace("{port}", &apache.port().to_string()), path);
            if let Err(why) = compare(&said, name, path, &response) {
                writeln!(wrong, "{host} {path}: {why}\n  Apache: {} {}", response.status, response.body)
                    .unwrap();
            }
        }
        if wrong.is_empty() {
            return Judged::Right;
        }
        Judged::Wrong(format!("{wrong}\n  said: {:#?}\n{}", said.landings, apache.stop()))
    }

    fn judge_refusal(&self, config: &Path, log: &str) -> Judged {
        match said_of(config) {
            Err(_) => Judged::Right,
            Ok(_) => Judged::Wrong(format!("Apache does not start, and is said to: {log}")),
        }
    }
}

/// What is said of a configuration.
fn said_of(config: &Path) -> Result<Deployment, String> {
    let tree = read_configuration(config, &Definitions::default(), &FileSystem)
        .map_err(|problem| problem.to_string())?;
    let site = build_site(&tree, &FileSystem).map_err(|problem| problem.to_string())?;
    let build = PythonBuild { release: "3.14.7".to_owned(), is_free_threaded: false, has_own_gil: true };
    Ok(analyze_deployment(config.to_owned(), &site, &build, &[]))
}

enum Judged {
    Right,
    NotTold(String),
    Wrong(String),
}

/// Whether an answer is as is said.
fn compare(said: &Deployment, host: &str, path: &str, response: &Response) -> Result<(), String> {
    let facts = response.body.lines().filter_map(|line| line.split_once('\t'));
    let told: BTreeMap<&str, &str> = facts.collect();
    let is_served = response.status == 200 && told.contains_key("process_group");
    let landings = landings(said, host, path);
    let expect = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
    if let Some(status) = landings.iter().find_map(|landing| landing.status) {
        return expect(response.status == status, "another status");
    }
    if !is_served {
        if [401, 403].contains(&response.status) && landings.iter().any(|landing| landing.limited.is_some()) {
            return Ok(());
        }
        let refused = [403, 404, 500].contains(&response.status);
        let is_said = said.findings.iter().any(|finding| {
            finding.text.contains(&response.status.to_string()) && finding.text.contains("requests")
                || finding.text.contains(&format!("answers with {}", response.status))
                || finding.text.contains(&format!("gets {}", response.status))
        });
        return expect(landings.is_empty() || (refused && is_said), "an application is said to answer");
    }
    let fits = |landing: &&ScriptMount| {
        let names = std::iter::once(&landing.application_group).chain(&landing.other_groups);
        let group = told["application_group"];
        let is_named = names.into_iter().any(|name| is_name(name, group));
        landing.script.to_str() == Some(told["script"])
            && landing.callable == told["callable"]
            && landing.process_group == told["process_group"]
            && is_named
            && (landing.mode == mode(&told) || landing.application_group != group)
    };
    expect(landings.iter().any(fits), "another landing")
}

/// Whether a group's name is one that is said.
fn is_name(said: &str, group: &str) -> bool {
    match said.split_once("%{") {
        None => said == group,
        // One for each URL, or for each port or host that a client names.
        Some((before, after)) => {
            let end = after.split_once('}').map_or("", |(_, end)| end);
            group.starts_with(before) && group.ends_with(end)
        }
    }
}

fn mode(told: &BTreeMap<&str, &str>) -> Mode {
    match (told["is_main"], told["gil"]) {
        ("True", _) => Mode::Main,
        (_, "own") => Mode::OwnGil,
        (_, _) => Mode::SharedGil,
    }
}

/// What is said of requests to a URL: of the longest prefix, or of an expression.
fn landings<'d>(said: &'d Deployment, host: &str, path: &str) -> Vec<&'d ScriptMount> {
    let host = host.split(':').next().unwrap();
    let of_host = |landing: &&ScriptMount| {
        landing.host.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case(host))
    };
    // Of the main server, where no virtual host has the name.
    let is_any = said.landings.iter().any(|landing| of_host(&landing));
    let of_main = |landing: &&ScriptMount| !is_any && landing.host.is_empty() && host == "localhost";
    let mut all: Vec<&ScriptMount> =
        said.landings.iter().filter(|landing| of_host(landing) || of_main(landing)).collect();
    let fits = |landing: &&ScriptMount| {
        let url = landing.url.as_str();
        match url.starts_with('/') {
            true => path
                .strip_prefix(url)
                .is_some_and(|rest| url.ends_with('/') || rest.is_empty() || rest.starts_with('/')),
            false => regex::Regex::new(url).unwrap().is_match(path),
        }
    };
    all.retain(fits);
    let is_except = |url: &String| {
        if !url.starts_with('/') {
            return regex::Regex::new(url).unwrap().is_match(path);
        }
        path.strip_prefix(url.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    all.retain(|landing| !landing.except.iter().any(is_except));
    let longest = all.iter().map(|landing| landing.url.len()).max();
    all.retain(|landing| Some(landing.url.len()) == longest);
    all
}

#[test]
fn every_site_is_served_as_is_said() {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    paths.sort();
    assert!(paths.len() >= LEAST, "{} configurations", paths.len());
    // For one who mends a single one.
    if let Ok(only) = std::env::var("WSGIAUDIT_TEST_SITE") {
        paths.retain(|path| path.file_stem().is_some_and(|name| *name == *only));
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let case = Case::new(path);
                    let judged = case.judge();
                    found.lock().unwrap().insert(case.name.clone(), judged);
                    drop(case.site);
                }
            });
        }
    });
    let (mut wrong, mut not_told) = (String::new(), Vec::new());
    for (name, judged) in found.into_inner().unwrap() {
        match judged {
            Judged::Right => {}
            Judged::NotTold(what) => not_told.push((name, what)),
            Judged::Wrong(why) => writeln!(wrong, "== {name}\n{why}").unwrap(),
        }
    }
    assert!(wrong.is_empty(), "silently wrong:\n{wrong}\nnot told: {not_told:?}");
    let names: Vec<&str> = not_told.iter().map(|(name, _)| name.as_str()).collect();
    let is_asked = |name: &str| paths.iter().any(|path| path.file_stem().is_some_and(|stem| *stem == *name));
    let expected: Vec<&str> = NOT_TOLD.into_iter().filter(|name| is_asked(name)).collect();
    assert_eq!(names, expected, "{not_told:?}");
}
