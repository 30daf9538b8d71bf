//! A headless Chromium, spoken to over its debugging pipe: no port, no driver, no network.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one page. It goes away with the test.
pub(crate) struct Browser {
    child: Child,
    commands: RefCell<ChildStdin>,
    messages: Receiver<Value>,
    session: String,
    last: Cell<u64>,
    events: RefCell<Vec<Value>>,
    /// The server of the page, if it is not a file.
    visited: RefCell<Option<String>>,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let found =
            Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/chromium")).output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        let chromium = String::from_utf8(found.stdout).unwrap();
        let profile = tempfile::tempdir().unwrap();
        // Chromium reads commands from descriptor 3 and writes answers to 4. Root gets no sandbox of its own,
        // and the pages are ours.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", chromium.trim()])
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--hide-scrollbars", "--no-first-run", "--disable-background-networking"])
            .args(["--remote-debugging-pipe", "--force-color-profile=srgb"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let messages = listen(child.stdout.take().unwrap());
        let commands = RefCell::new(child.stdin.take().unwrap());
        let mut browser = Self {
            child,
            commands,
            messages,
            session: String::new(),
            last: Cell::new(0),
            events: RefCell::default(),
            visited: RefCell::default(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", target)["sessionId"].clone();
        session.as_str().unwrap().clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends a command and returns what it answers.
    pub(crate) fn call(&self, method: &str, parameters: Value) -> Value {
        self.last.set(self.last.get() + 1);
        let mut message = json!({"id": self.last.get(), "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut commands = self.commands.borrow_mut();
        commands.write_all(format!("{message}\0").as_bytes()).unwrap();
        commands.flush().unwrap();
        loop {
            let answer = self
                .messages
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            if answer["id"] != self.last.get() {
                self.events.borrow_mut().push(answer);
                continue;
            }
            assert!(answer["error"].is_null(), "{method}: {answer}");
            return answer["result"].clone();
        }
    }

    /// The size of the view, in CSS pixels, and the system's colours: `light` or `dark`.
    pub(crate) fn looks(&self, width: u32, height: u32, scheme: &str) -> &Self {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}));
        self
    }

    /// Opens a file, from an empty page, and waits until it is loaded. `fragment` is empty, or begins with `#`.
    pub(crate) fn open(&self, file: &Path, fragment: &str) -> &Self {
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.call("Page.navigate", json!({"url": format!("file://{}{fragment}", file.display())}));
        self.wait_for("location.protocol === 'file:' && document.readyState === 'complete'");
        self.settle();
        self
    }

    /// Opens the page of a server, and waits until it is loaded.
    pub(crate) fn visit(&self, url: &str) -> &Self {
        *self.visited.borrow_mut() = Some(url.to_owned());
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.call("Page.navigate", json!({"url": url}));
        self.wait_for(&format!("location.href === '{url}' && document.readyState === 'complete'"));
        self.settle();
        self
    }

    /// The value of an expression; a promise is awaited.
    pub(crate) fn ask(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer:#}");
        answer["result"]["value"].clone()
    }

    pub(crate) fn number(&self, expression: &str) -> f64 {
        self.ask(expression).as_f64().unwrap_or_else(|| panic!("{expression} is no number"))
    }

    pub(crate) fn text(&self, expression: &str) -> String {
        self.ask(expression).as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    pub(crate) fn names(&self, expression: &str) -> Vec<String> {
        let all = self.ask(expression);
        all.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn holds(&self, expression: &str) {
        assert_eq!(self.ask(expression), json!(true), "{expression}");
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, expression: &str) {
        let started = Instant::now();
        while self.ask(expression) != json!(true) {
            assert!(started.elapsed() < PATIENCE, "waited in vain for {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Until what was begun has been painted.
    pub(crate) fn settle(&self) {
        self.ask("new Promise(done => requestAnimationFrame(() => setTimeout(done)))");
    }

    /// Presses the mouse on an element, as a hand would, in the middle of it or at its left.
    pub(crate) fn click(&self, selector: &str) {
        let place = self.ask(&format!(
            "(() => {{ const each = document.querySelector({selector:?});
                each.scrollIntoView({{block: 'center'}});
                const box = each.getBoundingClientRect();
                return [box.x + Math.min(box.width / 2, 60), box.y + box.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1
            });
            self.call("Input.dispatchMouseEvent", event);
        }
        self.settle();
    }

    /// Presses a key: a letter, or a name as `KeyboardEvent.key` has it.
    pub(crate) fn press(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            "ArrowUp" => (38, ""),
            "ArrowDown" => (40, ""),
            letter => (letter.to_uppercase().bytes().next().map_or(0, u32::from), letter),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
        self.settle();
    }

    pub(crate) fn enter(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
        self.settle();
    }

    /// What is seen, as PNG; kept in `target/tmp/screenshots` to be looked at.
    pub(crate) fn screenshot(&self, name: &str) -> Vec<u8> {
        let data = self.call("Page.captureScreenshot", json!({}))["data"].clone();
        let image = base64::engine::general_purpose::STANDARD.decode(data.as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), &image).unwrap();
        image
    }

    /// Panics where a page logged an error or a warning, threw, or asked for anything but the files opened and the
    /// server visited.
    #[track_caller]
    pub(crate) fn was_quiet(&self) {
        self.settle();
        let mut opened = 0;
        for event in self.events.borrow().iter() {
            let parameters = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                    panic!("{parameters:#}")
                }
                "Network.requestWillBeSent" => {
                    let url = parameters["request"]["url"].as_str().unwrap();
                    let is_visited = self.visited.borrow().as_ref().is_some_and(|page| url.starts_with(page));
                    let is_page =
                        parameters["type"] == "Document" && url.starts_with("file://") || is_visited;
                    assert!(is_page || url == "about:blank" || url == "data:,", "{parameters:#}");
                    opened += usize::from(is_page);
                }
                _ => {}
            }
        }
        assert!(opened > 0, "the network was not watched");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Chromium says: JSON with a zero byte behind each.
fn listen(stdout: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stdout);
        loop {
            let mut message = Vec::new();
            match reader.read_until(0, &mut message) {
                Ok(read) if read > 0 => {}
                Ok(_) | Err(_) => break,
            }
            if message.pop() != Some(0) || sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                break;
            }
        }
    });
    receiver
}
