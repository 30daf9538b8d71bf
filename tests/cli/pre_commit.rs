//! The hook, run by pre-commit: a repository of the test's own offers it, another one uses it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::command::{Said, program};
use crate::support::index::tools_environment;
use crate::support::venv::Venv;

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(folder).args(["-c", "user.name=test", "-c", "user.email=test@localhost"]).args(arguments);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Runs the hook in a project with this `.venv`, and with this one active.
fn hook(own: Option<&Venv>, active: Option<&Venv>) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let (hooks, project) = (folder.path().join("hooks"), folder.path().join("project"));
    for repository in [&hooks, &project] {
        fs::create_dir(repository).unwrap();
        git(repository, &["init", "--quiet"]);
    }
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/.pre-commit-hooks.yaml");
    fs::copy(definition, hooks.join(".pre-commit-hooks.yaml")).unwrap();
    git(&hooks, &["add", "."]);
    git(&hooks, &["commit", "--quiet", "--message", "hooks"]);
    let revision = git(&hooks, &["rev-parse", "HEAD"]);
    let hook =
        format!("repos:\n- repo: {}\n  rev: {revision}\n  hooks:\n  - id: wsgiaudit\n", hooks.display());
    fs::write(project.join(".pre-commit-config.yaml"), hook).unwrap();
    fs::write(project.join("requirements.txt"), "").unwrap();
    if let Some(venv) = own {
        std::os::unix::fs::symlink(venv.path(), project.join(".venv")).unwrap();
    }
    git(&project, &["add", ".pre-commit-config.yaml", "requirements.txt"]);

    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program().parent().unwrap().display());
    let mut run = Command::new(tools_environment().join("bin/pre-commit"));
    run.args(["run", "--all-files"]).current_dir(&project).env_clear().env("PATH", path);
    run.env("HOME", folder.path()).envs(active.map(|venv| ("VIRTUAL_ENV", venv.path())));
    Said::from(run.output().unwrap())
}

#[test]
fn the_hook_audits_the_projects_environment() {
    let (refused, ready) = (Venv::new().with("no-slot"), Venv::new().with("well-behaved"));
    let said = hook(Some(&refused), None).ended_with(1);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: no."), "{}", said.out);
    hook(Some(&ready), None).ended_with(0);
    let said = hook(None, Some(&refused)).ended_with(1);
    assert!(said.out.contains("WSGIPerInterpreterGIL On: no."), "{}", said.out);
    hook(None, Some(&ready)).ended_with(0);
}

#[test]
fn the_hook_fails_without_an_environment() {
    let said = hook(None, None).ended_with(1);
    assert!(said.out.contains("no environment named"), "{}", said.out);
}
