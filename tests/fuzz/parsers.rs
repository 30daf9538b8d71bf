//! Each parser of what others have written, called with bytes: `make fuzz` and `tests/inputs/mutated.rs` share it. A
//! parser must not panic, hang, or take much memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wsgiaudit::apache::{
    ConfigurationSource, Definitions, PythonBuild, analyze_deployment, build_site, read_configuration,
};
use wsgiaudit::app::{KnownImports, ModuleFinder, parse_requests, trace_application};
use wsgiaudit::model::Mode;
use wsgiaudit::project_files::ProjectFiles;
use wsgiaudit::render::sarif::{self, SarifOptions};
use wsgiaudit::render::style::TextStyle;
use wsgiaudit::render::table::{self, TableOptions};
use wsgiaudit::render::{details, github, html, json, junit, markdown};
use wsgiaudit::report::Document;
use wsgiaudit::{image, venv};
use wsgiaudit_probes_core::figures::fleet::Fleet;
use wsgiaudit_probes_core::figures::history::History;
use wsgiaudit_probes_core::figures::snapshot::Snapshot;
use wsgiaudit_probes_core::telemetry::datagram::Datagram;
use wsgiaudit_probes_core::telemetry::datagram_lines::read_lines;

/// A folder for files that a parser opens by path, in memory where there is such a folder.
fn folder(name: &str) -> PathBuf {
    let shared = Path::new("/dev/shm");
    let temporary = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    // Tests run in several threads.
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let folder = temporary.join(format!("wsgiaudit-fuzz-{process}-{thread:?}")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Removes what the parsers have written in this thread.
pub(crate) fn remove_folders() {
    let folder = folder("x");
    drop(fs::remove_dir_all(folder.parent().unwrap_or(&folder)));
}

/// A wheel, as `inspect` reads it.
pub(crate) fn read_wheel(bytes: &[u8]) {
    let file = folder("wheel").join("fuzz-1.0-cp314-cp314-linux_x86_64.whl");
    fs::write(&file, bytes).unwrap();
    image::inspect_wheel(&file, None);
    venv::find_archived_modules(&[file], &[".abi3.so".to_owned(), ".so".to_owned()]);
}

/// A file of a distribution's metadata; the first byte chooses which.
pub(crate) fn read_metadata(bytes: &[u8]) {
    const NAMES: [&str; 5] = ["METADATA", "RECORD", "WHEEL", "direct_url.json", "top_level.txt"];
    let Some((first, content)) = bytes.split_first() else { return };
    let site = folder("site");
    let info = site.join("fuzz-1.0.dist-info");
    drop(fs::remove_dir_all(&info));
    fs::create_dir_all(&info).unwrap();
    fs::write(info.join("METADATA"), "Name: fuzz\nVersion: 1.0\n").unwrap();
    fs::write(info.join("direct_url.json"), r#"{"url": "file:///x", "dir_info": {"editable": true}}"#)
        .unwrap();
    fs::write(info.join(NAMES[usize::from(*first) % NAMES.len()]), content).unwrap();
    let editable = [("fuzz".to_owned(), PathBuf::from("/x/fuzz"))];
    let found = venv::find_distributions(std::slice::from_ref(&site), &editable);
    found.co_installed_entries(std::slice::from_ref(&site));
    venv::read_requirements(&site);
}

/// Apache's configuration: a file, which may include itself.
pub(crate) fn read_apache(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (file, source) = (Path::new("/etc/apache2/httpd.conf"), OneFile(text));
    let Ok(tree) = read_configuration(file, &Definitions::default(), &source) else { return };
    let Ok(site) = build_site(&tree, &source) else { return };
    let python = PythonBuild { release: "3.14.0".to_owned(), is_free_threaded: false, has_own_gil: true };
    analyze_deployment(file.to_owned(), &site, &python, &[]);
}

/// A file system with one text under every name that ends in `.conf`, `envvars`, `apachectl` or `.py`.
struct OneFile(String);

impl ConfigurationSource for OneFile {
    fn read_text(&self, path: &Path) -> io::Result<String> {
        match self.exists(path) {
            true => Ok(self.0.clone()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list_folder(&self, folder: &Path) -> io::Result<Vec<String>> {
        match self.is_folder(folder) {
            true => {
                Ok(["httpd.conf", "envvars", "apachectl", "app.wsgi.py", "d"].map(str::to_owned).to_vec())
            }
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn is_folder(&self, path: &Path) -> bool {
        !self.exists(path) && path.components().count() < 6
    }

    fn exists(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ["httpd.conf", "envvars", "apachectl", ".py"].iter().any(|end| name.ends_with(end))
    }

    fn environment_variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// A list of requests (`.http`).
pub(crate) fn read_requests(bytes: &[u8]) {
    let _any = parse_requests(&String::from_utf8_lossy(bytes), &["TOKEN".to_owned()]);
}

/// A stored report, and every form in which it is shown.
pub(crate) fn read_report(bytes: &[u8]) {
    let Ok(document) = Document::parse(&String::from_utf8_lossy(bytes), "fuzz") else { return };
    let document = document.with_real_paths();
    let required = [Mode::OwnGil, Mode::FreeThreaded];
    let files = ProjectFiles::default();
    for modules in [false, true] {
        let style = TextStyle { width: 100, is_colored: modules, is_ascii: modules };
        table::render(&document, &required, TableOptions { style, modules });
    }
    details::render(&document, &required);
    github::render(&document, &required, &files);
    markdown::render(&document, &required);
    drop((
        html::render(&document),
        json::render(&document),
        junit::render(&document, true),
        sarif::render(&document, &SarifOptions { required: &required, is_strict: true, files: &files }),
    ));
}

/// A Python source, as that of an application.
pub(crate) fn read_python(bytes: &[u8]) {
    let root = folder("source");
    fs::write(root.join("shop.py"), bytes).unwrap();
    let finder = ModuleFinder::new(vec![root.clone()], vec![root], &[], &[".so".to_owned()], None);
    trace_application(&finder, "shop", &KnownImports { has_lazy_modules: true, ..KnownImports::default() });
}

/// A datagram of telemetry, or a file of them, and what is shown of it.
pub(crate) fn read_telemetry(bytes: &[u8]) {
    let (lines, _) = read_lines(bytes);
    let (mut fleet, mut history) = (Fleet::default(), History::default());
    for datagram in lines.iter().map(Vec::as_slice).chain([bytes]) {
        fleet.take_datagram(datagram, Duration::ZERO);
        let Ok(read) = Datagram::decode(datagram) else { continue };
        history.take_datagram(&read);
        // What is written is what was read, but for the flags, which version 1 does not have.
        let again = read.encode();
        let parts = |bytes: &[u8]| (bytes[..6].to_vec(), bytes[8..].to_vec());
        assert_eq!(parts(&again), parts(datagram), "{read:?}");
    }
    history.end_interval(1.0);
    fleet.pass_time(Duration::from_secs(5));
    assert!(Snapshot::of_fleet(&fleet).findings.len() <= 8);
}
