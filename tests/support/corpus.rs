//! Builds `corpus/` into a virtualenv for one Python, and reads `corpus/expected.toml`.
//!
//! A case is a folder that mirrors what goes to site-packages; `x.c` becomes `x<EXT_SUFFIX>` in place, and `libx.so.1.c`
//! the library `libx.so.1`. Comments in a C source add to its link: `links with: PATH` a library in site-packages,
//! `runpath: PATH` a search path, in which SITE_PACKAGES is that folder. So it is, as a string, in the source.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{fs, io};

use rayon::prelude::*;
use serde::Deserialize;
use walkdir::WalkDir;

use super::pythons::Python;
use super::{c_compiler, generators};

/// `corpus/expected.toml`: the cases by name.
pub(crate) type Table = BTreeMap<String, Case>;

/// What the table says of one case. The comment at its head explains the fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Case {
    #[serde(default)]
    #[expect(dead_code, reason = "for who reads the table")]
    classes: Vec<u8>,
    module: Option<String>,
    #[serde(default = "extension_module")]
    pub(crate) kind: String,
    declares: Option<String>,
    #[serde(default)]
    expect: BTreeMap<String, String>,
    #[serde(default)]
    on: BTreeMap<String, BTreeMap<String, String>>,
    /// Mode -> verdict of the distribution, where it is not its module's.
    #[serde(default)]
    pub(crate) distribution: BTreeMap<String, String>,
    /// Mode -> what the reason must name.
    #[serde(default)]
    pub(crate) reason: BTreeMap<String, String>,
    /// What its `declare-slot` finding must say; `None` for no finding.
    pub(crate) declare_slot: Option<String>,
    /// The same for `declare-gil`, on a free-threaded build.
    pub(crate) declare_gil: Option<String>,
    /// The same for `misread-declaration`.
    misread_declaration: Option<String>,
    /// The same for `native-threads`.
    pub(crate) native_threads: Option<String>,
    /// The same for `shared-functions`.
    pub(crate) shared_functions: Option<String>,
    /// The same for `changes-process`.
    pub(crate) changes_process: Option<String>,
    /// The same for `behind`.
    pub(crate) behind: Option<String>,
    /// The same for `left-in-statics`.
    left_in_statics: Option<String>,
    /// The same for `left-in-main`.
    left_in_main: Option<String>,
    #[serde(default)]
    requires: Vec<String>,
    then: Option<Then>,
    #[serde(default)]
    with_gil_only: bool,
    only_on: Option<Vec<String>>,
}

/// What is done to the compiled file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Then {
    CutTo(u64),
    OverwriteFrom(usize),
    NameAnotherMachine,
    NameAnotherPython,
    ReplaceByABrokenLink,
    LinkWithAbsent(String),
}

fn extension_module() -> String {
    "extension-module".to_owned()
}

impl Case {
    /// The dotted name of its extension module; a case without one has none.
    pub(crate) fn module(&self, case: &str) -> Option<String> {
        match self.module.as_deref() {
            None => Some(case.replace('-', "_")),
            Some("") => None,
            Some(name) => Some(name.to_owned()),
        }
    }

    /// What its file declares; `nothing` where it is no extension module.
    pub(crate) fn declares(&self, python: &Python) -> &str {
        if let Some(here) = self.here(python, "declares") {
            return here;
        }
        let usual = if self.kind == "extension-module" { "multi-phase 2" } else { "nothing" };
        self.declares.as_deref().unwrap_or(usual)
    }

    /// The outcome and verdict in a mode on a Python, as `outcome -> verdict`.
    pub(crate) fn expected(&self, mode: &str, python: &Python) -> &str {
        let tables = || self.on.get(&python.version).into_iter().chain([&self.expect]);
        match mode {
            "free-threaded" | "free-threaded-group" => {
                // The main interpreter too, and what fails in the control is not run elsewhere.
                let is_main =
                    mode == "free-threaded" && self.expected("main", python).starts_with("imported");
                let same = if is_main { "main" } else { "shared-gil" };
                let named = tables().find_map(|modes| modes.get(mode));
                named.map_or_else(|| self.expected(same, python), String::as_str)
            }
            _ => tables()
                .find_map(|modes| modes.get(mode).or_else(|| modes.get("every")))
                .map_or("imported -> ready", String::as_str),
        }
    }

    /// What the table says of this Python alone.
    fn here(&self, python: &Python, key: &str) -> Option<&String> {
        self.on.get(&python.version)?.get(key)
    }

    /// What its `misread-declaration` finding must say: slots have other numbers since 3.15.
    pub(crate) fn misread_declaration(&self, python: &Python) -> Option<&String> {
        self.here(python, "misread-declaration").or(self.misread_declaration.as_ref())
    }

    /// What its `left-in-main` finding must say: nothing where 3.12 runs no init function in main.
    pub(crate) fn left_in_main(&self, python: &Python) -> Option<&String> {
        let wanted = self.here(python, "left-in-main").or(self.left_in_main.as_ref());
        wanted.filter(|wanted| !wanted.is_empty())
    }

    /// What its `left-in-statics` finding must say: on 3.12 alone does an init function run where it is imported.
    pub(crate) fn left_in_statics(&self, python: &Python) -> Option<&String> {
        self.left_in_statics.as_ref().filter(|_| python.version == "3.12")
    }

    /// Whether this Python can import what the case is about.
    pub(crate) fn is_for(&self, python: &Python) -> bool {
        let is_named = self.only_on.as_ref().is_none_or(|versions| versions.contains(&python.version));
        is_named && !(self.with_gil_only && python.is_free_threaded())
    }
}

/// The name of the distribution that a case is installed as.
pub(crate) fn distribution(case: &str) -> String {
    format!("corpus-{case}")
}

/// Reads the table and checks that it and the folders beside it name the same cases.
pub(crate) fn table() -> Table {
    let file = root().join("expected.toml");
    let text = fs::read_to_string(&file).unwrap();
    let table: Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let folders: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !["declarations", "environments"].contains(&name.as_str()))
        .collect();
    for folder in &folders {
        assert!(table.contains_key(folder), "corpus/{folder} is not in {}", file.display());
    }
    for case in table.keys() {
        assert!(folders.contains(case), "{} names {case}, which is no folder", file.display());
    }
    table
}

/// The virtualenv that holds the whole corpus for this Python; built once for these sources.
pub(crate) fn environment(python: &Python) -> PathBuf {
    static ONE_BUILD_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _building = ONE_BUILD_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
    let finished = folder.join(format!("{}-{:016x}", python.version, fingerprint(python)));
    if finished.exists() {
        return finished;
    }
    // Built beside its place and renamed into it, so that a test in another process finds all of it or nothing.
    fs::create_dir_all(&folder).unwrap();
    let building = tempfile::Builder::new().prefix(".building-").tempdir_in(&folder).unwrap();
    let cases = table().into_iter().filter(|(_, case)| case.is_for(python)).collect();
    Build::new(python, building.path(), &finished).run(&cases);
    match fs::rename(building.path(), &finished) {
        Ok(()) => drop(building.keep()),
        Err(_) if finished.exists() => {}
        Err(error) => panic!("{}: {error}", finished.display()),
    }
    finished
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

/// Changes when a source, the way it is built, or the Python does.
fn fingerprint(python: &Python) -> u64 {
    let mut hasher = DefaultHasher::new();
    include_str!("corpus.rs").hash(&mut hasher);
    python.executable.hash(&mut hasher);
    fs::metadata(&python.executable).unwrap().modified().unwrap().hash(&mut hasher);
    for entry in WalkDir::new(root()).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            entry.path().hash(&mut hasher);
            fs::read(entry.path()).unwrap().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// What a compiler and an installer ask a Python.
#[derive(Deserialize)]
struct Answers {
    suffix: String,
    include: PathBuf,
    site_packages: PathBuf,
    wheel_tag: String,
}

const QUESTIONS: &str = r#"
import json, sys, sysconfig
suffix = sysconfig.get_config_var("EXT_SUFFIX")
python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
print(json.dumps({
    "suffix": suffix,
    "include": sysconfig.get_path("include"),
    "site_packages": sysconfig.get_path("platlib"),
    "wheel_tag": f"{python}-{python}{getattr(sys, 'abiflags', '')}-{sysconfig.get_platform().replace('-', '_')}",
}))
"#;

/// One build of the corpus.
struct Build {
    python: PathBuf,
    answers: Answers,
    /// Where site-packages will be when the environment is finished.
    installed: PathBuf,
    scratch: PathBuf,
}

impl Build {
    fn new(python: &Python, environment: &Path, finished: &Path) -> Self {
        run(Command::new(&python.executable).args(["-I", "-m", "venv", "--without-pip"]).arg(environment));
        let answer = run(Command::new(environment.join("bin/python")).args(["-I", "-c", QUESTIONS]));
        let scratch = environment.join("scratch");
        fs::create_dir(&scratch).unwrap();
        let answers: Answers = serde_json::from_slice(&answer).unwrap();
        let environment = environment.canonicalize().unwrap();
        let inside = answers.site_packages.strip_prefix(environment).unwrap();
        Self { python: python.executable.clone(), installed: finished.join(inside), answers, scratch }
    }

    fn run(&self, cases: &Table) {
        cases.par_iter().for_each(|(case, expected)| self.case(case, expected));
        fs::remove_dir_all(&self.scratch).unwrap();
    }

    /// Installs one case and writes its metadata.
    fn case(&self, case: &str, expected: &Case) {
        let folder = root().join(case);
        let mut installed = Vec::new();
        let files = WalkDir::new(&folder).sort_by_file_name().into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
        // Libraries first: modules are linked with them.
        let (libraries, others): (Vec<_>, Vec<_>) = files.partition(|file| is_library_source(file));
        for source in libraries.into_iter().chain(others) {
            let inside = source.strip_prefix(&folder).unwrap();
            let target = self.answers.site_packages.join(inside);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            let made = if is_library_source(&source) {
                vec![self.library_beside(&source, &target)]
            } else if inside.extension() == Some(OsStr::new("c")) {
                vec![self.module(&source, &target, expected.then.as_ref())]
            } else if generators::is_source(&source) {
                let file = &self.named(&target);
                let (python, include, scratch) = (&self.python, &self.answers.include, &self.scratch);
                generators::build(&source, &generators::Target { python, include, file, scratch })
            } else {
                fs::copy(&source, &target).unwrap();
                vec![target]
            };
            let inside =
                made.iter().map(|file| file.strip_prefix(&self.answers.site_packages).unwrap().to_owned());
            installed.extend(inside);
        }
        self.metadata(case, expected, &installed);
    }

    /// Compiles one file and does to it what the table says. Returns the name that it got.
    fn module(&self, source: &Path, beside: &Path, then: Option<&Then>) -> PathBuf {
        let target = self.named(beside);
        let mut compiler = self.compiler();
        compiler.arg("-I").arg(&self.answers.include).arg(source).arg("-o").arg(&target);
        compiler.args(self.arguments_in(source));
        if let Some(Then::LinkWithAbsent(library)) = then {
            compiler.arg("-Wl,--no-as-needed").arg(self.library(library));
        }
        run(&mut compiler);
        match then {
            None | Some(Then::LinkWithAbsent(_)) => target,
            Some(then) => damage(target, then),
        }
    }

    /// Compiles a library whose name is its file's. Returns its path.
    fn library_beside(&self, source: &Path, beside: &Path) -> PathBuf {
        let target = beside.with_extension("");
        let name = target.file_name().unwrap().to_str().unwrap();
        let mut compiler = self.compiler();
        compiler.arg("-I").arg(&self.answers.include).arg(source).arg("-o").arg(&target);
        compiler.args(self.arguments_in(source)).arg(format!("-Wl,-soname,{name}"));
        run(&mut compiler);
        target
    }

    /// The arguments for the compiler that the comments of a source ask for.
    fn arguments_in(&self, source: &Path) -> Vec<OsString> {
        let installed = self.installed.to_str().unwrap();
        let mut arguments = vec![OsString::from(format!("-DSITE_PACKAGES=\"{installed}\""))];
        for line in fs::read_to_string(source).unwrap().lines() {
            let text = line.trim_start_matches(['/', ' ', '*']);
            let first_word = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
            if let Some(path) = text.strip_prefix("links with: ").map(first_word) {
                arguments.extend(["-Wl,--no-as-needed".into(), self.answers.site_packages.join(path).into()]);
            } else if let Some(path) = text.strip_prefix("runpath: ").map(first_word) {
                arguments.push(format!("-Wl,-rpath,{}", path.replace("SITE_PACKAGES", installed)).into());
            }
        }
        arguments
    }

    /// The file that a source beside it becomes.
    fn named(&self, source: &Path) -> PathBuf {
        let stem = source.file_stem().unwrap().to_str().unwrap();
        source.with_file_name(match stem.strip_suffix(".abi3") {
            Some(stem) => format!("{stem}.abi3.so"),
            None => format!("{stem}{}", self.answers.suffix),
        })
    }

    /// A library to link with, which is gone when the build is over.
    fn library(&self, name: &str) -> PathBuf {
        let target = self.scratch.join(name);
        let mut compiler = self.compiler();
        compiler.args(["-x", "c", "/dev/null", "-o"]).arg(&target).arg(format!("-Wl,-soname,{name}"));
        run(&mut compiler);
        target
    }

    fn compiler(&self) -> Command {
        let mut compiler = c_compiler();
        compiler.args(["-std=gnu11", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]);
        // `{NULL}` ends a list in CPython's own manner.
        compiler.arg("-Wno-missing-field-initializers");
        compiler
    }

    fn metadata(&self, case: &str, expected: &Case, installed: &[PathBuf]) {
        let name = distribution(case);
        let folder = PathBuf::from(format!("{}-1.0.dist-info", name.replace('-', "_")));
        let requires: String =
            expected.requires.iter().map(|other| format!("Requires-Dist: {other}\n")).collect();
        let mut top_level: Vec<&str> = installed.iter().map(|file| top_level(file)).collect();
        top_level.dedup();
        let mut files = vec![
            ("METADATA", format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")),
            (
                "WHEEL",
                format!(
                    "Wheel-Version: 1.0\nGenerator: corpus\nRoot-Is-Purelib: false\nTag: {}\n",
                    self.answers.wheel_tag
                ),
            ),
            ("top_level.txt", format!("{}\n", top_level.join("\n"))),
        ];
        let record = installed
            .iter()
            .cloned()
            .chain(["METADATA", "WHEEL", "top_level.txt", "RECORD"].map(|file| folder.join(file)))
            .map(|file| format!("{},,\n", file.display()))
            .collect();
        files.push(("RECORD", record));
        let target = self.answers.site_packages.join(&folder);
        fs::create_dir(&target).unwrap();
        for (file, text) in files {
            fs::write(target.join(file), text).unwrap();
        }
    }
}

/// Whether a source is that of a library, not of a module: `libx.so.1.c`, `codec.so.c`.
fn is_library_source(file: &Path) -> bool {
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.ends_with(".c") && name.contains(".so.")
}

/// The name that a file in site-packages is imported by, or through.
fn top_level(file: &Path) -> &str {
    let first = file.iter().next().unwrap().to_str().unwrap();
    first.split('.').next().unwrap_or(first)
}

fn damage(file: PathBuf, then: &Then) -> PathBuf {
    match then {
        Then::CutTo(length) => fs::File::options().write(true).open(&file).unwrap().set_len(*length).unwrap(),
        Then::OverwriteFrom(start) => rewrite(&file, |bytes| bytes[*start..].fill(0xa5)).unwrap(),
        Then::NameAnotherMachine => {
            // e_machine of the ELF header: EM_X86_64 (62) here, EM_AARCH64 (183) there.
            let foreign: u16 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
            rewrite(&file, |bytes| bytes[18..20].copy_from_slice(&foreign.to_le_bytes())).unwrap();
        }
        Then::NameAnotherPython => {
            let name = file.file_name().unwrap().to_str().unwrap();
            let (stem, suffix) = name.split_once(".cpython-").unwrap();
            let platform = suffix.split_once('-').unwrap().1;
            let foreign = file.with_file_name(format!("{stem}.cpython-311-{platform}"));
            fs::rename(&file, &foreign).unwrap();
            return foreign;
        }
        Then::ReplaceByABrokenLink => {
            fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink("absent.so", &file).unwrap();
        }
        Then::LinkWithAbsent(_) => {}
    }
    file
}

fn rewrite(file: &Path, change: impl FnOnce(&mut [u8])) -> io::Result<()> {
    let mut bytes = fs::read(file)?;
    change(&mut bytes);
    fs::write(file, bytes)
}

pub(super) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
