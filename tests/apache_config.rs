//! `--apache-config`: a configuration for each combination, and what is found of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wsgiaudit::apache::{
    ApacheSite, AuditedApplication, ConfigurationError, ConfigurationSource, Definitions, PythonBuild,
    analyze_deployment, read_configuration,
};
use wsgiaudit::model::{Deployment, Judgement, Mode, Verdict};
use wsgiaudit::rules::RULES;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// Files that are nowhere.
struct Files(BTreeMap<PathBuf, String>);

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

fn files(all: &[(&str, &str)]) -> Files {
    Files(all.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect())
}

fn site(source: &Files) -> Result<ApacheSite, ConfigurationError> {
    ApacheSite::new(
        &read_configuration(Path::new("/etc/apache/httpd.conf"), &Definitions::default(), source)?,
        source,
    )
}

/// What would be said of a configuration, with an application of each kind. Its first line tells the environment's Python, and
/// where they are others than usual the version of mod_wsgi and the Python that it is built for:
/// `# build: 3.14.7, mod_wsgi 6.0.3 for 3.13.0`; `#== PATH` begins another file.
fn deployment(text: &str) -> Deployment {
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

fn described(deployment: &Deployment) -> String {
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

/// `WSGIAUDIT_REWRITE=1` writes what is expected.
#[test]
fn each_configuration_gets_what_it_deserves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apache-config");
    let mut entries: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    entries.sort();
    let mut shown = Vec::new();
    for path in entries {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let deployment = deployment(&fs::read_to_string(&path).unwrap());
        let (text, expected) = (described(&deployment), path.with_extension("txt"));
        if std::env::var_os("WSGIAUDIT_REWRITE").is_some() {
            fs::write(&expected, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&expected).unwrap(), "{name}");
        let found = deployment.findings.iter().any(|finding| finding.rule == name);
        assert_eq!(found, name.starts_with("apache-"), "{name}: {text}");
        shown.push(name);
    }
    for rule in RULES.iter().filter(|rule| rule.id.starts_with("apache-")) {
        assert!(shown.iter().any(|name| name == rule.id), "{} has no configuration", rule.id);
    }
}

#[test]
fn what_apache_would_not_start_with_is_told_with_its_line() {
    let main = "/etc/apache/httpd.conf";
    let fails = |text: &str, more: &[(&str, &str)]| {
        let all: Vec<(&str, &str)> = [(main, text)].into_iter().chain(more.iter().copied()).collect();
        site(&files(&all)).unwrap_err().to_string()
    };
    for (text, said) in [
        ("\nInclude absent.conf\n", ":2: cannot read /etc/apache/absent.conf: "),
        ("Include conf.d/*.conf\n", ":1: no file matches /etc/apache/conf.d/*.conf"),
        ("<VirtualHost *:80>\nServerName x\n", ":1: <virtualhost> is not closed in this file"),
        ("<Directory />\n</Location>\n", ":2: </Location> does not close <directory> of line 1"),
        ("</IfModule>\n", ":1: </IfModule> has no opening tag"),
        ("<IfModule x\n</IfModule>\n", ":1: <ifmodule lacks its closing '>'"),
        (
            "<VirtualHost *>\nWSGIPerInterpreterGIL On\n</VirtualHost>\n",
            ":2: WSGIPerInterpreterGIL is not allowed inside",
        ),
        ("WSGIPerInterpreterGIL yes\n", ":1: WSGIPerInterpreterGIL must be On or Off, and is \"yes\""),
        ("WSGISwitchInterval 0\n", ":1: WSGISwitchInterval must be a positive number"),
        (
            "WSGIScriptAlias / x process-group=d application-group=g\n",
            ":1: there is no WSGIDaemonProcess d above",
        ),
        ("WSGIScriptAlias / x group\n", ":1: \"group\" is no option"),
        ("WSGIDaemonProcess d\nWSGIDaemonProcess d\n", ":2: WSGIDaemonProcess d is defined twice"),
        (
            "<WSGIInterpreterOptions d>\n</WSGIInterpreterOptions>\n",
            ":1: <WSGIInterpreterOptions>: \"d\" is not key=value",
        ),
        ("WSGIImportScript x process-group=d\n", ":1: WSGIImportScript needs"),
    ] {
        assert!(fails(text, &[]).starts_with(&format!("{main}{said}")), "{}", fails(text, &[]));
    }
    let cycle = fails("\nInclude httpd.conf\n", &[]);
    assert!(cycle.starts_with("/etc/apache/httpd.conf:2: more than 128 files include each other"), "{cycle}");
    let cycle = fails("Include other.conf\n", &[("/etc/apache/other.conf", "\nInclude httpd.conf\n")]);
    assert!(cycle.contains(": more than 128 files include each other"), "{cycle}");
    let far = fails("Include other.conf\n", &[("/etc/apache/other.conf", "\n<If true>\n")]);
    assert!(far.starts_with("/etc/apache/other.conf:2: "), "{far}");
}

#[test]
fn includes_are_followed_as_apache_follows_them() {
    let source = files(&[
        (
            "/etc/apache/httpd.conf",
            "ServerRoot /opt\nDefine WHICH *.conf\nIncludeOptional gone.conf\nIncludeOptional gone/*.conf\n\
             Include conf.d/${WHICH}\nInclude folder\n<IfFile conf.d/a.conf>\nWSGIDaemonProcess there\n</IfFile>\n\
             <IfVersion < 2.4>\nInclude nowhere\n</IfVersion>\n",
        ),
        ("/opt/conf.d/b.conf", "WSGIScriptAlias /b /srv/b\n"),
        ("/opt/conf.d/a.conf", "WSGIScriptAlias /a /srv/a\nDefine LATER /srv/later\n"),
        ("/opt/conf.d/.hidden.conf", "nonsense <\n</x>\n"),
        ("/opt/folder/2", "WSGIScriptAlias /d ${LATER}\n"),
        ("/opt/folder/1/x", "WSGIScriptAlias /c /srv/c\n"),
    ]);
    let site = site(&source).unwrap();
    let build = PythonBuild { release: "3.14.7".to_owned(), is_free_threaded: false, has_own_gil: true };
    let landings = analyze_deployment("x".into(), &site, &build, &[]).landings;
    let scripts: Vec<String> = landings.iter().map(|each| each.script.display().to_string()).collect();
    assert_eq!(scripts, ["/srv/a", "/srv/b", "/srv/c", "/srv/later"]);
    assert_eq!(landings[0].place.to_string(), "/opt/conf.d/a.conf:1");
}

#[test]
fn what_cannot_be_told_is_said() {
    let told = described(&deployment(
        "# build: 3.14.7\nWSGIScriptAlias / /srv/app.wsgi process-group=${UNSET}\n<If \"%{HTTP_HOST} == 'x'\">\n\
         WSGIApplicationGroup x\n</If>\nAddHandler wsgi-script .wsgi\n<IfVersion >= 2.4.60>\n</IfVersion>\n",
    ));
    for said in [
        "case.conf:2: not told: the variable UNSET is not defined here",
        "case.conf:3: not told: whether this section applies to requests to / could not be determined",
        "case.conf:6: not told: wsgi-script by handler",
        "case.conf:7: not told: <ifversion >= 2.4.60> could not be evaluated",
    ] {
        assert!(told.contains(said), "{said}\n{told}");
    }
}

#[test]
fn what_apache_is_started_with_is_read_beside_its_configuration() {
    let debian = files(&[
        (
            "/etc/apache/httpd.conf",
            "User ${APACHE_RUN_USER}\nPidFile ${APACHE_PID_FILE}\nInclude ${SITES}/*.conf\n\
             WSGIDaemonProcess d user=${UNKNOWN} display-name=${UNKNOWN}\nWSGISocketPrefix ${UNKNOWN}/wsgi\n",
        ),
        ("/etc/apache/envvars", "export APACHE_RUN_USER=www-data\nexport SITES=/etc/apache/sites-enabled\n"),
        ("/etc/apache/sites-enabled/a.conf", "WSGIScriptAlias / /srv/a\n"),
    ]);
    let build = PythonBuild { release: "3.14.7".to_owned(), is_free_threaded: false, has_own_gil: true };
    let said = analyze_deployment("x".into(), &site(&debian).unwrap(), &build, &[]);
    assert_eq!(said.landings[0].script, Path::new("/srv/a"));
    // What is not known of a user or a socket touches no landing.
    assert_eq!(said.not_told, []);
    let express = files(&[
        (
            "/etc/apache/httpd.conf",
            "<IfDefine IN_DAEMON>\nWSGIDaemonProcess d\nWSGIProcessGroup d\n</IfDefine>\nWSGIScriptAlias / /srv/a\n",
        ),
        ("/etc/apache/apachectl", "HTTPD_ARGS=\"-f /etc/apache/httpd.conf -DIN_DAEMON -DOTHER\"\n"),
    ]);
    let said = analyze_deployment("x".into(), &site(&express).unwrap(), &build, &[]);
    assert_eq!(said.landings[0].process_group, "d");
}

#[test]
fn directives_are_known_by_the_version_that_is_loaded() {
    let loads = |version: &str, line: &str| {
        let config = format!("LoadModule wsgi_module mod_wsgi.so\n{line}\n");
        let module = format!("mod_wsgi/%s\0{version}\0");
        let source = files(&[("/etc/apache/httpd.conf", &config), ("/etc/apache/mod_wsgi.so", &module)]);
        site(&source).map(|site| {
            analyze_deployment(
                "x".into(),
                &site,
                &PythonBuild { release: String::new(), is_free_threaded: false, has_own_gil: true },
                &[],
            )
            .not_told
        })
    };
    let refused = |version: &str, line: &str| loads(version, line).unwrap_err().to_string();
    let said = refused("4.9.4", "WSGIPerInterpreterGIL On");
    assert!(
        said.starts_with("/etc/apache/httpd.conf:2: WSGIPerInterpreterGIL is new in mod_wsgi 6.0.0, and"),
        "{said}"
    );
    assert!(said.contains("/etc/apache/mod_wsgi.so is 4.9.4: load a later one"), "{said}");
    let said = refused("4.9.4", "WSGIDaemonProcess d interrupt-timeout=1");
    assert!(said.contains("interrupt-timeout= is new in mod_wsgi 6.0.0"), "{said}");
    let said = refused("6.1.1", "WSGILazyInitialization On");
    assert!(said.contains("mod_wsgi 6.0.0 has removed WSGILazyInitialization"), "{said}");
    let said = refused("6.1.1", "WSGIDeamonProcess d");
    assert!(said.contains("mod_wsgi has no directive wsgideamonprocess (write WSGIDaemonProcess)"), "{said}");
    assert_eq!(loads("4.9.4", "WSGILazyInitialization On").unwrap(), []);
    assert_eq!(loads("5.0.2", "WSGIDestroyInterpreter Off").unwrap(), []);
    // A later version than is known may have it.
    let later = loads("7.0.0", "WSGINew On").unwrap();
    assert!(later[0].1.contains("and the module loaded is 7.0.0"), "{later:?}");
    let source = files(&[("/etc/apache/httpd.conf", "LoadModule alias_module x\nWSGIProcessGroup d\n")]);
    let said = site(&source).unwrap_err().to_string();
    assert!(said.contains(":2: no LoadModule loads wsgi_module"), "{said}");
}

/// An audit of a small environment with this configuration, in which `{site}` is the scripts' folder.
fn audit(config: &str, status: i32) -> Said {
    let venv = Venv::new().with("no-slot").with("well-behaved");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
    write("bad.wsgi", "import no_slot\n");
    write("good.wsgi", "import well_behaved\n");
    write("httpd.conf", &config.replace("{site}", root.to_str().unwrap()));
    let config = root.join("httpd.conf");
    Wsgiaudit::new().arg(venv.path()).arg("--apache-config").arg(config).run().ended_with(status)
}

#[test]
fn the_exit_status_follows_where_applications_land() {
    let serves = |script: &str, group: &str| {
        format!(
            "WSGIDaemonProcess d\nWSGIPerInterpreterGIL On\n\
             WSGIScriptAlias / {{site}}/{script} process-group=d application-group={group}\n"
        )
    };
    let said = audit(&serves("good.wsgi", "own"), 0).out;
    assert!(said.contains("/ -> process group d, application group own: own-gil: ready ("), "{said}");
    let said = audit(&serves("bad.wsgi", "own"), 1).out;
    assert!(said.contains("httpd.conf:3: apache-unfit-interpreter: "), "{said}");
    assert!(said.contains("wsgiaudit explain apache-unfit-interpreter"), "{said}");
    // The same script where it can be imported.
    let said = audit(&serves("bad.wsgi", "%{GLOBAL}").replace("GIL On", "GIL Off"), 0).out;
    assert!(said.contains("/ -> process group d, %{GLOBAL}: main: ready ("), "{said}");
    let said = audit(&serves("absent.wsgi", "own"), 3).out;
    assert!(said.contains("it was not audited: the file does not exist here"), "{said}");
    let said = audit(&("WSGIRestrictProcess e\n".to_owned() + &serves("good.wsgi", "own")), 1).out;
    assert!(said.contains("own-gil: answered with 500 ("), "{said}");
    assert!(said.contains("apache-process-not-allowed: "), "{said}");
    let other = "WSGIPythonHome /elsewhere\n".to_owned() + &serves("good.wsgi", "own");
    let said = audit(&other, 3).out;
    assert!(said.contains("it is served by /elsewhere, not by this environment"), "{said}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_an_error_before_anything_is_tried() {
    let said = audit("Include absent.conf\n", 2);
    assert!(said.err.contains("httpd.conf:1: cannot read "), "{}", said.err);
    let said = audit("<Directory />\n", 2);
    assert!(said.err.contains("httpd.conf:1: <directory> is not closed in this file"), "{}", said.err);
    let said = audit("WSGIScriptAlias / {site}/good.wsgi\nWSGIAplicationGroup x\n", 2);
    assert!(said.err.contains("httpd.conf:2: mod_wsgi has no directive"), "{}", said.err);
    assert!(said.err.contains("(write WSGIApplicationGroup): Apache would not start"), "{}", said.err);
    let said = audit("Include httpd.conf\n", 2);
    assert!(said.err.contains("httpd.conf:1: more than 128 files include each other"), "{}", said.err);
}
