//! `--writable`: what is tried writes to copies of folders, under their own paths. Nothing of the folders changes, and every
//! trial begins with what was there.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// Counts in a database beside it, which exists.
const COUNTER: &str = r#"
import os
import sqlite3

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "shop.db")


def application(environ, start_response):
    with sqlite3.connect(FILE) as database:
        database.execute("INSERT INTO visits VALUES (?)", (environ["PATH_INFO"],))
        count, = database.execute("SELECT count(*) FROM visits").fetchone()
    database.close()
    start_response("200 OK", [])
    return [str(count).encode()]
"#;

/// A folder with the application and its database.
fn shop(venv: &Venv, application: &str) -> TempDir {
    // Not below the folder of temporary files, which is the audit's.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(folder.path().join("shop.py"), application).unwrap();
    fs::write(folder.path().join("shop.http"), "GET /a\n###\nGET /b\n").unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let make =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('CREATE TABLE visits (path)')";
    let file = folder.path().join("data/shop.db");
    let made = std::process::Command::new(venv.python()).args(["-I", "-c", make]).arg(&file).status();
    assert!(made.unwrap().success());
    folder
}

fn ask(venv: &Venv, folder: &Path, options: &[&str]) -> Said {
    Wsgiaudit::new()
        .arg(venv.path())
        .args(["--app", "shop.py:application", "--requests", "shop.http"])
        .args(options)
        .within(folder)
        .run()
}

fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|entry| (entry.path().display().to_string(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn an_application_with_a_database_writes_to_a_copy() {
    let venv = Venv::new();
    let folder = shop(&venv, COUNTER);
    let before = content(folder.path());
    let said = ask(&venv, folder.path(), &["--writable", "data"]).ended_with(0);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
    // Each trial counts from nothing; its interpreters write to the same database.
    let line = said.out.lines().find(|line| line.trim_start().starts_with("GET /b")).unwrap();
    assert!(line.contains("SHA-256 d4735e3a265e"), "that of 2: {line}");
    assert!(said.out.contains("2 of 2 responses depend on earlier requests"), "{}", said.out);
    assert!(said.out.contains("trials were given --writable data"), "{}", said.out);
    assert_eq!(content(folder.path()), before);
    ask(&venv, folder.path(), &["--writable", "data", "--no-sandbox"]).ended_with(0);
    assert_eq!(content(folder.path()), before);
}

#[test]
fn without_it_the_way_out_is_named_before_no_sandbox() {
    let venv = Venv::new();
    let folder = shop(&venv, COUNTER);
    let said = ask(&venv, folder.path(), &[]).ended_with(3);
    let told = said.out.lines().find(|line| line.contains("own-gil: unknown")).unwrap();
    let (way, last) = (told.find("--writable DIR").unwrap(), told.find("--no-sandbox").unwrap());
    assert!(way < last && told.contains("GET /a"), "{told}");

    let writes = "def application(environ, start_response):\n    open(__file__ + '.log', 'w')\n";
    let folder = shop(&venv, writes);
    let said = ask(&venv, folder.path(), &[]).ended_with(3);
    let told = said.out.lines().find(|line| line.contains("own-gil: unknown")).unwrap();
    let way = format!("--writable {}", folder.path().display());
    assert!(told.contains(&way), "{told}");
    assert!(!folder.path().join("shop.py.log").exists());

    // A framework answers for it.
    let answers = "\
import sys
def application(environ, start_response):
    try:
        open(__file__ + '.log', 'w')
    except OSError as error:
        print(error, file=sys.stderr)
    start_response('500 Oops', [])
    return [b'']
";
    let folder = shop(&venv, answers);
    let said = ask(&venv, folder.path(), &[]).ended_with(3);
    let told = said.out.lines().find(|line| line.contains("own-gil: unknown")).unwrap();
    assert!(told.contains("GET /a answers 500 Oops") && told.contains("--writable /"), "{told}");
}

#[test]
fn imports_and_exercises_find_the_copy_too_and_each_a_new_one() {
    let venv = Venv::new();
    // The interpreters of one trial share its copy and its process; a mark of another process
    // would be that of another trial.
    let writes = "\
import os
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data')
MARK = 'mark-' + str(os.getpid())
FOUND = set(os.listdir(FOLDER))
assert {'shop.db'} <= FOUND <= {'shop.db', MARK}, FOUND
open(os.path.join(FOLDER, MARK), 'w').close()
";
    let folder = shop(&venv, writes);
    let before = content(folder.path());
    fs::write(folder.path().join("use_shop.py"), writes).unwrap();
    let audit = |options: &[&str]| {
        let audit = Wsgiaudit::new().arg(venv.path()).args(options).within(folder.path());
        audit.args(["--writable", "data"]).run().ended_with(0)
    };
    let said = audit(&["--exercise", "use_shop.py"]);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
    let said = audit(&["--app", "shop.py"]);
    assert!(said.out.contains("  own-gil: ready\n"), "{}", said.out);
    fs::remove_file(folder.path().join("use_shop.py")).unwrap();
    assert_eq!(content(folder.path()), before);
}

#[test]
fn what_cannot_be_copied_is_an_error() {
    let venv = Venv::new();
    let folder = shop(&venv, COUNTER);
    for (named, told) in [
        ("absent", "cannot read absent (--writable)"),
        ("shop.py", "--writable shop.py: not a folder"),
        ("/", "it contains the audit's own folders"),
    ] {
        let said = ask(&venv, folder.path(), &["--writable", named]).ended_with(2);
        assert!(said.err.contains(told), "{}", said.err);
    }
    let said = ask(&venv, folder.path(), &["--writable", ".", "--writable", "data"]).ended_with(2);
    assert!(said.err.contains("one contains the other"), "{}", said.err);
    fs::File::create(folder.path().join("data/large")).unwrap().set_len(65 << 20).unwrap();
    let said = ask(&venv, folder.path(), &["--writable", "data"]).ended_with(2);
    assert!(said.err.contains("a copy of at most 64 MiB in 2000 files"), "{}", said.err);
}
