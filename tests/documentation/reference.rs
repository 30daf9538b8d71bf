//! Generated pages of the book: the command line, the rules, the JSON document, the options and metrics of `serve`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use schemars::schema_for;
use serde_json::{Map, Value};
use wsgiaudit::cli::Cli;
use wsgiaudit::model::RULES;
use wsgiaudit::report::Document;
use wsgiaudit::serve::list_options;
use wsgiaudit::tune::TuneDocument;

use super::{Page, ROOT, check_generated, check_generated_part};
use crate::support::server::Server;

#[test]
fn the_page_of_the_command_line_is_generated() {
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut text = "# Command line\n\nGenerated from the program's own definitions; `wsgiaudit --help` and \
                    `wsgiaudit help COMMAND` print the same.\n"
        .to_owned();
    let subcommands: Vec<Command> = root
        .get_subcommands()
        .filter(|command| command.get_name() != "help" && !command.is_hide_set())
        .cloned()
        .collect();
    for command in [&root].into_iter().chain(&subcommands) {
        write_command(&mut text, command.clone());
    }
    check_generated("docs/cli.md", &text);
}

fn write_command(text: &mut String, mut command: Command) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let usage = command.render_usage().to_string();
    write!(text, "\n## {name}\n\n{}\n\n```text\n{}\n```\n", escaped(&about), usage.trim_end()).unwrap();
    let is_shown = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let args: Vec<&Arg> = command.get_arguments().filter(is_shown).collect();
    let (positional, options): (Vec<&Arg>, Vec<&Arg>) = args.into_iter().partition(|arg| arg.is_positional());
    for (title, args) in [("Arguments", positional), ("Options", options)] {
        if !args.is_empty() {
            write!(text, "\n### {title} of `{name}`\n\n").unwrap();
            args.into_iter().for_each(|arg| write_arg(text, arg));
        }
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        write!(text, "\n```text\n{after}\n```\n").unwrap();
    }
}

fn write_arg(text: &mut String, arg: &Arg) {
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let shown = arg.to_string();
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    write!(text, "- `{short}{shown}`: {}", escaped(&help)).unwrap();
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let is_flag = !arg.get_action().takes_values();
    if !defaults.is_empty() && !is_flag && !help.contains("[default") {
        write!(text, " [default: {}]", defaults.join(", ")).unwrap();
    }
    text.push('\n');
    if is_flag {
        return;
    }
    for value in arg.get_possible_values().iter().filter(|value| !value.is_hide_set()) {
        let help =
            value.get_help().map(|help| format!(": {}", escaped(&help.to_string()))).unwrap_or_default();
        writeln!(text, "  - `{}`{help}", value.get_name()).unwrap();
    }
}

/// For Markdown: on one line, and with nothing that could be taken for a tag.
fn escaped(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts =
        parts.map(|(index, part)| if index % 2 == 0 { part.replace('<', "\\<") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_of_all_rules_is_generated() {
    let mut text = "# Rules\n\nEvery cause, finding and reason in a report, and every finding of `wsgiaudit top`, names a rule. \
                    `wsgiaudit explain` prints the same pages, `wsgiaudit rules` the table. *Evidence* says whether a rule \
                    rests on a trial, on what was read in a file, or on what a running server measured.\n\n| rule | severity | evidence | what it says |\n|---|---|---|---|\n"
        .to_owned();
    for rule in RULES {
        let (id, title) = (rule.id, rule.title().replace('|', "\\|"));
        writeln!(text, "| [{id}](#{id}) | {} | {} | {title} |", rule.severity, rule.confidence).unwrap();
    }
    for rule in RULES {
        write!(text, "\n{}\n", rule.page.replace("\n#", "\n##").replacen('#', "##", 1).trim_end()).unwrap();
    }
    check_generated("docs/rules.md", &text);
}

#[test]
fn the_page_of_the_json_document_is_generated() {
    let schema = schema_for!(Document).to_value();
    let mut text = format!(
        "# JSON document\n\n{}\n\nThis page is generated from the types of schema 1. The schema itself is \
         `reports/schema-v1.json`, for validators. Fields are only added; a reader must ignore those that it does not know.\n\n\
         ```json\n{}\n```\n",
        one_line(&schema),
        example()
    );
    write_fields(&mut text, "Document", &schema);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        write!(text, "\n## {name}\n\n{}\n", one_line(definition)).unwrap();
        write_fields(&mut text, name, definition);
    }
    check_generated("docs/json-schema.md", &text);
}

/// What `make survey-copies` and `make soak-copies` have kept.
#[test]
fn the_measurements_of_private_copies_are_those_that_were_kept() {
    let kept = ["copies-survey.txt", "copies-soak.txt"]
        .map(|name| fs::read_to_string(Path::new(ROOT).join("reports").join(name)).unwrap());
    check_generated_part("docs/copies.md", "measurements", &format!("```text\n{}```\n", kept.join("\n")));
    let number = |before: &str, after: &str| {
        let (_, rest) = kept[0].split_once(before).unwrap();
        rest.split_once(after).unwrap().0.rsplit(' ').next().unwrap().to_owned()
    };
    let claim = format!(
        "Of {} popular distributions with extension modules, {} are ready for an own GIL, and {} with private copies.",
        number("distributions, ", " of them"),
        number("with extension modules, own-gil: ", " ready"),
        number("with extension modules, own-gil-copies: ", " ready"),
    );
    let readme = Page::read("README.md").text.replace('\n', " ");
    assert!(readme.contains(&claim), "README.md does not say: {claim}");
}

#[test]
fn the_document_of_tune_is_generated() {
    let schema = schema_for!(TuneDocument).to_value();
    let mut text = String::new();
    write_fields(&mut text, "TuneDocument", &schema);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        write!(text, "\n### {name}\n\n{}\n", one_line(definition)).unwrap();
        write_fields(&mut text, name, definition);
    }
    check_generated_part("docs/tune.md", "tune-document", &text);
}

/// Parts of the golden report.
fn example() -> String {
    let file = Path::new(ROOT).join("tests/fixtures/golden/report.json");
    let report: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut part: Map<String, Value> = Map::new();
    for key in ["schema", "tool", "modes", "decided_by", "answers"] {
        part.extend(report.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    let blocked = report["distributions"].as_array().unwrap().iter().find(|row| row["name"] == "needs_it");
    part.insert("distributions".to_owned(), Value::Array(blocked.into_iter().cloned().collect()));
    serde_json::to_string_pretty(&part).unwrap()
}

fn one_line(schema: &Value) -> String {
    escaped(schema["description"].as_str().unwrap_or_default())
}

/// Its fields or, of an enumeration, its values.
fn write_fields(text: &mut String, name: &str, schema: &Value) {
    if let Some(fields) = schema["properties"].as_object() {
        if name == "Document" {
            text.push_str("\n## Document\n");
        }
        text.push_str("\n| field | type | required | meaning |\n|---|---|---|---|\n");
        let required: BTreeSet<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, definition) in fields {
            let is_required = if required.contains(field.as_str()) { "yes" } else { "no" };
            let (kind, meaning) = (kind(definition), one_line(definition).replace('|', "\\|"));
            writeln!(text, "| `{field}` | {kind} | {is_required} | {meaning} |").unwrap();
        }
        return;
    }
    let values = schema["oneOf"].as_array().into_iter().flatten();
    let values: Vec<&Value> =
        values.filter(|value| value.get("const").is_some() || value.get("enum").is_some()).collect();
    if values.is_empty() {
        writeln!(text, "\n{}", kind(schema)).unwrap();
        return;
    }
    text.push_str("\n| value | meaning |\n|---|---|\n");
    for value in values {
        let names = value["enum"].as_array().cloned().unwrap_or_else(|| vec![value["const"].clone()]);
        for each in names {
            writeln!(text, "| `{}` | {} |", each.as_str().unwrap(), one_line(value).replace('|', "\\|"))
                .unwrap();
        }
    }
}

/// A type in words, with links to its definition.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        return kinds.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{value}`").replace('"', ""))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`").replace('"', "");
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        Value::String(kind) => vec![kind.as_str()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return "any".to_owned(),
    };
    let of = |kind: &str| match kind {
        "array" => match schema["prefixItems"].as_array() {
            Some(items) => {
                format!("array of {}", items.iter().map(self::kind).collect::<Vec<_>>().join(", "))
            }
            None => format!("array of {}", self::kind(&schema["items"])),
        },
        "object" if schema["additionalProperties"].is_object() => {
            format!("object by name: {}", self::kind(&schema["additionalProperties"]))
        }
        kind => kind.to_owned(),
    };
    kinds.into_iter().map(of).collect::<Vec<_>>().join(" or ")
}

const APPLICATION: &str = "\
import time

def application(environ, start_response):
    if environ['PATH_INFO'] == '/wait':
        time.sleep(0.5)
    start_response('200 OK', [])
    return [b'done']
";

#[test]
fn the_page_of_metrics_is_generated() {
    let server = Server::with_metrics(APPLICATION, &["--interpreters", "2", "--slow-requests", "0.1"]);
    server.get("/");
    server.get("/wait");
    let (answer, json) = (server.fetch("/metrics"), server.metrics());
    let mut text = "# Metrics of `serve`\n\n`wsgiaudit serve --metrics ADDRESS module:callable` answers at `/metrics` in Prometheus' \
                    text format and at `/metrics.json` as JSON, and shows a live page at `/`. This page is generated from the answers of a \
                    running server. Times are in seconds.\n\n## `/metrics`\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"
        .to_owned();
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in answer.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            types.insert(name, kind);
        } else if let Some((name, rest)) = line.split_once('{') {
            let names =
                rest.split_once('}').unwrap().0.split(',').filter_map(|label| Some(label.split_once('=')?.0));
            labels.entry(name).or_insert_with(|| names.collect());
        }
    }
    for line in answer.lines() {
        let Some((name, meaning)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let sample = [name.to_owned(), format!("{name}_bucket")];
        let labels = sample.iter().find_map(|name| labels.get(name.as_str()));
        let labels: Vec<String> = labels.into_iter().flatten().map(|label| format!("`{label}`")).collect();
        writeln!(text, "| `{name}` | {} | {} | {meaning} |", types[name], labels.join(", ")).unwrap();
    }
    let first = answer.lines().filter(|line| line.starts_with("wsgiaudit_gil_wait_seconds_bucket"));
    let ends = first.filter_map(|line| Some(line.split_once("le=\"")?.1.split_once('"')?.0));
    let ends: BTreeSet<String> = ends.map(str::to_owned).collect();
    let mut ends: Vec<&str> = ends.iter().map(String::as_str).filter(|end| *end != "+Inf").collect();
    ends.sort_by(|one, other| one.parse::<f64>().unwrap().total_cmp(&other.parse().unwrap()));
    write!(
        text,
        "\n`group` is the application group, `mode` its kind of interpreter, `status` the first digit of the status \
         (`2xx`). The ends of the buckets of every histogram: {}.\n\n\
         ## `/metrics.json`\n\n| field | meaning |\n|---|---|\n",
        ends.join(", ")
    )
    .unwrap();
    let meanings = [
        ("process", "the metrics of the process, by their names without `wsgiaudit_`"),
        ("groups", "an object for each application group"),
        (
            "bucket_ends",
            "the ends of all buckets; four for each that `/metrics` has. The last bucket has no end",
        ),
        ("slow_requests", "the last 50 requests that took longer than `--slow-requests`, the latest first"),
    ];
    let keys: BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, meanings.iter().map(|(key, _)| *key).collect());
    for (key, meaning) in meanings {
        writeln!(text, "| `{key}` | {meaning} |").unwrap();
    }
    text.push_str("\nOf a group:\n\n| field | type |\n|---|---|\n");
    list_fields(&mut text, &json["groups"][0]);
    text.push_str("\nOf a slow request:\n\n| field | type |\n|---|---|\n");
    list_fields(&mut text, &json["slow_requests"][0]);
    text.push_str(LIVE_PAGE);
    check_generated("docs/metrics.md", &text);
}

/// The rest of the page of metrics.
const LIVE_PAGE: &str = "
`stack` has the frames of a request's thread at the moment at which it was found to be slow, the innermost first, each with `function`, \
`file` and `line`. If there are none, it is null, and `stack_missing` says why: [Telemetry](telemetry.md#stacks-of-slow-requests).

## The live page

Open `http://ADDRESS/` in a browser. The page shows the same as [`wsgiaudit top`](telemetry.md) in a terminal: throughput, capacity, \
response times, the waits for the GIL of each interpreter, how busy each thread has been in the last two minutes, slow requests with their \
stacks, and the findings, with advice. The page needs JavaScript. It loads nothing but its events (`/live`), which come each second or \
each `--telemetry-interval`.

- Each process has a page of its own, at the port of its metrics. The page says which process it is, and links to the others. It lists all \
processes of the server with their main figures, and shows the findings, starts and ends of all. Charts, interpreters and slow requests \
are those of its own process.
- Slow requests are shown with `--slow-requests`.
- 16 pages may be open at the same time; a further one gets status 503, and tries again. The figures are collected once for all pages. A \
client that reads too slowly misses updates; it delays neither the server nor other pages. Open pages delay the end of a process by a third of a second at most. After a reload, they go on \
with the new one.
- A process that is killed or crashes notes no end: only the start of the next one is listed.
- There is no authentication. Anyone who can reach the address can see the paths of slow requests and the names of functions. Keep it on a private \
address, or behind a proxy that asks for a password.
";

/// Lists the fields of an object, with their types.
fn list_fields(text: &mut String, object: &Value) {
    for (key, value) in object.as_object().unwrap() {
        let kind = match value {
            Value::Object(fields) => {
                let fields: Vec<String> = fields.keys().map(|field| format!("`{field}`")).collect();
                format!("object: {}", fields.join(", "))
            }
            Value::Number(_) => "number".to_owned(),
            Value::Bool(_) => "true or false".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Null | Value::String(_) => "string".to_owned(),
        };
        writeln!(text, "| `{key}` | {kind} |").unwrap();
    }
}

#[test]
fn the_page_of_settings_lists_every_option() {
    let mut text = "| key and option | variable | in the file |\n|---|---|---|\n".to_owned();
    for option in list_options() {
        let name = match option.key.as_str() {
            "application" => "`application`".to_owned(),
            key => format!("`{key}`, `--{key}`"),
        };
        let example = option.example.map_or_else(|| "not there".to_owned(), |example| format!("`{example}`"));
        text += &format!("| {name} | `{}` | {example} |\n", option.variable);
    }
    check_generated_part("docs/settings.md", "options of serve", &text);
}
