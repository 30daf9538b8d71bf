//! A package index of a test's own, on the loopback: HTTP as the test wants it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::pythons;

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, and no page.
    Status(u16),
    /// A project's page that links to these files.
    Page(Vec<String>),
    /// Any other page.
    Html(String),
    /// Nothing, as long as the test runs.
    Silence,
}

/// Listens, and answers each request by its path until the test process ends. Returns its address.
pub(crate) fn serve(answer: impl Fn(&str) -> Answer + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || drop(respond(&connection, answer)));
        }
    });
    address
}

fn respond(connection: &TcpStream, answer: impl Fn(&str) -> Answer) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for header in lines.by_ref() {
        if header?.is_empty() {
            break;
        }
    }
    let (status, page) = match answer(request.split(' ').nth(1).unwrap_or("/")) {
        Answer::Status(status) => (status, String::new()),
        Answer::Page(files) => {
            let links: String = files.iter().map(|file| format!("<a href=\"{file}\">{file}</a>\n")).collect();
            (200, format!("<!DOCTYPE html><html><body>\n{links}</body></html>"))
        }
        Answer::Html(page) => (200, page),
        Answer::Silence => {
            thread::sleep(Duration::from_secs(600));
            return Ok(());
        }
    };
    write!(
        &*connection,
        "HTTP/1.1 {status} Whatever\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}

/// A folder with uv alone in it, for PATH.
pub(crate) fn uv() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uv");
        std::fs::create_dir_all(&folder).unwrap();
        let (link, new) = (folder.join("uv"), folder.join(std::process::id().to_string()));
        std::os::unix::fs::symlink(tools_environment().join("bin/uv"), &new).unwrap();
        std::fs::rename(&new, &link).unwrap();
        folder
    })
}

/// The virtualenv of `make tools-environment`, with uv and pre-commit. It is made where it was not provided.
pub(crate) fn tools_environment() -> &'static Path {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        if let Some(provided) = std::env::var_os("WSGIAUDIT_TEST_TOOLS") {
            return provided.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut make = Command::new(root.join("tests/support/environment"));
        make.arg("tools").arg(pythons::all().remove(0).executable);
        let made = make.arg(root.join("corpus/environments/tools.txt")).arg("--no-deps").output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().into()
    })
}
