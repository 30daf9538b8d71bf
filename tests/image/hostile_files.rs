//! Files that attack who reads them: damaged, endless, or larger than they are. Each gets an answer or a doubt,
//! within a second of processor time and 256 MB, and the reader never panics.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use wsgiaudit::image::{NoDependencies, inspect_path, inspect_source};
use wsgiaudit::model::{BinaryFacts, InitKind, SlotDeclaration};

use crate::support::c_compiler;
use crate::support::command::Wsgiaudit;
use crate::support::dice::Dice;
use crate::support::wheel::pack_entries;

const SUFFIX: &str = "cpython-314-x86_64-linux-gnu.so";
const LONGEST: Duration = Duration::from_secs(1);
const MOST_MEMORY: u64 = 256 << 20;

/// One small module for each format and processor; `tests/fixtures/seeds/make` builds them.
fn seeds() -> Vec<(String, Vec<u8>)> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/seeds"), &["so", "pyd"])
}

fn files(folder: &Path, extensions: &[&str]) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_wanted = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
    };
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut files: Vec<_> =
        entries.filter(is_wanted).map(|path| (name(&path), fs::read(&path).unwrap())).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Reads a damaged file. That there is an answer is the test; what it says depends on the damage.
fn bounded(what: &str, bytes: Vec<u8>) -> BinaryFacts {
    let start = processor_time();
    let facts = inspect_source(Rc::new(bytes), "seed", None, &NoDependencies);
    let took = processor_time() - start;
    assert!(took < LONGEST, "{what} took {took:?}");
    facts
}

#[test]
fn undamaged_every_format_is_read() {
    for (name, bytes) in seeds() {
        let facts = bounded(&name, bytes);
        assert_eq!(facts.initialisation, InitKind::MultiPhase, "{name}: {:?}", facts.doubts);
        assert_eq!(facts.multiple_interpreters_slot(), SlotDeclaration::Value(2), "{name}");
        assert_eq!(facts.gil_slot(), SlotDeclaration::Value(1), "{name}");
    }
}

#[test]
fn truncated_anywhere() {
    for (name, bytes) in seeds() {
        for length in (0..bytes.len()).step_by(64).chain(0..512) {
            bounded(&format!("{name} cut at {length}"), bytes[..length].to_vec());
        }
    }
}

#[test]
fn with_flipped_bits() {
    for (name, bytes) in seeds() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for round in 0..3000 {
            let mut damaged = bytes.clone();
            for _ in 0..=dice.throw(6) {
                // Headers lie at the front: half of the damage is done there.
                let reach = if dice.throw(2) == 0 { 1024.min(bytes.len()) } else { bytes.len() };
                damaged[dice.throw(reach)] ^= 1 << dice.throw(8);
            }
            bounded(&format!("{name}, damage {round}"), damaged);
        }
    }
}

#[test]
fn with_numbers_that_are_too_large() {
    for (name, bytes) in seeds() {
        for at in (0..bytes.len() - 8).step_by(4) {
            // A page of zeros reads the same wherever in it a number stands.
            if bytes[at.saturating_sub(16)..at + 8].iter().all(|byte| *byte == 0) {
                continue;
            }
            for number in [u64::MAX, 0x7fff_ffff_ffff_fff0, 0xffff_ffff, 0x1_0000_0000, 0x7fff_fff8] {
                let mut damaged = bytes.clone();
                damaged[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
                bounded(&format!("{name}, {number:#x} at {at}, four bytes"), damaged.clone());
                damaged[at..at + 8].copy_from_slice(&number.to_le_bytes());
                bounded(&format!("{name}, {number:#x} at {at}, eight bytes"), damaged);
            }
        }
    }
}

/// What the fuzzer once broke it with (`make fuzz`).
#[test]
fn what_was_found_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found");
    for (name, bytes) in files(&folder, &["bin"]) {
        bounded(&name, bytes);
    }
}

/// The command's answer for each path, read in a process that may have 256 MB of memory and no more, and a
/// second of processor time for each.
fn within_bounds(paths: &[&Path]) -> Vec<Value> {
    let mut all = Vec::new();
    for path in paths {
        let command = Wsgiaudit::new().arg("inspect").arg("--format").arg("json").arg(path).into_command();
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--as={MOST_MEMORY}")).arg("--cpu=2").arg(command.get_program());
        let output = limited.args(command.get_args()).output().unwrap();
        let status = output.status.code();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(status, Some(0 | 3)), "{}: {:?} {err}", path.display(), output.status);
        assert_eq!(err, "", "{}", path.display());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        all.extend(document["files"].as_array().unwrap().iter().cloned());
    }
    all
}

fn doubts(file: &Value) -> String {
    let doubts = file["declaration"]["doubts"].as_array().unwrap().iter();
    doubts.map(|doubt| doubt.as_str().unwrap()).collect::<Vec<_>>().join("; ")
}

#[test]
fn files_of_gigabytes_cost_what_is_read_of_them() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in seeds() {
        let path = folder.path().join(format!("seed-{name}"));
        let mut file = File::create(&path).unwrap();
        file.write_all(&bytes).unwrap();
        file.set_len(5 << 30).unwrap();
        // By its own name it is no module, by that of its init function it is.
        let read = within_bounds(&[&path]);
        let found = read.iter().map(|file| file["declaration"]["initialisation"].as_str().unwrap());
        assert_eq!(found.collect::<Vec<_>>(), ["none", "multi-phase"], "{name}");
    }
}

#[test]
fn links_in_a_circle_end() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(format!("{name}.{SUFFIX}")));
    symlink(&b, &a).unwrap();
    symlink(&a, &b).unwrap();
    fs::create_dir(folder.path().join("inside")).unwrap();
    symlink("..", folder.path().join("inside/again")).unwrap();
    symlink(folder.path(), folder.path().join("inside/whole")).unwrap();
    let found = within_bounds(&[folder.path()]);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|file| doubts(file).contains("cannot be read")), "{found:?}");
}

/// Two libraries whose functions call each other for ever.
#[test]
fn libraries_in_a_circle_end() {
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str, source: &str, needs: &[&str]| {
        let file = folder.path().join(format!("{name}.c"));
        fs::write(&file, source).unwrap();
        let mut compiler = c_compiler();
        compiler.args(["-O1", "-fPIC", "-shared", "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed"]);
        compiler.arg(&file).arg("-o").arg(folder.path().join(name)).arg("-L").arg(folder.path());
        compiler.args(needs.iter().map(|name| format!("-l:{name}")));
        assert!(compiler.status().unwrap().success());
    };
    let module = format!("seed.{SUFFIX}");
    build("libother.so", "void *there(void) { return 0; }", &[]);
    let source = "void *there(void); void *here(void) { return (char *)there() + 1; }\n\
         void *PyInit_seed(void) { return here(); }";
    build(&module, source, &["libother.so"]);
    build("libother.so", "void *here(void); void *there(void) { return (char *)here() + 1; }", &[&module]);
    let found = within_bounds(&[&folder.path().join(module)]);
    assert_eq!(found[0]["declaration"]["initialisation"], "undetermined", "{found:?}");
}

fn wheel(folder: &Path, name: &str, entries: &[(&str, &[u8])]) -> PathBuf {
    let path = folder.join(format!("{name}-1.0-cp314-cp314-linux_x86_64.whl"));
    pack_entries(File::create(&path).unwrap(), entries);
    path
}

fn elf_seed() -> Vec<u8> {
    seeds().into_iter().find(|(name, _)| name.starts_with("elf-x86_64")).unwrap().1
}

#[test]
fn paths_that_leave_the_wheel_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let seed = elf_seed();
    let names = ["../../seed", "/etc/seed", "a/../../seed"].map(|name| format!("{name}.{SUFFIX}"));
    let inside = format!("package/seed.{SUFFIX}");
    let mut entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &seed[..])).collect();
    entries.push((&inside, &seed));
    let found = within_bounds(&[&wheel(folder.path(), "leaving", &entries)]);
    assert_eq!(found.len(), 4);
    for file in &found {
        match file["file"] == *inside {
            true => assert_eq!(file["declaration"]["multiple_interpreters"], 2),
            false => assert_eq!(doubts(file), "its path leaves the wheel"),
        }
    }
}

#[test]
fn bombs_in_wheels_are_not_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let module = format!("seed.{SUFFIX}");
    // 400 MB of zeros; then as much that begins as an ELF file does; then what passes for small.
    let zeros = vec![0; 400 << 20];
    let found = within_bounds(&[&wheel(folder.path(), "zeros", &[(&module, &zeros)])]);
    assert!(doubts(&found[0]).contains("bytes exceed the limit of"), "{found:?}");
    let mut large = elf_seed();
    large.resize(150 << 20, 0);
    let path = wheel(folder.path(), "large", &[(&module, &large)]);
    assert_eq!(within_bounds(&[&path]).len(), 1);

    let mut bytes = fs::read(&path).unwrap();
    let claim = u32::try_from(large.len()).unwrap().to_le_bytes();
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == claim).collect();
    places.iter().for_each(|at| bytes[*at..*at + 4].copy_from_slice(&4096_u32.to_le_bytes()));
    fs::write(&path, bytes).unwrap();
    let found = within_bounds(&[&path]);
    assert!(doubts(&found[0]).contains("the wheel is damaged"), "{places:?} {found:?}");
}

#[test]
fn damaged_wheels_are_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = wheel(folder.path(), "damaged", &[(&format!("seed.{SUFFIX}"), &elf_seed())]);
    let bytes = fs::read(&path).unwrap();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for round in 0..1500 {
        let mut damaged = bytes[..bytes.len() - dice.throw(2) * dice.throw(bytes.len())].to_vec();
        for _ in 0..dice.throw(6) {
            let at = dice.throw(damaged.len());
            damaged[at] ^= 1 << dice.throw(8);
        }
        fs::write(&path, damaged).unwrap();
        let start = processor_time();
        inspect_path(&path, None);
        assert!(processor_time() - start < LONGEST, "damage {round}");
    }
}
