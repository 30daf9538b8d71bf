//! `wsgiaudit tune`.

mod page;
mod recommendations;
mod result;
mod wrong_usage;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::command::{Said, Wsgiaudit};
use crate::support::venv::Venv;

/// An application, beside an environment with nothing in it.
struct Project {
    venv: Venv,
    folder: tempfile::TempDir,
}

impl Project {
    fn new(source: &str) -> Self {
        let (venv, folder) = (Venv::new(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("shop.py"), source).unwrap();
        Self { venv, folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Tunes `shop:application` with short loads.
    fn tune(&self, args: &[&str]) -> Said {
        let command = Wsgiaudit::new().within(self.folder()).env("TMPDIR", self.folder()).arg("tune");
        let short = if args.contains(&"--duration") { [].as_slice() } else { &["--duration", "0.5"] };
        command.arg(self.venv.path()).args(["--app", "shop:application"]).args(short).args(args).run()
    }

    /// The same, with the result as JSON.
    fn tune_to_json(&self, args: &[&str]) -> (Said, Value) {
        let said = self.tune(&[args, &["--format", "json"]].concat());
        let document = serde_json::from_str(&said.out);
        let document = document.unwrap_or_else(|error| panic!("{error}\n{}\n{}", said.out, said.err));
        (said, document)
    }

    /// Audits the application, and stores the report.
    fn audit(&self) -> String {
        let report = self.folder().join("audit.json");
        let command = Wsgiaudit::new().within(self.folder()).arg(self.venv.path());
        command.args(["--app", "shop:application", "--json"]).arg(&report).run().ended_with(0);
        report.to_str().unwrap().to_owned()
    }
}

/// The rows of a result, by name.
fn row<'d>(document: &'d Value, name: &str) -> &'d Value {
    let rows = document["configurations"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {document:#}"))
}
