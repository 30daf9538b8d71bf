//! Inputs that are deep, many, large or endless: each is bounded, and said to be.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::command::Wsgiaudit;
use crate::support::guarded::{Watched, watch};
use crate::support::running::Running;
use crate::support::venv::Venv;
use crate::support::wheel::pack_entries;

const SOON: Duration = Duration::from_secs(90);

fn audit(venv: &Venv, options: &[&str]) -> (Watched, Value) {
    let audit = Wsgiaudit::new().arg(venv.path()).args(["--no-cache", "--format", "json"]).args(options);
    let watched = watch(audit, SOON);
    let report = serde_json::from_str(&watched.said.out)
        .unwrap_or_else(|error| panic!("{error}: {:?} {}", watched.said.status, watched.said.err));
    (watched, report)
}

/// Audits an application whose function imports `name`, which lies beside it.
fn audit_application(name: &str, source: &str) -> (Watched, Value) {
    let (venv, folder) = (Venv::new(), tempfile::tempdir().unwrap());
    let application =
        format!("def application(environ, start_response):\n    import {name}\n    return []\n");
    fs::write(folder.path().join("shop.py"), application).unwrap();
    fs::write(folder.path().join(format!("{name}.py")), source).unwrap();
    let audit = Wsgiaudit::new().arg(venv.path()).args(["--no-cache", "--format", "json"]);
    let watched = watch(audit.args(["--app", "shop.py:application"]).within(folder.path()), SOON);
    let report = serde_json::from_str(&watched.said.out)
        .unwrap_or_else(|error| panic!("{error}: {:?} {}", watched.said.status, watched.said.err));
    (watched, report)
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn verdict(report: &Value, name: &str) -> String {
    let rows = report["distributions"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    row["modes"]["own-gil"]["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn a_link_to_the_whole_machine_is_not_followed() {
    let venv = Venv::new().with("well-behaved").with_file("package/__init__.py", "");
    for (target, name) in [("/", "root"), ("/usr", "usr"), ("/proc", "proc"), ("..", "up")] {
        symlink(target, venv.site_packages().join("package").join(name)).unwrap();
    }
    let (watched, report) = audit(&venv, &[]);
    assert!(watched.took < Duration::from_secs(60), "{:?}", watched.took);
    assert!(watched.memory < 400 << 20, "{}", watched.memory);
    let trouble = texts(&report["trouble"]);
    let has = |part: &str| trouble.iter().any(|line| line.contains(part));
    assert!(has("package/root: this link to / was not followed"), "{trouble:?}");
    assert_eq!((watched.said.status, verdict(&report, "corpus-well-behaved").as_str()), (Some(3), "ready"));
}

#[test]
fn a_record_and_a_source_of_a_hundred_megabytes_cost_little() {
    let venv = Venv::new().with("well-behaved").with_python("shop", "");
    let base = audit(&venv, &[]).0.memory;
    let line =
        "shop/some/rather/usual/name/of/a/file.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n";
    fs::write(venv.site_packages().join("shop-1.0.dist-info/RECORD"), line.repeat((100 << 20) / line.len()))
        .unwrap();
    let (watched, report) = audit(&venv, &[]);
    assert!(watched.memory < base + (100 << 20), "{} after {base}", watched.memory);
    assert!(
        texts(&report["trouble"]).iter().any(|line| line.contains("RECORD: it is too large")),
        "{report}"
    );
    assert_eq!(watched.said.status, Some(3));

    let large = format!(
        "def application(environ, start_response):\n    return []\nx = [\n{}]\n",
        "    1, 2, 3,\n".repeat(9 << 20)
    );
    assert!(large.len() > 100 << 20);
    let (watched, report) = audit_application("large", &large);
    assert!(watched.memory < base + (100 << 20), "{} after {base}", watched.memory);
    assert!(report.to_string().contains("it is too large and was not read"), "{report}");
}

#[test]
fn metadata_in_all_is_bounded() {
    let mut venv = Venv::new();
    let record = "a/b/c.py,,\n".repeat((15 << 20) / 11);
    for number in 0..8 {
        venv = venv.with_python(&format!("shop{number}"), "");
        fs::write(venv.site_packages().join(format!("shop{number}-1.0.dist-info/RECORD")), &record).unwrap();
    }
    let (watched, report) = audit(&venv, &[]);
    assert!(watched.memory < 1 << 30, "{}", watched.memory);
    assert!(texts(&report["trouble"]).iter().any(|line| line.contains("RECORD: it is too large")));
}

#[test]
fn sources_of_any_depth_are_read_or_said_not_to_be() {
    let deep = [
        format!("x = 1{}\n", "+1".repeat(200_000)),
        format!("x = a{}\n", ".b".repeat(200_000)),
        format!("x = a{}\n", "()".repeat(200_000)),
        format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000)),
        format!("x = {}a\n", "-".repeat(200_000)),
        format!("x = {}a\n", "not ".repeat(200_000)),
        format!("x = {}a\n", "lambda: ".repeat(100_000)),
        (0..3000).map(|level| format!("{}if a:\n", " ".repeat(level))).collect::<String>()
            + &" ".repeat(3000)
            + "pass\n",
    ];
    for (number, source) in deep.iter().enumerate() {
        let (watched, report) = audit_application("deep", source);
        assert!(
            matches!(watched.said.status, Some(0 | 1 | 3)),
            "{number}: {:?} {}",
            watched.said.status,
            watched.said.err
        );
        let told = report["applications"][0].to_string();
        assert!(told.contains("nested too deeply") || told.contains("does not parse"), "{number}: {told}");
    }
}

#[test]
fn folders_of_any_depth_in_a_trials_folder_are_removed() {
    let digs = "import os\ntry:\n    for _ in range(30000):\n        os.mkdir('d')\n        os.chdir('d')\nexcept OSError:\n    pass\n";
    for options in [&[][..], &["--no-sandbox"]] {
        let venv = Venv::new().with("well-behaved").with_python("digs", digs);
        let options = [&["--no-cache"], options].concat();
        let (_, report) = Running::start(&venv, &options).end();
        assert_eq!(verdict(&report, "corpus-well-behaved"), "ready");
    }
}

#[test]
fn a_configuration_that_grows_exponentially_is_an_error() {
    let doubles = |first: &str, next: &str| (0..40).fold(first.to_owned(), |text, _| text + next);
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    for (config, expected) in [
        (doubles("Define b xxxxxxxx\n", "Define b ${b}${b}\n"), "the line has more than"),
        (
            (0..40).fold("<Macro m0 $a>\nServerName $a\n</Macro>\n".to_owned(), |text, number| {
                text + &format!("<Macro m{} $a>\nUse m{number} $a$a\n</Macro>\n", number + 1)
            }) + "Use m40 x\n",
            "too long",
        ),
        (
            (0..60).fold("<Macro m0>\nServerName a\n</Macro>\n".to_owned(), |text, number| {
                text + &format!("<Macro m{}>\nUse m{number}\nUse m{number}\n</Macro>\n", number + 1)
            }) + "Use m60\n",
            "more than",
        ),
        (nested("<Directory /x>\n", "</Directory>\n"), "sections are nested"),
        (nested("<IfDefine !x>\n", "</IfDefine>\n"), "sections are nested"),
        ("<Macro m \"\">\nServerName a\n</Macro>\nUse m b\n".to_owned(), "too long"),
        ("Include /*/*/*/*/*/*\n".to_owned(), ""),
        ("Include /dev/zero\n".to_owned(), "not a regular file"),
        (format!("ServerName {}\n", "x".repeat(2 << 20)), "the line has more than"),
    ] {
        let (folder, venv) = (tempfile::tempdir().unwrap(), Venv::new());
        let file = folder.path().join("httpd.conf");
        fs::write(&file, &config).unwrap();
        let command = Wsgiaudit::new().arg(venv.path()).arg("--apache-config").arg(&file);
        let watched = watch(command, Duration::from_secs(60));
        let what = &config[..config.len().min(60)];
        assert_eq!(watched.said.status, Some(2), "{what}: {}{}", watched.said.out, watched.said.err);
        assert!(watched.said.err.contains(expected), "{what}: {}", watched.said.err);
        assert!(watched.memory < 600 << 20, "{what}: {}", watched.memory);
    }
    // What Apache is started with.
    let (folder, venv) = (tempfile::tempdir().unwrap(), Venv::new());
    let variables = doubles("export A=xxxxxxxx\n", "export A=$A$A\n");
    fs::write(folder.path().join("envvars"), variables).unwrap();
    fs::write(folder.path().join("httpd.conf"), "ServerName ${A}\n").unwrap();
    let command =
        Wsgiaudit::new().arg(venv.path()).arg("--apache-config").arg(folder.path().join("httpd.conf"));
    let watched = watch(command, Duration::from_secs(60));
    assert!(watched.memory < 200 << 20, "{}", watched.memory);
    assert!(matches!(watched.said.status, Some(0 | 2 | 3)), "{}", watched.said.err);
}

fn wheel(folder: &Path, entries: &[(&str, &[u8])]) -> PathBuf {
    let path = folder.join("thing-1.0-py3-none-any.whl");
    pack_entries(File::create(&path).unwrap(), entries);
    path
}

/// Replaces a number in the headers of a wheel.
fn replace(path: &Path, old: u32, new: u32) {
    let (mut bytes, old) = (fs::read(path).unwrap(), old.to_le_bytes());
    let places: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == old).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[*at..*at + 4].copy_from_slice(&new.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

#[test]
fn wheels_that_would_fill_the_disk_are_not_unpacked() {
    let (folder, venv) = (tempfile::tempdir().unwrap(), Venv::new());
    let (one, two) = (vec![7; 123_457], vec![8; 123_457]);
    let zeros = vec![0; 300 << 20];
    // Two members that claim 3 GiB each; one of 300 MiB in 300 kB; one that is larger than it says.
    let claims = wheel(folder.path(), &[("thing/a.txt", &one), ("thing/b.txt", &two)]);
    replace(&claims, 123_457, 3 << 30);
    let refused = |path: &Path, expected: &str| {
        let temporary = tempfile::tempdir().unwrap();
        let module = Wsgiaudit::new().arg("module").arg(path).arg("--python").arg(venv.path());
        let watched = watch(module.env("TMPDIR", temporary.path()), SOON);
        assert_eq!(watched.said.status, Some(2), "{}{}", watched.said.out, watched.said.err);
        assert!(watched.said.err.contains(expected), "{}", watched.said.err);
        assert!(watched.memory < 300 << 20, "{}", watched.memory);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    };
    refused(&claims, "6442450944 bytes, which is over the limit");
    refused(&wheel(folder.path(), &[("thing/a.txt", &zeros)]), "more than 100 times its own size");
    let lies = wheel(folder.path(), &[("thing/a.txt", &one)]);
    replace(&lies, 123_457, 4096);
    refused(&lies, "cannot be unpacked");
}
