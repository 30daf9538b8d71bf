//! The same environment, the same document: whatever trials print and raise, and however they die.

use serde_json::Value;

use crate::support::command::Wsgiaudit;
use crate::support::demo_environment;
use crate::support::venv::Venv;

/// Audits it without a cache.
fn audit(venv: &Venv, options: &[&str]) -> Value {
    let command = Wsgiaudit::new().arg(venv.path()).args(["--format", "json", "--no-cache", "--no-config"]);
    command.args(options).run().body()
}

/// Audits it five times without a cache, and returns the document, which must be the same each time.
#[track_caller]
fn document(venv: &Venv, options: &[&str]) -> Value {
    let first = audit(venv, options);
    for _ in 0..4 {
        let text = |document| serde_json::to_string_pretty(document).unwrap();
        let (one, other) = (text(&first), text(&audit(venv, options)));
        let differ = one.lines().zip(other.lines()).filter(|(one, other)| one != other).take(5);
        let differ: Vec<String> = differ.map(|(one, other)| format!("- {one}\n+ {other}")).collect();
        assert!(one == other, "{}", differ.join("\n"));
    }
    first
}

fn top_level<'d>(document: &'d Value, name: &str, mode: &str) -> &'d Value {
    let names = document["distributions"].as_array().unwrap().iter();
    let mut names = names.flat_map(|row| row["top_level"].as_array().unwrap());
    &names.find(|row| row["name"] == name).unwrap()["modes"][mode]
}

/// What differs in each run, in words as libraries have them.
const SAYS: &str = r#"
import datetime, os, sys, tempfile, threading, time, uuid
began = time.perf_counter()
said = [
    f"pid {os.getpid()}, parent process {os.getppid()}, locked by {os.getpid()}",
    f"thread {threading.get_ident()}, native {threading.get_native_id()}: {threading.current_thread()!r}",
    f"{object()!r}, {id(said_by := object())}, /proc/{os.getpid()}/maps",
    f"now {time.time()}, {time.time_ns()}, {int(time.time())}, up {time.monotonic()}",
    f"{datetime.datetime.now()}, {datetime.datetime.now().isoformat()}, {time.ctime()}, {time.strftime('%H:%M:%S')}",
    f"{tempfile.mkdtemp()}, {tempfile.mkdtemp(prefix='shop-')}, {os.getcwd()}, {uuid.uuid4()}",
    f"sets {set('abcdefghijklmnop')}, {frozenset(['one', 'two', 'three', 'four'])}",
    f"thread '<unnamed>' ({threading.get_native_id()}) panicked at src/lib.rs:101:19:",
    "stays: [Errno 2], error 10061, version 1.2.3, 4096 bytes, status 134",
]
said.append(f"took {time.perf_counter() - began} s, {(time.perf_counter() - began) * 1000:.3f} ms")
"#;

#[test]
fn what_is_raised_and_printed_is_told_without_what_differs_in_each_run() {
    let prints = format!("{SAYS}print(*said, sep='\\n', file=sys.stderr)\n");
    let raises = format!("{SAYS}raise RuntimeError('; '.join(said))\n");
    let venv = Venv::new().with_python("prints", &prints).with_python("raises", &raises);
    let document = document(&venv, &[]);
    let printed = top_level(&document, "prints", "own-gil")["outcome"]["printed"].as_str().unwrap();
    let raised = top_level(&document, "raises", "main")["outcome"]["text"].as_str().unwrap();
    for text in [printed, raised] {
        for what in
            ["stays: [Errno 2], error 10061, version 1.2.3, 4096 bytes, status 134", "src/lib.rs:101:19"]
        {
            assert!(text.contains(what), "{text}");
        }
        assert!(text.contains("pid ?, parent process ?, locked by ?"), "{text}");
        assert!(text.contains("/worker-?/trial-?/home"), "{text}");
    }
}

#[test]
fn where_what_is_said_ends_does_not_depend_on_the_length_of_numbers() {
    let lines = "for i in range(400): print('line', i, 'of pid', os.getpid(), time.time(), 'x' * (i % 7), file=sys.stderr)\n";
    let raises = "raise RuntimeError(' '.join(f'pid {os.getpid()} at {time.time()}' for _ in range(90)))\n";
    let venv = Venv::new()
        .with_python("prints", &format!("import os, sys, time\n{lines}"))
        .with_python("raises", &format!("import os, time\n{raises}"));
    let document = document(&venv, &[]);
    let printed = top_level(&document, "prints", "own-gil")["outcome"]["printed"].as_str().unwrap();
    assert!(printed.ends_with("line 399 of pid ? ? \n"), "{printed}");
    assert!(printed.len() > 3000, "{}", printed.len());
}

#[test]
fn lines_of_several_threads_are_told_in_one_order() {
    let source = "\
import os, random, sys, threading, time
def work(number):
    time.sleep(random.random() / 50)
    os.write(2, f'worker {number} is up\\n'.encode())
    time.sleep(random.random() / 50)
    os.write(2, f'worker {number} is done\\n'.encode())
threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
os.write(2, b'begin\\n')
for thread in threads: thread.start()
for thread in threads: thread.join()
os.write(2, b'end\\n')
";
    let document = document(&Venv::new().with_python("prints", source), &[]);
    let printed = top_level(&document, "prints", "main")["outcome"]["printed"].as_str().unwrap();
    assert!(printed.starts_with("begin\nworker 0 is up\nworker 0 is done\nworker 1 is up\n"), "{printed}");
    assert!(printed.ends_with("worker 5 is done\nend\n"), "{printed}");
}

#[test]
fn a_crash_keeps_its_signal_but_where_the_check_is_overridden() {
    let venv = Venv::new().with("crash-in-second").with("undeclared-crash").with("own-gil-race");
    let document = document(&venv, &[]);
    let reason = |name| top_level(&document, name, "own-gil")["reason"].as_str().unwrap();
    assert!(reason("crash_in_second").contains("(SIGSEGV in setup of crash_in_second."), "{document}");
    let modules = document["modules"].as_array().unwrap();
    let undeclared = modules.iter().find(|row| row["name"] == "undeclared_crash").unwrap();
    let finding = undeclared["findings"][0]["text"].as_str().unwrap();
    assert_eq!(finding, "with CPython's check overridden: crashes in the second interpreter");
}

/// What orjson 3.13.0 keeps in C is the first interpreter's, and used when that has ended. Where it crashes is a matter of
/// chance, and so are the module and the text that the document names; that it does is not.
#[test]
fn memory_that_is_used_when_it_is_free_is_found_each_time() {
    let demo = demo_environment();
    let venv = Venv::new().with_distribution(&demo, "orjson");
    for _ in 0..5 {
        let document = audit(&venv, &[]);
        let tried = &document["modules"][0]["modes"]["shared-gil"];
        assert_eq!(tried["verdict"], "unsafe", "{tried}");
        let reason = tried["reason"].as_str().unwrap();
        assert!(reason.contains("crashes after the first interpreter ended (SIGSEGV"), "{reason}");
    }
}
