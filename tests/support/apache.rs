//! Debian's Apache with mod_wsgi, as `tests/support/modwsgi` builds it: the real thing that verdicts are about.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

/// mod_wsgi built for a Python, named by `WSGIAUDIT_TEST_MODWSGI`. Panics where it was not provided.
pub(crate) fn modwsgi(version: &str) -> PathBuf {
    let listed = std::env::var("WSGIAUDIT_TEST_MODWSGI").unwrap_or_default();
    let mut entries = listed.split_whitespace().filter_map(|entry| entry.split_once('='));
    entries.find(|(name, _)| *name == version).map(|(_, module)| PathBuf::from(module)).unwrap_or_else(|| {
        panic!(
            "no mod_wsgi for {version} to test with: run `make test-modwsgi`, or\n    \
             export WSGIAUDIT_TEST_MODWSGI=\"$(make -s modwsgi)\""
        )
    })
}

/// What Apache loads beside mod_wsgi: no more than serves a request.
const MODULES: [&str; 4] = ["mpm_event", "authz_core", "alias", "env"];

/// A running Apache in a folder of its own. It ends when dropped.
pub(crate) struct Apache {
    process: Child,
    folder: TempDir,
    port: u16,
}

/// What a request got.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The HTTP status; 500 where the daemon process died, 0 where Apache closed the connection.
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// One that does not start.
pub(crate) struct Refused {
    pub(crate) config: PathBuf,
    /// Why.
    pub(crate) said: String,
    /// Its folder goes with it.
    _apache: Apache,
}

impl Apache {
    /// Starts one. `config` follows the lines that load mod_wsgi; in it `{here}` is the server's folder.
    #[track_caller]
    pub(crate) fn start(modwsgi: &Path, config: &str) -> Self {
        Self::try_start(modwsgi, config)
            .unwrap_or_else(|refused| panic!("Apache does not start:\n{}", refused.said))
    }

    /// The same, for one that may not start. `{port}` is the port that it listens on.
    pub(crate) fn try_start(modwsgi: &Path, config: &str) -> Result<Self, Refused> {
        let folder = tempfile::Builder::new().prefix("apache-").tempdir().unwrap();
        let here = folder.path().to_str().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut text = format!(
            "ServerRoot {here}\nDefaultRuntimeDir {here}\nPidFile {here}/pid\nErrorLog {here}/log\n\
             ServerName localhost\nListen 127.0.0.1:{port}\nMutex pthread default\nTimeout 120\n\
             LogLevel notice wsgi:info\n"
        );
        for module in MODULES {
            let file = format!("/usr/lib/apache2/modules/mod_{module}.so");
            writeln!(text, "LoadModule {module}_module {file}").unwrap();
        }
        writeln!(text, "LoadModule wsgi_module {}", modwsgi.display()).unwrap();
        writeln!(text, "WSGISocketPrefix {here}/wsgi\nWSGIDontWriteBytecode On").unwrap();
        text.push_str(&config.replace("{here}", here).replace("{port}", &port.to_string()));
        let file = folder.path().join("conf");
        fs::write(&file, text).unwrap();
        let process = command()
            .args(["-D", "FOREGROUND", "-f"])
            .arg(&file)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("stderr")).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut apache = Self { process, folder, port };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", apache.port)).is_err() {
            if apache.process.try_wait().unwrap().is_some() || Instant::now() > deadline {
                return Err(Refused { config: apache.config(), said: apache.log(), _apache: apache });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(apache)
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("conf")
    }

    /// Asks for a path.
    pub(crate) fn get(&self, path: &str) -> Response {
        self.get_from("localhost", path)
    }

    /// Asks a host for a path.
    pub(crate) fn get_from(&self, host: &str, path: &str) -> Response {
        let answer = self.exchange(host, path).unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Response { status, body: body.to_owned() }
    }

    fn exchange(&self, host: &str, path: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// What it has logged, and what it said to the terminal.
    pub(crate) fn log(&self) -> String {
        let text = |name: &str| fs::read(self.folder.path().join(name)).unwrap_or_default();
        let all = [text("stderr"), text("log")].concat();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Stops it as an operator would, daemon processes and their interpreters with it; its whole log.
    pub(crate) fn stop(mut self) -> String {
        self.end();
        self.log()
    }

    fn end(&mut self) {
        let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) else { return };
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = kill_process(pid, Signal::TERM);
            let deadline = Instant::now() + Duration::from_secs(30);
            while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = self.process.wait();
        }
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        self.end();
    }
}

/// mod_wsgi refuses daemon processes of root. So root runs it in a user namespace where it is nobody, and may
/// read what root's caches hold all the same.
fn command() -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new("/usr/sbin/apache2");
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "/usr/sbin/apache2"]);
    command
}
