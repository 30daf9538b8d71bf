//! A package index that has nothing, and one that cannot be asked, are not the same: by uv, and by pip.

use std::path::Path;

use serde_json::Value;

use crate::support::command::Wsgiaudit;
use crate::support::index::{Answer, serve, uv};
use crate::support::pythons;
use crate::support::venv::Venv;

/// `pip` where there is no uv on PATH.
const INSTALLERS: [&str; 2] = ["uv", "pip"];

/// An audit that makes a free-threaded environment, from an index that gives up soon.
fn audit(venv: &Venv, installer: &str, home: &Path, index: &str) -> Wsgiaudit {
    let path = if installer == "uv" { uv() } else { home };
    Wsgiaudit::new()
        .arg(venv.path())
        .arg("--free-threaded")
        .arg(pythons::free_threaded().executable)
        .args(["--require", "free-threaded", "--format", "json", "--index-url", index])
        .env("PATH", path)
        .env("HOME", home)
        .env("UV_HTTP_RETRIES", "0")
        .env("UV_HTTP_TIMEOUT", "2")
        .env("PIP_RETRIES", "0")
        .env("PIP_DEFAULT_TIMEOUT", "2")
}

/// The judgement of `alone` in the environment that was made from this index, and the exit status.
fn alone(installer: &str, venv: &Venv, index: &str, more: &[&str]) -> (Value, Option<i32>) {
    let home = tempfile::tempdir().unwrap();
    let said = audit(venv, installer, home.path(), index).args(more).run();
    let report: Value =
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}\n{}{}", said.out, said.err));
    let rows = report["distributions"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "alone").unwrap();
    (row["modes"]["free-threaded"].clone(), said.status)
}

/// An index at `/STATUS/simple` that answers everything with that status, and at others as their names say.
fn index() -> String {
    serve(|path| {
        let (kind, project) = (path.split('/').nth(1).unwrap_or_default(), path.split('/').nth(3));
        let unfit = |name: &str| format!("/files/{name}-1.0-cp311-cp311-manylinux_2_17_x86_64.whl");
        match (kind, project) {
            ("silent", _) => Answer::Silence,
            ("empty", _) => Answer::Page(Vec::new()),
            ("login", _) => {
                Answer::Html("<html><body><a href=\"/login\">Log in</a></body></html>".to_owned())
            }
            ("unfit", Some(project)) => Answer::Page(vec![unfit(project)]),
            ("other", Some("other")) => Answer::Page(vec![unfit("other")]),
            ("other-empty", Some("other")) => Answer::Page(vec![unfit("other")]),
            ("other-empty", _) => Answer::Page(Vec::new()),
            (status, _) => Answer::Status(status.parse().unwrap_or(404)),
        }
    })
}

#[test]
fn an_index_that_cannot_be_asked_leaves_the_answer_open() {
    let (venv, index) = (Venv::new().with_python("alone", "answer = 42\n"), index());
    for installer in INSTALLERS {
        let nobody = "http://127.0.0.1:9/simple".to_owned();
        let kinds = ["401", "403", "407", "429", "500", "503", "silent"];
        let addresses = kinds.iter().map(|kind| format!("{index}/{kind}/simple")).chain([nobody]);
        for address in addresses {
            let (judged, status) = alone(installer, &venv, &address, &[]);
            assert_eq!(judged["verdict"], "unknown", "{installer} {address}: {judged}");
            assert_eq!(status, Some(3), "{installer} {address}: {judged}");
        }
    }
}

#[test]
fn an_index_that_lists_files_of_which_none_fits_has_none() {
    let (venv, index) = (Venv::new().with_python("alone", "answer = 42\n"), index());
    for installer in INSTALLERS {
        let (judged, status) = alone(installer, &venv, &format!("{index}/unfit/simple"), &[]);
        assert_eq!(judged["verdict"], "blocked", "{installer}: {judged}");
        assert_eq!(judged["reason"], "has no free-threaded wheel of any version", "{installer}");
        assert_eq!(status, Some(1), "{installer}");
    }
}

/// An index that has no such project may be the wrong address, unless it has another one.
#[test]
fn an_index_without_the_project_is_believed_where_it_has_another() {
    let (alone_in_it, index) = (Venv::new().with_python("alone", ""), index());
    let with_other = Venv::new().with_python("alone", "").with_python("other", "");
    for installer in INSTALLERS {
        for kind in ["404", "empty", "login"] {
            let (judged, status) = alone(installer, &alone_in_it, &format!("{index}/{kind}/simple"), &[]);
            assert_eq!(judged["verdict"], "unknown", "{installer} {kind}: {judged}");
            assert!(judged["reason"].as_str().unwrap().contains("is its address correct?"), "{judged}");
            assert_eq!(status, Some(3), "{installer} {kind}");
        }
        for kind in ["other", "other-empty"] {
            let (judged, status) = alone(installer, &with_other, &format!("{index}/{kind}/simple"), &[]);
            assert_eq!(judged["reason"], "has no free-threaded wheel of any version", "{installer} {kind}");
            assert_eq!(status, Some(1), "{installer} {kind}");
        }
    }
}

#[test]
fn every_index_must_have_answered() {
    let (venv, index) = (Venv::new().with_python("alone", "answer = 42\n"), index());
    for installer in INSTALLERS {
        let refuses = format!("{index}/403/simple");
        let (judged, _) =
            alone(installer, &venv, &format!("{index}/unfit/simple"), &["--extra-index-url", &refuses]);
        assert_eq!(judged["verdict"], "unknown", "{installer}: {judged}");
        let absent = ["--no-index", "--find-links", "/nowhere"];
        let (judged, _) = alone(installer, &venv, &refuses, &absent);
        assert_eq!(judged["verdict"], "unknown", "{installer}: {judged}");
    }
}
