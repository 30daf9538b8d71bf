//! The Rust files of a crate, parsed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

/// A parsed file of a crate.
pub struct SourceFile {
    /// Relative to the crate's root folder: `src/gate/decide.rs`.
    pub path: PathBuf,
    /// The names from the crate's root: `["gate", "decide"]`; empty for `lib.rs`.
    pub module: Vec<String>,
    /// The number of lines.
    pub lines: usize,
    /// The syntax tree.
    pub syntax: syn::File,
}

/// The root folder of the repository.
pub fn repository_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

/// Parses the files below the folder `src` of `root`, in the order of their paths. `main.rs` is left out: it is a
/// crate of its own.
///
/// # Errors
/// A file that cannot be read or parsed.
pub fn parse_crate(root: &Path) -> Result<Vec<SourceFile>> {
    let mut all = Vec::new();
    for entry in WalkDir::new(root.join("src")).sort_by_file_name() {
        let entry = entry?;
        let is_rust = entry.path().extension().is_some_and(|extension| extension == "rs");
        if is_rust && entry.file_name() != "main.rs" {
            all.push(parse_file(root, entry.path())?);
        }
    }
    Ok(all)
}

fn parse_file(root: &Path, file: &Path) -> Result<SourceFile> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let syntax = syn::parse_file(&text).with_context(|| format!("cannot parse {}", file.display()))?;
    let path = file.strip_prefix(root)?.to_owned();
    Ok(SourceFile { module: module_path(&path), lines: text.lines().count(), syntax, path })
}

fn module_path(path: &Path) -> Vec<String> {
    let parts = path.with_extension("");
    let mut parts: Vec<String> =
        parts.iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// Whether these attributes leave an item to test builds.
pub fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}
