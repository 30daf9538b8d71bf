//! The main interpreter of a trial has imported what mod_wsgi's has, and nothing else: what is imported there first can hide
//! a crash in another interpreter.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::support::apache::{Apache, modwsgi};
use crate::support::command::Wsgiaudit;
use crate::support::demo_environment;
use crate::support::pythons;
use crate::support::venv::Venv;

/// What only a trial has: `-X faulthandler` imports the first, to tell the stack of a crash; the observer the other, which is
/// built in, to collect.
const OURS: [&str; 2] = ["faulthandler", "gc"];

/// What only a server has: mod_wsgi's own modules, the codec of its locale, and, built in, what finds a home where the
/// environment names none.
fn is_the_servers(name: &str) -> bool {
    ["apache", "mod_wsgi", "pwd"].contains(&name)
        || name.starts_with("_mod_wsgi_")
        || name.starts_with("encodings.")
}

#[test]
fn a_trials_main_interpreter_is_as_mod_wsgis() {
    let in_apache = in_apache();
    assert!(in_apache.contains("threading") && in_apache.contains("mod_wsgi"), "{in_apache:?}");
    let in_trial = in_trial();
    let more: Vec<&String> =
        in_trial.difference(&in_apache).filter(|name| !OURS.contains(&name.as_str())).collect();
    assert!(more.is_empty(), "a trial's main interpreter has imported what mod_wsgi's has not: {more:?}");
    let less: Vec<&String> = in_apache.difference(&in_trial).filter(|name| !is_the_servers(name)).collect();
    assert!(less.is_empty(), "mod_wsgi's main interpreter has imported what a trial's has not: {less:?}");
}

/// What mod_wsgi's main interpreter has imported when it loads its first application.
fn in_apache() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/apache-scripts");
    let mut config = format!("WSGIPythonHome {}\n", demo_environment().display());
    writeln!(config, "<Directory {folder}>\nRequire all granted\n</Directory>").unwrap();
    writeln!(config, "WSGIDaemonProcess main processes=1 threads=1 home={{here}}").unwrap();
    let options = "process-group=main application-group=%{GLOBAL}";
    writeln!(config, "WSGIScriptAlias / {folder}/modules.wsgi {options}").unwrap();
    let apache = Apache::start(&modwsgi("3.14"), &config);
    let answer = apache.get("/");
    assert_eq!(answer.status, 200, "{}", apache.log());
    answer.body.lines().map(str::to_owned).collect()
}

/// What a trial's main interpreter has imported when it imports its subject: the control, told by one that fails.
fn in_trial() -> BTreeSet<String> {
    let python = pythons::all().into_iter().find(|python| python.version == "3.14").unwrap();
    // Of an exception's text a trial keeps 2000 characters.
    let source = "import sys\nraise RuntimeError(','.join(sorted(set(sys.modules) - {'looks'})))\n";
    let venv = Venv::on(python).with_python("looks", source);
    let said = Wsgiaudit::new().arg(venv.path()).args(["--format", "json", "--no-cache"]).run();
    let body = said.body();
    let outcome = &body["distributions"][0]["top_level"][0]["modes"]["main"]["outcome"];
    let text = outcome["text"].as_str().unwrap_or_else(|| panic!("{outcome}"));
    assert!(text.len() < 2000, "{text}");
    text.split(',').map(str::to_owned).collect()
}
