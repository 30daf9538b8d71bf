//! The live page of `wsgiaudit serve --metrics`: its events, its clients, and what a browser shows.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::browser::Browser;
use crate::support::server::Server;

/// A file name that must not become markup.
const APPLICATION: &str = r#"
import time

odd = {}
name = "<img src=x onerror=\"document.title='taken'\">"
exec(compile("def wait(seconds):\n    import time; time.sleep(seconds)", name, "exec"), odd)

def work(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/wait":
        time.sleep(float(query))
    elif path == "/odd":
        odd["wait"](float(query))
    elif path == "/work":
        work(float(query))
    start_response("200 OK", [])
    return [b"done"]
"#;

/// An open event stream.
struct Stream {
    reader: BufReader<TcpStream>,
    head: String,
}

impl Stream {
    #[track_caller]
    fn open(server: &Server) -> Self {
        let url = server.metrics_url();
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        Self { reader, head }
    }

    /// The next frame; `None` at the end of the stream, which must be an orderly one.
    #[track_caller]
    fn next_frame(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            if line.trim() == "0" {
                return None;
            }
            assert!(!line.is_empty(), "it was cut off");
            if let Some(data) = line.strip_prefix("data: ") {
                let frame: Value = serde_json::from_str(data).unwrap();
                if frame.get("snapshot").is_some() {
                    return Some(frame);
                }
            }
        }
    }

    /// The first frame for which this holds.
    #[track_caller]
    fn wait_for(&mut self, what: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let frame = self.next_frame().unwrap();
            if what(&frame) {
                return frame;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "it does not come: {frame:#}");
        }
    }
}

#[test]
fn the_page_asks_for_nothing_else() {
    let server = Server::with_metrics(APPLICATION, &[]);
    let page = server.fetch("/");
    for foreign in ["http:", "https:", "//cdn", "@import", "url(", "innerHTML", "insertAdjacent", "eval("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let answer = ureq::get(server.metrics_url()).call().unwrap();
    let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(
        (header("x-content-type-options").as_str(), header("referrer-policy").as_str()),
        ("nosniff", "no-referrer")
    );
    assert_eq!(server.fetch_status("/nothing"), 404);
}

#[test]
fn all_clients_see_the_same_frames_and_there_is_a_limit() {
    let server = Server::with_metrics(APPLICATION, &["--interpreters", "2", "--threads", "2"]);
    let mut streams: Vec<Stream> = (0..16).map(|_| Stream::open(&server)).collect();
    assert!(streams.iter().all(|stream| stream.head.contains("200 OK")), "{}", streams[15].head);
    assert!(streams[0].head.contains("text/event-stream") && streams[0].head.contains("no-store"));
    let refused = Stream::open(&server);
    assert!(refused.head.contains("503 ") && refused.head.contains("retry-after"), "{}", refused.head);
    server.get("/work?0.01");
    let has_requests = |frame: &Value| frame["snapshot"]["processes"][0]["requests"].as_u64() == Some(1);
    let frames: Vec<Value> = streams.iter_mut().map(|stream| stream.wait_for(has_requests)).collect();
    // One sampling for all.
    let times: BTreeSet<String> = frames.iter().map(|frame| frame["time"].to_string()).collect();
    assert!(times.len() <= 2, "{times:?}");
    let process = &frames[0]["snapshot"]["processes"][0];
    assert_eq!((&process["threads"], &process["state"]), (&4.into(), &"serving".into()));
    let names: Vec<&str> = process["interpreters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|interpreter| interpreter["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["default/1", "default/2"]);
    let column = frames[0]["history"]["columns"].as_array().unwrap().last().unwrap();
    assert_eq!(column["busy"].as_str().map(str::len), Some(4), "{column}");
    assert_eq!(frames[0]["snapshot"]["events"][0]["event"], "started");
    // Places become free.
    streams.truncate(3);
    let started = Instant::now();
    while !Stream::open(&server).head.contains("200 OK") {
        assert!(started.elapsed() < Duration::from_secs(10), "no place becomes free");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn open_pages_delay_neither_the_end_nor_a_reload() {
    let server = Server::with_metrics(APPLICATION, &["--drain", "20"]);
    let mut stream = Stream::open(&server);
    // It never reads.
    let _deaf = Stream::open(&server);
    stream.next_frame().unwrap();
    server.signal("HUP");
    let mut last = stream.next_frame().unwrap();
    while let Some(frame) = stream.next_frame() {
        last = frame;
    }
    let events = last["snapshot"]["events"].as_array().unwrap();
    assert!(
        events.iter().any(|event| event["event"] == "stopping" && event["reason"] == "graceful_signal"),
        "{events:#?}"
    );
    // The process that has taken over knows of the other one.
    let mut stream = Stream::open(&server);
    let frame = stream.wait_for(|frame| {
        let events = frame["snapshot"]["events"].as_array().unwrap();
        events.iter().any(|event| event["event"] == "stopped")
    });
    let events = frame["snapshot"]["events"].as_array().unwrap();
    let pids: BTreeSet<u64> = events.iter().map(|event| event["pid"].as_u64().unwrap()).collect();
    assert!(pids.len() == 2 && events.iter().any(|event| event["event"] == "started"), "{events:#?}");
    let _deaf = Stream::open(&server);
    let began = Instant::now();
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    stream.reader.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
    assert!(String::from_utf8_lossy(&rest).contains("shutdown_signal"));
}

#[test]
fn each_process_says_which_one_it_is() {
    let mut server = Server::with_metrics(APPLICATION, &["--processes", "2"]);
    server.wait_for("process 2 of 2, pid");
    let mut stream = Stream::open(&server);
    let mut greeting = String::new();
    while !greeting.contains("\"ports\"") {
        stream.reader.read_line(&mut greeting).unwrap();
    }
    assert!(greeting.contains("\"slot\":0"), "{greeting}");
    // The events are those of both.
    let frame = stream.wait_for(|frame| frame["snapshot"]["events"].as_array().unwrap().len() == 2);
    assert_eq!(frame["snapshot"]["processes"].as_array().unwrap().len(), 1);
    // So are the figures, in short.
    let frame = stream.wait_for(|frame| frame["processes"].as_array().unwrap().len() == 2);
    let slots: Vec<u64> = frame["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|process| process["slot"].as_u64().unwrap())
        .collect();
    assert_eq!(slots, [0, 1]);
}

/// Keeps a server busy until the end of a test.
fn load(server: &Server, until: &std::sync::atomic::AtomicBool) {
    while !until.load(std::sync::atomic::Ordering::Relaxed) {
        server.get("/work?0.03");
    }
}

#[test]
fn a_browser_shows_it_on_every_screen() {
    let args = ["--interpreters", "2", "--threads", "2", "--slow-requests", "1.5"];
    let server = Server::with_metrics(APPLICATION, &args);
    let browser = Browser::start();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| server.get("/odd?3"));
        for _ in 0..4 {
            scope.spawn(|| load(&server, &is_over));
        }
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| show_page(&server, &browser)));
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Err(panic) = shown {
            std::panic::resume_unwind(panic);
        }
    });
}

fn show_page(server: &Server, browser: &Browser) {
    let text = |id: &str| format!("document.getElementById('{id}').textContent");
    for (width, scheme) in [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark"), (1900, "light")] {
        browser.looks(width, 1500, scheme).visit(&format!("{}/", server.metrics_url()));
        browser.wait_for(&format!("{}.includes('live')", text("state")));
        browser.wait_for(&format!("parseFloat({}) > 1", text("throughput")));
        browser.wait_for("document.querySelectorAll('#interpreters tr').length === 2");
        let odd = "[...document.querySelectorAll('.slow')].find(each => each.textContent.includes('/odd'))";
        browser.wait_for(&format!("!!{odd}?.querySelector('details')"));
        browser.ask(&format!("{odd}.querySelector('summary').click()"));
        // What was opened stays open, and nothing moves while figures change.
        let moved = browser.number(
            "new Promise(done => { let sum = 0;
                new PerformanceObserver(list => list.getEntries().forEach(entry => {
                    sum += entry.hadRecentInput ? 0 : entry.value; }))
                    .observe({type: 'layout-shift', buffered: true});
                setTimeout(() => done(sum), 2500); })",
        );
        assert!(moved < 0.01, "{width} {scheme}: {moved}");
        browser.holds(&format!("{odd}.querySelector('details').open"));
        browser.holds("document.documentElement.scrollWidth <= innerWidth");
        let stack = browser.text(&format!("{odd}.querySelector('ol').textContent"));
        assert!(stack.contains("<img src=x onerror") && stack.contains("app.py"), "{stack}");
        browser.holds("document.title === 'wsgiaudit: app:application' && !document.querySelector('img')");
        let ground = browser.text("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground == "rgb(16, 18, 21)", scheme == "dark", "{ground}");
        let seen = browser.screenshot(&format!("live-{width}-{scheme}"));
        assert!(seen.len() > 30_000, "{width} {scheme}: {} bytes: blank?", seen.len());
    }
    // Four threads are busy, and share a GIL in pairs.
    browser.wait_for("document.querySelectorAll('.finding').length > 0");
    let rules = browser.names("[...document.querySelectorAll('.finding b')].map(each => each.textContent)");
    assert!(rules.iter().any(|rule| rule == "gil-bound" || rule == "saturated"), "{rules:?}");
    browser.click(".finding summary");
    browser.wait_for("document.querySelector('.finding details p').textContent.includes('ten seconds')");
    browser.was_quiet();
}
