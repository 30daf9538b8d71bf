//! What is found in whole configurations.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::test_files::{deployment, described, files, site};
use super::{Definitions, PythonBuild, analyze_deployment, build_site, read_configuration};

/// `WSGIAUDIT_REWRITE=1` writes what is expected.
#[test]
fn each_configuration_gets_what_it_deserves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apache-config");
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
        let found = deployment.findings.iter().any(|finding| finding.rule.id() == name);
        assert_eq!(found, name.starts_with("apache-"), "{name}: {text}");
        shown.push(name);
    }
    for rule in crate::model::RULES.iter().filter(|rule| rule.id.starts_with("apache-")) {
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
    // An undefined variable in a user or a socket affects no mount.
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
    // A version newer than the directive table may have it.
    let later = loads("7.0.0", "WSGINew On").unwrap();
    assert!(later[0].1.contains("and the module loaded is 7.0.0"), "{later:?}");
    let source = files(&[("/etc/apache/httpd.conf", "LoadModule alias_module x\nWSGIProcessGroup d\n")]);
    let said = site(&source).unwrap_err().to_string();
    assert!(said.contains(":2: no LoadModule loads wsgi_module"), "{said}");
}

/// The sites of `tests/fixtures/apache-sites`, whose descriptions `tests/apache/sites.rs` compares with what Apache
/// does. `WSGIAUDIT_REWRITE=1` writes what is expected.
#[test]
fn each_site_is_described_as_apache_was_seen_to_serve_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apache-sites");
    let mut entries: Vec<PathBuf> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    entries.sort();
    for path in entries {
        let text = fs::read_to_string(&path).unwrap();
        let (text, expected) = (describe_site(&text), path.with_extension("txt"));
        if std::env::var_os("WSGIAUDIT_REWRITE").is_some() {
            fs::write(&expected, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
    }
}

/// Describes a site that is in `/site`, its configuration with what the tests with Apache add to it.
fn describe_site(text: &str) -> String {
    let mut main = "ServerRoot /here\nServerName localhost\nListen 127.0.0.1:8000\n".to_owned();
    for module in ["mpm_event", "authz_core", "alias", "env", "wsgi"] {
        writeln!(main, "LoadModule {module}_module /modules/mod_{module}.so").unwrap();
    }
    let text = text.replace("{site}", "/site").replace("{port}", "8000").replace("{here}", "/here");
    let (text, more) = text.split_once("#== ").unwrap_or((&text, ""));
    main.push_str(text);
    let more = more.split("#== ").filter_map(|part| part.split_once('\n'));
    let more: Vec<(String, &str)> = more.map(|(name, text)| (format!("/site/{name}"), text)).collect();
    let mut all = vec![
        ("/here/conf", main.as_str()),
        ("/modules/mod_wsgi.so", "mod_wsgi/%s\x006.1.1\x003.14.7\0"),
        ("/site/app.wsgi", ""),
        ("/site/shop.wsgi", ""),
        ("/site/blog.wsgi", ""),
        ("/site/static/.empty", ""),
    ];
    all.extend(more.iter().map(|(name, text)| (name.as_str(), *text)));
    let source = files(&all);
    let tree = read_configuration(Path::new("/here/conf"), &Definitions::default(), &source);
    let site = match tree.and_then(|tree| build_site(&tree, &source)) {
        Ok(site) => site,
        Err(error) => return format!("error: {error}\n"),
    };
    let build = PythonBuild { release: "3.14.7".to_owned(), is_free_threaded: false, has_own_gil: true };
    described(&analyze_deployment("/here/conf".into(), &site, &build, &[]))
}

/// Reads lines that follow a `LoadModule` of mod_wsgi 6.1.1. Returns the error.
fn refusal(lines: &str) -> Option<String> {
    let config = format!("LoadModule wsgi_module mod_wsgi.so\n{lines}\n");
    let module = ("/etc/apache/mod_wsgi.so", "mod_wsgi/%s\x006.1.1\0");
    site(&files(&[("/etc/apache/httpd.conf", &config), module])).err().map(|error| error.what)
}

#[test]
fn arguments_and_options_have_bounds() {
    let daemon = |option: &str| format!("WSGIDaemonProcess d {option}");
    for (option, expected) in [
        ("threads=0", ""),
        ("threads=65533", ""),
        ("threads=65534", "threads= must be a number less than 65534"),
        ("threads=-1", "threads= must be a number of at least 0"),
        ("threads=${N}", ""),
        ("threads=15s", ""),
        ("processes=1", ""),
        ("processes=x", "processes= must be a number of at least 1"),
        ("cpu-priority=-5", ""),
        ("umask=027", ""),
        ("umask=8", "umask= must be an octal number"),
        ("umask=-1", "umask= must be an octal number"),
        ("umask=0", ""),
        ("home=/srv", ""),
        ("home=srv", "home= must be an absolute path"),
        ("send-buffer-size=0", ""),
        ("send-buffer-size=1", "send-buffer-size= must be 0, or at least 512"),
        ("send-buffer-size=511", "send-buffer-size= must be 0, or at least 512"),
        ("send-buffer-size=512", ""),
        ("send-buffer-size=-1", "send-buffer-size= must be 0, or at least 512"),
        ("server-metrics=ON", ""),
        ("server-metrics=yes", "server-metrics= must be On or Off"),
        ("switch-interval=0.1", ""),
        ("switch-interval=-1", "switch-interval= must be a positive number of seconds"),
        ("switch-interval=x", "switch-interval= must be a positive number of seconds"),
        ("python-home=", ""),
        ("user=", "user= has no value"),
        ("user=x group=", "group= has no value"),
        ("user= x", ""),
        ("thread=1", "thread= is not an option of WSGIDaemonProcess (write threads)"),
        ("something=1", "something= is not an option of WSGIDaemonProcess"),
        ("script-user=a", ""),
        ("script-user=a script-group=b", "takes one of script-user= and script-group="),
    ] {
        let found = refusal(&daemon(option));
        assert_eq!(found.is_none(), expected.is_empty(), "{option}: {found:?}");
        assert!(found.unwrap_or_default().contains(expected), "{option}");
    }
    for (line, expected) in [
        ("WSGIAcceptMutex FLOCK", ""),
        ("WSGIAcceptMutex none", "must be one of default, flock"),
        ("WSGIPythonHashSeed random", ""),
        ("WSGIPythonHashSeed 4294967295", ""),
        ("WSGIPythonHashSeed 4294967296", "must be random, or a number from 0 to 4294967295"),
        ("WSGISlowRequests 0", ""),
        ("WSGISlowRequests 1.5s", ""),
        ("WSGISlowRequests -0.1", "must be a number of seconds that is not negative"),
        ("WSGITelemetryService unix:/x", ""),
        ("WSGITelemetryService unix:/x interval=0.5", ""),
        ("WSGITelemetryService unix:/x interval=0.4", "must be at least 0.5 seconds"),
        ("WSGITelemetryService /x", "takes unix:PATH, and not"),
        ("WSGITelemetryService unix:/x 1", "the second argument must be interval=SECONDS"),
        ("WSGITelemetryService", "takes unix:PATH and interval=SECONDS"),
        ("WSGITelemetryService unix:/x interval=1 y", "takes unix:PATH and interval=SECONDS"),
        ("WSGITelemetryOptions None", ""),
        ("WSGITelemetryOptions all", ""),
        ("WSGITelemetryOptions +CaptureUserAgent", ""),
        ("WSGITelemetryOptions captureuseragent", ""),
        ("WSGITelemetryOptions +none", "has no flag +none"),
        ("WSGITelemetryOptions -CaptureUserAgent all", "cannot be mixed"),
        ("WSGITelemetryOptions", "takes at least one flag"),
        ("WSGITrustedProxies 10.0.0.1 10.0 10. ::1", ""),
        ("WSGITrustedProxies 10.0.0.0/8 10.0.0.0/255.0.0.0 fe80::/10", ""),
        ("WSGITrustedProxies 10.0.0.0/x", "is neither an IP address nor a network"),
        ("WSGITrustedProxies 1.2.3.4.5", "is neither an IP address nor a network"),
        ("WSGITrustedProxies 256.0", "is neither an IP address nor a network"),
        ("WSGITrustedProxies 10.0.0.1 x", "\"x\" is neither an IP address nor a network"),
        ("WSGITrustedProxyHeaders", ""),
        ("WSGIProcessGroup a", ""),
        ("WSGIProcessGroup ${N}", ""),
        ("WSGIProcessGroup", "takes one argument, and has 0"),
        ("WSGIProcessGroup a b", "takes one argument, and has 2"),
        ("WSGIProcessGroup ''", "takes one argument, and has an empty one"),
        ("WSGIScriptAlias", "takes a URL and a script"),
        ("WSGIScriptAlias /x", "takes a URL and a script"),
        ("WSGIScriptAlias /x /y", ""),
        ("WSGIHandlerScript x", "takes a handler's name and a script"),
        ("WSGIDaemonProcess", "WSGIDaemonProcess without a name"),
        ("WSGIImportScript", "WSGIImportScript takes a script"),
        ("WSGIMapHEADToGET auto", ""),
        ("Use", "Use takes the name of a macro"),
        ("<Macro >\n</Macro>", "<Macro> without a name"),
        ("Include", "Include takes one path"),
        ("Include a b", "Include takes one path"),
        ("LoadModule x", "LoadModule takes a name and a file"),
        ("<If", "<if> is not closed"),
        ("<If x>\n</If", "</If lacks its closing '>'"),
        ("</If>", "</If> has no opening tag"),
    ] {
        let found = refusal(line);
        assert_eq!(found.is_none(), expected.is_empty(), "{line}: {found:?}");
        assert!(found.clone().unwrap_or_default().contains(expected), "{line}: {found:?}");
    }
}

#[test]
fn directives_are_allowed_in_their_contexts() {
    let contexts =
        ["VirtualHost *:80", "WSGIInterpreterOptions process-group=d", "Directory /", "Location /"];
    for (line, allowed) in [
        ("WSGIPythonHome /x", [false, true, false, false]),
        ("WSGIPythonPath /x", [false, true, false, false]),
        ("WSGIPerInterpreterGIL On", [false, true, false, false]),
        ("WSGIScriptAlias /x /y", [true, true, false, false]),
        ("WSGIProcessGroup d", [true, true, true, true]),
        ("WSGIScriptReloading On", [true, true, true, true]),
        ("WSGIAccessScript /x", [false, false, true, true]),
        ("WSGIUnknownThing x", [false, false, false, false]),
        ("Require all granted", [false, false, true, true]),
        ("AllowOverride All", [false, false, true, true]),
        ("<VirtualHost *:81>\n</VirtualHost>", [false, false, false, false]),
        ("<Directory /srv>\n</Directory>", [true, true, false, false]),
        ("<Files x>\n</Files>", [true, true, true, false]),
        ("<Limit GET>\n</Limit>", [false, false, true, true]),
        ("<If true>\n</If>\n<ElseIf x>\n</ElseIf>\n<Else>\n</Else>", [true, true, true, true]),
        ("<Else>\n</Else>", [false, false, false, false]),
    ] {
        let found = contexts.map(|context| {
            let kind = context.split(' ').next().unwrap();
            refusal(&format!("<{context}>\n{line}\n</{kind}>")).is_none()
        });
        assert_eq!(found, allowed, "{line}");
    }
    for line in ["WSGIAccessScript /x", "Require all granted", "<Limit GET>\n</Limit>"] {
        assert!(refusal(line).is_some(), "{line}");
    }
}

#[test]
fn a_htaccess_is_checked_against_what_is_allowed_in_it() {
    let refused = |allowed: &str, line: &str| {
        let config = format!(
            "LoadModule wsgi_module mod_wsgi.so\n<Directory /srv>\nAllowOverride {allowed}\n</Directory>\n\
             WSGIScriptAlias / /srv/app.wsgi\n"
        );
        let source = files(&[
            ("/etc/apache/httpd.conf", config.as_str()),
            ("/etc/apache/mod_wsgi.so", "mod_wsgi/%s\x006.1.1\0"),
            ("/srv/app.wsgi", ""),
            ("/srv/.htaccess", line),
        ]);
        let build = PythonBuild { release: String::new(), is_free_threaded: false, has_own_gil: true };
        let deployment = analyze_deployment("x".into(), &site(&source).unwrap(), &build, &[]);
        deployment.findings.iter().any(|finding| finding.rule.id() == "apache-htaccess-refused")
    };
    for (allowed, line, expected) in [
        ("None", "nonsense <", false),
        ("All", "SetEnv A b", false),
        ("FileInfo", "SetEnv A b", false),
        ("AuthConfig", "SetEnv A b", true),
        ("Unknown", "SetEnv A b", false),
        ("FileInfo", "WSGICallableObject x", false),
        ("AuthConfig", "WSGICallableObject x", true),
        ("FileInfo", "WSGIProcessGroup x", true),
        ("AuthConfig", "WSGIAccessScript /x", false),
        ("FileInfo", "WSGIAccessScript /x", true),
        ("Options", "Options ExecCGI", false),
        ("Options=ExecCGI", "Options ExecCGI", false),
        ("FileInfo", "Options ExecCGI", true),
        ("AuthConfig", "Require all granted", false),
        ("Limit Indexes", "Require all granted", true),
        ("All", "Alias /x /y", true),
        ("All", "<Directory />\n</Directory>", true),
        ("All", "<Files x>\nAlias /x /y\n</Files>", true),
        ("All", "<Files x>\n", true),
        ("Indexes", "IndexIgnore x", false),
        // `AccessFileName` names another file, so the `.htaccess` is not read.
        ("AuthConfig\n</Directory>\nAccessFileName .other\n<Directory /x>", "SetEnv A b", false),
    ] {
        assert_eq!(refused(allowed, line), expected, "AllowOverride {allowed}: {line}");
    }
}
