//! `wsgiaudit copies`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::workshop::{compile_into, inode};
use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// An environment with a module that counts in a library of its own, and in itself.
fn environment() -> Venv {
    let venv = Venv::new();
    let site = venv.site_packages();
    compile_into(
        &site.join("shop.libs/libcount-0123abcd.so.1"),
        "static int n; int count(void) { return ++n; }",
        &["-Wl,-soname,libcount-0123abcd.so.1"],
    );
    compile_into(
        &site.join("shop/counter.so"),
        "int count(void); static int n; int answer(void) { return count() * 10 + ++n; } \
         void *PyInit_counter(void) { return 0; }",
        &[site.join("shop.libs/libcount-0123abcd.so.1").to_str().unwrap(), "-Wl,-rpath,$ORIGIN/../shop.libs"],
    );
    venv.with_file("shop/__init__.py", "")
}

fn copies(venv: &Venv, output: &Path, interpreters: &str) -> Wsgiaudit {
    Wsgiaudit::new()
        .arg("copies")
        .arg(venv.path())
        .args(["--interpreters", interpreters])
        .arg("--output")
        .arg(output)
}

fn manifest(output: &Path) -> Value {
    serde_json::from_slice(&fs::read(output.join("manifest.json")).unwrap()).unwrap()
}

/// The path of the module's copy in a tree.
fn module_copy(venv: &Venv, output: &Path, tree: &str) -> PathBuf {
    let module = venv.site_packages().canonicalize().unwrap().join("shop/counter.so");
    output.join(tree).join(module.strip_prefix("/").unwrap())
}

#[test]
fn each_tree_counts_for_itself_in_one_process() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let output = folder.path().join("copies");
    let said: Said = copies(&venv, &output, "2").run().ended_with(0);
    assert!(said.err.contains("at most ") && said.err.contains(" left"), "{}", said.err);
    assert!(said.out.contains("2, 1 of them extension modules"), "{}", said.out);
    let original = venv.site_packages().join("shop/counter.so");
    let paths = [original, module_copy(&venv, &output, "0"), module_copy(&venv, &output, "1")];
    let script = "import ctypes, sys\n\
        for path in sys.argv[1:] * 2: print(ctypes.CDLL(path).answer())\n\
        maps = {line.split(None, 5)[5].strip() for line in open('/proc/self/maps') if '/shop.libs/' in line}\n\
        print(len(maps))";
    let done = Command::new(venv.python()).args(["-I", "-c", script]).args(&paths).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "11\n11\n11\n22\n22\n22\n3\n", "{done:?}");
}

#[test]
fn the_manifest_names_sources_copies_and_digests() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let output = folder.path().join("copies");
    let said = copies(&venv, &output, "3").args(["--format", "json"]).run().ended_with(0);
    let manifest = manifest(&output);
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap(), manifest);
    assert_eq!(manifest["trees"], serde_json::json!(["0", "1", "2"]));
    assert_eq!(manifest["report_sha256"], Value::Null);
    let objects = manifest["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 2);
    for object in objects {
        let digest = |path: &Path| wsgiaudit::digest::of_file(path).unwrap();
        assert_eq!(object["sha256"], digest(Path::new(object["source"].as_str().unwrap())));
        assert_eq!(object["copies"].as_array().unwrap().len(), 3);
        for copy in object["copies"].as_array().unwrap() {
            assert_eq!(copy["sha256"], digest(&output.join(copy["path"].as_str().unwrap())));
        }
    }
}

#[test]
fn running_it_again_replaces_only_what_changed() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let output = folder.path().join("copies");
    copies(&venv, &output, "3").run().ended_with(0);
    let (module, library) = (module_copy(&venv, &output, "1"), output.join("1").join(library(&venv)));
    let (old_module, old_library) = (inode(&module), inode(&library));
    let said = copies(&venv, &output, "3").run().ended_with(0);
    assert!(said.err.contains("at most 0 bytes"), "{}", said.err);
    assert_eq!((inode(&module), inode(&library)), (old_module, old_library));

    // An upgrade: the module says something else. A running process has mapped the old file, which stays as it is.
    let mapped = fs::File::open(&module).unwrap();
    let source = venv.site_packages().join("shop/counter.so");
    fs::remove_file(&source).unwrap();
    compile_into(&source, "int answer(void) { return 7; } void *PyInit_counter(void) { return 0; }", &[]);
    copies(&venv, &output, "2").run().ended_with(0);
    assert_ne!(inode(&module), old_module);
    assert_eq!((mapped.metadata().unwrap().ino(), inode(&library)), (old_module, old_library));
    assert!(!output.join("2").exists());
    let mut names: Vec<_> = fs::read_dir(&output).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".wsgiaudit-copies", "0", "1", "manifest.json", "wsgiaudit_copies.so"]);
}

/// The path of the library's copy in a tree, relative to the tree.
fn library(venv: &Venv) -> PathBuf {
    let library = venv.site_packages().canonicalize().unwrap().join("shop.libs/libcount-0123abcd.so.1");
    library.strip_prefix("/").unwrap().to_owned()
}

#[test]
fn a_damaged_copy_is_made_again() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let output = folder.path().join("copies");
    copies(&venv, &output, "1").run().ended_with(0);
    let module = module_copy(&venv, &output, "0");
    let bytes = fs::read(&module).unwrap();
    fs::remove_file(&module).unwrap();
    fs::write(&module, "damaged").unwrap();
    copies(&venv, &output, "1").run().ended_with(0);
    assert_eq!(fs::read(&module).unwrap(), bytes);
}

#[test]
fn a_folder_with_something_else_is_refused() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let kept = folder.path().join("kept");
    fs::write(&kept, "").unwrap();
    let said = copies(&venv, folder.path(), "1").run().ended_with(2);
    assert!(said.err.contains("exists and holds no copies"), "{}", said.err);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn without_room_nothing_is_written() {
    let venv = environment();
    if let Some(said) = copies_on_tmpfs(&venv, "size=64k,exec") {
        assert!(said.contains("the copies need ") && said.contains("hint: copy for fewer"), "{said}");
    }
}

#[test]
fn a_file_system_that_nothing_can_be_loaded_from_is_refused() {
    let venv = environment();
    if let Some(said) = copies_on_tmpfs(&venv, "size=64m,noexec") {
        assert!(said.contains("mounted noexec"), "{said}");
    }
}

/// What the command says, which must fail, with a folder on a file system mounted with these options. `None` where a
/// test may not mount one.
fn copies_on_tmpfs(venv: &Venv, options: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh", options]).arg(folder.path());
    let wsgiaudit = copies(venv, &folder.path().join("copies"), "4").into_command();
    command.arg(wsgiaudit.get_program()).args(wsgiaudit.get_args());
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if said.contains("unshare") || said.contains("mount:") {
        return None;
    }
    assert_eq!(done.status.code(), Some(2), "{said}");
    Some(said)
}

#[test]
fn more_interpreters_than_fit_are_warned_of() {
    let (venv, folder) = (Venv::new(), tempfile::tempdir().unwrap());
    compile_into(
        &venv.site_packages().join("tls.so"),
        "__thread int t[100]; int answer(void) { return t[1]++; } void *PyInit_tls(void) { return 0; }",
        &["-ftls-model=initial-exec"],
    );
    let said = copies(&venv, &folder.path().join("copies"), "4").run().ended_with(0);
    assert!(!said.err.contains("has room for"), "{}", said.err);
    assert!(said.out.contains("up to 4 in the life of a process (4 by static TLS, "), "{}", said.out);
    let said = copies(&venv, &folder.path().join("copies"), "5").run().ended_with(0);
    assert!(said.err.contains("a process has room for 4 of them"), "{}", said.err);
}

#[test]
fn a_file_that_cannot_be_copied_is_named_and_ends_with_3() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let module = fs::read(venv.site_packages().join("shop/counter.so")).unwrap();
    fs::write(venv.site_packages().join("broken.so"), &module[..512]).unwrap();
    let said = copies(&venv, &folder.path().join("copies"), "1").run().ended_with(3);
    assert!(said.out.contains("Not copied") && said.out.contains("broken.so: the "), "{}", said.out);
}

#[test]
fn the_environment_is_left_alone() {
    let (venv, folder) = (environment(), tempfile::tempdir().unwrap());
    let before = venv.listing();
    copies(&venv, &folder.path().join("copies"), "2").run().ended_with(0);
    assert_eq!(venv.listing(), before);
}
