//! Examples in code blocks are accepted by what they are for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use clap::error::ErrorKind;
use serde_json::Value;
use wsgiaudit::cli::Cli;
use wsgiaudit::serve::ServeOptions;
use yaml_rust2::YamlLoader;

use super::{Block, Page, ROOT, pages};
use crate::support::command::Wsgiaudit;
use crate::support::pythons;
use crate::support::server::Server;
use crate::support::venv::Venv;

const APPLICATION: &str = "\
def application(environ, start_response):
    start_response('200 OK', [])
    return [b'done']
";

/// The code blocks in one of these languages, of all pages.
fn blocks(languages: &[&str]) -> Vec<Block> {
    let mut found: Vec<Block> = pages().iter().flat_map(Page::blocks).collect();
    found.retain(|block| languages.contains(&block.language.as_str()));
    assert!(!found.is_empty(), "no page has a block of {languages:?}");
    found
}

/// The command lines of a shell's text, split into words as far as examples need it: quotes, comments, `&&`, `|`, `;`,
/// redirections, assignments in front, and lines that go on.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let (mut quote, mut is_comment, mut skips) = (None, false, false);
    let text = text.replace("\\\n", " ") + "\n";
    for letter in text.chars() {
        if is_comment && letter != '\n' {
            continue;
        }
        is_comment = false;
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => is_comment = true,
            (None, ' ' | '\n' | '&' | '|' | ';' | '>' | '<') => {
                if let Some(word) = word.take()
                    && !std::mem::take(&mut skips)
                {
                    words.push(word);
                }
                if ['>', '<'].contains(&letter) {
                    skips = true;
                } else if letter != ' ' {
                    skips = false;
                    lines.push(std::mem::take(&mut words));
                }
            }
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    for line in &mut lines {
        let assignments = line.iter().take_while(|word| word.contains('=') && !word.starts_with('-')).count();
        line.drain(..assignments);
    }
    lines.retain(|line| !line.is_empty());
    lines
}

#[test]
fn command_lines_are_split_as_a_shell_does() {
    let lines = command_lines("A=1 one 'two three' # four\nfive > six && seven \\\n eight | nine -o \"\"\n");
    let lines: Vec<Vec<&str>> = lines.iter().map(|line| line.iter().map(String::as_str).collect()).collect();
    assert_eq!(
        lines,
        [vec!["one", "two three"], vec!["five"], vec!["seven", "eight"], vec!["nine", "-o", ""]]
    );
}

#[test]
fn every_command_line_is_accepted() {
    let mut count = 0;
    for block in blocks(&["console", "sh", "bash", "yaml"]) {
        let code = block.code.replace("- run: ", "");
        for line in command_lines(&code).into_iter().filter(|line| line[0] == "wsgiaudit") {
            if let Err(error) = Cli::command().try_get_matches_from(&line) {
                panic!("{}: {}: {error}", block.location, line.join(" "));
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count} command lines are too few to be all");
}

/// In running text a command may be named without its arguments.
#[test]
fn every_command_that_is_named_exists() {
    let placeholders = ["RULE", "FINDING", "COMMAND", "SHELL"];
    for page in pages() {
        for (code, location) in page.inline_code() {
            let is_form =
                code.contains(['[', '|']) || code.split(' ').any(|word| placeholders.contains(&word));
            if !code.starts_with("wsgiaudit ") || is_form {
                continue;
            }
            let line: Vec<&str> = code.split(' ').collect();
            let Err(error) = Cli::command().try_get_matches_from(&line) else { continue };
            let lacks_value = line.last().is_some_and(|last| last.starts_with("--"));
            let is_mention = error.exit_code() == 0
                || error.kind() == ErrorKind::MissingRequiredArgument
                || error.kind() == ErrorKind::InvalidValue && lacks_value;
            assert!(is_mention, "{location}: {code}: {error}");
        }
    }
}

#[test]
fn every_option_that_is_named_exists() {
    let mut root = Cli::command();
    root.build();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let subcommands: Vec<clap::Command> = root.get_subcommands().cloned().collect();
    for command in subcommands.iter().chain([&root]) {
        known.extend(command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))));
    }
    // What comes from the code may name options of other programs.
    let generated = ["docs/rules.md", "docs/json-schema.md"].map(Path::new);
    for page in pages().iter().filter(|page| !generated.contains(&page.path.as_path())) {
        for (code, location) in page.inline_code().into_iter().filter(|(code, _)| code.starts_with("--")) {
            let option = code.split([' ', '=', '[']).next().unwrap();
            assert!(known.contains(option), "{location}: there is no option {code}");
        }
    }
}

/// Something to audit that is done at once, an application beside it, and a stored report.
fn project() -> (Venv, tempfile::TempDir) {
    let (venv, folder) = (Venv::new().with("well-behaved"), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("shop.py"), APPLICATION).unwrap();
    Wsgiaudit::new().arg(venv.path()).arg("--json").arg(folder.path().join("audit.json")).run().ended_with(0);
    (venv, folder)
}

#[test]
fn every_settings_file_is_understood() {
    let (_venv, folder) = project();
    for block in blocks(&["toml"]) {
        if block.code.contains("[[group]]") {
            let served = tempfile::tempdir().unwrap();
            fs::write(served.path().join("app.py"), APPLICATION).unwrap();
            fs::write(served.path().join("serve.toml"), &block.code).unwrap();
            let python = pythons::all().remove(0).executable;
            let environment = python.to_str().unwrap();
            let bind = ["--bind", "127.0.0.1:0", "--config", "serve.toml", "app:application"];
            let server = Server::spawn(served, &[&["-e", environment], bind.as_slice()].concat());
            assert_eq!(server.stop().0, 0, "{}", block.location);
            continue;
        }
        if block.code.contains("bind = ") {
            fs::write(folder.path().join("serve.toml"), &block.code).unwrap();
            let line = vec!["--config=serve.toml".into()];
            let options =
                ServeOptions::new(line, Vec::new(), folder.path()).and_then(|options| options.read());
            assert!(options.is_ok(), "{}: {options:?}", block.location);
            continue;
        }
        let name = if block.code.contains("[tool.") { "pyproject.toml" } else { "wsgiaudit.toml" };
        fs::write(folder.path().join(name), &block.code).unwrap();
        let render = Wsgiaudit::new().within(folder.path()).args(["render", "audit.json", "--config", name]);
        let said = render.run();
        assert!(matches!(said.status, Some(0 | 1 | 3)), "{}: {}", block.location, said.err);
    }
}

#[test]
fn every_apache_configuration_is_understood() {
    let (venv, folder) = project();
    for block in blocks(&["apache"]) {
        let root = folder.path().to_str().unwrap();
        let environment = venv.path().to_str().unwrap();
        let code = block.code.replace("/srv/shop/venv", environment).replace("/srv/shop", root);
        let configuration = folder.path().join("httpd.conf");
        fs::write(&configuration, format!("Listen 8000\nServerName localhost\n{code}")).unwrap();
        let audit = Wsgiaudit::new().arg(venv.path()).arg("--apache-config").arg(&configuration);
        let report = audit.args(["--format", "json"]).run().body();
        let findings = report["apache"]["findings"].as_array().unwrap();
        let findings: Vec<&Value> = findings
            .iter()
            .filter(|finding| finding["cause"]["rule"] != "apache-module-not-loaded")
            .collect();
        assert!(findings.is_empty(), "{}: {findings:#?}", block.location);
        assert_eq!(report["apache"]["not_told"].as_array().map_or(0, Vec::len), 0, "{}", block.location);
    }
}

#[test]
fn every_request_list_is_understood() {
    let (venv, folder) = project();
    for block in blocks(&["http"]) {
        fs::write(folder.path().join("shop.http"), &block.code).unwrap();
        let audit =
            Wsgiaudit::new().within(folder.path()).arg(venv.path()).arg("--app").arg("shop:application");
        let said = audit.args(["--requests", "shop.http", "--env", "SHOP_PASSWORD=secret"]).run();
        assert!(matches!(said.status, Some(0 | 1 | 3)), "{}: {}", block.location, said.err);
    }
}

#[test]
fn every_json_example_fits_the_schema() {
    let schema: Value =
        serde_json::from_slice(&fs::read(Path::new(ROOT).join("reports/schema-v1.json")).unwrap()).unwrap();
    for block in blocks(&["json"]) {
        let example: Value = serde_json::from_str(&block.code).unwrap();
        // A part of a document: what it has must be as the schema says.
        let mut part = schema.clone();
        part.as_object_mut().unwrap().remove("required");
        let validator = jsonschema::validator_for(&part).unwrap();
        let errors: Vec<String> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", block.location);
        let known = schema["properties"].as_object().unwrap();
        for key in example.as_object().unwrap().keys() {
            assert!(known.contains_key(key), "{}: {key}", block.location);
        }
    }
}

#[test]
fn every_yaml_and_python_example_can_be_read() {
    for block in blocks(&["yaml"]) {
        assert!(YamlLoader::load_from_str(&block.code).is_ok(), "{}", block.location);
    }
    let python = pythons::all().remove(0).executable;
    for block in blocks(&["python"]) {
        let mut compile = Command::new(&python);
        compile.args(["-I", "-c", "import sys; compile(sys.argv[1], 'example', 'exec')", &block.code]);
        assert!(compile.status().unwrap().success(), "{}", block.location);
    }
}

#[test]
fn the_workflows_run_what_the_repository_has() {
    for name in ["ci.yml", "release.yml"] {
        let text = fs::read_to_string(Path::new(ROOT).join(".github/workflows").join(name)).unwrap();
        let workflow = YamlLoader::load_from_str(&text).unwrap().remove(0);
        for (_, job) in workflow["jobs"].as_hash().unwrap() {
            for script in job["steps"].as_vec().unwrap().iter().filter_map(|step| step["run"].as_str()) {
                assert!(
                    !script.contains("${{"),
                    "{name}: an input pasted into a script can run commands: {script}"
                );
            }
        }
        assert!(name != "ci.yml" || text.contains("- run: .ci/run\n"));
    }
    assert!(Path::new(ROOT).join(".ci/run").exists());
}
