//! The demo environment: real distributions, each with the verdict that its wheels deserve, and the output that
//! README and docs/reading-a-report.md show.

use std::fs;

use crate::documentation::check_output;
use crate::support::command::Wsgiaudit;
use crate::support::demo_environment;

/// Own GIL, shared GIL; what `make demo` must say of each distribution with extension modules, or without
/// some of its own (psycopg, pydantic).
const VERDICTS: [(&str, &str, &str); 23] = [
    ("asyncpg", "unknown", "ready"),
    ("bcrypt", "blocked", "blocked"),
    ("brotli", "ready", "ready"),
    ("cffi", "blocked", "ready"),
    ("cryptography", "blocked", "blocked"),
    // Its tests, which come with it, need psutil.
    ("greenlet", "blocked", "unknown"),
    ("lxml", "blocked", "blocked"),
    ("MarkupSafe", "ready", "ready"),
    ("msgpack", "degraded", "degraded"),
    ("numpy", "blocked", "blocked"),
    // It uses what an interpreter has left that has ended: freed memory.
    ("orjson", "blocked", "unsafe"),
    ("pandas", "blocked", "blocked"),
    ("pillow", "blocked", "ready"),
    ("psycopg", "degraded", "degraded"),
    ("psycopg-binary", "blocked", "blocked"),
    ("psycopg2-binary", "blocked", "blocked"),
    ("pydantic", "blocked", "blocked"),
    ("pydantic_core", "blocked", "blocked"),
    ("PyYAML", "degraded", "degraded"),
    ("regex", "blocked", "ready"),
    ("simplejson", "degraded", "ready"),
    ("SQLAlchemy", "blocked", "blocked"),
    ("wrapt", "ready", "ready"),
];

#[test]
fn real_distributions_get_the_verdicts_that_they_deserve_and_readme_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.json");
    let audit = Wsgiaudit::new().arg(demo_environment()).arg("--json").arg(&file).env("COLUMNS", "110");
    let said = audit.run().ended_with(1);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let rows = report["distributions"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"));

    for (name, own_gil, shared_gil) in VERDICTS {
        let modes = &row(name)["modes"];
        let found = (modes["own-gil"]["verdict"].as_str(), modes["shared-gil"]["verdict"].as_str());
        assert_eq!(found, (Some(own_gil), Some(shared_gil)), "{name}: {modes}");
    }
    let is_tried = |name: &serde_json::Value| VERDICTS.iter().any(|(tried, ..)| name == tried);
    for row in rows.iter().filter(|row| !is_tried(&row["name"])) {
        assert_eq!(row["modes"]["own-gil"]["verdict"], "ready", "{row}");
    }
    let misread = |module: &serde_json::Value| module.to_string().contains("misread-declaration");
    assert!(!misread(&report), "a module of these declares what was not read in its file");
    let cause = |name: &str| row(name)["modes"]["own-gil"]["cause"]["module"].clone();
    assert_eq!(cause("numpy"), "numpy._core._multiarray_umath");
    assert_eq!(cause("pandas"), "numpy._core._multiarray_umath");
    // The most important one of those that are refused, not the first of the alphabet.
    assert_eq!((cause("pillow"), cause("lxml")), ("PIL._imaging".into(), "lxml.etree".into()));
    for root in ["pillow: PIL._imaging: ", "lxml: lxml.etree: "] {
        assert!(said.out.contains(&format!("\n  {root}")), "{}", said.out);
    }
    for name in ["pydantic", "cryptography"] {
        let reason = row(name)["modes"]["shared-gil"]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("refuses a second interpreter by itself"), "{name}: {reason}");
    }

    // Where the environment is depends on the machine.
    let place = demo_environment().display().to_string();
    let shown = said.out.replace(&format!("Environment {place}\n"), "Environment /srv/app/venv\n");
    let output: Vec<&str> = shown.lines().map(str::trim_end).collect();
    check_output("docs/reading-a-report.md", &output.join("\n"));
    check_output("README.md", &excerpt(&output));
}

/// The rows that README shows.
const SHOWN: [&str; 5] = ["bcrypt", "orjson", "pandas", "PyYAML", "brotli"];

/// Of what an audit prints: the answer, what to do, the head of the table, some rows with their reasons, and the first root
/// cause. `...` stands for what is left out.
fn excerpt(output: &[&str]) -> String {
    let find = |start: &str| output.iter().position(|line| line.starts_with(start)).unwrap();
    let (table, causes) = (find(" Distribution"), find("In the way of own-gil"));
    let mut kept: Vec<&str> = output[..table + 2].to_vec();
    let mut is_shown = true;
    for line in &output[table + 2..causes] {
        let is_row = line.starts_with(' ') && line.chars().nth(1).is_some_and(|letter| letter != ' ');
        if is_row {
            is_shown = line.split_whitespace().next().is_some_and(|name| SHOWN.contains(&name));
        } else if !line.starts_with("   ") {
            is_shown = false;
        }
        if is_shown {
            kept.push(line);
        } else if kept.last() != Some(&"...") {
            kept.push("...");
        }
    }
    kept.extend(&output[causes..causes + 3]);
    kept.push("...");
    kept.join("\n")
}
