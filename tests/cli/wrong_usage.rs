//! Wrong usage: what is said, where the cause ends and the hint begins, and how it ends. Each line of the table is a
//! command as somebody types it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

/// A command line, the status that it ends with, and parts of what it says.
type WrongCommand = (&'static [&'static str], i32, &'static [&'static str]);

const WRONG: &[WrongCommand] = &[
    // What is named as the environment.
    (
        &["absent"],
        2,
        &[
            "error: absent does not exist\n",
            "hint: name a virtualenv, a Python prefix, or a python: wsgiaudit path/to/venv",
        ],
    ),
    (
        &["empty"],
        2,
        &[
            "error: empty is neither a virtualenv, nor a Python prefix, nor a python\n",
            "hint: name a virtualenv",
        ],
    ),
    (&["project"], 2, &["hint: it holds a virtualenv: wsgiaudit project/.venv\n"]),
    (&["my project"], 2, &["hint: it holds a virtualenv: wsgiaudit 'my project/venv'\n"]),
    (
        &["bare"],
        2,
        &["python3 -m venv .venv && .venv/bin/pip install -r bare/requirements.txt && wsgiaudit .venv\n"],
    ),
    (&["bare/requirements.txt"], 2, &["pip install -r bare/requirements.txt && wsgiaudit .venv\n"]),
    (&["packaged/pyproject.toml"], 2, &["pip install packaged && wsgiaudit .venv\n"]),
    (&["venv/bin"], 2, &["hint: it is a part of an environment: wsgiaudit ", "/venv\n"]),
    (&["venv/lib"], 2, &["hint: it is a part of an environment: wsgiaudit ", "/venv\n"]),
    (&["venv/pyvenv.cfg"], 2, &["hint: it is a part of an environment: wsgiaudit ", "/venv\n"]),
    (&["windows"], 2, &["hint: it was made on Windows"]),
    (&["shop.py"], 2, &["hint: for an application: wsgiaudit path/to/venv --app shop.py:application\n"]),
    (
        &["httpd.conf"],
        2,
        &["hint: for Apache's configuration: wsgiaudit path/to/venv --apache-config httpd.conf\n"],
    ),
    (&["broken.so"], 2, &["hint: for a single file: wsgiaudit module broken.so\n"]),
    (&["report.json"], 2, &["hint: for a stored report: wsgiaudit render report.json\n"]),
    (&["venv", "venv"], 2, &["cannot be used with '[ENVIRONMENT]'"]),
    (&["audit", "absent"], 2, &["error: absent does not exist\n"]),
    (&["nothing-installed"], 3, &[]),
    // Free threading.
    (
        &["venv", "--free-threaded", "yes"],
        2,
        &[
            "error: --free-threaded: yes does not exist\n",
            "hint: `--free-threaded auto` finds a free-threaded Python",
        ],
    ),
    (
        &["venv", "--free-threaded", "project"],
        2,
        &["hint: it holds a virtualenv: --free-threaded project/.venv\n"],
    ),
    (
        &["venv", "--free-threaded", "venv/bin/python"],
        2,
        &["venv/bin/python is not a free-threaded Python\n", "hint: `--free-threaded auto`"],
    ),
    (&["venv", "--free-threaded"], 2, &["--free-threaded <auto|PYTHON_OR_VENV>"]),
    // Where output goes.
    (
        &["venv", "--json", "absent/report.json"],
        2,
        &["error: cannot write absent/report.json: No such file or directory"],
    ),
    (&["venv", "-o", "empty"], 2, &["error: cannot write empty: Is a directory"]),
    (&["rules", "-o", "absent/rules"], 2, &["error: cannot write absent/rules: "]),
    (&["inspect", "venv", "-o", "absent/list"], 2, &["error: cannot write absent/list: "]),
    (&["explain", "refused", "-o", "absent/page"], 2, &["error: cannot write absent/page: "]),
    (&["diff", "report.json", "report.json", "-o", "absent/diff"], 2, &["error: cannot write absent/diff: "]),
    (
        &["directive", "--report", "report.json", "-o", "absent/lines"],
        2,
        &["error: cannot write absent/lines: "],
    ),
    (&["completions", "bash", "-o", "absent/script"], 2, &["error: cannot write absent/script: "]),
    (&["man", "-o", "absent/page"], 2, &["error: cannot write absent/page: "]),
    (
        &["venv", "--format", "xml"],
        2,
        &["invalid value 'xml' for '--format <FORMAT>'", "possible values: table, json"],
    ),
    (
        &["diff", "report.json", "report.json", "--format", "html"],
        2,
        &["invalid value 'html'", "possible values: text, markdown, json"],
    ),
    // Options of the trials and of what is audited.
    (&["venv", "--timeout", "0"], 2, &["give a number of seconds, more than 0"]),
    (&["venv", "--jobs", "0"], 2, &["invalid value '0' for '--jobs <N>'"]),
    (&["venv", "--require", "per-interpreter-gil"], 2, &["invalid value 'per-interpreter-gil'", "own-gil"]),
    (&["venv", "--no-such-option"], 2, &["unexpected argument '--no-such-option'"]),
    (&["venv", "--env", "=1"], 2, &["--env"]),
    (&["venv", "--file", "absent"], 2, &["absent"]),
    (&["venv", "--writable", "absent"], 2, &["absent"]),
    (
        &["venv", "--app", "shop:application", "--requests", "absent.http"],
        2,
        &["error: cannot read absent.http: "],
    ),
    (&["venv", "--requests", "absent.http"], 2, &["--app <MODULE:CALLABLE>"]),
    (&["venv", "--apache-config", "absent.conf"], 2, &["absent.conf"]),
    (&["venv", "--apache-define", "SSL"], 2, &["--apache-config <HTTPD.CONF>"]),
    (&["venv", "--offline"], 2, &["--upgrades"]),
    (&["venv", "--index-url", "https://example.org"], 2, &["required arguments were not provided"]),
    (&["venv", "--exercise", "absent.py"], 2, &["absent.py"]),
    // Settings and other reports.
    (&["venv", "--baseline", "absent.json"], 2, &["error: cannot read absent.json: "]),
    (
        &["venv", "--baseline", "later.json"],
        2,
        &[
            "error: later.json has schema 2, and this wsgiaudit reads schema 1\n",
            "hint: use a newer wsgiaudit\n",
        ],
    ),
    (&["venv", "--config", "absent.toml"], 2, &["error: cannot read absent.toml: "]),
    (
        &["venv", "--config", "bad.toml"],
        2,
        &[
            "error: bad.toml is not understood: TOML parse error",
            "unknown field `requires`",
            "hint: its keys are require, strict and accept",
        ],
    ),
    (
        &["venv", "--config", "misnamed/pyproject.toml"],
        2,
        &["has a table [tool.wsgi-audit], which is not read\n", "hint: name it [tool.wsgiaudit]"],
    ),
    (&["venv", "--config", "bad.toml", "--no-config"], 2, &["cannot be used with '--no-config'"]),
    // Stored reports.
    (&["render", "absent.json"], 2, &["error: cannot read absent.json: No such file or directory"]),
    (&["render", "venv"], 2, &["error: cannot read venv: Is a directory"]),
    (
        &["render", "empty.json"],
        2,
        &[
            "error: empty.json is empty\n",
            "hint: `wsgiaudit path/to/venv --json report.json` writes a report\n",
        ],
    ),
    (&["render", "-"], 2, &["error: standard input is empty\n"]),
    (
        &["render", "half.json"],
        2,
        &["error: half.json is no report of wsgiaudit: it is not JSON: EOF while parsing"],
    ),
    (&["render", "log.json"], 2, &["error: log.json is no report of wsgiaudit: it is SARIF"]),
    (
        &["render", "other.json"],
        2,
        &["error: other.json is no report of wsgiaudit: it has no schema number\n"],
    ),
    (
        &["render", "unknown.json"],
        2,
        &[
            "error: unknown.json has a part that this version, ",
            "unknown variant `no-such-kind`",
            "hint: wsgiaudit 99.1 wrote it",
        ],
    ),
    (&["render", "later.json"], 2, &["error: later.json has schema 2"]),
    (&["diff", "report.json"], 2, &["<NEW>"]),
    (&["diff", "-", "-"], 2, &["error: only one of the two reports can be standard input\n"]),
    (&["directive"], 2, &["--report <FILE>"]),
    (
        &["directive", "--report", "report.json", "--app", "shop:application"],
        2,
        &["error: the report does not contain an application shop:application\n"],
    ),
    (
        &["directive", "--report", "report.json", "--for", "serve", "--apache-config", "httpd.conf"],
        2,
        &["hint: leave --for out\n"],
    ),
    // Other commands.
    (&["module"], 2, &["<FILE|WHEEL>..."]),
    (&["module", "absent.so"], 2, &["error: cannot read absent.so: "]),
    (
        &["module", "empty"],
        2,
        &[
            "error: empty is a folder, not an extension module or a wheel\n",
            "hint: `wsgiaudit inspect empty`",
        ],
    ),
    (
        &["module", "broken.so", "--python", "project"],
        2,
        &["hint: it holds a virtualenv: --python project/.venv\n"],
    ),
    (&["inspect", "absent"], 2, &["error: cannot read absent: "]),
    (&["inspect", "empty"], 3, &["wsgiaudit: empty holds no extension module\n"]),
    (&["explain", "refusde"], 2, &["refusde"]),
    (&["completions", "cmd"], 2, &["invalid value 'cmd'"]),
    (
        &["serve", "shop:application", "--environment", "project"],
        2,
        &["hint: it holds a virtualenv: --environment project/.venv\n"],
    ),
    (
        &["serve", "shop:application"],
        2,
        &["error: no environment named", "hint: it holds a virtualenv: --environment ./venv\n"],
    ),
    (&["serve", "shop:application", "--environment", "venv", "--bind", "everywhere"], 2, &["everywhere"]),
];

/// A folder with what the commands above name.
fn prepared() -> (Venv, tempfile::TempDir) {
    let (venv, folder) = (Venv::new().with("well-behaved"), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    for name in ["empty", "project", "my project", "bare", "packaged", "misnamed", "windows/Scripts"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    for link in ["venv", "project/.venv", "my project/venv"] {
        symlink(venv.path(), at(link)).unwrap();
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/report.json");
    let report = fs::read_to_string(golden).unwrap();
    let mut unknown: serde_json::Value = serde_json::from_str(&report).unwrap();
    unknown["modules"][0]["kind"] = "no-such-kind".into();
    unknown["tool"]["version"] = "99.1".into();
    for (name, text) in [
        ("bare/requirements.txt", "numpy\n"),
        ("packaged/pyproject.toml", "[project]\nname = 'shop'\n"),
        ("misnamed/pyproject.toml", "[tool.wsgi-audit]\nstrict = true\n"),
        ("windows/Scripts/python.exe", "MZ"),
        ("shop.py", "def application(environ, start_response): ...\n"),
        ("httpd.conf", "\n"),
        ("broken.so", "\u{7f}ELF"),
        ("bad.toml", "requires = ['own-gil']\n"),
        ("report.json", &report),
        ("empty.json", ""),
        ("half.json", report.get(..1000).unwrap()),
        ("log.json", "{\"version\": \"2.1.0\", \"runs\": []}"),
        ("other.json", "{\"results\": []}"),
        ("unknown.json", &unknown.to_string()),
        ("later.json", "{\"schema\": 2, \"rows\": []}"),
    ] {
        fs::write(at(name), text).unwrap();
    }
    (venv, folder)
}

/// Checks that causes come first, and then nothing but hints.
fn check_order(said: &str, shown: &str) {
    let mut lines = said.lines().skip_while(|line| !line.starts_with("hint: "));
    assert!(said.starts_with("error: "), "{shown}: {said}");
    assert!(lines.all(|line| line.starts_with("hint: ")), "{shown}: {said}");
}

#[test]
fn wrong_usage_is_named_with_its_cause_and_what_to_type() {
    let (_venv, folder) = prepared();
    let nothing = Venv::new();
    symlink(nothing.path(), folder.path().join("nothing-installed")).unwrap();
    for (arguments, status, expected) in WRONG {
        let said = Wsgiaudit::new().args(*arguments).within(folder.path()).run();
        let shown = format!("wsgiaudit {}", arguments.join(" "));
        assert_eq!(said.status, Some(*status), "{shown}\n{}\n{}", said.out, said.err);
        for part in *expected {
            assert!(said.err.contains(part), "{shown}: no {part:?} in:\n{}", said.err);
        }
        if *status == 2 {
            assert_eq!(said.out, "", "{shown}");
            if !said.err.contains("For more information, try '--help'") && !said.err.contains("Usage:") {
                check_order(&said.err, &shown);
            }
        }
    }
}

#[test]
fn what_names_the_environment_is_told() {
    let (venv, folder) = prepared();
    let empty = folder.path().join("empty");
    let said = Wsgiaudit::new().within(&empty).env("VIRTUAL_ENV", "/gone").run().ended_with(2).err;
    assert!(
        said.starts_with("error: /gone does not exist (the value of VIRTUAL_ENV)\nhint: `unset VIRTUAL_ENV`"),
        "{said}"
    );
    let module =
        Wsgiaudit::new().within(folder.path()).env("VIRTUAL_ENV", "/gone").args(["module", "broken.so"]);
    assert!(module.run().ended_with(2).err.contains("(the value of VIRTUAL_ENV)"));
    let said = Wsgiaudit::new().within(&empty).run().ended_with(2).err;
    assert!(
        said.contains(
            "VIRTUAL_ENV is not set, and there is no ./.venv\nhint: name one: wsgiaudit path/to/venv\n"
        ),
        "{said}"
    );
    let said = Wsgiaudit::new().within(folder.path()).run().ended_with(2).err;
    assert!(said.contains("hint: it holds a virtualenv: wsgiaudit ./"), "{said}");
    // A name that is nothing has no effect on what is named on the command line.
    Wsgiaudit::new().env("VIRTUAL_ENV", "/gone").arg(venv.path()).run().ended_with(0);
}

#[test]
fn settings_that_would_be_ignored_are_an_error() {
    let (venv, folder) = prepared();
    let misnamed = folder.path().join("misnamed");
    let audit = || Wsgiaudit::new().arg(venv.path()).within(&misnamed);
    assert!(audit().run().ended_with(2).err.contains("has a table [tool.wsgi-audit], which is not read"));
    audit().arg("--no-config").run().ended_with(0);
    fs::remove_file(misnamed.join("pyproject.toml")).unwrap();
    fs::write(misnamed.join(".wsgiaudit.toml"), "strict = true\n").unwrap();
    let said = audit().run().ended_with(2).err;
    assert!(said.contains(".wsgiaudit.toml is not read\nhint: name it wsgiaudit.toml"), "{said}");
}

#[test]
fn output_and_format_are_options_of_every_command() {
    let (_venv, folder) = prepared();
    let made = folder.path().join("made");
    for arguments in [
        &["venv", "--format", "text"][..],
        &["venv", "--format", "json"],
        &["audit", "venv", "--format", "json"],
        &["inspect", "venv", "--format", "json"],
        &["render", "report.json", "--format", "text"],
        &["diff", "report.json", "report.json", "--format", "table"],
        &["directive", "--report", "report.json", "--format", "json"],
        &["rules", "--format", "text"],
        &["explain", "refused", "crashes", "--format", "json"],
        &["completions", "bash"],
        &["man"],
    ] {
        let run = |output: &str| {
            let command = Wsgiaudit::new().args(arguments).args(["-o", output]).within(folder.path());
            let said = command.run();
            assert!(matches!(said.status, Some(0 | 1)), "{arguments:?}: {}", said.err);
            said.out
        };
        assert_eq!(run("made"), "", "{arguments:?}");
        let written = fs::read_to_string(&made).unwrap();
        fs::remove_file(&made).unwrap();
        assert!(written.len() > 20, "{arguments:?}: {written}");
        // What an audit took is in its header.
        let is_audit = written.contains("\"seconds\"");
        assert!(run("-") == written || is_audit, "{arguments:?}");
    }
}

#[test]
fn a_full_disk_loses_no_audit() {
    let (venv, folder) = prepared();
    let audit = || Wsgiaudit::new().arg(venv.path()).env("TMPDIR", folder.path());
    let said = audit().args(["--json", "/dev/full"]).run().ended_with(2);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: yes (1 ready)."), "{}", said.out);
    assert!(said.err.contains("error: cannot write /dev/full: No space left on device"), "{}", said.err);
    let (_, kept) = said.err.split_once("hint: the report is in ").unwrap();
    let kept = kept.split(" instead").next().unwrap();
    Wsgiaudit::new().arg("render").arg(kept).run().ended_with(0);

    let report = folder.path().join("new.json");
    let said = audit().args(["-o", "/dev/full"]).arg("--json").arg(&report).run().ended_with(2);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: yes (1 ready)."), "{}", said.out);
    assert!(said.err.contains("hint: it was printed on standard output instead"), "{}", said.err);
    Wsgiaudit::new().arg("render").arg(&report).run().ended_with(0);
}

/// On a file system of 64 KB in a namespace of its own, which takes no root.
#[test]
fn an_older_report_survives_a_full_disk() {
    let (_venv, folder) = prepared();
    let script = "mount -t tmpfs -o size=64k none empty && echo old >empty/page && \
                  \"$0\" render report.json --format html -o empty/page >/dev/null; \
                  echo $? $(cat empty/page) $(ls -A empty)";
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let output = command.arg(crate::support::command::program()).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, "2 old page\n", "{}", String::from_utf8_lossy(&output.stderr));
}
