//! The repository keeps its own rules.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// Folders and files of `src/`, each with what it may use (design: the house). `lib.rs` gives the order.
const LAYERS: [(&str, &[&str]); 26] = [
    ("model", &[]),
    ("digest", &[]),
    ("regular_file", &[]),
    ("apache", &["model", "regular_file"]),
    ("app", &["model"]),
    ("image", &["model", "regular_file"]),
    ("venv", &["model"]),
    ("installer", &[]),
    ("free_threaded_env", &["installer", "model"]),
    ("cache", &["digest"]),
    ("trial", &["cache", "digest", "image", "model"]),
    ("rules", &["model", "trial"]),
    ("upgrades", &["image", "installer", "model", "rules", "venv"]),
    ("report", &["model", "rules", "trial"]),
    ("diff", &["model", "report"]),
    ("render", &["diff", "digest", "model", "report", "rules", "trial"]),
    ("directive", &["apache", "model", "render", "report"]),
    ("exit", &[]),
    ("gate", &["diff", "exit", "model", "report"]),
    ("settings", &["gate"]),
    ("plan", &["cli", "installer", "model", "trial", "venv"]),
    (
        "audit",
        &[
            "apache",
            "app",
            "cache",
            "digest",
            "image",
            "installer",
            "model",
            "plan",
            "regular_file",
            "report",
            "rules",
            "free_threaded_env",
            "trial",
            "upgrades",
            "venv",
        ],
    ),
    ("cli", &["exit", "model", "rules"]),
    ("serve", &["cli", "digest", "model", "report", "trial", "venv"]),
    ("manual", &["cli"]),
    (
        "command",
        &[
            "apache",
            "audit",
            "cli",
            "diff",
            "directive",
            "exit",
            "gate",
            "image",
            "manual",
            "model",
            "plan",
            "render",
            "report",
            "rules",
            "serve",
            "settings",
            "trial",
        ],
    ),
];

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    // What `make fuzz` has built is not ours.
    let is_ours = |entry: &walkdir::DirEntry| entry.file_name() != "target";
    let files = WalkDir::new(&root).sort_by_file_name().into_iter().filter_entry(is_ours).flatten();
    let files = files.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs"));
    files
        .map(|entry| {
            (entry.path().strip_prefix(&root).unwrap().to_owned(), fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    for (file, text) in sources("src") {
        let layer = file.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&layer) {
            continue;
        }
        let (_, allowed) = LAYERS
            .iter()
            .find(|(name, _)| *name == layer)
            .unwrap_or_else(|| panic!("{layer} has no place in the house"));
        for used in text.split("crate::").skip(1) {
            let used = used.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap();
            let is_allowed = used.is_empty() || used == layer || allowed.contains(&used);
            assert!(is_allowed, "src/{} uses crate::{used}: {layer} may use {allowed:?}", file.display());
        }
    }
}

#[test]
fn files_stay_small() {
    for folder in ["src", "probes/src", "tests"] {
        for (file, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(lines <= 650, "{folder}/{} has {lines} lines", file.display());
        }
    }
}

#[test]
fn a_folders_mod_rs_only_declares() {
    for (file, text) in sources("src").into_iter().filter(|(file, _)| file.ends_with("mod.rs")) {
        assert!(!text.contains("\nfn ") && !text.contains("\nimpl "), "src/{} holds logic", file.display());
    }
}

#[test]
fn no_host_of_a_registry_is_written_down() {
    let files = [
        "Makefile",
        ".ci/run",
        "tests/support/python",
        "tests/support/environment",
        "tests/support/modwsgi",
        "Cargo.toml",
    ];
    for file in files {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let hosts = ["deb.debian", "pypi.", "crates.io", "python.org/ftp"];
        assert!(!hosts.iter().any(|host| text.contains(host)), "{file}");
    }
}
