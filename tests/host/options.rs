//! `wsgiaudit serve`: options from the command line, the environment and `serve.toml`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};
use wsgiaudit::cli::Cli;
use wsgiaudit::serve::{ServeOption, ServeOptions, list_options};

use crate::support::command::Wsgiaudit;
use crate::support::pythons;
use crate::support::server::{Server, command};

const APPLICATION: &str = r#"
import os

def application(environ, start_response):
    start_response("200 OK", [])
    return [f"{environ['wsgi.multithread']} {os.getcwd()}".encode()]
"#;

/// The command as clap has it.
fn serve_command() -> Command {
    let mut root = Cli::command();
    root.build();
    root.find_subcommand("serve").unwrap().clone()
}

/// The options of the command, and its argument.
fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort))
}

/// A value that no option has by default, as it is on the command line and in TOML.
fn value_of(argument: &Arg, key: &str) -> (String, String) {
    let mut named = argument.get_possible_values();
    named.retain(|value| argument.get_default_values().iter().all(|default| *default != *value.get_name()));
    let list = argument.get_action().takes_values() && matches!(argument.get_action(), ArgAction::Append);
    let default =
        argument.get_default_values().iter().any(|value| value.to_str().unwrap().parse::<f64>().is_ok());
    let example = list_options().into_iter().find(|option| option.key == key).unwrap().example.unwrap();
    let example = example.split_once(" = ").unwrap().1.to_owned();
    let text = match named.last() {
        Some(value) => value.get_name().to_owned(),
        None if key == "static" => "/x=y".to_owned(),
        None if key == "telemetry" => "unix:x".to_owned(),
        None if example == "\"660\"" => "640".to_owned(),
        None if default || example.parse::<f64>().is_ok() => "7".to_owned(),
        None => "x".to_owned(),
    };
    let quoted = if example.starts_with(['"', '[']) { format!("{text:?}") } else { text.clone() };
    (text, if list { format!("[{quoted}]") } else { quoted })
}

/// What the options come to.
fn read(folder: &Path, line: Vec<OsString>, variables: Vec<(OsString, OsString)>) -> String {
    let options = ServeOptions::new(line, variables, folder).unwrap_or_else(|error| panic!("{error:#}"));
    format!("{:?}", options.read().unwrap_or_else(|error| panic!("{error:#}")))
}

#[test]
fn every_option_can_be_set_in_three_ways() {
    let command = serve_command();
    let known = list_options();
    let keys: BTreeSet<String> = arguments(&command)
        .map(|argument| argument.get_long().unwrap_or(argument.get_id().as_str()).to_owned())
        .collect();
    assert_eq!(keys, known.iter().map(|option| option.key.clone()).collect());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    // What other options need.
    let base = [
        "--report",
        "--access-log",
        "--proxy",
        "--max-requests",
        "--user",
        "--telemetry",
        "--tls-certificate",
        "--tls-key",
    ];
    for argument in arguments(&command) {
        let key = argument.get_long().unwrap_or(argument.get_id().as_str());
        if key == "config" {
            continue;
        }
        let option: &ServeOption = known.iter().find(|option| option.key == key).unwrap();
        let (text, toml) = match argument.get_action().takes_values() {
            true => value_of(argument, key),
            false => ("true".to_owned(), "true".to_owned()),
        };
        let base = base.iter().filter(|name| name.trim_start_matches('-') != key);
        let base_value = |name: &str| match name {
            "--max-requests" => "9",
            "--telemetry" => "unix:b",
            _ => "b",
        };
        let base = base.map(|name| format!("{name}={}", base_value(name)));
        let base: Vec<String> = base.collect();
        // Neither of these two is without the other.
        let is_of_pair = key.starts_with("tls-");
        let bare = base.iter().filter(|set| !is_of_pair || !set.starts_with("--tls-"));
        let bare: Vec<OsString> = bare.map(OsString::from).chain(Some("app".into())).collect();
        let application = (key != "application").then(|| "app".to_owned());
        let base: Vec<OsString> = base.into_iter().chain(application).map(OsString::from).collect();
        let with =
            |more: Option<String>| [base.clone(), more.into_iter().map(OsString::from).collect()].concat();
        let set = match (argument.get_long(), argument.get_action().takes_values()) {
            (None, _) => text.clone(),
            (Some(long), true) => format!("--{long}={text}"),
            (Some(long), false) => format!("--{long}"),
        };
        let line = read(folder.path(), with(Some(set)), Vec::new());
        if key != "application" {
            assert_ne!(line, read(folder.path(), bare, Vec::new()), "{key} = {text} is the default");
        }
        let variable = (OsString::from(&option.variable), OsString::from(&text));
        assert_eq!(line, read(folder.path(), base.clone(), vec![variable]), "{}", option.variable);
        fs::write(&file, format!("{key} = {toml}\n")).unwrap();
        // The folder is that of the file, whatever it sets.
        let named = format!("--config={}", file.display());
        assert_eq!(line, read(folder.path(), with(Some(named)), Vec::new()), "{key} = {toml}");
    }
}

#[test]
fn the_file_can_be_named_in_two_ways() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("serve.toml"), "application = \"app\"\nthreads = 7\n").unwrap();
    let line = read(folder.path(), vec!["--config=serve.toml".into()], Vec::new());
    let variable = ("WSGIAUDIT_SERVE_CONFIG".into(), "serve.toml".into());
    assert_eq!(line, read(folder.path(), Vec::new(), vec![variable]));
    assert!(line.contains("threads: 7"), "{line}");
}

/// A folder with the application and this settings file.
fn folder(settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    let python = pythons::all().remove(0).executable;
    let settings = format!("environment = {:?}\n{settings}", python.to_str().unwrap());
    fs::write(folder.path().join("serve.toml"), settings).unwrap();
    folder
}

#[test]
fn a_server_needs_nothing_but_its_file() {
    let folder = folder(
        "application = \"app\"\nbind = [\"127.0.0.1:0\", \"unix:socket\"]\nthreads = 2\nchdir = \"site\"\n",
    );
    fs::create_dir(folder.path().join("site")).unwrap();
    fs::rename(folder.path().join("app.py"), folder.path().join("site/app.py")).unwrap();
    let server = Server::spawn(folder, &["--config", "serve.toml"]);
    let site = server.folder().join("site").canonicalize().unwrap();
    assert_eq!(server.get("/").1, format!("True {}", site.display()));
    assert!(site.join("socket").exists());
}

#[test]
fn variables_precede_the_file_and_a_reload_reads_it_again() {
    let folder = folder("application = \"app\"\nbind = [\"127.0.0.1:0\"]\nthreads = 2\nprocesses = 1\n");
    let mut child = command(folder.path(), &["--config", "serve.toml"]);
    child.env("WSGIAUDIT_SERVE_THREADS", "1").env("WSGIAUDIT_SERVE_THREDS", "3");
    let mut server = Server::run(folder, child);
    server.wait_for(
        "WSGIAUDIT_SERVE_THREDS names no option and is ignored: do you mean WSGIAUDIT_SERVE_THREADS?",
    );
    assert!(server.get("/").1.starts_with("False "));
    let file = server.folder().join("serve.toml");
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(&file, settings.replace("processes = 1", "processes = 2\ninterpreters = 2")).unwrap();
    server.signal("HUP");
    server.wait_for("--processes has changed, which takes effect at the next start");
    server.wait_for("default: own-gil, 2 x 1 threads");
    fs::write(&file, format!("{settings}thread = 1\n")).unwrap();
    server.signal("HUP");
    let line = server.wait_for("cannot reload, the old process continues");
    assert!(line.contains("line 6: thread is not a key of this file"), "{line}");
    assert_eq!(server.get("/").0, 200);
    assert_eq!(server.stop().0, 0);
}

#[test]
fn a_wrong_setting_ends_the_start_with_its_place() {
    for (settings, variable, said) in [
        (
            "threads = \"2\"",
            None,
            "serve.toml, line 2: threads is a string, not an integer\nhint: write it as in threads = 4",
        ),
        (
            "threds = 2",
            None,
            "serve.toml, line 2: threds is not a key of this file\nhint: do you mean threads?",
        ),
        ("threads = 0", None, "serve.toml, line 2: invalid value '0' for '--threads <N>'"),
        (
            "threads = 2",
            Some(("WSGIAUDIT_SERVE_QUEUE", "much")),
            "error: WSGIAUDIT_SERVE_QUEUE: invalid value 'much'",
        ),
        ("[[group]]\nname = \"a\"\nmode = \"main\"\nthread = 2", None, "unknown field `thread`"),
        ("threads = 2\n[[group]]\nname = \"a\"\nmode = \"main\"", None, "hint: write it into each [[group]]"),
    ] {
        let folder = folder(settings);
        let server = Wsgiaudit::new()
            .args(["serve", "app", "--bind", "127.0.0.1:0", "--config", "serve.toml"])
            .within(folder.path());
        let server = variable.into_iter().fold(server, |server, (name, value)| server.env(name, value));
        let said_of_it = server.run().ended_with(2).err;
        assert!(said_of_it.contains(said), "{settings}: {said_of_it}");
    }
}
