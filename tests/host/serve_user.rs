//! `wsgiaudit serve --user`: what root binds is kept, and nothing else of root's. Without root, such a server is refused,
//! which is all that can be tested then.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use walkdir::WalkDir;

use crate::support::command::Wsgiaudit;
use crate::support::pythons;
use crate::support::server::{Server, command};

const APPLICATION: &str = r#"
import os, sys

def application(environ, start_response):
    print("asked by", os.getuid(), file=sys.stderr)
    back = []
    for call in (os.setuid, os.seteuid, os.setgid, os.setegid):
        try:
            call(0)
            back.append(call.__name__)
        except PermissionError:
            pass
    try:
        os.setgroups([0])
        back.append("setgroups")
    except PermissionError:
        pass
    said = f"{os.getpid()};{os.getresuid()};{os.getresgid()};{sorted(os.getgroups())};{back};{os.environ['HOME']};{os.environ['USER']}"
    start_response("200 OK", [])
    return [said.encode()]
"#;

/// The numbers of the user, its group and its other group. No other test has them.
const USER: u32 = 64_123;
const GROUP: u32 = 64_124;
const OTHER: u32 = 64_125;

/// Users and groups of the system, and those of this test.
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nshop:x:64123:64124::/srv/shop:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nshop:x:64124:\nmedia:x:64125:shop\nstrangers:x:64126:root\n";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Serves as root, in a mount namespace in which the user exists and may read the Python. The user owns `logs` alone.
fn serve(port: u16, args: &[&str]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("app.py", APPLICATION);
    write("passwd", PASSWD);
    write("group", GROUPS);
    for name in ["python", "run", "logs", "temporary"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for name in ["logs", "temporary"] {
        chown(folder.path().join(name), Some(USER), Some(GROUP)).unwrap();
    }
    let python = pythons::all().remove(0).executable.canonicalize().unwrap();
    let prefix = python.parent().unwrap().parent().unwrap();
    let bind = format!("127.0.0.1:{port}");
    let line = [
        "-e",
        python.to_str().unwrap(),
        "--bind",
        &bind,
        "--bind",
        "unix:run/socket",
        "--pid-file",
        "run/pid",
    ];
    let server = command(folder.path(), &[&line, args, &["app"]].concat());
    let mut within = Command::new("unshare");
    // What is below /root is for root alone, but for the Python.
    let script = "case \"$1\" in /root/*) mount --bind \"$1\" python && mount -t tmpfs -o mode=755 none /root && \
                  mkdir -p \"$1\" && mount --bind python \"$1\";; esac && mount --bind passwd /etc/passwd && \
                  mount --bind group /etc/group && shift && exec \"$@\"";
    within.args(["--mount", "sh", "-c", script, "sh"]).arg(prefix);
    within.arg(server.get_program()).args(server.get_args()).current_dir(folder.path()).env_clear();
    within.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    within.env("TMPDIR", folder.path().join("temporary"));
    // Its log is where the user may write.
    let (log, errors) = (folder.path().join("log"), folder.path().join("logs/errors"));
    fs::remove_file(&log).unwrap();
    fs::write(&errors, "").unwrap();
    chown(&errors, Some(USER), Some(GROUP)).unwrap();
    std::os::unix::fs::symlink(&errors, &log).unwrap();
    let terminal = fs::File::create(folder.path().join("terminal")).unwrap();
    within.stdout(terminal.try_clone().unwrap()).stderr(terminal).process_group(0);
    Server::run(folder, within)
}

/// A key that root alone can read is served. A reload keeps it, and says so.
#[test]
fn a_key_of_root_is_read_before_the_user_changes() {
    if !is_root() {
        return check_refusal(Wsgiaudit::new().into_command());
    }
    let keys = tempfile::tempdir().unwrap();
    super::tls::write_identity(keys.path());
    fs::set_permissions(keys.path().join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let path = |name: &str| keys.path().join(name).to_str().unwrap().to_owned();
    let files = ["--tls-certificate", &path("certificate.pem"), "--tls-key", &path("key.pem")];
    let port = low_port();
    let mut server = serve(port, &[&["--user", "shop", "--error-log", "logs/errors"], &files[..]].concat());
    server.wait_for("a reload cannot read the TLS files, and will keep the certificate: --tls-key ");
    let url = format!("https://127.0.0.1:{port}/");
    let ask = || {
        let output =
            Command::new("curl").args(["-sS", "--cacert", &path("root.pem"), &url]).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    assert!(ask().contains(&format!(";({USER}, {USER}, {USER});")), "{}", ask());
    let first = ask();
    server.signal("HUP");
    server.wait_for("the TLS certificate stays as it was: --tls-key ");
    let started = Instant::now();
    while ask().split(';').next() == first.split(';').next() {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
}

/// A port below 1024 that nothing has.
fn low_port() -> u16 {
    (600..1024).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Panics unless every thread of a process is the user's alone.
#[track_caller]
fn check_threads(pid: u32) {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    for thread in threads {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(field("Uid:"), vec![USER.to_string(); 4], "{pid}: {status}");
        assert_eq!(field("Gid:"), vec![GROUP.to_string(); 4], "{pid}: {status}");
        assert_eq!(field("Groups:"), [GROUP.to_string(), OTHER.to_string()], "{pid}: {status}");
        for name in ["CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(name), ["0000000000000000"], "{pid}: {status}");
        }
    }
}

/// The supervisor and its hosts.
fn processes(supervisor: u32) -> Vec<u32> {
    let children = fs::read_dir(format!("/proc/{supervisor}/task")).unwrap().flat_map(|thread| {
        let file = thread.unwrap().path().join("children");
        let text = fs::read_to_string(file).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
    });
    [supervisor].into_iter().chain(children).collect()
}

#[test]
fn root_binds_and_the_user_serves() {
    if !is_root() {
        return check_refusal(Wsgiaudit::new().into_command());
    }
    let port = low_port();
    let args =
        ["--user", "shop", "--processes", "2", "--access-log", "logs/access", "--error-log", "logs/errors"];
    let mut server = serve(port, &args);
    assert_eq!(server.address, format!("127.0.0.1:{port}"));
    server.wait_for("every process runs as shop (user 64123, group 64124, groups 64124 64125)");
    server.wait_for("process 2 of 2, pid");
    let expected =
        format!("({USER}, {USER}, {USER});({GROUP}, {GROUP}, {GROUP});[{GROUP}, {OTHER}];[];/srv/shop;shop");
    let ask = |server: &Server| {
        let said = server.get("/").1;
        let (pid, rest) = said.split_once(';').unwrap();
        assert_eq!(rest, expected);
        pid.to_owned()
    };
    let first = ask(&server);
    let pid: u32 = fs::read_to_string(server.folder().join("run/pid")).unwrap().trim().parse().unwrap();
    let before = processes(pid);
    assert_eq!(before.len(), 3, "{before:?}");
    before.iter().for_each(|pid| check_threads(*pid));
    let owner = |name: &str| fs::symlink_metadata(server.folder().join(name)).unwrap().uid();
    assert_eq!(["run/pid", "run/socket", "logs/access", "logs/errors"].map(owner), [0, 0, USER, USER]);
    let temporary = WalkDir::new(server.folder().join("temporary")).into_iter().flatten();
    assert!(temporary.count() > 1);

    server.signal("HUP");
    let started = Instant::now();
    while ask(&server) == first || processes(pid).iter().any(|pid| before[1..].contains(pid)) {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    processes(pid).iter().for_each(|pid| check_threads(*pid));

    for name in ["access", "errors"] {
        let file = server.folder().join("logs").join(name);
        fs::rename(&file, file.with_extension("1")).unwrap();
    }
    server.signal("USR1");
    let started = Instant::now();
    let is_new = |server: &Server, name: &str| !log_of(server, name).is_empty();
    while !is_new(&server, "logs/access") || !is_new(&server, "logs/errors") {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", server.log());
        ask(&server);
        std::thread::sleep(Duration::from_millis(20));
    }
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
    // The folder of these is root's: what cannot be removed is emptied, or replaced at the next start.
    assert_eq!(fs::read_to_string(server.folder().join("run/pid")).unwrap(), "");
}

fn log_of(server: &Server, name: &str) -> String {
    fs::read_to_string(server.folder().join(name)).unwrap_or_default()
}

/// A server of this command is refused, since another user than root starts it.
#[track_caller]
fn check_refusal(mut command: Command) {
    let output = command.args(["serve", "--user", "shop", "app"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error: --user shop: only root can serve as another user"), "{said}");
    assert!(said.contains("hint: leave --user out, or start the server as root"), "{said}");
}

#[test]
fn only_root_can_change_its_user() {
    let mut command = Wsgiaudit::new().into_command();
    if is_root() {
        command.uid(65_534);
    }
    check_refusal(command);
}

#[test]
fn a_user_that_is_not_there_is_refused() {
    if !is_root() {
        return check_refusal(Wsgiaudit::new().into_command());
    }
    for (options, said) in [
        (&["--user", "nosuch"][..], "--user nosuch: the system has no such user"),
        (&["--user", "root"], "--user root is root"),
        (&["--user", "0"], "--user 0 is root"),
        (&["--user", "64999"], "--user 64999: the system does not say its group\nhint: --group"),
        (
            &["--user", "daemon:daemon", "--group", "daemon"],
            "--user daemon:daemon and --group both name a group",
        ),
        (&["--user", "daemon:nosuch"], "--group nosuch: the system has no such group"),
        (&["--user", "daemon", "--group", "nosuch"], "--group nosuch: the system has no such group"),
        (&["--group", "daemon"], "--group <GROUP> has no effect without --user <USER[:GROUP]>"),
    ] {
        let server = Wsgiaudit::new().arg("serve").args(options).arg("app").within(Path::new("/"));
        let found = server.run().ended_with(2).err;
        assert!(found.contains(said), "{options:?}: {found}");
    }
}
