//! The sources keep the repository's rules.

use std::fs;
use std::path::PathBuf;

use walkdir::WalkDir;
use wsgiaudit_repository::items::collect_items;
use wsgiaudit_repository::measures::{Measures, percent_of};
use wsgiaudit_repository::module_graph::{ModuleGraph, join_modules};
use wsgiaudit_repository::sources::{parse_crate, repository_root};

/// Folders and files of `src/`, each with what it may use (design: the house). `lib.rs` gives the order.
const LAYERS: [(&str, &[&str]); 37] = [
    ("model", &[]),
    ("platform", &[]),
    ("regular_file", &[]),
    ("bounded_walk", &[]),
    ("foreign_archive", &["regular_file"]),
    ("python_source", &[]),
    ("project_files", &["regular_file"]),
    ("output_file", &[]),
    ("closed_socket", &[]),
    ("shell_word", &[]),
    ("digest", &["regular_file"]),
    ("copies", &["bounded_walk", "digest", "platform", "regular_file"]),
    ("apache", &["model", "python_source", "regular_file"]),
    ("app", &["model", "python_source", "regular_file"]),
    ("image", &["foreign_archive", "model", "regular_file"]),
    ("venv", &["bounded_walk", "foreign_archive", "model", "platform", "regular_file", "shell_word"]),
    ("installer", &["platform", "regular_file"]),
    ("free_threaded_env", &["installer", "model", "platform", "regular_file"]),
    ("cache", &["bounded_walk", "digest", "platform", "regular_file"]),
    ("trial", &["cache", "digest", "image", "model", "platform", "regular_file"]),
    ("rules", &["model", "trial"]),
    ("upgrades", &["image", "installer", "model", "platform", "regular_file", "rules", "venv"]),
    ("report", &["model", "rules", "trial"]),
    ("diff", &["model", "report"]),
    ("render", &["copies", "diff", "digest", "model", "project_files", "report", "trial"]),
    ("directive", &["apache", "model", "render", "report", "shell_word"]),
    ("exit", &[]),
    ("gate", &["diff", "exit", "model", "report"]),
    ("settings", &["gate", "regular_file"]),
    ("plan", &["cli", "installer", "model", "trial", "venv"]),
    (
        "audit",
        &[
            "apache",
            "app",
            "cache",
            "copies",
            "digest",
            "foreign_archive",
            "image",
            "installer",
            "model",
            "plan",
            "platform",
            "regular_file",
            "report",
            "rules",
            "free_threaded_env",
            "trial",
            "upgrades",
            "venv",
        ],
    ),
    ("cli", &["exit", "model"]),
    (
        "serve",
        &["cli", "closed_socket", "copies", "digest", "model", "regular_file", "report", "trial", "venv"],
    ),
    ("top", &["cli", "closed_socket", "exit", "model", "regular_file", "render"]),
    (
        "tune",
        &[
            "app",
            "audit",
            "cli",
            "directive",
            "model",
            "platform",
            "regular_file",
            "render",
            "report",
            "shell_word",
            "trial",
        ],
    ),
    ("manual", &["cli"]),
    (
        "command",
        &[
            "apache",
            "audit",
            "cli",
            "copies",
            "diff",
            "digest",
            "directive",
            "exit",
            "gate",
            "image",
            "manual",
            "model",
            "output_file",
            "plan",
            "platform",
            "project_files",
            "regular_file",
            "render",
            "report",
            "serve",
            "settings",
            "top",
            "trial",
            "tune",
        ],
    ),
];

#[test]
fn layers_depend_only_on_what_they_may_use() {
    let files = parse_crate(&repository_root()).unwrap();
    let graph = ModuleGraph::new(&files);
    for (module, used) in graph.collect_uses() {
        let Some(layer) = module.first() else { continue };
        let (_, allowed) = LAYERS
            .iter()
            .find(|(name, _)| name == layer)
            .unwrap_or_else(|| panic!("{layer} has no place in LAYERS"));
        for other in used.iter().filter_map(|used| used.first()).filter(|other| *other != layer) {
            let module = module.join("::");
            assert!(allowed.contains(&other.as_str()), "{module} uses {other}: {layer} may use {allowed:?}");
        }
    }
}

#[test]
fn modules_form_no_circles() {
    for root in crate_roots() {
        let files = parse_crate(&root).unwrap();
        let graph = ModuleGraph::new(&files);
        let circles: Vec<_> = graph.find_circles().iter().map(|circle| join_modules(circle, ", ")).collect();
        assert!(circles.is_empty(), "{}: {circles:#?}", root.display());
    }
}

#[test]
fn names_say_what_they_name() {
    for root in crate_roots() {
        let measures = Measures::new(&parse_crate(&root).unwrap());
        let root = root.display();
        let one_word = percent_of(measures.one_word_functions, measures.functions);
        assert!(one_word < 35.0, "{root}: {one_word:.1} % of the functions have a name of one word");
        let shared = percent_of(measures.shared_types, measures.types);
        assert!(shared < 10.0, "{root}: {shared:.1} % of the types share their name");
        let long = percent_of(measures.long_functions, measures.functions);
        assert!(long < 2.5, "{root}: {long:.1} % of the functions have more than 60 lines");
    }
}

#[test]
fn files_stay_small() {
    let root = repository_root();
    for folder in ["src", "probes", "tests"] {
        let files = WalkDir::new(root.join(folder)).into_iter();
        // What `make fuzz` has built is not ours.
        for entry in files.filter_entry(|entry| entry.file_name() != "target").flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "rs") {
                let lines = fs::read_to_string(entry.path()).unwrap().lines().count();
                assert!(lines <= 650, "{} has {lines} lines", entry.path().display());
            }
        }
    }
}

#[test]
fn a_folders_mod_rs_only_declares() {
    for root in crate_roots() {
        for file in parse_crate(&root).unwrap().iter().filter(|file| file.path.ends_with("mod.rs")) {
            let items = collect_items(file);
            assert!(items.functions.is_empty(), "{}/{} holds logic", root.display(), file.path.display());
        }
    }
}

/// The crates whose sources are held to the rules.
fn crate_roots() -> Vec<PathBuf> {
    let root = repository_root();
    let mut roots = vec![root.clone(), root.join("tests/repository")];
    let probes = WalkDir::new(root.join("probes")).into_iter().flatten();
    roots.extend(probes.filter(|entry| entry.file_name() == "Cargo.toml").filter_map(|entry| {
        let folder = entry.path().parent()?;
        folder.join("src").is_dir().then(|| folder.to_owned())
    }));
    roots
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
        let text = fs::read_to_string(repository_root().join(file)).unwrap();
        let hosts = ["deb.debian", "pypi.", "crates.io", "python.org/ftp"];
        assert!(!hosts.iter().any(|host| text.contains(host)), "{file}");
    }
}
