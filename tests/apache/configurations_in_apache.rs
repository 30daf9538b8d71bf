//! What `--apache-config` says, held against Apache: each configuration of `tests/fixtures/apache-config` is served, and each
//! application tells where it runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wsgiaudit::apache::{
    Definitions, FileSystem, PythonBuild, analyze_deployment, build_site, read_configuration,
};
use wsgiaudit::model::{Deployment, Mode, ScriptMount};

use crate::support::apache::{Apache, Response, modwsgi};

/// A configuration that is served.
struct Served {
    apache: Apache,
    /// What is said of it.
    deployment: Deployment,
    _site: TempDir,
}

/// What mod_wsgi logs when a daemon process ended as it should.
const ENDED: &str = "Exiting daemon process 'd'";

/// What an application tells.
type Told = BTreeMap<String, String>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apache-config")
}

/// Serves a configuration with an application under each name that it has for one.
#[track_caller]
fn serve(name: &str) -> Served {
    let config = folder().join(format!("{name}.conf"));
    let text = fs::read_to_string(&config).unwrap();
    let is_free_threaded = text.lines().next().unwrap().ends_with('t');
    let site = tempfile::Builder::new().prefix("site-").tempdir().unwrap();
    // Daemon processes run as another user.
    fs::set_permissions(site.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let application =
        fs::read_to_string(folder().with_file_name("apache-scripts").join("where.wsgi")).unwrap();
    for (script, more) in [
        ("app", ""),
        ("ready", ""),
        ("reports", ""),
        // Single-phase: an interpreter with its own GIL refuses it.
        ("blocked", "import faulthandler\n"),
        (
            "pool",
            "from concurrent.futures import ThreadPoolExecutor\nPOOL = ThreadPoolExecutor(2)\nPOOL.submit(len, [])\n",
        ),
    ] {
        fs::write(site.path().join(format!("{script}.wsgi")), format!("{application}\n{more}")).unwrap();
    }
    let here = site.path().display();
    let with_home = |line: &str| match line.contains("WSGIDaemonProcess ") {
        // With one thread: what a thread ran last decides what is wrong.
        true => format!("{line} home={here} threads=1\n"),
        false => format!("{line}\n"),
    };
    let text: String = text.lines().map(with_home).collect();
    let around = format!("Define SITE {here}\n<Directory {here}>\nRequire all granted\n</Directory>\n{text}");
    let apache = Apache::start(&modwsgi(if is_free_threaded { "3.14t" } else { "3.14" }), &around);
    let tree = read_configuration(&apache.config(), &Definitions::default(), &FileSystem).unwrap();
    let build = PythonBuild { release: "3.14.7".to_owned(), is_free_threaded, has_own_gil: true };
    let deployment =
        analyze_deployment(apache.config(), &build_site(&tree, &FileSystem).unwrap(), &build, &[]);
    Served { apache, deployment, _site: site }
}

impl Served {
    fn response(&self, landing: &ScriptMount) -> Response {
        let host = landing.host.split(':').next().filter(|host| !host.is_empty()).unwrap_or("localhost");
        self.apache.get_from(host, &landing.url)
    }

    #[track_caller]
    fn told(&self, landing: &ScriptMount) -> Told {
        let response = self.response(landing);
        assert_eq!(response.status, 200, "{}: {}\n{}", landing.url, response.body, self.apache.log());
        let facts = response.body.lines().filter_map(|line| line.split_once('\t'));
        facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Panics unless requests are served as is said.
    #[track_caller]
    fn lands(&self, landing: &ScriptMount) -> Told {
        let told = self.told(landing);
        let script = landing.script.file_name().unwrap().to_str().unwrap();
        assert_eq!(told["script"], script, "{landing:?}");
        assert_eq!(told["process_group"], landing.process_group, "{landing:?}");
        assert_eq!(told["application_group"], landing.application_group, "{landing:?}");
        assert_eq!(mode(&told), landing.mode, "{landing:?}");
        told
    }

    fn all_land(&self) -> Vec<Told> {
        assert!(!self.deployment.landings.is_empty());
        self.deployment.landings.iter().map(|landing| self.lands(landing)).collect()
    }

    fn first(&self) -> &ScriptMount {
        &self.deployment.landings[0]
    }
}

fn mode(told: &Told) -> Mode {
    match (told["is_main"].as_str(), told["gil"].as_str(), told["is_gil_enabled"].as_str()) {
        ("True", _, "True") => Mode::Main,
        ("True", _, _) => Mode::FreeThreaded,
        (_, "own", "True") => Mode::OwnGil,
        (_, _, "True") => Mode::SharedGil,
        (_, _, _) => Mode::FreeThreadedGroup,
    }
}

/// Panics unless Apache serves it as is said, and logs this message, which is not there by itself.
#[track_caller]
fn logs(name: &str, messages: &[&str]) -> Vec<Told> {
    let served = serve(name);
    let told = served.all_land();
    let log = served.apache.stop();
    for message in messages {
        assert!(log.contains(message), "{message}\n{log}");
    }
    let others =
        ["WSGI0198", "WSGI0199", "WSGI0200", "WSGI0201", "WSGI0202", "WSGI0203", "WSGI0204", "WSGI0205"];
    for other in others.into_iter().filter(|other| !messages.contains(other)) {
        assert!(!log.contains(other), "{other}\n{log}");
    }
    told
}

#[test]
fn applications_land_where_the_configuration_puts_them() {
    let told = logs("clean", &["with own GIL."]);
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|told| told["gil"] != "own" || told["switch_interval"] == "0.001"), "{told:?}");
    logs("apache-own-gil-unused", &[]);
}

#[test]
fn the_main_interpreter_gets_no_gil_of_its_own_and_nobody_says_so() {
    let told = logs("apache-own-gil-main", &[]);
    assert_eq!(told[0]["gil"], "shared");
}

#[test]
fn the_main_interpreter_beside_a_group_is_served_by_the_wrong_one() {
    let served = serve("apache-main-beside-groups");
    let [main, other] = &served.deployment.landings[..] else { panic!("{:?}", served.deployment) };
    served.lands(main);
    let mut wrong = 0;
    for _ in 0..20 {
        served.lands(other);
        let told = served.told(main);
        // It is told that it is in the main interpreter, and is not.
        assert_eq!(told["application_group"], "");
        wrong += usize::from(told["is_main"] == "False");
    }
    assert!(wrong > 0);
}

#[test]
fn free_threading_on_a_build_with_a_gil_takes_the_own_gil_away() {
    let told = logs("apache-free-threading-gil-build", &["WSGI0200", "WSGI0202"]);
    assert_eq!(told[0]["gil"], "shared");
}

#[test]
fn under_free_threading_there_is_no_own_gil() {
    logs("apache-own-gil-free-threading", &["WSGI0202"]);
}

#[test]
fn free_threading_of_one_group_is_ignored() {
    let told = logs("apache-free-threading-one-group", &["WSGI0201"]);
    assert_eq!(told[0]["is_gil_enabled"], "True");
}

#[test]
fn switch_intervals_go_where_is_said() {
    let told = logs("apache-switch-interval-shared-gil", &["WSGI0199"]);
    assert_eq!(told[0]["switch_interval"], "0.005");
    let told = logs("apache-switch-interval-own-gil", &["set to 0.001000s"]);
    assert_eq!((told[0]["gil"].as_str(), told[0]["switch_interval"].as_str()), ("own", "0.005"));
    let told = logs("apache-switch-interval-overridden", &["set to 0.001000s"]);
    assert_eq!(told[0]["switch_interval"], "0.002");
    logs("apache-switch-interval-free-threading", &["WSGI0203", "WSGI0204", "WSGI0205"]);
}

#[test]
fn options_for_nobody_have_no_effect() {
    let told = logs("apache-options-unused", &[]);
    assert_eq!(told[0]["gil"], "shared");
}

#[test]
fn an_earlier_alias_takes_the_requests() {
    let served = serve("apache-alias-unused");
    served.all_land();
    let reports = ScriptMount { url: "/reports".to_owned(), ..served.first().clone() };
    assert_eq!(served.told(&reports)["script"], "app.wsgi");
}

#[test]
fn a_process_group_that_is_not_there_answers_nothing() {
    let served = serve("apache-no-process-group");
    assert_eq!(served.response(served.first()).status, 500);
    let log = served.apache.stop();
    assert!(log.contains("WSGI0151"), "{log}");
}

#[test]
fn an_own_gil_refuses_what_does_not_suit_it() {
    let served = serve("apache-unfit-interpreter");
    assert_eq!(served.first().mode, Mode::OwnGil);
    assert_eq!(served.response(served.first()).status, 500);
    let log = served.apache.stop();
    assert!(log.contains("module faulthandler does not support loading in subinterpreters"), "{log}");
}

#[test]
fn a_pool_that_lives_when_its_interpreter_is_destroyed_crashes_the_process() {
    let served = serve("apache-pool-destroyed");
    served.all_land();
    let log = served.apache.stop();
    assert!(log.contains("Destroying sub-interpreter 'own' in daemon process 'd'"), "{log}");
    assert!(!log.contains(ENDED), "{log}");
    // One without a pool does end.
    let served = serve("apache-own-gil-unused");
    served.all_land();
    let log = served.apache.stop();
    assert!(log.contains(ENDED), "{log}");
}
