//! `wsgiaudit directive --apache-config`: the change is applied with `patch`, loaded into Apache, and each application tells where
//! it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::apache::{Apache, modwsgi};
use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// A site that is served: `good.wsgi` is fit for an own GIL, `bad.wsgi` is not.
struct Site {
    folder: TempDir,
    venv: Venv,
}

impl Site {
    /// `text` is the site's own file; `{site}` in it is its folder.
    fn new(text: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("site-").tempdir().unwrap();
        // Daemon processes run as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let application =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apache-scripts/lands.wsgi");
        let application = fs::read_to_string(application).unwrap();
        // Single-phase: an interpreter with its own GIL refuses it.
        for (script, more) in [("good", ""), ("bad", "import faulthandler\n"), ("new", "")] {
            fs::write(folder.path().join(format!("{script}.wsgi")), format!("{more}{application}")).unwrap();
        }
        let site = Self { folder, venv: Venv::new().with("well-behaved") };
        let here = site.path("").display().to_string();
        let text = text.replace("{site}", here.trim_end_matches('/'));
        fs::write(site.path("site.conf"), text).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// Apache with the site's file as it is now.
    fn start(&self) -> Apache {
        let here = self.path("");
        let (here, home) = (here.display(), self.venv.path().display());
        let config = format!(
            "WSGIPythonHome {home}\n<Directory {here}>\nRequire all granted\n</Directory>\nInclude {here}/site.conf\n"
        );
        Apache::start(&modwsgi("3.14"), &config)
    }

    /// The audit's report: of what the configuration serves, or of one script alone.
    fn audit(&self, config: &Path, only: Option<&str>) -> PathBuf {
        let report = self.path("report.json");
        let audit = Wsgiaudit::new().arg(self.venv.path()).arg("--json").arg(&report);
        let audit = match only {
            Some(script) => audit.arg("--app").arg(self.path(script)),
            None => audit.arg("--apache-config").arg(config),
        };
        audit.run();
        report
    }

    fn change(&self, config: &Path, report: &Path) -> Said {
        let command = Wsgiaudit::new().args(["directive", "--report"]).arg(report);
        command.arg("--apache-config").arg(config).run()
    }

    fn patch(&self, diff: &str) {
        let file = self.path("change.diff");
        fs::write(&file, diff).unwrap();
        let done = Command::new("patch").args(["-d", "/", "-p1", "-i"]).arg(&file).output().unwrap();
        assert!(done.status.success(), "{}\n{diff}", String::from_utf8_lossy(&done.stdout));
        // The user that the tests' Apache runs as has no home.
        let text = fs::read_to_string(self.path("site.conf")).unwrap();
        let here = self.path("");
        let home = |line: &str| match line.trim_start().starts_with("WSGIDaemonProcess ")
            && !line.contains(" home=")
        {
            true => format!("{line} home={}\n", here.display()),
            false => format!("{line}\n"),
        };
        fs::write(self.path("site.conf"), text.lines().map(home).collect::<String>()).unwrap();
    }
}

/// Where an application says it runs: `good.wsgi own d good`.
#[track_caller]
fn runs(apache: &Apache, host: &str, path: &str) -> String {
    let response = apache.get_from(host, path);
    assert_eq!(response.status, 200, "{host}{path}: {}\n{}", response.body, apache.log());
    let fact = |name: &str| {
        let line = response.body.lines().find_map(|line| line.strip_prefix(&format!("{name}\t")));
        line.unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
    };
    let gil = if fact("is_main") == "True" { "main".to_owned() } else { fact("gil") };
    [fact("script"), gil, fact("process_group"), fact("application_group")].join(" ").trim_end().to_owned()
}

/// Audits a site, makes the change, and asks the paths again. Returns what was printed.
#[track_caller]
fn becomes(text: &str, only: Option<&str>, asked: &[(&str, &str)]) -> String {
    let site = Site::new(text);
    let before = site.start();
    let report = site.audit(&before.config(), only);
    let change = site.change(&before.config(), &report).ended_with(0).out;
    drop(before);
    site.patch(&change);
    let after = site.start();
    for (url, expected) in asked {
        let (host, path) = url.split_once('/').unwrap();
        let host = if host.is_empty() { "localhost" } else { host };
        assert_eq!(runs(&after, host, &format!("/{path}")), *expected, "{url}\n{change}\n{}", after.log());
    }
    // It has nothing more to change.
    let again = site.change(&after.config(), &report).ended_with(0).out;
    assert!(!again.contains("\n--- "), "{again}");
    change
}

#[test]
fn an_interpreter_of_its_own_gets_its_gil_where_it_is() {
    let change = becomes(
        "WSGIDaemonProcess d home={site} threads=2\n\
         WSGIScriptAlias /old {site}/bad.wsgi process-group=d application-group=old\n\
         WSGIScriptAlias / {site}/good.wsgi process-group=d application-group=shop\n",
        None,
        &[("/", "good.wsgi own d shop"), ("/old", "bad.wsgi shared d old")],
    );
    assert!(
        change.contains("# /: ")
            && change.contains("good.wsgi:application: ready: gets its own GIL in the present interpreter"),
        "{change}"
    );
    assert!(change.contains("stays in application group old of process group d"), "{change}");
    assert!(
        change.contains("+<WSGIInterpreterOptions process-group=d application-group=shop>\n"),
        "{change}"
    );
    assert!(!change.contains("\n-W"), "{change}");
}

#[test]
fn one_that_shares_its_interpreter_is_moved() {
    becomes(
        "<VirtualHost *:{port}>\nServerName localhost\nWSGIDaemonProcess d home={site} threads=2\nWSGIProcessGroup d\n\
         WSGIApplicationGroup all\nWSGIScriptAlias /old {site}/bad.wsgi\n\
         WSGIScriptAlias / {site}/good.wsgi\n</VirtualHost>\n"
            .replace("*:{port}", "*")
            .as_str(),
        None,
        &[("/", "good.wsgi own d good"), ("/old", "bad.wsgi shared d all")],
    );
}

#[test]
fn beside_the_main_interpreter_a_process_of_its_own_is_needed() {
    let change = becomes(
        "WSGIDaemonProcess d home={site} threads=3 display-name=%{GROUP}\nWSGIProcessGroup d\n\
         WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /old {site}/bad.wsgi\n  WSGIScriptAlias / \"{site}/good.wsgi\"\n",
        None,
        &[("/", "good.wsgi own own-gil good"), ("/old", "bad.wsgi main d")],
    );
    // The options of the present process are kept.
    assert!(change.contains("threads=3 display-name=%{GROUP} python-home=\""), "{change}");
}

#[test]
fn one_of_apaches_own_processes_is_moved_to_a_daemon() {
    let change = becomes(
        "WSGIPythonPath {site}\nWSGIScriptAlias /old {site}/bad.wsgi\nWSGIScriptAlias / {site}/good.wsgi\n",
        None,
        &[("/", "good.wsgi own own-gil good")],
    );
    assert!(change.contains("+WSGIDaemonProcess own-gil python-path=\"/"), "{change}");
    assert!(change.contains("\" python-home=\"/"), "{change}");
}

#[test]
fn what_is_not_fit_shares_the_gil_again() {
    becomes(
        "WSGIPerInterpreterGIL On\nWSGIDaemonProcess d home={site}\n\
         WSGIScriptAlias /old {site}/bad.wsgi process-group=d application-group=old\n\
         WSGIScriptAlias / {site}/good.wsgi process-group=d application-group=shop\n",
        None,
        &[("/", "good.wsgi own d shop"), ("/old", "bad.wsgi shared d old")],
    );
}

#[test]
fn virtual_hosts_that_serve_the_same_application_share_its_interpreter() {
    becomes(
        "<VirtualHost *>\nServerName a.test\nWSGIScriptAlias / {site}/good.wsgi\n</VirtualHost>\n\
         <VirtualHost *>\nServerName b.test\nWSGIScriptAlias /x {site}/good.wsgi\n</VirtualHost>\n",
        None,
        &[("a.test/", "good.wsgi own own-gil good"), ("b.test/x", "good.wsgi own own-gil good-2")],
    );
}

#[test]
fn what_was_never_audited_is_left_alone() {
    let change = becomes(
        "WSGIDaemonProcess d home={site}\nWSGIProcessGroup d\nWSGIApplicationGroup all\n\
         WSGIScriptAlias /new {site}/new.wsgi\nWSGIScriptAlias / {site}/good.wsgi\n",
        Some("good.wsgi"),
        &[("/", "good.wsgi own d good"), ("/new", "new.wsgi shared d all")],
    );
    assert!(
        change.contains("new.wsgi: not in the report: stays in application group all of process group d"),
        "{change}"
    );
}

#[test]
fn what_a_section_serves_is_to_be_changed_by_hand() {
    let text = "WSGIDaemonProcess d home={site}\nWSGIScriptAlias /old {site}/bad.wsgi process-group=d application-group=all\n\
                Alias /shop {site}/good.wsgi\n<Location /shop>\nSetHandler wsgi-script\nOptions +ExecCGI\n\
                WSGIProcessGroup d\nWSGIApplicationGroup all\n</Location>\n";
    let site = Site::new(text);
    let apache = site.start();
    let report = site.audit(&apache.config(), None);
    let change = site.change(&apache.config(), &report).ended_with(0).out;
    assert!(change.contains("set process-group=d application-group=good by hand"), "{change}");
    assert!(!change.contains("\n--- "), "{change}");
}

#[test]
fn what_is_wrong_with_a_configuration_is_said() {
    let site = Site::new("WSGIScriptAlias / {site}/bad.wsgi\n");
    let config = site.path("site.conf");
    let report = site.audit(&config, None);
    let said = site.change(&config, &report).ended_with(1);
    assert!(said.out.is_empty() && said.err.contains("bad.wsgi:application: blocked"), "{}", said.err);
    fs::write(&config, "WSGIScriptAlais / /x\n").unwrap();
    let said = site.change(&config, &report).ended_with(2);
    assert!(said.err.contains("site.conf:1: "), "{}", said.err);
    assert!(site.change(&site.path("none.conf"), &report).ended_with(2).err.contains("cannot read"));
    let both = Wsgiaudit::new().args(["directive", "--report"]).arg(&report);
    let both = both.arg("--apache-config").arg(&config).args(["--app", "x"]).run().ended_with(2);
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
}
