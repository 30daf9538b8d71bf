//! docs/design.md: its tables are those of the code, and its walk names files and functions that exist.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{Page, ROOT, check_generated_part};

const DESIGN: &str = "docs/design.md";

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first sentence of a module's documentation, on one line.
fn summary(layer: &str) -> (String, String) {
    let files = [format!("src/{layer}.rs"), format!("src/{layer}/mod.rs")];
    let file = files.iter().find(|file| Path::new(ROOT).join(file).exists()).unwrap();
    let text = read(file);
    let lines = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    // A sentence ends with a full stop in front of a capital letter, not within `e.g. this`.
    let mut ends = paragraph.match_indices(". ").map(|(index, _)| index + 1);
    let end = ends.find(|end| paragraph[end + 1..].starts_with(|letter: char| letter.is_uppercase()));
    let sentence = paragraph[..end.unwrap_or(paragraph.len())].to_owned();
    // Links of rustdoc lead nowhere here.
    let plain = sentence.replace("[`", "`").replace("`]", "`");
    let plain = match plain.split_once("](") {
        Some((before, after)) => before.to_owned() + after.split_once(')').map_or("", |(_, rest)| rest),
        None => plain,
    };
    (file.replace("/mod.rs", "/"), plain)
}

#[test]
fn the_layers_are_those_that_are_checked() {
    let house = read("tests/repository/tests/house.rs");
    let (_, table) = house.split_once("const LAYERS").unwrap();
    let (_, table) = table.split_once("= [").unwrap();
    let (table, _) = table.split_once("\n];").unwrap();
    let mut text = "| layer | what it does | may use |\n|---|---|---|\n".to_owned();
    for entry in table.split("&[").collect::<Vec<_>>().windows(2) {
        let layer = entry[0].rsplit('"').nth(1).unwrap();
        let used = entry[1].split(']').next().unwrap();
        let used: Vec<String> = used.split('"').skip(1).step_by(2).map(|name| format!("`{name}`")).collect();
        let used = if used.is_empty() { "nothing".to_owned() } else { used.join(", ") };
        let (file, summary) = summary(layer);
        writeln!(text, "| `{file}` | {} | {used} |", summary.replace('|', "\\|")).unwrap();
    }
    check_generated_part(DESIGN, "layers", &text);
}

/// Rows of a table with this first heading: each the texts of its columns.
fn rows(page: &Page, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = page.text.split_once(&format!("\n| {heading} |")).unwrap();
    let lines = rest.lines().skip(2).map_while(|line| line.strip_prefix("| "));
    lines
        .map(|line| line.trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn every_failure_class_names_its_cases() {
    let table: BTreeMap<String, toml::Value> = toml::from_str(&read("corpus/expected.toml")).unwrap();
    let mut cases: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (case, expected) in table {
        for class in expected.get("classes").and_then(toml::Value::as_array).into_iter().flatten() {
            cases.entry(class.as_integer().unwrap()).or_default().push(format!("`{case}`"));
        }
    }
    let page = Page::read(DESIGN);
    let shown: BTreeMap<i64, Vec<String>> = rows(&page, "class")
        .into_iter()
        .map(|row| (row[0].parse().unwrap(), row[2].split(", ").map(str::to_owned).collect()))
        .collect();
    assert_eq!(shown, cases);
}

#[test]
fn the_walk_names_functions_that_exist() {
    let page = Page::read(DESIGN);
    let [module, request] =
        ["station of a module", "station of a request"].map(|heading| rows(&page, heading));
    assert!((1..=9).contains(&module.len()) && (1..=6).contains(&request.len()));
    for row in module.iter().chain(&request) {
        let mut codes = row[1].split('`').skip(1).step_by(2);
        let file = codes.next().unwrap();
        let text = read(file);
        for name in codes {
            let name = name.trim_end_matches("()");
            let is_there = ["fn", "struct", "enum", "trait", "const"].iter().any(|kind| {
                text.split(&format!("{kind} {name}"))
                    .skip(1)
                    .any(|rest| !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_'))
            });
            assert!(is_there, "{DESIGN}: {file} has no {name}");
        }
    }
}
