//! What `wsgiaudit directive` prints, loaded into Apache: the interpreters that it promises, and the guard in
//! them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::apache::{Apache, modwsgi};
use crate::support::command::Wsgiaudit;
use crate::support::demo_environment;

/// Behind the guard, an application that imports what the query names, in a way that nobody sees in its source, and tells
/// where it runs.
fn script(first: &str) -> String {
    format!(
        "import builtins, sys\nsys.path.insert(0, {:?})\nimport wsgiaudit_guard\nimport _interpreters\n{first}\n\n\n\
         def application(environ, start_response):\n    \
             where = _interpreters.get_current()[0], _interpreters.get_config(_interpreters.get_current()[0]).gil\n    \
             try:\n        vars(builtins)['__import__'](environ['QUERY_STRING'] or 'sys')\n        said = 'imported'\n    \
             except ImportError as error:\n        said = str(error)\n    \
             start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
             return [('%s %s %s: %s' % (where[0] == 0, where[1], wsgiaudit_guard.mode, said)).encode()]\n",
        concat!(env!("CARGO_MANIFEST_DIR"), "/probes/guard/purelib")
    )
}

/// Adds to printed lines what the tests' Apache needs: the right to serve this folder, and a home, which its user lacks.
fn configure(printed: &str, root: &Path) -> String {
    let add_home = |line: &str| match line.starts_with("WSGIDaemonProcess ") {
        true => format!("{line} home={}\n", root.display()),
        false => format!("{line}\n"),
    };
    let lines: String = printed.lines().map(add_home).collect();
    format!("<Directory {}>\nRequire all granted\n</Directory>\n{lines}", root.display())
}

#[test]
fn the_directives_serve_each_application_in_the_interpreter_they_promise() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::write(root.join("shop.py"), script("import markupsafe")).unwrap();
    fs::write(root.join("reports.py"), script("import numpy")).unwrap();
    // Beside the scripts, where the guard looks for it.
    let report = root.join("wsgiaudit.json");
    let audit = Wsgiaudit::new().arg(demo_environment()).args(["--app", "shop:application"]);
    let audit = audit.args(["--app", "reports:application", "--json"]).arg(&report).within(&root);
    audit.run().ended_with(1);
    let directive = Wsgiaudit::new().args(["directive", "--report"]).arg(&report);
    let directive = directive.args(["--app", "shop:application=/", "--app", "reports:application=/reports"]);
    let block = directive.run().ended_with(0).out;

    let config = configure(&block, &root);
    let apache = Apache::start(&modwsgi("3.14"), &config);
    assert!(block.contains(&format!(" python-home=\"{}\"", demo_environment().display())), "{block}");
    let said = |path: &str| {
        let response = apache.get(path);
        assert_eq!(response.status, 200, "{path}: {}\n{}", response.body, apache.log());
        response.body
    };
    assert_eq!(said("/?wrapt"), "False own own-gil: imported", "{block}");
    assert_eq!(said("/reports?lxml.etree"), "True own main: imported", "{block}");
    let refused = said("/?numpy");
    assert!(refused.starts_with("False own own-gil: "), "{refused}");
    assert!(
        refused.contains("wsgiaudit_guard: numpy._core._multiarray_umath is not vetted for own-gil: blocked"),
        "{refused}"
    );
    let log = apache.stop();
    assert_eq!(log.matches("with own GIL.").count(), 1, "{log}");
}

/// The steps for private copies that the comments give, done as they say, let Apache serve an application that needs them.
#[test]
fn the_printed_steps_give_an_application_private_copies() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let script = root.join("shop.py");
    fs::write(
        &script,
        "import numpy\n\n\ndef application(environ, start_response):\n    \
             start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
             return [wsgiaudit_guard.mode.encode(), b' ', str(numpy.arange(5).sum()).encode()]\n",
    )
    .unwrap();
    let report = root.join("wsgiaudit.json");
    let audit = Wsgiaudit::new().arg(demo_environment()).args(["--copies", "--app", "shop:application"]);
    audit.arg("--json").arg(&report).within(&root).run().ended_with(1);
    let directive = Wsgiaudit::new().args(["directive", "--report"]).arg(&report);
    directive.args(["--app", "shop:application"]).run().ended_with(1);
    let directive = Wsgiaudit::new().args(["directive", "--copies", "--report"]).arg(&report);
    let printed = directive.args(["--app", "shop:application"]).run().ended_with(0).out;
    let steps: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("#     ")).collect();
    let [named, command, guard @ ..] = &steps[..] else { panic!("{printed}") };
    assert_eq!(Path::new(named), script);
    let words: Vec<&str> = command.split(' ').collect();
    assert_eq!(words[0], "wsgiaudit", "{printed}");
    Wsgiaudit::new().args(&words[1..]).run().ended_with(0);
    let source = fs::read_to_string(&script).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/probes/guard/purelib");
    fs::write(&script, format!("import sys\nsys.path.insert(0, {path:?})\n{}\n{source}", guard.join("\n")))
        .unwrap();

    let apache = Apache::start(&modwsgi("3.14"), &configure(&printed, &root));
    let response = apache.get("/");
    assert_eq!(response.body, "own-gil-copies 10", "{}\n{printed}", apache.log());
    apache.stop();
}

#[test]
fn mod_wsgi_express_serves_what_it_is_told_to_with_an_own_gil() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let application = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apache-scripts/lands.wsgi");
    fs::create_dir(root.join("site")).unwrap();
    fs::copy(application, root.join("site/shop.py")).unwrap();
    let report = root.join("report.json");
    let audit =
        Wsgiaudit::new().arg(demo_environment()).args(["--app", "shop:application", "--json"]).arg(&report);
    audit.within(&root.join("site")).run().ended_with(0);
    let directive =
        Wsgiaudit::new().args(["directive", "--for", "mod_wsgi-express", "--report"]).arg(&report);
    let printed = directive.args(["--app", "shop:application=/here"]).run().ended_with(0).out;
    fs::write(root.join("own-gil.conf"), &printed).unwrap();
    let command = printed.lines().find_map(|line| line.strip_prefix("# mod_wsgi-express ")).unwrap();

    let express = Express::start(&root, command);
    let body = express.get("/here/");
    for fact in ["process_group\town-gil", "application_group\tshop", "is_main\tFalse", "gil\town"] {
        assert!(body.lines().any(|line| line == fact), "{fact}: {body}\n{command}");
    }
}

/// A running mod_wsgi-express. It ends when dropped, with all of its processes.
struct Express {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Express {
    /// Runs a command line of mod_wsgi-express, with an address and a folder of its own.
    fn start(root: &Path, command: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let module = modwsgi("3.14");
        let installed = module.ancestors().nth(3).unwrap();
        let python = demo_environment().join("bin/python");
        // mod_wsgi refuses daemon processes of root, as in `support::apache`.
        let as_nobody = if rustix::process::geteuid().is_root() { "unshare --user " } else { "" };
        let line = format!(
            "exec {as_nobody}'{}' -c 'import sys; from mod_wsgi.express.cli import main; sys.argv[0] = \"mod_wsgi-express\"; main()' \
             {command} --host 127.0.0.1 --port {port} --server-root '{}' --log-to-terminal",
            python.display(),
            root.join("server").display()
        );
        let log = root.join("express.log");
        let output = fs::File::create(&log).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(root).env("PYTHONPATH", installed).process_group(0);
        let process =
            shell.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        Self { process, port, log }
    }

    /// The body of the answer, once it answers.
    fn get(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        for _ in 0..600 {
            if let Ok(mut answer) = ureq::get(&url).call() {
                return answer.body_mut().read_to_string().unwrap();
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("it does not answer:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
    }
}

impl Drop for Express {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::TERM);
            thread::sleep(Duration::from_secs(1));
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}
