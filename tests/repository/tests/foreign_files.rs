//! What others have written is opened by the few functions that are safe for it.

use std::fs;
use std::path::Path;

use walkdir::WalkDir;
use wsgiaudit_repository::sources::repository_root;

/// Calls that block, follow links anywhere, read without end or call themselves without end, and what takes their
/// place.
const FORBIDDEN: [(&str, &str); 11] = [
    ("fs::read(", "regular_file::read_limited"),
    ("fs::read_to_string(", "regular_file::read_text"),
    ("io::read_to_string(", "regular_file::read_open"),
    ("File::open(", "regular_file::open_checked"),
    ("File::options(", "regular_file::open_checked"),
    ("OpenOptions::new().read", "regular_file::open_checked"),
    ("from_path(", "regular_file::open_checked"),
    ("fs::copy(", "regular_file::read_limited"),
    ("follow_links(true)", "bounded_walk::walk_folder"),
    ("remove_dir_all(", "platform::remove_folder"),
    ("ZipArchive::new(", "foreign_archive::open_archive"),
];

/// Files that may do one of these, with the reason.
const EXCEPTIONS: [(&str, &str, &str); 9] = [
    ("regular_file.rs", "OpenOptions::new().read", "it is the safe way"),
    ("bounded_walk.rs", "follow_links(true)", "it is the safe way"),
    ("foreign_archive.rs", "ZipArchive::new(", "it is the safe way"),
    ("platform/fallback.rs", "remove_dir_all(", "systems on which nothing is tried"),
    ("platform/linux/processor.rs", "fs::read_to_string(", "a file of the kernel"),
    (
        "trial/inputs.rs",
        "follow_links(true)",
        "what the user gives to trials, within limits of size and number",
    ),
    (
        "trial/inputs.rs",
        "fs::copy(",
        "what the user gives to trials, after a check that it is a regular file",
    ),
    ("python_source.rs", "parse_module(", "it is the safe way"),
    ("copies/write_trees.rs", "fs::copy(", "a copy of the store, which this user alone can write"),
];

#[test]
fn what_others_have_written_is_opened_safely() {
    let source = repository_root().join("src");
    let mut used = vec![false; EXCEPTIONS.len()];
    let mut found = Vec::new();
    for entry in WalkDir::new(&source).sort_by_file_name().into_iter().flatten() {
        let path = entry.path().strip_prefix(&source).unwrap();
        if path.extension().is_none_or(|extension| extension != "rs") || is_test(path) {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        // Unit tests stand at the end.
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        let parser = ("parse_module(", "python_source::parse_source");
        for (call, instead) in FORBIDDEN.iter().chain([&parser]) {
            for (number, line) in code.lines().enumerate().filter(|(_, line)| line.contains(call)) {
                if line.trim_start().starts_with("//") {
                    continue;
                }
                let exception =
                    EXCEPTIONS.iter().position(|(file, what, _)| path == Path::new(file) && what == call);
                match exception {
                    Some(index) => used[index] = true,
                    None => {
                        found.push(format!("src/{}:{}: {call}: use {instead}", path.display(), number + 1))
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let unused: Vec<_> = EXCEPTIONS.iter().zip(used).filter(|(_, used)| !used).collect();
    assert!(unused.is_empty(), "exceptions that are not needed: {unused:?}");
}

/// Whether a file holds nothing but tests.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name == "tests" || name == "fixtures" || name.starts_with("test_") || name.ends_with("_tests")
}
