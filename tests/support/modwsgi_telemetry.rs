//! mod_wsgi-telemetry, as a program that receives datagrams.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::telemetry_environment;

/// mod_wsgi-telemetry, which receives, and answers over HTTP.
pub(crate) struct ModWsgiTelemetry {
    child: Child,
    url: String,
}

impl ModWsgiTelemetry {
    pub(crate) fn start(target: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(telemetry_environment().join("bin/mod_wsgi-telemetry"))
            .args(["serve", "--listen", target, "--http-port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let receiver = Self { child, url: format!("http://127.0.0.1:{port}/api/state") };
        let started = Instant::now();
        while receiver.try_state().is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "mod_wsgi-telemetry does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        receiver
    }

    pub(crate) fn try_state(&self) -> Option<Value> {
        let text = ureq::get(&self.url).call().ok()?.body_mut().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    }
}

impl Drop for ModWsgiTelemetry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
