//! `wsgiaudit serve --static`: files, without Python.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::pythons;
use crate::support::server::{Server, fails};

const APPLICATION: &str = "\
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'the application']
";

/// Serves `public` as `/static`, and `secret` beside it to nobody.
fn serve(args: &[&str]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let (public, secret) = (folder.path().join("public"), folder.path().join("secret"));
    for path in [&public, &secret, &public.join("css"), &public.join(".git")] {
        fs::create_dir_all(path).unwrap();
    }
    let write = |path: &Path, text: &[u8]| fs::write(path, text).unwrap();
    write(&folder.path().join("app.py"), APPLICATION.as_bytes());
    write(&secret.join("key"), b"secret");
    write(&public.join("css/site.css"), b"0123456789");
    write(&public.join("css/site.css.br"), b"brotli");
    write(&public.join("css/site.css.gz"), b"gzip");
    write(&public.join("a b.html"), b"<p>");
    write(&public.join("empty"), b"");
    write(&public.join(".git/config"), b"secret");
    write(&public.join(".env"), b"secret");
    write(&public.join("large"), &large());
    symlink("css/site.css", public.join("inside.css")).unwrap();
    symlink("../secret/key", public.join("outside")).unwrap();
    symlink(&secret, public.join("absolute")).unwrap();
    symlink("nothing", public.join("dangling")).unwrap();
    assert!(Command::new("mkfifo").arg(public.join("pipe")).status().unwrap().success());
    let python = pythons::all().remove(0).executable;
    let line = ["-e", python.to_str().unwrap(), "--bind", "127.0.0.1:0", "--static", "/static=public", "app"];
    Server::spawn(folder, &[&line, args].concat())
}

fn large() -> Vec<u8> {
    (0..700_001_u32).flat_map(u32::to_le_bytes).collect()
}

/// Status, headers in lower case, and body of an answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn ask(server: &Server, method: &str, target: &str, headers: &str) -> Answer {
    let request = format!("{method} {target} HTTP/1.0\r\n{headers}\r\n");
    let whole = server.raw(request.as_bytes());
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

#[test]
fn a_file_has_its_type_size_and_validators() {
    let server = serve(&[]);
    let found = ask(&server, "GET", "/static/css/site.css", "");
    assert_eq!((found.status, found.body.as_str()), (200, "0123456789"));
    assert_eq!(found.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(found.header("content-length"), Some("10"));
    assert_eq!(found.header("vary"), Some("Accept-Encoding"));
    let head = ask(&server, "HEAD", "/static/css/site.css", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for name in ["content-type", "content-length", "etag", "last-modified", "accept-ranges"] {
        assert!(
            found.header(name).is_some() && found.header(name) == head.header(name),
            "{name}: {}",
            head.head
        );
    }
    assert_eq!(ask(&server, "GET", "/static/a%20b.html", "").body, "<p>");
    assert_eq!(ask(&server, "GET", "/static/inside.css", "").body, "0123456789");
    let empty = ask(&server, "GET", "/static/empty", "");
    assert_eq!((empty.status, empty.header("content-length"), empty.body.as_str()), (200, Some("0"), ""));
    assert_eq!(empty.header("content-type"), Some("application/octet-stream"));
    for path in ["/", "/statics", "/stati", "/css/site.css"] {
        assert_eq!(ask(&server, "GET", path, "").body, "the application", "{path}");
    }
    let (status, log) = server.stop();
    assert_eq!(status, 0, "{log}");
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let server = serve(&[]);
    let found = ask(&server, "GET", "/static/css/site.css", "");
    let (tag, time) = (found.header("etag").unwrap(), found.header("last-modified").unwrap());
    for (headers, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        ("If-None-Match: \"x\"\r\n".to_owned(), 200),
        (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {time}\r\n"), 200),
        (format!("If-Modified-Since: {time}\r\n"), 304),
        ("If-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n".to_owned(), 200),
        ("If-Match: \"x\"\r\n".to_owned(), 412),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(&server, method, "/static/css/site.css", &headers);
            assert_eq!(answer.status, status, "{method} {headers}");
            let has_body = method == "GET" && status == 200;
            assert_eq!(answer.body.is_empty(), !has_body, "{method} {headers}");
            assert_eq!(answer.header("etag"), Some(tag), "{headers}");
        }
    }
    let file = server.folder().join("public/css/site.css");
    fs::write(&file, "other").unwrap();
    let changed = ask(&server, "GET", "/static/css/site.css", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((changed.status, changed.body.as_str()), (200, "other"));
}

#[test]
fn a_single_range_is_a_part() {
    let server = serve(&[]);
    let tag = ask(&server, "HEAD", "/static/css/site.css", "").header("etag").unwrap().to_owned();
    for (headers, status, body, range) in [
        ("Range: bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("Range: bytes=-2", 206, "89", Some("bytes 8-9/10")),
        ("Range: bytes=7-", 206, "789", Some("bytes 7-9/10")),
        ("Range: bytes=7-99", 206, "789", Some("bytes 7-9/10")),
        ("Range: bytes=10-", 416, "", Some("bytes */10")),
        ("Range: bytes=0-1,3-4", 200, "0123456789", None),
        ("Range: bytes=x", 200, "0123456789", None),
        ("Range: bytes=0-0\r\nIf-Range: \"x\"", 200, "0123456789", None),
        (&format!("Range: bytes=0-0\r\nIf-Range: {tag}"), 206, "0", Some("bytes 0-0/10")),
    ] {
        let answer = ask(&server, "GET", "/static/css/site.css", &format!("{headers}\r\n"));
        let found = (answer.status, answer.body.as_str(), answer.header("content-range"));
        assert_eq!(found, (status, body, range), "{headers}");
        assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()), "{headers}");
    }
}

#[test]
fn a_coded_file_beside_it_is_sent_to_those_that_accept_it() {
    let server = serve(&[]);
    let plain = ask(&server, "GET", "/static/css/site.css", "").header("etag").unwrap().to_owned();
    for (accepted, body, coding) in [
        ("br, gzip", "brotli", Some("br")),
        ("gzip", "gzip", Some("gzip")),
        ("gzip, br;q=0.5", "gzip", Some("gzip")),
        ("br;q=0", "0123456789", None),
        ("identity", "0123456789", None),
    ] {
        let answer = ask(&server, "GET", "/static/css/site.css", &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!((answer.body.as_str(), answer.header("content-encoding")), (body, coding), "{accepted}");
        assert_eq!(answer.header("content-type"), Some("text/css; charset=utf-8"));
        assert_eq!(answer.header("etag") == Some(&*plain), coding.is_none());
    }
    let alone = ask(&server, "GET", "/static/a%20b.html", "Accept-Encoding: br\r\n");
    assert_eq!((alone.body.as_str(), alone.header("content-encoding")), ("<p>", None));
}

#[test]
fn nothing_outside_of_the_folder_is_sent() {
    let server = serve(&[]);
    for path in [
        "",
        "/",
        "/css",
        "/css/",
        "/missing",
        "/../secret/key",
        "/%2e%2e/secret/key",
        "/..%2fsecret/key",
        "/css/../../secret/key",
        "/css/./site.css",
        "//css/site.css",
        "/css//site.css",
        "/css%2f%2fsite.css",
        "/css/site.css/",
        "/css/site.css/x",
        "/outside",
        "/absolute/key",
        "/dangling",
        "/.git/config",
        "/.env",
        "/%2eenv",
        "/css/site.css%00",
        "/pipe",
        "//etc/passwd",
        "/%2fetc/passwd",
    ] {
        let answer = ask(&server, "GET", &format!("/static{path}"), "");
        assert_eq!((answer.status, answer.body.as_str()), (404, "Not Found\n"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = ask(&server, method, "/static/css/site.css", "Content-Length: 1\r\n\r\nx");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
}

#[test]
fn a_large_file_is_sent_whole_beside_slow_clients() {
    let server = serve(&["--http-threads", "2"]);
    let expected = large();
    // Clients that read nothing.
    let slow: Vec<_> = (0..100)
        .map(|_| {
            use std::io::Write;
            let mut stream = server.connect();
            stream.write_all(b"GET /static/large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let url = format!("http://{}/static/large", server.address);
    let mut answer = ureq::get(&url).call().unwrap();
    let body = answer.body_mut().with_config().limit(10 << 20).read_to_vec().unwrap();
    assert!(body == expected, "{} bytes", body.len());
    let range =
        ureq::get(&url).header("range", "bytes=1000-2000000").call().unwrap().body_mut().read_to_vec();
    assert!(range.unwrap() == expected[1000..=2_000_000]);
    drop(slow);
    assert_eq!(server.stop().0, 0);
}

#[test]
fn the_folder_may_change_and_the_log_has_the_requests() {
    let folder = tempfile::tempdir().unwrap();
    for release in ["1", "2"] {
        fs::create_dir(folder.path().join(release)).unwrap();
        fs::write(folder.path().join(release).join("name"), release).unwrap();
    }
    let current = folder.path().join("current");
    symlink("1", &current).unwrap();
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    let python = pythons::all().remove(0).executable;
    let args = [
        "-e",
        python.to_str().unwrap(),
        "--bind",
        "127.0.0.1:0",
        "--static",
        "/=current",
        "--static",
        "/old/=1",
    ];
    let server = Server::spawn(folder, &[&args[..], &["--access-log", "access", "app"]].concat());
    assert_eq!(server.get("/name").1, "1");
    let next = server.folder().join("next");
    symlink("2", &next).unwrap();
    fs::rename(next, &current).unwrap();
    assert_eq!((server.get("/name").1, server.get("/old/name").1), ("2".to_owned(), "1".to_owned()));
    assert_eq!(server.get("/").0, 404);
    let access = server.folder().join("access");
    let started = Instant::now();
    let log = || fs::read_to_string(&access).unwrap();
    while !log().contains("\"GET / HTTP/1.1\" 404 ") {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(log().contains("\"GET /old/name HTTP/1.1\" 200 1 "), "{}", log());
    assert_eq!(server.stop().0, 0);
}

#[test]
fn a_wrong_prefix_or_folder_ends_the_start() {
    for (options, said) in [
        (&["--static", "/static=missing"][..], "--static /static=missing: it is no folder that can be read"),
        (&["--static", "/static=app.py"], "--static /static=app.py: it is no folder that can be read"),
        (&["--static", "/s=.", "--static", "/s/=."], "--static names /s/ twice"),
        (&["--static", "static=."], "not a prefix and a folder, as in /static=public"),
        (&["--static", "/static"], "not a prefix and a folder, as in /static=public"),
    ] {
        let (status, log) = fails(APPLICATION, options);
        assert_eq!(status, Some(2), "{log}");
        assert!(log.contains(said), "{options:?}: {log}");
    }
}
