//! The user's inputs to every trial: environment variables, copies of files in its home, and copies of
//! writable folders.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::environment::why_reserved;
use crate::digest;

/// Maximum total size of files that each trial gets a copy of. Larger ones can be read where they are.
const MAX_BYTES: u64 = 64 << 20;

/// Maximum number of these files.
const MAX_FILES: usize = 2000;

/// The user's inputs to every trial.
#[derive(Clone, Debug, Default)]
pub struct TrialInputs {
    variables: Vec<(String, String)>,
    files: Vec<InputFile>,
    writable: Vec<WritableFolder>,
    /// Digest of variables and contents; empty without inputs.
    digest: String,
}

#[derive(Clone, Debug)]
struct InputFile {
    /// Source file or folder.
    path: PathBuf,
    /// Path of its copy, relative to a trial's home.
    name: PathBuf,
}

/// A folder in whose place each trial finds a writable copy.
#[derive(Clone, Debug)]
struct WritableFolder {
    /// Folder that the copies are made from.
    content: PathBuf,
    /// The folder's canonical path.
    path: PathBuf,
    /// The path as the user gave it.
    named: PathBuf,
}

impl TrialInputs {
    /// Parses `--env` and `--file`: `NAME=VALUE`, or `NAME` for the value that `own` returns, and
    /// `PATH[=NAME]`.
    ///
    /// # Errors
    /// Returns a message for an invalid argument.
    pub fn new(
        variables: &[String],
        files: &[String],
        own: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let variables =
            variables.iter().map(|typed| parse_variable(typed, &own)).collect::<Result<_, _>>()?;
        let files: Vec<InputFile> = files.iter().map(|typed| parse_file(typed)).collect::<Result<_, _>>()?;
        for (index, each) in files.iter().enumerate() {
            if files.iter().skip(index + 1).any(|other| other.name == each.name) {
                return Err(format!(
                    "--file: two files have the name {}\nhint: rename one: --file PATH=NAME",
                    each.name.display()
                ));
            }
        }
        let paths: Vec<&Path> = files.iter().map(|each| each.path.as_path()).collect();
        check_size("--file", &paths).map_err(|why| {
            format!("{why}\nhint: trials can read it without a copy: pass its path, --env NAME=/path")
        })?;
        Ok(Self { variables, files, writable: Vec::new(), digest: String::new() })
    }

    /// Adds writable folders.
    ///
    /// # Errors
    /// Returns a message for a path that is not a folder, or too large to be copied for each trial.
    pub fn with_writable_folders(self, folders: &[PathBuf]) -> Result<Self, String> {
        let mut writable: Vec<WritableFolder> = Vec::new();
        for named in folders {
            let shown = named.display();
            let path =
                named.canonicalize().map_err(|error| format!("cannot read {shown} (--writable): {error}"))?;
            if !path.is_dir() {
                return Err(format!(
                    "--writable {shown}: not a folder\nhint: give the folder that contains it"
                ));
            }
            if std::env::temp_dir().canonicalize().unwrap_or_default().starts_with(&path) {
                return Err(format!(
                    "--writable {shown}: it contains the audit's own folders\nhint: give the subfolder that is written to"
                ));
            }
            let overlaps =
                |other: &&WritableFolder| other.path.starts_with(&path) || path.starts_with(&other.path);
            if let Some(other) = writable.iter().find(overlaps) {
                return Err(format!(
                    "--writable {shown}: overlaps --writable {}: one contains the other",
                    other.named.display()
                ));
            }
            writable.push(WritableFolder { content: path.clone(), path, named: named.clone() });
        }
        let paths: Vec<&Path> = writable.iter().map(|each| each.path.as_path()).collect();
        check_size("--writable", &paths)
            .map_err(|why| format!("{why}\nhint: give the subfolder that is written to"))?;
        Ok(Self { writable, ..self })
    }

    /// Copies all files and folders into `folder`.
    ///
    /// From then on every trial gets the same content, even if the originals change.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn copied_into(&self, folder: &Path) -> io::Result<Self> {
        let mut text = format!("{:?}\n", self.variables);
        let (mut files, mut writable) = (Vec::new(), Vec::new());
        for (number, each) in self.files.iter().enumerate() {
            let path = folder.join(format!("given-{number}"));
            text += &copy_and_digest(&each.path, &path, &each.name)?;
            files.push(InputFile { path, name: each.name.clone() });
        }
        for (number, each) in self.writable.iter().enumerate() {
            let content = folder.join(format!("writable-{number}"));
            text += &copy_and_digest(&each.path, &content, &each.path)?;
            writable.push(WritableFolder { content, ..each.clone() });
        }
        let is_nothing = self.variables.is_empty() && files.is_empty() && writable.is_empty();
        let digest = if is_nothing { String::new() } else { digest::of_text(&text) };
        Ok(Self { variables: self.variables.clone(), files, writable, digest })
    }

    /// Names of the variables.
    pub fn variable_names(&self) -> impl Iterator<Item = &str> {
        self.variables().map(|(name, _)| name)
    }

    /// Whether there are writable folders.
    pub fn has_writable_folders(&self) -> bool {
        !self.writable.is_empty()
    }

    /// Copies the writable folders into a trial's folder.
    ///
    /// Returns each copy with the path where the trial sees it.
    pub(super) fn copy_writable_folders(&self, folder: &Path) -> io::Result<Vec<(String, String)>> {
        let put = |(number, each): (usize, &WritableFolder)| {
            let copy = folder.join(format!("writable-{number}"));
            copy_recursively(&each.content, &copy)?;
            let text = |path: &Path| path.to_string_lossy().into_owned();
            Ok((text(&copy), text(&each.path)))
        };
        self.writable.iter().enumerate().map(put).collect()
    }

    /// Names and values of the variables.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Copies the files into a trial's home.
    pub(super) fn copy_files(&self, home: &Path) -> io::Result<()> {
        self.files.iter().try_for_each(|each| copy_recursively(&each.path, &home.join(&each.name)))
    }

    /// Digest for the cache key; empty without inputs.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Describes the inputs for the report, without values, which may be secret.
    ///
    /// Returns `None` without inputs.
    pub fn describe_for_report(&self) -> Option<String> {
        let variables = self.variables.iter().map(|(name, _)| format!("--env {name}"));
        let files = self.files.iter().map(|each| format!("--file {}", each.name.display()));
        let writable = self.writable.iter().map(|each| format!("--writable {}", each.named.display()));
        let all: Vec<String> = variables.chain(files).chain(writable).collect();
        (!all.is_empty()).then(|| format!("trials were given {}", all.join(", ")))
    }
}

/// Parses `--env NAME=VALUE`, or `NAME` with the value that `own` returns.
fn parse_variable(typed: &str, own: impl Fn(&str) -> Option<String>) -> Result<(String, String), String> {
    let (name, value) = match typed.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => (
            typed,
            own(typed)
                .ok_or_else(|| format!("--env {typed}: it is not set here\nhint: --env {typed}=VALUE"))?,
        ),
    };
    if name.is_empty() || name.contains('\0') || value.contains('\0') {
        return Err(format!("--env {typed}: not a valid variable\nhint: --env NAME=VALUE"));
    }
    match why_reserved(name) {
        Some(why) => Err(format!("--env {name}: {why}")),
        None => Ok((name.to_owned(), value)),
    }
}

/// Parses `--file PATH[=NAME]`. A `=` that belongs to an existing path does not separate a name.
fn parse_file(typed: &str) -> Result<InputFile, String> {
    let whole = Path::new(typed);
    let (path, name) = match typed.rsplit_once('=') {
        Some((path, name)) if !whole.exists() => (Path::new(path), Some(PathBuf::from(name))),
        Some(_) | None => (whole, None),
    };
    let path =
        path.canonicalize().map_err(|error| format!("cannot read {} (--file): {error}", path.display()))?;
    let own = || whole.file_name().or(path.file_name()).map(PathBuf::from);
    let name = name.or_else(own).unwrap_or_default();
    let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
    if name.as_os_str().is_empty() || !is_inside {
        return Err(format!(
            "--file {typed}: its name must lie in a trial's home, as shop.ini or .config/shop.ini do\n\
             hint: --file PATH=NAME"
        ));
    }
    Ok(InputFile { path, name })
}

/// Checks that the files of an option are readable and within the size limits.
fn check_size(option: &str, paths: &[&Path]) -> Result<(), String> {
    let (mut size, mut count) = (0_u64, 0_usize);
    for path in paths {
        for entry in WalkDir::new(path).follow_links(true) {
            let entry =
                entry.map_err(|error| format!("cannot read {} ({option}): {error}", path.display()))?;
            let metadata = entry
                .metadata()
                .map_err(|error| format!("cannot read {} ({option}): {error}", entry.path().display()))?;
            if !metadata.is_file() && !metadata.is_dir() {
                return Err(format!("{option}: {} is neither a file nor a folder", entry.path().display()));
            }
            size = size.saturating_add(if metadata.is_file() { metadata.len() } else { 0 });
            count += 1;
            if size > MAX_BYTES || count > MAX_FILES {
                return Err(format!(
                    "{option}: too large: each trial gets a copy of at most {} MiB in {MAX_FILES} files",
                    MAX_BYTES >> 20
                ));
            }
        }
    }
    Ok(())
}

/// Copies a file or folder, and describes its content for the digest.
fn copy_and_digest(from: &Path, to: &Path, name: &Path) -> io::Result<String> {
    copy_recursively(from, to)?;
    let mut text = String::new();
    for entry in WalkDir::new(to).sort_by_file_name() {
        let entry = entry?;
        let inside = entry.path().strip_prefix(to).unwrap_or(entry.path());
        let content = if entry.file_type().is_dir() { String::new() } else { digest::of_file(entry.path())? };
        text += &format!("{name:?} {inside:?} {content}\n");
    }
    Ok(text)
}

/// Copies a file, or a folder with all its content. Follows symbolic links.
fn copy_recursively(from: &Path, to: &Path) -> io::Result<()> {
    for entry in WalkDir::new(from).follow_links(true) {
        let entry = entry?;
        let inside = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let target = if inside.as_os_str().is_empty() { to.to_owned() } else { to.join(inside) };
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else {
            target.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[&str], files: &[String]) -> Result<TrialInputs, String> {
        let variables: Vec<String> = variables.iter().map(|&each| each.to_owned()).collect();
        TrialInputs::new(&variables, files, |name| (name == "HERE").then(|| "here".to_owned()))
    }

    #[test]
    fn a_variable_has_the_value_that_was_typed_or_the_one_here() {
        let both = given(&["SHOP=a=b", "HERE"], &[]).unwrap();
        assert_eq!(both.variables().collect::<Vec<_>>(), [("SHOP", "a=b"), ("HERE", "here")]);
        assert!(given(&["ELSEWHERE"], &[]).unwrap_err().contains("not set here"));
        assert_eq!(both.describe_for_report().unwrap(), "trials were given --env SHOP, --env HERE");
    }

    #[test]
    fn what_would_change_the_trial_is_refused() {
        for name in ["PYTHONPATH", "PYTHON_GIL", "LD_PRELOAD", "HOME", "WSGIAUDIT_TRIAL", ""] {
            assert!(given(&[&format!("{name}=x")], &[]).is_err(), "{name}");
        }
        for name in ["LD_LIBRARY_PATH", "PYTHON_ENV", "SHOP_HOME", "shop"] {
            assert!(given(&[&format!("{name}=x")], &[]).is_ok(), "{name}");
        }
    }

    #[test]
    fn files_are_copied_and_told_apart_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("shop/deep")).unwrap();
        fs::write(path("shop/deep/key"), "one").unwrap();
        let spec = |name: &str| format!("{}{name}", path("shop").display());
        let kept = |number: usize| {
            fs::create_dir(path(&format!("scratch-{number}"))).unwrap();
            given(&[], &[spec("=.config/shop")])
                .unwrap()
                .copied_into(&path(&format!("scratch-{number}")))
                .unwrap()
        };
        let first = kept(1);
        first.copy_files(&path("home")).unwrap();
        assert_eq!(fs::read_to_string(path("home/.config/shop/deep/key")).unwrap(), "one");
        assert_eq!(first.digest(), kept(2).digest());
        fs::write(path("shop/deep/key"), "two").unwrap();
        assert_ne!(first.digest(), kept(3).digest());
        assert_eq!(TrialInputs::default().copied_into(folder.path()).unwrap().digest(), "");

        for bad in ["=../shop", "=/etc/shop", "="] {
            assert!(given(&[], &[spec(bad)]).is_err(), "{bad}");
        }
        assert!(given(&[], &[spec(""), spec("")]).unwrap_err().contains("two files have the name"));
        assert!(given(&[], &["/nowhere/at/all".to_owned()]).is_err());
    }
}
