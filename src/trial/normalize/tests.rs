use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use wsgiaudit_probes_core::protocol::CopyTrees;

use super::*;

/// 2026-11-29, 19:57:52 UTC, on a machine that has been up for almost four hours.
fn sample_run() -> RunInfo {
    let clock = |seconds: f64| ClockReading { epoch: 1_796_000_272.0 + seconds, uptime: 13_500.0 + seconds };
    let ids: BTreeSet<u64> = [42, 23953, 23954].into();
    let mut run = RunInfo::new(
        Path::new("/var/lib/x/tmpq1W2e3r4"),
        Path::new("/srv/20261129195801/tmp/tmpab12cd_x/bin/python"),
        Path::new("/var/lib/x/tmpq1W2e3r4/aB3dE5gH.so"),
        Some(&CopyTrees { folder: "/cache/sets/set-Xy12".to_owned(), count: 3 }),
        ids,
        clock(0.0),
    );
    run.time = [clock(0.0), clock(60.0)];
    run
}

#[track_caller]
fn assert_hidden(cases: &[(&str, &str)]) {
    for (text, hidden) in cases {
        assert_eq!(normalize_text(&sample_run(), text), *hidden, "{text}");
        assert_eq!(normalize_text(&sample_run(), hidden), *hidden, "twice: {text}");
    }
}

#[test]
fn every_pattern_is_one_and_has_a_group_that_is_hidden() {
    let times = times::time_patterns().into_iter().map(|(pattern, _)| pattern);
    let others =
        [addresses::address_patterns(), ids::id_patterns(), temporary_names::name_patterns()].concat();
    for pattern in others.into_iter().chain(times) {
        let compiled = Regex::new(pattern).unwrap();
        assert!(compiled.capture_names().flatten().any(|name| name == "n"), "{pattern}");
    }
}

#[test]
fn private_copies_are_shown_as_the_files_they_are_copies_of() {
    assert_hidden(&[
        ("/cache/sets/set-Xy12/2/venv/x.so: undefined symbol: y", "/venv/x.so: undefined symbol: y"),
        ("in /cache/sets/set-Xy12/0/a.so and /cache/sets/set-Xy12/11/b.so", "in /a.so and /b.so"),
        ("/cache/sets/set-Xy12/other/a.so", "/cache/sets/set-Xy12/other/a.so"),
    ]);
}

#[test]
fn addresses_are_hidden() {
    assert_hidden(&[
        ("<a at 0x7fbc33f20bfe>", "<a at 0x?>"),
        ("Thread 0x00007fbc33f20bfe: +0x336f0a [0x55d0c0de0000]", "Thread 0x?: +0x336f0a [0x?]"),
        ("at 0x0, 0xdddddddddddddddd, 0x, 0xg", "at 0x0, 0xdddddddddddddddd, 0x, 0xg"),
        ("<Thread(Thread-1, started 140447012345536)>", "<Thread(Thread-1, started ?)>"),
        ("on AArch64 0xffff9c5d1000, 281473301745664", "on AArch64 0x?, ?"),
        ("7f1122aa0000-7f1122bb1000 r-xp, at 7f1122bb1000", "? r-xp, at ?"),
        ("cannot allocate 68719476736 bytes", "cannot allocate 68719476736 bytes"),
    ]);
}

#[test]
fn ids_are_hidden() {
    assert_hidden(&[
        (
            "\nthread '<unnamed>' (31337) panicked at lib.rs:101:19:",
            "\nthread '<unnamed>' (?) panicked at lib.rs:101:19:",
        ),
        ("pid 77, PID=4711 (tid: 812) {\"pid\": 99}", "pid ?, PID=? (tid: ?) {\"pid\": ?}"),
        ("<ForkProcess name='p' pid=5 parent=4711 started>", "<ForkProcess name='p' pid=? parent=? started>"),
        ("process 4711 and thread #4712 of worker 512", "process ? and thread #? of worker ?"),
        ("/proc/4711/task/4712/maps", "/proc/?/task/?/maps"),
        ("==4711==ERROR: AddressSanitizer", "==?==ERROR: AddressSanitizer"),
        ("W1129 19:58:01.123456 512 file.cc:12] no", "W? ? ? file.cc:12] no"),
        // Ids of the run.
        ("locked by 23953; core.23954, job-23953.tmp", "locked by ?; core.?, job-?.tmp"),
    ]);
}

#[test]
fn what_numbers_tell_stays() {
    let texts = [
        "[Errno 2] No such file or directory: 'shop.ini'",
        "needs numpy 1.23953, 23953.1 or 2.4.6; found 3.14.7",
        "undefined symbol: f23953x, a23953",
        "42 is no id: 42 of 1024 bytes in 16384 blocks, exit status 134, signal 11, port 5432, line 4096",
        "built 2023-05-01 10:11:12, released 2024-01-01, (c) 2026, version 2026.11",
        "process exited with status 3; thread 12 of 16; 64 threads; pid 0; pid 1",
        "timed out after 30 seconds; timeout 5 s; 250 ms at most; 1.5 GiB",
        "sha256 7fbc33f20bfe0123456789abcdef, 02:42:ac:11:00:02, 10.1.2.3:8080",
        "/tmp/shop/config, /tmp/shop-config, /tmp/my-database.sqlite, /tmp/report_2024-01.txt",
        "tmpfile_name, tmp_config, in 3 ways, pi is 3.14159265",
        "/srv/20261129195801/tmp/tmpab12cd_x/lib/shop.py, /x/target/tmp/venv-q1W2e3/shop.py",
        "{scratch}/worker-?/trial-?/home/shop-database.ini",
        "std::vector<int>::at(12): 1:2 3:4:5",
    ];
    for text in texts {
        assert_eq!(normalize_text(&sample_run(), text), text);
    }
}

#[test]
fn times_are_hidden() {
    assert_hidden(&[
        ("2026-11-29 19:58:01,123 INFO began", "? INFO began"),
        ("[2026-11-29T19:58:01.5Z] began", "[?] began"),
        ("at 2026-11-30T00:58:01+05:00", "at ?"),
        ("19:58:01 began, 0:00:01.234567 ago", "? began, ? ago"),
        ("log-20261129-195801.txt", "log-?.txt"),
        ("Sun Nov 29 19:57:52 2026: began", "?: began"),
        ("Sun, 29 Nov 2026 19:57:52 GMT", "?"),
        ("Nov 29 19:58:01 host", "? host"),
        ("now 1796000273.25, 1796000273, 1796000273250, 1796000273250000000", "now ?, ?, ?, ?"),
        ("monotonic 13510.123456789, 13510123456789", "monotonic ?, ?"),
        ("took 0.0231 s, 12.34ms, 1.5e-05 seconds, 31 us", "took ? s, ?ms, ? seconds, ? us"),
        ("took 37 ms, in 0.3s", "took ? ms, in ?s"),
        ("loaded in 0.00012302398681640625", "loaded in ?"),
    ]);
}

#[test]
fn names_that_are_made_up_are_hidden() {
    assert_hidden(&[
        (
            "/var/lib/x/tmpq1W2e3r4/worker-13/trial-702/home/.shop/key",
            "{scratch}/worker-?/trial-?/home/.shop/key",
        ),
        ("'/var/lib/x/tmpq1W2e3r4/worker-1/trial-3/trial-9/home'", "'{scratch}/worker-?/trial-?/home'"),
        ("'tmpab12cd_x', /dev/shm/tmpab12cd_x/lib.so", "'tmp?', /dev/shm/tmp?/lib.so"),
        (
            "{scratch}/worker-?/trial-?/home/shop-ab12cd_x.so: no",
            "{scratch}/worker-?/trial-?/home/shop-?: no",
        ),
        ("/dev/shm/sem.q1W2e3", "/dev/shm/sem.?"),
        ("{scratch}/worker-?/trial-?/home/shop-czartotm", "{scratch}/worker-?/trial-?/home/shop-?"),
        ("id 123e4567-e89b-42d3-a456-426614174000", "id ?"),
        ("id 123e4567e89b42d3a456426614174000", "id ?"),
    ]);
}

#[test]
fn what_threads_print_is_in_the_order_of_their_numbers() {
    let printed = "begin\nworker 3 is up\nworker 1 is up\nworker 3 is done\nworker 2 is up\nworker 1 is done\n\
                   worker 2 is done\nend\n";
    let sorted = "begin\nworker 1 is up\nworker 1 is done\nworker 2 is up\nworker 2 is done\nworker 3 is up\n\
                  worker 3 is done\nend\n";
    assert_eq!(last_lines(printed, 4096), sorted);
    let counted = "step 1\nstep 2 x\nstep 3\nstep 4 x\n";
    assert_eq!(last_lines(counted, 4096), counted);
    let traceback = "  File \"b.py\", line 7, in f\n  File \"b.py\", line 3, in f\n";
    assert_eq!(last_lines(traceback, 4096), traceback);
    assert_eq!(sort_unique_lines("b\na\nb\n"), "a\nb\n");
}

#[test]
fn no_more_than_whole_lines_are_kept() {
    assert_eq!(last_lines("one\ntwo\nthree\n", 11), "two\nthree\n");
    assert_eq!(last_lines("one\ntwo\nthree\n", 9), "three\n");
    assert_eq!(last_lines("one\ntwo", 5), "two");
    assert_eq!(last_lines("a long line", 4), "line");
}
