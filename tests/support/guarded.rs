//! A command that is watched: how long it runs, and how much memory it takes.

use std::fs;
use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::command::{Said, Wsgiaudit};

/// How a command ended.
pub(crate) struct Watched {
    pub(crate) said: Said,
    pub(crate) took: Duration,
    /// The most memory that the process itself held, in bytes.
    pub(crate) memory: u64,
}

/// Runs a command that must end within `most`; else it is killed, and the test fails.
#[track_caller]
pub(crate) fn watch(command: Wsgiaudit, most: Duration) -> Watched {
    let mut child = command
        .into_command()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
    let (started, mut memory) = (Instant::now(), 0);
    let status = loop {
        memory = peak_of(&child).unwrap_or(memory);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > most {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it still ran after {most:?}: {}{}", out.join().unwrap(), err.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let said = Said { out: out.join().unwrap(), err: err.join().unwrap(), status: status.code() };
    Watched { said, took: started.elapsed(), memory }
}

fn read(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    let mut pipe = pipe.unwrap();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// `VmHWM`: the peak of the memory that a process holds.
fn peak_of(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// Puts a FIFO in place of what is there.
pub(crate) fn put_fifo(path: &std::path::Path) {
    let _absent = fs::remove_file(path);
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}
