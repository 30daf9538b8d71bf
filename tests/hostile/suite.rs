//! A suite of hostile modules, all in one environment beside the innocent ones: `tests/hostile/cases`, one file each, which
//! says what it does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::compile::{sources, with_source};
use super::metadata::state;
use super::{check_innocents, innocents, verdicts};
use crate::support::running::Running;
use crate::support::venv::Venv;

/// Those that misbehave in every interpreter but the main one, or everywhere: none is ready anywhere.
const MISBEHAVE: &[&str] = &[
    "aborts_unheard",
    "audits_back",
    "becomes_another_program",
    "closes_every_descriptor",
    "collapses_the_import_system",
    "collects_no_garbage",
    "duplicates_over_descriptors",
    "ends_by_a_timer",
    "ends_its_thread",
    "escapes_in_messages",
    "exits_at_exit",
    "exits_in_a_thread",
    "exits_in_exec",
    "exits_in_init",
    "exits_when_freed",
    "faults_unheard",
    "filters_calls_of_all_threads",
    "hides_its_threads",
    "hooks_the_c_library",
    "kills_all_processes",
    "lies_about_itself",
    "lowers_its_limits",
    "nests_folders",
    "overflows_its_stack",
    "raises_base_exception",
    "raises_keyboard_interrupt",
    "raises_system_exit",
    "recurses",
    "replaces_builtins",
    "replaces_import_functions",
    "sleeps_in_second",
    "spins_deaf",
    "stops_its_supervisor",
    "stops_itself",
    "traces_its_observer",
    "unmaps_the_interpreter",
    "walks_frames",
];

/// Those that try what the sandbox keeps from having an effect. What they are judged is a matter of the attempt.
const TRY: &[&str] = &[
    "changes_its_neighbours",
    "daemonizes",
    "exits_in_a_destructor",
    "forks_many",
    "leaves_files",
    "names_files_of_its_trial",
    "prints_megabytes",
    "reaches_for_its_supervisor",
    "shares_memory",
    "starts_many_threads",
    "takes_all_descriptors",
    "takes_all_memory",
    "writes_into_the_environment",
    "writes_to_every_descriptor",
];

/// Harmless: tells the others where they are.
const WHERE: &str = "where";

/// In the names of what cases leave outside of their folders, if they can.
const LEFT: &str = "wsgiaudit-hostile-left";

/// What the audit of all cases may take, on a busy machine.
const MOST_TIME: Duration = Duration::from_secs(400);

#[test]
fn no_case_harms_anybody_else_or_passes() {
    withstands_all(Running::start);
}

#[test]
fn no_case_harms_anybody_else_or_passes_as_an_ordinary_user() {
    withstands_all(Running::start_as_ordinary_user);
}

#[test]
fn every_case_is_in_the_table() {
    let files = fs::read_dir(sources("cases")).unwrap().map(|entry| entry.unwrap().path());
    let names: BTreeSet<String> = files.map(|file| file_stem(&file).to_owned()).collect();
    let table = MISBEHAVE.iter().chain(TRY).chain([&WHERE]).map(|name| (*name).to_owned());
    assert_eq!(names, table.collect());
}

fn withstands_all(start: impl Fn(&Venv, &[&str]) -> Running) {
    let (attacked, began) = (with_all_cases(), Instant::now());
    let before = state(&attacked);
    let (_, report) = start(&attacked, &["--jobs", "2", "--timeout", "6"]).end();
    let took = began.elapsed();
    assert_eq!(state(&attacked), before, "the environment has changed");
    assert_eq!(files_left(), BTreeSet::new());
    check_innocents(&report);
    assert_eq!(verdicts(&report, WHERE), ["ready", "ready"]);
    // Where one of its calls succeeds, it ends its process.
    assert_eq!(verdicts(&report, "reaches_for_its_supervisor"), ["ready", "ready"], "{report}");
    let passed: Vec<_> = MISBEHAVE.iter().filter(|name| is_ready_somewhere(&report, name)).collect();
    assert!(passed.is_empty(), "{passed:?} are ready: {report}");
    assert!(took < MOST_TIME, "it took {took:?}");
}

/// The innocent modules and all cases.
fn with_all_cases() -> Venv {
    let mut files: Vec<_> =
        fs::read_dir(sources("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().fold(innocents(), |venv, file| {
        if file.extension().is_some_and(|suffix| suffix == "py") {
            venv.with_python(file_stem(&file), &fs::read_to_string(&file).unwrap())
        } else {
            with_source(venv, &file, "", &["-pthread", "-I", sources("modules").to_str().unwrap()])
        }
    })
}

fn file_stem(file: &Path) -> &str {
    file.file_stem().unwrap().to_str().unwrap()
}

fn is_ready_somewhere(report: &Value, name: &str) -> bool {
    verdicts(report, name).iter().any(|verdict| verdict == "ready")
}

/// What the cases have left in the folders that everybody may write to.
fn files_left() -> BTreeSet<String> {
    let folders = ["/tmp", "/var/tmp", "/dev/shm", "/run", env!("CARGO_TARGET_TMPDIR")].into_iter();
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let names = entries.map(|entry| entry.path().to_string_lossy().into_owned());
    names.filter(|name| name.contains(LEFT)).collect()
}
