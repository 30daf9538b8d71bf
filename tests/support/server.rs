//! A running `wsgiaudit serve`, and a client.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::command::Wsgiaudit;
use super::pythons::{self, Python};

/// One that ends with the test.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) address: String,
    /// Where its metrics are.
    scraped: Option<String>,
}

impl Server {
    /// Serves `app:application` of this source on the first Python at hand.
    #[track_caller]
    pub(crate) fn start(source: &str, args: &[&str]) -> Self {
        Self::on(&pythons::all().remove(0), source, args)
    }

    #[track_caller]
    pub(crate) fn on(python: &Python, source: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("app.py"), source).unwrap();
        let environment = python.executable.to_str().unwrap().to_owned();
        let args = [&["-e", &environment, "--bind", "127.0.0.1:0", "app:application"], args].concat();
        Self::spawn(folder, &args)
    }

    /// The same, and tells its metrics.
    #[track_caller]
    pub(crate) fn with_metrics(source: &str, args: &[&str]) -> Self {
        let mut server = Self::start(source, &[&["--metrics", "127.0.0.1:0"], args].concat());
        let line = server.wait_for("metrics on http://");
        server.scraped =
            line.split("http://").nth(1).and_then(|rest| Some(rest.split_once('/')?.0.to_owned()));
        server
    }

    /// The URL of its metrics.
    pub(crate) fn metrics_url(&self) -> String {
        format!("http://{}", self.scraped.as_ref().unwrap())
    }

    /// What its metrics' address answers.
    #[track_caller]
    pub(crate) fn fetch(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.scraped.as_ref().unwrap());
        ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// The status of what its metrics' address answers.
    #[track_caller]
    pub(crate) fn fetch_status(&self, path: &str) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let url = format!("http://{}{path}", self.scraped.as_ref().unwrap());
        agent.get(url).call().unwrap().status().as_u16()
    }

    /// Its metrics, as JSON.
    #[track_caller]
    pub(crate) fn metrics(&self) -> serde_json::Value {
        serde_json::from_str(&self.fetch("/metrics.json")).unwrap()
    }

    /// With these arguments alone; the working folder is `folder`.
    #[track_caller]
    pub(crate) fn spawn(folder: tempfile::TempDir, args: &[&str]) -> Self {
        let command = command(folder.path(), args);
        Self::run(folder, command)
    }

    /// With this command, which [`command`] has made for the folder.
    #[track_caller]
    pub(crate) fn run(folder: tempfile::TempDir, mut command: Command) -> Self {
        let child = command.spawn().unwrap();
        let mut server = Self { child, folder, address: String::new(), scraped: None };
        let line = server.wait_for("serving ");
        server.address = line
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split([' ', ',']).next())
            .unwrap_or_default()
            .to_owned();
        server
    }

    /// The line of its log that holds this text, when there is one.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?} before {text:?}:\n{log}");
            assert!(started.elapsed() < Duration::from_secs(60), "no {text:?} in:\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until its log holds this text so many times.
    #[track_caller]
    pub(crate) fn wait_for_count(&self, text: &str, count: usize) {
        let started = Instant::now();
        while self.log().matches(text).count() < count {
            assert!(started.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Ends it in order; its exit status and log.
    #[track_caller]
    pub(crate) fn stop(mut self) -> (i32, String) {
        self.signal("TERM");
        (self.ended(), self.log())
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(started.elapsed() < Duration::from_secs(60), "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// `GET`: status and body.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(format!("http://{}{path}", self.address)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// What curl prints with these options.
    #[track_caller]
    pub(crate) fn curl(&self, options: &[&str], path: &str) -> String {
        let url = format!("http://{}{path}", self.address);
        let output = Command::new("curl").args(["-sS"]).args(options).arg(url).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("{out}{err}")
    }
}

/// One that does not come up: its exit status and what it said.
#[track_caller]
pub(crate) fn fails(source: &str, args: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), source).unwrap();
    let environment = pythons::all().remove(0).executable;
    let environment = environment.to_str().unwrap();
    let args = [&["-e", environment, "--bind", "127.0.0.1:0", "app:application"], args].concat();
    let status = command(folder.path(), &args).spawn().unwrap().wait().unwrap();
    (status.code(), fs::read_to_string(folder.path().join("log")).unwrap())
}

/// `wsgiaudit serve` in a folder, with its log in there.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let log: PathBuf = folder.join("log");
    let log = fs::File::create(log).unwrap();
    // One that is killed tidies nothing up.
    let mut command = Wsgiaudit::new().arg("serve").within(folder).env("TMPDIR", folder).into_command();
    command.args(args).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
