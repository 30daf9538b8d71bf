//! A FIFO, a device or a link to a secret in place of a file: it is not read, it is named, and the audit ends.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::guarded::{put_fifo, watch};
use crate::support::venv::Venv;

/// Much longer than each of these commands takes.
const SOON: Duration = Duration::from_secs(60);

fn run(command: Wsgiaudit) -> Said {
    watch(command, SOON).said
}

fn put_zeros(path: &Path) {
    let _absent = fs::remove_file(path);
    symlink("/dev/zero", path).unwrap();
}

#[test]
fn metadata_that_is_no_file_is_named() {
    for name in ["METADATA", "RECORD", "WHEEL", "direct_url.json"] {
        for put in [put_fifo, put_zeros] {
            let venv = Venv::new().with("well-behaved").with_python("shop", "");
            put(&venv.site_packages().join("shop-1.0.dist-info").join(name));
            let said = run(Wsgiaudit::new().arg(venv.path()).args(["--no-cache", "--format", "json"]));
            assert_eq!(said.status, Some(3), "{name}: {}", said.err);
            let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
            let trouble = report["trouble"].as_array().unwrap();
            let named = trouble.iter().any(|line| {
                let line = line.as_str().unwrap();
                line.contains(name)
                    && (line.contains("not a regular file") || line.contains("a link to /dev/zero"))
            });
            assert!(named, "{name}: {trouble:?}");
            // Nothing else is lost.
            let rows = report["distributions"].as_array().unwrap();
            let row = rows.iter().find(|row| row["name"] == "corpus-well-behaved").unwrap();
            assert_eq!(row["modes"]["own-gil"]["verdict"], "ready");
        }
    }
}

#[test]
fn metadata_does_not_lead_to_a_secret() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "topsecret\n").unwrap();
    let venv = Venv::new().with_python("shop", "").with_file(
        "shop-1.0.dist-info/direct_url.json",
        r#"{"url": "file:///nowhere", "dir_info": {"editable": true}}"#,
    );
    symlink(secret.path(), venv.site_packages().join("shop-1.0.dist-info/top_level.txt")).unwrap();
    let said = run(Wsgiaudit::new().arg(venv.path()).args(["--no-cache", "--format", "json"]));
    assert!(said.out.contains("top_level.txt: it is a link to "), "{}", said.out);
    assert!(!said.out.contains("topsecret"), "{}", said.out);
}

#[test]
fn files_of_the_command_line_are_regular_files() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, venv) = (folder.path().join("fifo"), Venv::new());
    put_fifo(&fifo);
    let environment = venv.path().to_str().unwrap();
    let fifo = fifo.to_str().unwrap();
    let wheel = folder.path().join("thing-1.0-py3-none-any.whl");
    put_fifo(&wheel);
    let module = folder.path().join("thing.abi3.so");
    put_fifo(&module);
    for args in [
        &[environment, "--config", fifo][..],
        &[environment, "--config", "/dev/zero"],
        &[environment, "--baseline", fifo],
        &[environment, "--baseline", "/dev/zero"],
        &[environment, "--requests", fifo],
        &[environment, "--apache-config", fifo],
        &[environment, "--file", fifo],
        &[environment, "--exercise", fifo],
        &["render", fifo],
        &["render", "/dev/zero"],
        &["diff", fifo, "/dev/zero"],
        &["directive", fifo],
        &["module", wheel.to_str().unwrap(), "--python", environment],
        &["module", module.to_str().unwrap(), "--python", environment],
        &["serve", "-e", environment, "--report", fifo, "app"],
        &["serve", "-e", environment, "--config", fifo, "app"],
    ] {
        let said = run(Wsgiaudit::new().args(args));
        assert_eq!(said.status, Some(2), "{args:?}: {}{}", said.out, said.err);
        assert!(said.err.starts_with("error: ") || said.err.contains("\nerror: "), "{args:?}: {}", said.err);
    }
    let said = run(Wsgiaudit::new().arg("inspect").arg(folder.path()));
    assert_eq!(said.status, Some(3), "{}{}", said.out, said.err);
}

/// The shell makes a pipe of each `<(command)`.
#[test]
fn a_report_that_the_user_names_may_be_a_pipe() {
    let (folder, venv) = (tempfile::tempdir().unwrap(), Venv::new().with("well-behaved"));
    let report = folder.path().join("report.json");
    let audit = || Wsgiaudit::new().arg(venv.path()).arg("--no-cache");
    run(audit().arg("--json").arg(&report)).ended_with(0);
    let through_shell = |script: &str| {
        let own = Wsgiaudit::new().into_command();
        let mut shell = Command::new("bash");
        let paths = [own.get_program(), report.as_os_str(), venv.path().as_os_str()];
        let variables = own.get_envs().filter_map(|(name, value)| Some((name, value?)));
        shell.args(["-c", script, "bash"]).args(paths).stdin(Stdio::null()).env_clear().envs(variables);
        Said::from(shell.output().unwrap())
    };
    let shown = through_shell(r#""$1" render <(sleep 0.2; cat "$2")"#).ended_with(0);
    assert_eq!(shown.out, run(Wsgiaudit::new().arg("render").arg(&report)).out);
    through_shell(r#""$1" diff <(cat "$2") <(cat "$2")"#).ended_with(0);
    through_shell(r#""$1" "$3" --no-cache --baseline <(cat "$2")"#).ended_with(0);
    let endless = through_shell(r#""$1" render <(cat /dev/zero)"#).ended_with(2);
    assert!(endless.err.contains("it has more than "), "{}", endless.err);
    let closed = through_shell(r#""$1" render <(true)"#).ended_with(2);
    assert!(closed.err.contains("nobody has written to this pipe"), "{}", closed.err);
}

#[test]
fn a_module_that_is_imported_later_may_be_no_file() {
    let venv = Venv::new().with_file(
        "shop.py",
        "def application(environ, start_response):\n    import later\n    import zeros\n    return []\n",
    );
    put_fifo(&venv.site_packages().join("later.py"));
    put_zeros(&venv.site_packages().join("zeros.py"));
    let said = run(Wsgiaudit::new().arg(venv.path()).args(["--app", "shop:application", "--no-cache"]));
    assert!(matches!(said.status, Some(0 | 3)), "{}{}", said.out, said.err);
}

#[test]
fn the_cache_may_hold_no_files() {
    let (venv, cache) = (Venv::new().with("well-behaved"), tempfile::tempdir().unwrap());
    let audit = || {
        std::thread::sleep(Duration::from_millis(50));
        run(Wsgiaudit::new().arg(venv.path()).env("XDG_CACHE_HOME", cache.path()))
    };
    assert_eq!(audit().status, Some(0));
    let mut files = Vec::new();
    for folder in fs::read_dir(cache.path().join("wsgiaudit/trials")).unwrap() {
        let found = fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path());
        files.extend(found.filter(|path| path.is_file()));
    }
    assert!(files.len() > 3, "{files:?}");
    for put in [put_fifo, put_zeros] {
        files.iter().for_each(|file| put(file));
        let said = audit();
        assert_eq!(said.status, Some(0), "{}{}", said.out, said.err);
    }
}

/// What a module does to the files that the auditor reads of its trial.
const REPLACES: &str = "
import os
folder = os.getcwd()
while os.path.basename(folder) and not os.path.basename(folder).startswith('trial-'):
    folder = os.path.dirname(folder)
for name in ['record', 'output', 'ids', 'crash', 'stack']:
    path = os.path.join(folder, name)
    for put in [PUT]:
        try:
            os.path.lexists(path) and os.unlink(path)
            put(path)
        except OSError:
            pass
";

#[test]
fn what_a_trial_leaves_may_be_no_files() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "topsecret\n").unwrap();
    let link = format!("lambda path: os.symlink({:?}, path)", secret.path());
    for put in ["os.mkfifo", link.as_str(), "lambda path: os.symlink('/dev/zero', path)", "os.mkdir"] {
        let source = REPLACES.replace("PUT", put);
        let crashes = format!("{source}\nimport ctypes\nctypes.string_at(1)\n");
        let venv = Venv::new()
            .with("well-behaved")
            .with_python("replaces", &source)
            .with_python("crashes", &crashes);
        let said = run(Wsgiaudit::new().arg(venv.path()).args(["--no-cache", "--format", "json"]));
        let report: serde_json::Value =
            serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{put}: {error} {}", said.err));
        let rows = report["distributions"].as_array().unwrap();
        let verdict = |name: &str| {
            rows.iter().find(|row| row["name"] == name).unwrap()["modes"]["own-gil"]["verdict"].clone()
        };
        assert_eq!(verdict("corpus-well-behaved"), "ready", "{put}");
        assert_ne!(verdict("crashes"), "ready", "{put}");
        assert!(!said.out.contains("topsecret"), "{put}");
    }
}

#[test]
fn a_cache_that_others_can_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;

    let (venv, cache) = (Venv::new().with("well-behaved"), tempfile::tempdir().unwrap());
    let folder = cache.path().join("wsgiaudit");
    let audit = || {
        std::thread::sleep(Duration::from_millis(50));
        let audit = Wsgiaudit::new().arg(venv.path()).args(["--format", "json"]);
        let said = run(audit.env("XDG_CACHE_HOME", cache.path()));
        let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let notes = report["notes"].as_array().unwrap().iter();
        let noted = notes.filter(|note| note.as_str().unwrap().contains("the cache is not used")).count();
        (report["header"]["trials"]["remembered"].as_u64(), noted)
    };
    audit();
    assert!(audit().0.unwrap() > 0);
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let environment = fs::read_dir(folder.join("trials")).unwrap().next().unwrap().unwrap().path();
    for (path, mode) in
        [(&folder, 0o777), (&folder.join("trials"), 0o1777), (&cache.path().to_owned(), 0o777)]
    {
        set(path, mode);
        assert_eq!(audit(), (None, 1), "{}", path.display());
        set(path, 0o700);
    }
    set(&environment, 0o777);
    assert_eq!(audit().0, None);
    set(&environment, 0o700);
    assert!(audit().0.unwrap() > 0);
    // Only root can give a folder away.
    if rustix::process::geteuid().is_root() {
        let give = |path: &Path, owner| std::os::unix::fs::chown(path, Some(owner), None).unwrap();
        give(&folder, 4321);
        assert_eq!(audit(), (None, 1));
        give(&folder, 0);
        for answer in fs::read_dir(&environment).unwrap() {
            give(&answer.unwrap().path(), 4321);
        }
        assert_eq!(audit().0, Some(0));
    }
}
