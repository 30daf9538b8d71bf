//! Finds the lines of a project that require its distributions: where code scanning shows what is found in them.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::regular_file::read_limited;

/// Maximum size of a file that is read.
const MAX_SIZE: u64 = 16 << 20;

/// The file that is named where the project has none that lists requirements.
const STATED: &str = "requirements.txt";

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectLine {
    /// The file, relative to the project, with `/`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// The files of a project.
#[derive(Clone, Debug, Default)]
pub struct ProjectFiles {
    /// The folder that paths are relative to: the root of the repository, or else `folder`.
    root: PathBuf,
    /// The folder that was given, where paths on the command line begin.
    folder: PathBuf,
    /// The line that requires a distribution, by its normalized name.
    lines: BTreeMap<String, ProjectLine>,
    /// The first file that lists requirements.
    first: Option<String>,
}

/// How a file lists requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListKind {
    /// A requirement on each line: requirements.txt.
    Lines,
    /// Tables of TOML with requirements in strings, or as keys: pyproject.toml, Pipfile.
    Project,
    /// TOML with `name = "..."` for each package: uv.lock, poetry.lock, pdm.lock, pylock.toml.
    Lock,
    /// JSON with the name as a key: Pipfile.lock.
    Pipfile,
}

impl ProjectFiles {
    /// Reads the lists of requirements in a folder and its parents, up to the root of the repository. What cannot be
    /// read is passed over.
    pub fn find(folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let root = folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&folder);
        let mut found = Self { root: root.to_owned(), folder: folder.clone(), ..Self::default() };
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(root)) {
            for (file, kind) in list_files(folder) {
                let text = read_limited(&file, MAX_SIZE).ok();
                let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
                if let (Some(text), Some(name)) = (text, found.relative_path(&file)) {
                    found.add_file(&name, &text, kind);
                }
            }
        }
        found
    }

    /// Returns the line that requires a distribution, or else the first line of the project's first list.
    pub fn line_of(&self, distribution: Option<&str>) -> ProjectLine {
        let line = distribution.and_then(|name| self.lines.get(&normalize(name)));
        line.cloned().unwrap_or_else(|| ProjectLine {
            file: self.first.clone().unwrap_or_else(|| STATED.to_owned()),
            line: 1,
        })
    }

    /// Returns a line of a file. `None` if the file lies outside of the project, or the name is none of a file: reports
    /// also name e.g. a distribution's own tests.
    pub fn line_in_file(&self, file: &str, line: usize) -> Option<ProjectLine> {
        let path = Path::new(file);
        let is_file = path.is_absolute() || (path.extension().is_some() && !file.contains([' ', '{', '<']));
        let file = self.relative_path(path).filter(|_| is_file)?;
        Some(ProjectLine { file, line: line.max(1) })
    }

    /// Returns a path relative to the project, with `/`. `None` if it lies elsewhere.
    fn relative_path(&self, path: &Path) -> Option<String> {
        let path = self.folder.join(path);
        let parts = path.strip_prefix(&self.root).ok()?.components().map(|part| match part {
            Component::Normal(name) => name.to_str(),
            Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
        });
        let parts: Option<Vec<&str>> = parts.collect();
        parts.map(|parts| parts.join("/")).filter(|path| !path.is_empty())
    }

    fn add_file(&mut self, name: &str, text: &str, kind: ListKind) {
        self.first.get_or_insert_with(|| name.to_owned());
        for (line, required) in find_requirements(text, kind) {
            let place = ProjectLine { file: name.to_owned(), line };
            self.lines.entry(required).or_insert(place);
        }
    }
}

/// Lists the files of a folder that list requirements: what people write first, locks last.
fn list_files(folder: &Path) -> Vec<(PathBuf, ListKind)> {
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names.into_iter().map(|name| (folder.join(&name), name)).collect::<Vec<_>>()
    };
    let here = entries(folder);
    let is_list = |name: &str| name.ends_with(".txt") || name.ends_with(".in");
    let below = entries(&folder.join("requirements"));
    let lists = here.iter().filter(|(_, name)| name.contains("requirements") && is_list(name));
    let lists = lists.chain(below.iter().filter(|(_, name)| is_list(name)));
    let lists = lists.map(|(path, _)| (path.clone(), ListKind::Lines));
    let kind_of = |name: &str| match name {
        "pyproject.toml" | "Pipfile" => Some(ListKind::Project),
        "uv.lock" | "poetry.lock" | "pdm.lock" | "pylock.toml" => Some(ListKind::Lock),
        "Pipfile.lock" => Some(ListKind::Pipfile),
        _ => None,
    };
    let others = here.iter().filter_map(|(path, name)| Some((path.clone(), kind_of(name)?)));
    let mut all: Vec<(PathBuf, ListKind)> = lists.chain(others).collect();
    all.sort_by_key(|(_, kind)| match kind {
        ListKind::Lines => 0,
        ListKind::Project => 1,
        ListKind::Lock | ListKind::Pipfile => 2,
    });
    all
}

/// Finds the distributions that a list requires, with the lines.
fn find_requirements(text: &str, kind: ListKind) -> Vec<(usize, String)> {
    let (mut found, mut section) = (Vec::new(), "");
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') && kind == ListKind::Project && line.ends_with(']') {
            section = line;
        }
        let names: Vec<&str> = match kind {
            ListKind::Lines => leading_name(line).into_iter().collect(),
            ListKind::Project => names_in_project_line(line, section),
            ListKind::Lock => line.strip_prefix("name = \"").and_then(leading_name).into_iter().collect(),
            ListKind::Pipfile => {
                let key = line.strip_prefix('"').filter(|_| line.ends_with('{'));
                key.and_then(leading_name).into_iter().collect()
            }
        };
        found.extend(names.into_iter().map(|name| (index + 1, normalize(name))));
    }
    found
}

/// The names in a line of a pyproject.toml or a Pipfile: in strings, and as the key in tables of dependencies.
fn names_in_project_line<'a>(line: &'a str, section: &str) -> Vec<&'a str> {
    let holds_requirements = ["project", "dependency-groups", "dependencies", "packages", "tool.uv"];
    if line.starts_with('#') || !holds_requirements.iter().any(|word| section.contains(word)) {
        return Vec::new();
    }
    let has_keys = section.contains("dependencies") || section.contains("packages");
    let key = line.split_once('=').filter(|_| has_keys).map(|(key, _)| key.trim().trim_matches('"'));
    let strings = line.split(['"', '\'']).skip(1).step_by(2);
    key.into_iter().chain(strings).filter_map(leading_name).collect()
}

/// The name at the beginning of a requirement.
fn leading_name(text: &str) -> Option<&str> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let end = text.find(|letter: char| !is_of_name(letter)).unwrap_or(text.len());
    let name = text.get(..end)?;
    name.starts_with(|letter: char| letter.is_ascii_alphanumeric()).then_some(name)
}

/// A distribution's name as indexes compare it.
fn normalize(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_list_names_its_lines() {
        for (kind, text, expected) in [
            (
                ListKind::Lines,
                "# a comment\n-r base.txt\nNumPy>=2 ; python_version > '3'\n  lxml[html5]==6 \\\n    --hash=sha256:a\n",
                vec![(3, "numpy"), (4, "lxml")],
            ),
            (
                ListKind::Project,
                "[project]\ndependencies = [\"zope.interface\", 'b>1']\n[tool.ruff]\nselect = ['E']\n[tool.poetry.dependencies]\nPillow = \"^12\"\n",
                vec![(2, "zope-interface"), (2, "b"), (6, "pillow")],
            ),
            (ListKind::Lock, "[[package]]\nname = \"a_b\"\nversion = \"1\"\n", vec![(2, "a-b")]),
            (ListKind::Pipfile, "{\n \"default\": {\n  \"numpy\": {\n", vec![(2, "default"), (3, "numpy")]),
        ] {
            let found = find_requirements(text, kind);
            let found: Vec<(usize, &str)> = found.iter().map(|(line, name)| (*line, name.as_str())).collect();
            assert_eq!(found, expected, "{kind:?}");
        }
    }

    #[test]
    fn the_nearest_list_of_people_comes_first_and_paths_start_at_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("shop/requirements")).unwrap();
        fs::create_dir_all(at(".git")).unwrap();
        for (name, text) in [
            ("shop/uv.lock", "name = \"numpy\"\nname = \"lxml\"\n"),
            ("shop/requirements/base.txt", "\nnumpy\n"),
            ("pyproject.toml", "[project]\ndependencies = [\n  \"numpy\",\n  \"PyYAML\"]\n"),
        ] {
            fs::write(at(name), text).unwrap();
        }
        let files = ProjectFiles::find(&at("shop"));
        let line = |name: Option<&str>| {
            let ProjectLine { file, line } = files.line_of(name);
            format!("{file}:{line}")
        };
        assert_eq!(line(Some("NumPy")), "shop/requirements/base.txt:2");
        assert_eq!(line(Some("lxml")), "shop/uv.lock:2");
        assert_eq!(line(Some("pyyaml")), "pyproject.toml:4");
        assert_eq!(line(None), "shop/requirements/base.txt:1");
        let real = folder.path().canonicalize().unwrap();
        let place = |file: &str| {
            let ProjectLine { file, line } = files.line_in_file(file, 3)?;
            Some(format!("{file}:{line}"))
        };
        let absolute = real.join("shop/a b.py").display().to_string();
        assert_eq!(place(&absolute).as_deref(), Some("shop/a b.py:3"));
        assert_eq!(place("wsgi.py").as_deref(), Some("shop/wsgi.py:3"));
        for elsewhere in
            ["/usr/lib/x.py", "../other/x.py", "tests of numpy 2.3", "{application}/x.py", "numpy", ""]
        {
            assert_eq!(place(elsewhere), None, "{elsewhere}");
        }
        assert_eq!(ProjectFiles::default().line_of(None).file, STATED);
    }
}
