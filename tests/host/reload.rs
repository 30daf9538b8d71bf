//! `wsgiaudit serve --reload`: the sources that the application has loaded are watched.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::pythons;
use crate::support::server::{Server, command};

/// The application says what its modules say; `lazy` is imported by the first request for it.
const APPLICATION: &str = r#"
import os
import helper

def application(environ, start_response):
    said = helper.VALUE
    if environ["PATH_INFO"] == "/lazy":
        import lazy
        said = lazy.VALUE
    start_response("200 OK", [])
    return [f"{said} {os.getpid()}".encode()]
"#;

/// A folder with an application and its modules. Whenever a test changes one, its size changes: Python takes the compiled file of
/// a source that has the same size and was written in the same second.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("app", APPLICATION), ("helper", "VALUE = 'one'"), ("lazy", "VALUE = 'lazy one'")] {
        write(folder.path(), name, text);
    }
    folder
}

/// Writes a module as many editors do: by another file that takes its place.
fn write(folder: &Path, name: &str, text: &str) {
    let beside = folder.join(format!(".{name}.new"));
    fs::write(&beside, text).unwrap();
    fs::rename(beside, folder.join(format!("{name}.py"))).unwrap();
}

fn arguments(more: &[&str]) -> Vec<String> {
    let python = pythons::all().remove(0).executable;
    let line = ["-e", python.to_str().unwrap(), "--bind", "127.0.0.1:0", "--reload", "app:application"];
    line.iter().chain(more).map(|argument| (*argument).to_owned()).collect()
}

#[track_caller]
fn serve(more: &[&str]) -> Server {
    let arguments = arguments(more);
    Server::spawn(folder(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Asks until the answer begins like this; the process that gives it.
#[track_caller]
fn wait_for_answer(server: &Server, path: &str, begin: &str) -> String {
    let started = Instant::now();
    loop {
        let (_, said) = server.get(path);
        if let Some(pid) = said.strip_prefix(begin) {
            return pid.trim().to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{said}:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn count_reloads(server: &Server) -> usize {
    server.log().matches(": reloading: ").count()
}

#[test]
fn a_changed_source_is_loaded_and_many_at_once_are_one_reload() {
    let mut server = serve(&[]);
    let first = wait_for_answer(&server, "/", "one");
    // A connection that the client keeps.
    let mut kept = server.connect();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut block = [0; 1024];
    assert!(kept.read(&mut block).unwrap() > 0);
    write(server.folder(), "helper", "VALUE = 'second'");
    let line = server.wait_for(": reloading: ");
    assert!(line.contains("/helper.py changed"), "{line}");
    assert_ne!(wait_for_answer(&server, "/", "second"), first);
    // Without --reload, it would stay open for five seconds.
    kept.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    // It is closed rather than answered with what was there before.
    assert_eq!(kept.read(&mut block).unwrap(), 0);
    // What a request has imported is watched from then on.
    wait_for_answer(&server, "/lazy", "lazy one");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(count_reloads(&server), 1, "{}", server.log());
    for (name, text) in [("lazy", "VALUE = 'lazy second'"), ("helper", "VALUE = 'the third'"), ("added", "")]
    {
        write(server.folder(), name, text);
        std::thread::sleep(Duration::from_millis(100));
    }
    wait_for_answer(&server, "/", "the third");
    wait_for_answer(&server, "/lazy", "lazy second");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(count_reloads(&server), 2, "{}", server.log());
    // Files that nothing has loaded.
    fs::write(server.folder().join("notes.txt"), "").unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(count_reloads(&server), 2, "{}", server.log());
    assert_eq!(server.stop().0, 0);
}

#[test]
fn an_error_in_a_source_waits_until_it_is_mended() {
    let mut server = serve(&[]);
    let first = wait_for_answer(&server, "/", "one");
    write(server.folder(), "helper", "VALUE = = 'bad'");
    server.wait_for("the new process did not start serving: the old one continues");
    assert!(server.log().contains("SyntaxError"), "{}", server.log());
    assert_eq!(wait_for_answer(&server, "/", "one"), first);
    // A module that is missing may appear.
    write(server.folder(), "helper", "from later import VALUE");
    server.wait_for("No module named 'later'");
    write(server.folder(), "later", "VALUE = 'the third'");
    wait_for_answer(&server, "/", "the third");
    assert_eq!(server.stop().0, 0);
}

#[test]
fn an_error_at_the_first_start_waits_too() {
    let folder = folder();
    write(folder.path(), "app", "import helper, lazy\ndef application(:\n");
    let arguments = arguments(&["--processes", "2"]);
    let server = command(folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let path = folder.path().to_owned();
    let mended = std::thread::spawn(move || {
        let started = Instant::now();
        let log = || fs::read_to_string(path.join("log")).unwrap();
        while !log().contains("waiting for a change of its sources") {
            assert!(started.elapsed() < Duration::from_secs(60), "{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        write(&path, "app", APPLICATION);
    });
    let mut server = Server::run(folder, server);
    mended.join().unwrap();
    assert!(server.log().contains("SyntaxError"), "{}", server.log());
    server.wait_for("process 2 of 2");
    wait_for_answer(&server, "/", "one");
    // Every process is replaced.
    write(server.folder(), "helper", "VALUE = 'second'");
    server.wait_for_count("serving app:application", 4);
    std::thread::sleep(Duration::from_millis(300));
    (0..20).for_each(|_| assert!(server.get("/").1.starts_with("second ")));
    assert_eq!(server.stop().0, 0);
}

#[test]
fn sub_interpreters_report_their_sources_and_the_settings_file_is_watched() {
    let folder = folder();
    let python = pythons::all().remove(0).executable;
    let settings = |threads: u32| {
        format!(
            "application = \"app\"\nenvironment = {:?}\nbind = \"127.0.0.1:0\"\nreload = true\ninterpreters = 2\n\
             threads = {threads}\n",
            python.to_str().unwrap()
        )
    };
    fs::write(folder.path().join("serve.toml"), settings(1)).unwrap();
    let mut server = Server::spawn(folder, &["--config", "serve.toml"]);
    wait_for_answer(&server, "/", "one");
    fs::write(server.folder().join("serve.toml"), settings(2)).unwrap();
    server.wait_for("default: own-gil, 2 x 2 threads");
    write(server.folder(), "helper", "VALUE = 'second'");
    wait_for_answer(&server, "/", "second");
    assert_eq!(server.stop().0, 0);
}
