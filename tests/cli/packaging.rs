//! What wsgiaudit comes in: a wheel, an action, a hook, completions and manual pages.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use yaml_rust2::{Yaml, YamlLoader};

use crate::support::command::{Said, Wsgiaudit, program};
use crate::support::corpus;
use crate::support::pythons;
use crate::support::venv::Venv;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn maturin() -> PathBuf {
    std::env::var_os("WSGIAUDIT_TEST_MATURIN").map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "no maturin to build the wheel with: run `make test`, or\n    \
             export WSGIAUDIT_TEST_MATURIN=\"$(make -s maturin)\""
        )
    })
}

fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn yaml(file: &str) -> Yaml {
    YamlLoader::load_from_str(&fs::read_to_string(Path::new(ROOT).join(file)).unwrap()).unwrap().remove(0)
}

#[test]
fn the_wheel_installs_into_a_clean_virtualenv_and_works_there() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // The profile and target folder of the tests themselves: nothing is compiled a second time.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut build = Command::new(maturin());
    build.args(["build", "--quiet", "--profile", "dev", "--target-dir"]).arg(target);
    ran(build.arg("--out").arg(folder.path()).current_dir(ROOT));
    let wheel = only_file_in(folder.path());
    let name = wheel.file_name().unwrap().to_string_lossy();
    assert!(name.contains("-py3-none-"), "{name}: it holds a program, so any Python may install it");

    let venv = folder.path().join("venv");
    let python = &pythons::all().remove(0);
    ran(Command::new(&python.executable).args(["-I", "-m", "venv"]).arg(&venv));
    let pip = ["-I", "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"];
    ran(Command::new(venv.join("bin/python")).args(pip).arg(&wheel));
    let installed = venv.join("bin/wsgiaudit");
    let version = ran(Command::new(&installed).arg("--version")).stdout;
    assert_eq!(String::from_utf8_lossy(&version), format!("wsgiaudit {}\n", env!("CARGO_PKG_VERSION")));
    let version = ran(Command::new(venv.join("bin/python")).args(["-m", "wsgiaudit", "--version"])).stdout;
    assert_eq!(String::from_utf8_lossy(&version), format!("wsgiaudit {}\n", env!("CARGO_PKG_VERSION")));
    let guard = "import importlib.util as found; print(found.find_spec('wsgiaudit_guard').origin)";
    let guard = ran(Command::new(venv.join("bin/python")).args(["-I", "-c", guard])).stdout;
    assert!(String::from_utf8_lossy(&guard).contains("site-packages/wsgiaudit_guard.py"));
    let modules = corpus::environment(python);
    let inspected = Command::new(&installed).arg("inspect").arg(modules).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&inspected).contains("multi-phase"));
}

#[test]
fn python_runs_the_program_as_a_module() {
    let venv = Venv::new().with("no-slot");
    let run = |path: &Path| {
        let mut python = Command::new(venv.path().join("bin/python"));
        python.args(["-m", "wsgiaudit"]).arg(venv.path()).env_clear().env("PATH", path);
        Said::from(python.env("PYTHONPATH", Path::new(ROOT).join("probes/guard/purelib")).output().unwrap())
    };
    // The exit status is the program's.
    assert!(run(program().parent().unwrap()).ended_with(1).out.contains("corpus-no-slot"));
    let said = run(Path::new("/nowhere")).ended_with(1);
    assert!(said.err.starts_with("error: the program wsgiaudit is not installed\nhint: "), "{}", said.err);
}

/// What an index would hold, and pip builds where no wheel fits.
#[test]
fn the_source_distribution_builds_where_nothing_else_of_the_checkout_is() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    ran(Command::new(maturin()).arg("sdist").arg("--out").arg(folder.path()).current_dir(ROOT));
    let archive = only_file_in(folder.path());
    // The target folder of the tests has what it depends on, compiled.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut build = Command::new(maturin().with_file_name("python"));
    build.args(["-I", "-m", "pip", "wheel", "--quiet", "--no-index", "--no-build-isolation"]);
    build.args(["--disable-pip-version-check", "--no-deps", "--wheel-dir"]).arg(folder.path().join("wheels"));
    build.env("MATURIN_PEP517_ARGS", format!("--profile dev --target-dir {}", target.display()));
    // As an activated environment: what builds finds maturin there.
    let path = std::env::var("PATH").unwrap_or_default();
    build.env("PATH", format!("{}:{path}", maturin().parent().unwrap().display()));
    ran(build.arg(archive).current_dir(folder.path()));
    let wheel = only_file_in(&folder.path().join("wheels"));
    let unpack = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";
    ran(Command::new(maturin().with_file_name("python"))
        .args(["-I", "-c", unpack])
        .arg(&wheel)
        .arg(folder.path()));
    let scripts = format!("wsgiaudit-{}.data/scripts/wsgiaudit", env!("CARGO_PKG_VERSION"));
    assert!(folder.path().join(scripts).is_file(), "{} holds no program", wheel.display());
}

fn only_file_in(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "one file is expected: {files:?}");
    files.remove(0)
}

#[test]
fn the_actions_audit_step_reports_its_status_and_summary() {
    let action = yaml("action.yml");
    let steps = action["runs"]["steps"].as_vec().unwrap();
    for step in steps {
        let script = step["run"].as_str().unwrap_or_default();
        assert!(!script.contains("${{"), "an input pasted into a script can run commands: {script}");
    }
    let audit = steps.iter().find(|step| step["id"].as_str() == Some("audit")).unwrap();
    let step = |runner: &tempfile::TempDir, venv: &Venv, inputs: &[(&str, &str)]| {
        let at = |name: &str| runner.path().join(name);
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", audit["run"].as_str().unwrap()]);
        bash.env("RUNNER_TEMP", runner.path()).current_dir(runner.path()).env("REPORT", "report.json");
        bash.env("GITHUB_OUTPUT", at("output")).env("GITHUB_STEP_SUMMARY", at("summary"));
        bash.env("ENVIRONMENT", venv.path());
        // Inputs that are not given are empty.
        bash.envs(["ARGUMENTS", "BASELINE", "FORMAT", "OUTPUT"].map(|name| (name, "")));
        Said::from(bash.envs(inputs.iter().copied()).output().unwrap())
    };

    let runner = tempfile::tempdir().unwrap();
    let at = |name: &str| runner.path().join(name);
    fs::create_dir_all(at("wsgiaudit/bin")).unwrap();
    symlink(program(), at("wsgiaudit/bin/wsgiaudit")).unwrap();
    for (venv, arguments, status) in [
        (Venv::new().with("no-slot"), "", 1),
        (Venv::new().with("lost-accelerator"), "--strict\n--jobs 1", 1),
        (Venv::new().with("well-behaved"), "", 0),
        // Split as a shell does: the words of a quoted value stay together.
        (Venv::new().with("well-behaved"), "--env 'GREETING=hello world' --env \"EMPTY=\"", 0),
        (Venv::new().with("well-behaved"), "--env GREETING=hello world", 2),
    ] {
        let said = step(&runner, &venv, &[("ARGUMENTS", arguments)]).ended_with(status);
        assert!(fs::read_to_string(at("summary")).unwrap().contains(said.out.trim()), "{}", said.out);
        let outputs = fs::read_to_string(at("output")).unwrap();
        let expected = format!("report=report.json\noutput=\nstatus={status}\n");
        assert!(outputs.ends_with(&expected), "{outputs}");
        if status == 2 {
            continue;
        }
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(at("report.json")).unwrap()).unwrap();
        assert_eq!(report["schema"], 1);
    }

    // A baseline, and a form for code scanning beside the document.
    let venv = Venv::new().with("no-slot");
    fs::rename(at("report.json"), at("other.json")).unwrap();
    Wsgiaudit::new().arg(venv.path()).arg("--json").arg(at("old.json")).run().ended_with(1);
    step(&runner, &venv, &[("BASELINE", "old.json"), ("FORMAT", "sarif"), ("OUTPUT", "audit.sarif")])
        .ended_with(0);
    let sarif: serde_json::Value = serde_json::from_slice(&fs::read(at("audit.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(fs::read_to_string(at("output")).unwrap().ends_with("output=audit.sarif\nstatus=0\n"));
    // What failed is uploaded too.
    let upload = steps.iter().find(|step| !step["uses"].is_badvalue()).unwrap();
    assert!(upload["if"].as_str().unwrap().contains("always()"));
    let paths = upload["with"]["path"].as_str().unwrap();
    assert!(paths.contains("steps.audit.outputs.report") && paths.contains("steps.audit.outputs.output"));
}

#[test]
fn the_hook_runs_a_command_that_exists() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let entry = hooks[0]["entry"].as_str().unwrap().strip_prefix("wsgiaudit ").unwrap();
    let venv = Venv::new().with("no-slot");
    Wsgiaudit::new().arg(entry).arg(venv.path()).run().ended_with(1);
}

#[test]
fn completions_name_every_command_and_option() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = Wsgiaudit::new().arg("completions").arg(shell).run().ended_with(0);
        for word in ["inspect", "completions", "strict", "no-sandbox"] {
            assert!(said.out.contains(word), "{shell}: no {word}");
        }
    }
    Wsgiaudit::new().arg("completions").arg("tcsh").run().ended_with(2);
}

#[test]
fn bash_completes_a_command() {
    let script = Wsgiaudit::new().arg("completions").arg("bash").run().ended_with(0).out;
    let complete = format!(
        "{script}\nCOMP_WORDS=(wsgiaudit insp); COMP_CWORD=1\n\
         _wsgiaudit wsgiaudit insp wsgiaudit\necho \"${{COMPREPLY[*]}}\""
    );
    let output = ran(Command::new("bash").args(["--noprofile", "--norc", "-c", &complete]));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "inspect\n");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = Wsgiaudit::new().arg("man").run().ended_with(0).out;
    assert!(page.contains(".TH wsgiaudit 1") && page.contains("\\-\\-no\\-sandbox"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    Wsgiaudit::new().arg("man").arg("--to").arg(folder.path().join("man1")).run().ended_with(0);
    for name in ["wsgiaudit.1", "wsgiaudit-inspect.1", "wsgiaudit-completions.1"] {
        assert!(folder.path().join("man1").join(name).is_file(), "no {name}");
    }
    fs::write(folder.path().join("file"), "").unwrap();
    let said = Wsgiaudit::new().arg("man").arg("--to").arg(folder.path().join("file")).run().ended_with(2);
    assert!(said.err.contains("cannot write the manual into"), "{}", said.err);
}
