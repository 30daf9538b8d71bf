//! `wsgiaudit serve --tls-certificate --tls-key`, with curl and Python's `ssl` as clients.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};

use crate::support::pythons;
use crate::support::server::{Server, fails};

const APPLICATION: &str = r#"
import hashlib

def application(environ, start_response):
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [])
        return iter([bytes(range(256)) * 256] * 80)
    names = ["wsgi.url_scheme", "HTTPS", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR"]
    digest = hashlib.sha256(environ["wsgi.input"].read()).hexdigest()
    start_response("200 OK", [])
    return [" ".join([*(environ.get(name) or "-" for name in names), digest]).encode()]
"#;

/// The SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const FILES: [&str; 4] = ["--tls-certificate", "certificate.pem", "--tls-key", "key.pem"];

/// Writes `root.pem`, `certificate.pem` (the server's and the one that signed it), `own.pem` (the server's alone) and
/// `key.pem`.
pub(super) fn write_identity(folder: &Path) {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let with_name = |mut params: CertificateParams, name: &str| {
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let authority = |name: &str| {
        let mut params = with_name(CertificateParams::default(), name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let key = || KeyPair::generate().unwrap();
    let root =
        CertifiedIssuer::self_signed(authority(&format!("root of {}", folder.display())), key()).unwrap();
    let between =
        CertifiedIssuer::signed_by(authority(&format!("between of {}", folder.display())), key(), &root)
            .unwrap();
    let own_key = key();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = with_name(CertificateParams::new(names).unwrap(), "localhost");
    let own = own.signed_by(&own_key, &between).unwrap();
    write("root.pem", &root.pem());
    write("own.pem", &own.pem());
    write("certificate.pem", &format!("{}{}", own.pem(), between.pem()));
    write("key.pem", &own_key.serialize_pem());
}

/// Serves with an identity of its own, and these options for its files.
#[track_caller]
fn serve_with(files: [&str; 4], args: &[&str]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), APPLICATION).unwrap();
    write_identity(folder.path());
    let python = pythons::all().remove(0).executable;
    let line = ["-e", python.to_str().unwrap(), "--bind", "127.0.0.1:0", "app:application"];
    Server::spawn(folder, &[&line[..], &files, args].concat())
}

#[track_caller]
fn serve(args: &[&str]) -> Server {
    serve_with(FILES, args)
}

/// What curl, which trusts the root alone, prints of `https`.
fn curl(server: &Server, options: &[&str], path: &str) -> String {
    let url = format!("https://{}{path}", server.address);
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "30", "--cacert", "root.pem"]).args(options).arg(url);
    let output = command.current_dir(server.folder()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// What this Python prints, with the host's address as its argument.
#[track_caller]
fn run_python(server: &Server, script: &str) -> String {
    let python = pythons::all().remove(0).executable;
    let mut command = Command::new(python);
    let (host, port) = server.address.split_once(':').unwrap();
    command.args(["-c", script, host, port]).current_dir(server.folder());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn requests_are_answered_over_tls() {
    let args =
        ["--bind", "unix:socket", "--access-log", "access", "--static", "/files=.", "--metrics", "unix:m"];
    let mut server = serve(&args);
    let port = server.address.rsplit_once(':').unwrap().1;
    for (version, most) in [("--tlsv1.2", "1.2"), ("--tlsv1.3", "1.3")] {
        let options = [version, "--tls-max", most, "-w", " %{http_version}"];
        let said = curl(&server, &options, "/");
        assert_eq!(said, format!("https on {port} HTTP/1.1 127.0.0.1 {EMPTY} 1.1"), "{version}");
    }
    let old = curl(&server, &["--tlsv1.0", "--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0"], "/");
    assert!(old.starts_with("curl: "), "{old}");
    server.wait_for("no TLS handshake with 127.0.0.1: ");
    let through_socket = curl(&server, &["--unix-socket", "socket"], "/");
    assert_eq!(through_socket, format!("https on 443 HTTP/1.1 - {EMPTY}"));
    // Bodies that are larger than every buffer.
    fs::write(server.folder().join("body"), vec![7; 3 << 20]).unwrap();
    let digest = Command::new("sha256sum").arg(server.folder().join("body")).output().unwrap();
    let digest = String::from_utf8_lossy(&digest.stdout).split(' ').next().unwrap().to_owned();
    for chunked in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let said = curl(&server, &[&["--data-binary", "@body"], chunked].concat(), "/");
        assert!(said.ends_with(&digest), "{said}");
    }
    assert_eq!(curl(&server, &["-o", "large"], "/large"), "");
    assert_eq!(fs::read(server.folder().join("large")).unwrap(), bytes_of_large());
    assert_eq!(curl(&server, &["-o", "copy"], "/files/body"), "");
    assert_eq!(fs::read(server.folder().join("copy")).unwrap(), vec![7; 3 << 20]);
    server.signal("TERM");
    let status = server.ended();
    let log = fs::read_to_string(server.folder().join("access")).unwrap();
    assert_eq!((status, log.lines().count()), (0, 7), "{log}");
    assert!(log.contains("\"GET /large HTTP/1.1\" 200 5242880"), "{log}");
}

fn bytes_of_large() -> Vec<u8> {
    (0..=255).cycle().take(256 * 256 * 80).collect()
}

#[test]
fn the_chain_is_sent_and_other_names_are_understood() {
    // The options of gunicorn. `own.pem` lacks the intermediate certificate.
    let mut server = serve_with(["--certfile", "own.pem", "--keyfile", "key.pem"], &[]);
    assert!(curl(&server, &[], "/").contains("SSL certificate problem"));
    server.wait_for("no TLS handshake with 127.0.0.1: received fatal alert");
    assert!(curl(&server, &["--insecure"], "/").starts_with("https on "));
    drop(server);
    assert!(curl(&serve(&[]), &[], "/").starts_with("https on "));
}

#[test]
fn a_client_without_tls_is_told_so() {
    let mut server = serve(&["--metrics", "127.0.0.1:0"]);
    let metrics = server.wait_for("metrics on http://");
    let metrics = metrics.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let answer = server.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nBad Request: use https on this port.\n"), "{answer}");
    let line = server.wait_for("no TLS handshake with 127.0.0.1: the client does not speak TLS");
    assert!(line.contains(" info wsgiaudit["), "{line}");
    // A malformed handshake is answered with an alert at most.
    let mut stream = server.connect();
    stream.write_all(b"\x16\x03\x01\x00\x05hello").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.first().is_none_or(|first| *first == 21), "{answer:?}");
    // A check of the port is no handshake.
    drop(server.connect());
    let text =
        ureq::get(format!("http://{metrics}/metrics")).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(text.contains("\nwsgiaudit_failed_tls_handshakes_total 2\n"), "{text}");
    assert!(curl(&server, &[], "/").starts_with("https on "));
}

#[test]
fn a_silent_client_holds_nothing() {
    let mut server = serve(&["--head-timeout", "2"]);
    let mut silent: Vec<_> = (0..50).map(|_| server.connect()).collect();
    // The beginning of a handshake.
    silent.iter_mut().skip(25).for_each(|stream| stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap());
    let started = Instant::now();
    assert!(curl(&server, &[], "/").starts_with("https on "));
    assert!(started.elapsed() < Duration::from_millis(1900));
    for stream in &mut silent {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"");
    }
    server.wait_for("no TLS handshake with 127.0.0.1: it took longer than --head-timeout");
    // Nor does it keep the server from its end.
    let server = serve(&["--head-timeout", "60"]);
    let silent = server.connect();
    let started = Instant::now();
    assert_eq!(server.stop().0, 0);
    assert!(started.elapsed() < Duration::from_secs(10));
    drop(silent);
}

/// How the file of an encrypted key begins and ends (RFC 7468, section 11).
const ENCRYPTED_KEY: &str =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";

#[test]
fn wrong_files_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write_identity(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("other.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    fs::write(path("encrypted.pem"), ENCRYPTED_KEY).unwrap();
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    fs::write(
        path("two.pem"),
        [fs::read(path("key.pem")).unwrap(), fs::read(path("other.pem")).unwrap()].concat(),
    )
    .unwrap();
    fs::write(path("text"), "no PEM").unwrap();
    for (certificate, key, said) in [
        ("certificate.pem", "missing", "missing: cannot read it: No such file"),
        ("certificate.pem", "fifo", "fifo: cannot read it: it is not a regular file"),
        ("certificate.pem", "other.pem", "other.pem: its key is not that of the certificate"),
        ("certificate.pem", "encrypted.pem", "encrypted.pem: its key is encrypted"),
        ("certificate.pem", "two.pem", "two.pem: it has 2 private keys"),
        ("text", "key.pem", "text: it has no certificate"),
        ("key.pem", "certificate.pem", "key.pem: it has no certificate"),
    ] {
        let (status, log) = fails("", &["--tls-certificate", &path(certificate), "--tls-key", &path(key)]);
        assert_eq!(status, Some(2), "{log}");
        assert!(log.contains(said), "{said}: {log}");
    }
    for (option, other) in [(0, "--tls-key <FILE>"), (2, "--tls-certificate <FILE>")] {
        let (status, log) = fails("", &FILES[option..option + 2]);
        assert_eq!(status, Some(2));
        assert!(log.contains(&format!("has no effect without {other}")), "{log}");
    }
}

#[test]
fn tls_begins_after_the_header_of_a_proxy() {
    let server = serve(&["--proxy", "127.0.0.1", "--proxy-protocol"]);
    let said = run_python(
        &server,
        r#"
import socket, ssl, sys
context = ssl.create_default_context(cafile="root.pem")
context.verify_flags &= ~ssl.VERIFY_X509_STRICT
for proto in ("https", "http"):
    plain = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    plain.sendall(b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n")
    with context.wrap_socket(plain, server_hostname="localhost") as client:
        head = f"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: {proto}\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode())
        answer = b""
        while block := client.recv(4096):
            answer += block
        print(answer.decode().rpartition("\r\n\r\n")[2], client.version())
"#,
    );
    let expected = format!(
        "https on {} HTTP/1.1 192.0.2.1 {EMPTY} TLSv1.3\n",
        server.address.rsplit_once(':').unwrap().1
    );
    assert_eq!(said, expected.repeat(2));
    // A trusted proxy says what its client used.
    let server = serve(&["--proxy", "127.0.0.1"]);
    let said = curl(&server, &["-H", "X-Forwarded-Proto: http"], "/");
    assert!(said.starts_with("http - "), "{said}");
}

/// What each process logs when it serves.
const SERVING: &str = "serving app:application on https://";

/// Sends requests on eight connections, which it keeps open, until there is a file `stop` or a request is lost. Prints the
/// number of certificates seen, the lowest number of answers on a connection, and the lost requests.
const LOAD: &str = r#"
import hashlib, http.client, os, ssl, sys, threading
context = ssl.create_default_context(cafile="roots.pem")
context.verify_flags &= ~ssl.VERIFY_X509_STRICT
context.check_hostname = False
seen, lost, count = set(), [], [0] * 8

def ask(number):
    client = http.client.HTTPSConnection(sys.argv[1], int(sys.argv[2]), context=context, timeout=30)
    while not os.path.exists("stop") and not lost:
        try:
            if client.sock is None:
                client.connect()
                seen.add(hashlib.sha256(client.sock.getpeercert(True)).hexdigest())
            client.request("GET", "/")
            answer = client.getresponse()
            if answer.status != 200 or not answer.read().startswith(b"https on "):
                lost.append(answer.status)
            count[number] += 1
        except Exception as error:
            lost.append(repr(error))
            client.close()

threads = [threading.Thread(target=ask, args=[number]) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(seen), min(count), lost)
"#;

#[test]
fn a_reload_takes_the_new_certificate_and_loses_no_request() {
    let mut server = serve(&["--processes", "2", "--threads", "2"]);
    server.wait_for("process 2 of 2");
    let old_root = fs::read(server.folder().join("root.pem")).unwrap();
    let next = tempfile::tempdir().unwrap();
    write_identity(next.path());
    let new_root = fs::read(next.path().join("root.pem")).unwrap();
    fs::write(server.folder().join("roots.pem"), [old_root, new_root].concat()).unwrap();
    let (host, port) = server.address.split_once(':').unwrap();
    let python = pythons::all().remove(0).executable;
    let mut load = Command::new(python);
    load.args(["-c", LOAD, host, port]).current_dir(server.folder()).stdout(Stdio::piped());
    let load = load.spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    // The certificate alone is not usable, and the old one stays.
    fs::copy(next.path().join("certificate.pem"), server.folder().join("certificate.pem")).unwrap();
    server.signal("HUP");
    let line = server.wait_for("the TLS certificate stays as it was");
    assert!(line.contains("--tls-key key.pem: its key is not that of the certificate"), "{line}");
    server.wait_for_count(SERVING, 4);
    assert!(curl(&server, &[], "/").starts_with("https on "));
    fs::copy(next.path().join("key.pem"), server.folder().join("key.pem")).unwrap();
    server.signal("HUP");
    server.wait_for("the TLS files have changed: new processes use them");
    server.wait_for_count(SERVING, 6);
    fs::copy(next.path().join("root.pem"), server.folder().join("root.pem")).unwrap();
    assert!(curl(&server, &[], "/").starts_with("https on "));
    std::thread::sleep(Duration::from_secs(1));
    fs::write(server.folder().join("stop"), "").unwrap();
    let output = load.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let (seen, rest) = said.trim().split_once(' ').unwrap();
    let (least, lost) = rest.split_once(' ').unwrap();
    assert_eq!((seen, lost), ("2", "[]"), "{said}");
    assert!(least.parse::<u32>().unwrap() > 10, "{said}");
    assert_eq!(server.stop().0, 0);
}
