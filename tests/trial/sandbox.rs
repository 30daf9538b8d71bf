//! What a trial may not do, seen from outside it, and what the report says of who needs it.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::Value;

use crate::support::running::Running;
use crate::support::venv::Venv;

/// The verdict on a module or top-level name in one mode, and its reason.
fn judged(report: &Value, name: &str, mode: &str) -> (String, String) {
    let rows = report["distributions"].as_array().unwrap();
    let modules = report["modules"].as_array().unwrap();
    let mut names = rows.iter().flat_map(|row| row["top_level"].as_array().unwrap()).chain(modules);
    let row = names.find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    let word = |key: &str| row["modes"][mode][key].as_str().unwrap_or_default().to_owned();
    (word("verdict"), word("reason"))
}

fn audit(venv: &Venv, options: &[&str]) -> Value {
    Running::start(venv, options).end().1
}

/// The source of a module for which the sandbox makes the difference: without it is ready, and within
/// nobody can tell, and the report says so and how to find out.
fn needs_no_sandbox(source: &str) {
    let venv = Venv::new().with_python("needy", source);
    let confined = audit(&venv, &[]);
    for mode in ["main", "shared-gil", "own-gil"] {
        let (verdict, reason) = judged(&confined, "needy", mode);
        assert_eq!(verdict, "unknown", "{reason}");
        assert!(reason.contains("sandbox") && reason.contains("--no-sandbox"), "{reason}");
    }
    let free = audit(&venv, &["--no-sandbox"]);
    assert_eq!(judged(&free, "needy", "own-gil").0, "ready", "{free}");
    assert_eq!(free["notes"][0], "trials ran without a sandbox (--no-sandbox)");
}

#[test]
fn there_is_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connects = format!("import _socket\n_socket.socket().connect(('127.0.0.1', {port}))\n");
    let venv = Venv::new().with_python("connects", &connects);
    audit(&venv, &[]);
    assert!(listener.accept().is_err(), "a trial has connected");
    audit(&venv, &["--no-sandbox"]);
    assert!(listener.accept().is_ok(), "the test itself is broken");
    needs_no_sandbox(&connects);
}

#[test]
fn nothing_is_written_outside_a_trials_folder() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("written");
    let writes = format!("open({target:?}, 'w').write('x')\n");
    audit(&Venv::new().with_python("writes", &writes), &[]);
    assert!(!target.exists(), "a trial has written {}", target.display());

    let kept = outside.path().join("kept");
    std::fs::write(&kept, "mine").unwrap();
    for verb in ["unlink", "rename"] {
        let other =
            if verb == "rename" { format!(", {:?}", outside.path().join("renamed")) } else { String::new() };
        let harms = format!("import os\ntry:\n    os.{verb}({kept:?}{other})\nexcept OSError:\n    pass\n");
        audit(&Venv::new().with_python("harms", &harms), &[]);
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");
    }
    needs_no_sandbox(&writes);
}

#[test]
fn an_import_error_that_hides_the_refusal_is_seen_through() {
    needs_no_sandbox(
        "import _socket\ntry:\n    _socket.socket().close()\nexcept OSError:\n    raise ImportError('no socket')\n",
    );
}

#[test]
fn what_a_package_in_need_holds_is_unknown_too() {
    let venv = Venv::new()
        .with("lost-accelerator")
        .with_file("lost_accelerator/__init__.py", "import _socket\n_socket.socket().close()\n");
    let (verdict, reason) = judged(&audit(&venv, &[]), "lost_accelerator._speedups", "shared-gil");
    assert_eq!(verdict, "unknown");
    assert!(reason.contains("--no-sandbox"), "{reason}");
}

#[test]
fn nobody_else_is_signalled() {
    let mut sleeper = std::process::Command::new("sleep").arg("100").spawn().unwrap();
    let kills =
        format!("import os\ntry:\n    os.kill({}, 9)\nexcept PermissionError:\n    pass\n", sleeper.id());
    let venv = Venv::new().with_python("kills", &kills);
    audit(&venv, &[]);
    assert!(sleeper.try_wait().unwrap().is_none(), "a trial has killed it");
    audit(&venv, &["--no-sandbox"]);
    std::thread::sleep(Duration::from_millis(100));
    assert!(sleeper.try_wait().unwrap().is_some(), "the test itself is broken");
}

#[test]
fn a_trial_is_at_home_in_a_folder_of_its_own() {
    let looks = "import os\n\
        home = os.getcwd()\n\
        assert os.listdir() == [] or os.path.exists('visited'), os.listdir()\n\
        assert os.path.expanduser('~') == os.environ['TMPDIR'] == home\n\
        open('visited', 'w').close()\n";
    let venv = Venv::new().with_python("one", looks).with_python("two", looks);
    for options in [&["--jobs", "1"][..], &["--jobs", "1", "--no-sandbox"][..]] {
        let report = audit(&venv, options);
        for name in ["one", "two"] {
            assert_eq!(judged(&report, name, "own-gil"), ("ready".to_owned(), String::new()));
        }
    }
}

#[test]
fn the_environment_is_clean() {
    let looks = "import os\n\
        assert set(os.environ) <= {'HOME', 'TMPDIR', 'PATH', 'LANG', 'LC_CTYPE', 'LD_LIBRARY_PATH',\n\
        'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_THREAD_TIMEOUT',\n\
        'MESONPY_EDITABLE_VERBOSE', 'PYTHONHASHSEED'}, dict(os.environ)\n";
    let venv = Venv::new().with_python("looks", looks);
    let report = Running::start_with(&venv, &[], &[("SECRET_TOKEN", "hunter2")]).end().1;
    assert_eq!(judged(&report, "looks", "own-gil"), ("ready".to_owned(), String::new()));
}

#[test]
fn memory_is_bounded() {
    // Reserved and never touched: the machine need not have as much.
    needs_no_sandbox(
        "from mmap import *\nmmap(-1, 1 << 40, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE).close()\n",
    );
}

#[test]
fn every_resource_is_bounded() {
    let looks = "from resource import *\n\
        most = {RLIMIT_CORE: 0, RLIMIT_FSIZE: 1 << 30, RLIMIT_DATA: 8 << 30, RLIMIT_AS: 64 << 30,\n\
        RLIMIT_CPU: 100_000, RLIMIT_NPROC: 50_000}\n\
        for limit, bound in most.items():\n    \
        assert 0 <= getrlimit(limit)[1] <= bound, (limit, getrlimit(limit))\n\
        assert open('/proc/self/oom_score_adj').read() == '1000\\n'\n";
    let report = audit(&Venv::new().with_python("looks", looks), &[]);
    assert_eq!(judged(&report, "looks", "own-gil"), ("ready".to_owned(), String::new()));
}

#[test]
fn what_most_packages_do_is_allowed() {
    let does = "import asyncio, multiprocessing, os, tempfile\n\
        multiprocessing.Lock()\n\
        tempfile.mkdtemp()\n\
        os.open(os.devnull, os.O_RDWR)\n\
        os.kill(os.getpid(), 0)\n";
    // A sub-interpreter with its own GIL has no `_multiprocessing`: the others tell.
    let report = audit(&Venv::new().with_python("does", does), &[]);
    assert_eq!(judged(&report, "does", "main"), ("ready".to_owned(), String::new()));
    let notes = report["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap());
    let others: Vec<&str> =
        notes.filter(|note| !note.starts_with("free threading was not audited")).collect();
    assert_eq!(others, [""; 0], "this machine cannot enforce the sandbox");
    let starts = "import subprocess\n\
        child = subprocess.Popen(['sleep', '100'], stdout=subprocess.DEVNULL)\n\
        child.terminate()\nchild.wait()\n";
    let report = audit(&Venv::new().with_python("starts", starts), &[]);
    assert_eq!(judged(&report, "starts", "main"), ("ready".to_owned(), String::new()));
    assert!(
        Path::new("/dev/shm")
            .read_dir()
            .unwrap()
            .flatten()
            .all(|entry| { !entry.file_name().to_string_lossy().starts_with("sem.mp-") })
    );
}

#[test]
fn what_a_system_cannot_enforce_is_noted_and_the_audit_goes_on() {
    let venv = Venv::new().with("well-behaved").with("killed-parent");
    // As on a kernel without Landlock and seccomp, in a container that forbids namespaces.
    let missing = [libc::SYS_landlock_create_ruleset, libc::SYS_seccomp, libc::SYS_unshare];
    let report = std::thread::scope(|scope| {
        let confined = scope.spawn(|| {
            without(&missing);
            audit(&venv, &[])
        });
        confined.join().unwrap()
    });
    assert_eq!(judged(&report, "well_behaved", "own-gil").0, "ready");
    assert_eq!(judged(&report, "killed_parent", "own-gil").0, "unknown");
    let notes = report["notes"].to_string();
    for may in ["write outside their folders", "signal other processes", "use the network", "/dev/shm"] {
        assert!(notes.contains(may), "{notes}");
    }
}

/// Takes system calls from the calling thread and from all that it starts.
fn without(calls: &[i64]) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let missing = SeccompAction::Errno(u32::try_from(libc::ENOSYS).unwrap());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, missing, machine).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}
