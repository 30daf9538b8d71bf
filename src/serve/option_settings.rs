//! Options that the environment and `serve.toml` set.

use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::{Arg, Command};
use toml::de::{DeArray, DeTable, DeValue};

use super::option_kind::{OptionKind, PREFIX, example_line, find_similar, option_key, variable_name};
use super::serve_settings::{GROUP, read_settings_text};

/// An option that is set outside of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OptionSetting {
    /// The option's name.
    pub(super) key: String,
    /// Its values: one, or several of a list. A flag that is on has `true`.
    pub(super) values: Vec<OsString>,
    /// Where it is set, for messages: a variable, or a line of a file.
    pub(super) origin: String,
}

/// Returns the options that environment variables set. An empty variable sets nothing. Items of a list have commas
/// between them.
///
/// # Errors
/// If the value of a flag is neither `true` nor `false`.
pub(super) fn read_variables(
    command: &Command,
    variables: &[(OsString, OsString)],
) -> Result<Vec<OptionSetting>> {
    let mut settings = Vec::new();
    for option in command.get_arguments() {
        let key = option_key(option);
        let origin = variable_name(&key);
        let found = variables.iter().find(|(name, value)| *name == *origin && !value.is_empty());
        let Some((_, value)) = found else { continue };
        let values = match (OptionKind::from_arg(option), value.to_str()) {
            (OptionKind::Flag, Some("true")) => vec![value.clone()],
            (OptionKind::Flag, Some("false")) => continue,
            (OptionKind::Flag, _) => bail!("{origin}={} is neither true nor false", value.display()),
            (OptionKind::List, Some(text)) => text.split(',').map(|item| item.trim().into()).collect(),
            _ => vec![value.clone()],
        };
        settings.push(OptionSetting { key, values, origin });
    }
    Ok(settings)
}

/// Returns a message for each variable that begins as those of options do, but names none. It is no error: other
/// programs may set such a variable, as Kubernetes does for a service that is called `wsgiaudit-serve`.
pub(super) fn describe_unknown_variables(
    command: &Command,
    variables: &[(OsString, OsString)],
) -> Vec<String> {
    let known: Vec<String> =
        command.get_arguments().map(|option| variable_name(&option_key(option))).collect();
    let names = variables.iter().filter_map(|(name, _)| name.to_str());
    let unknown = names.filter(|name| name.starts_with(PREFIX) && !known.iter().any(|known| known == name));
    unknown
        .map(|name| match find_similar(name, known.iter().map(String::as_str)) {
            Some(similar) => format!("{name} names no option and is ignored: do you mean {similar}?"),
            None => format!("{name} names no option and is ignored"),
        })
        .collect()
}

/// Returns the options that a settings file sets, and whether it has application groups.
///
/// # Errors
/// If it cannot be read, is not TOML, or has an unknown key or a value of the wrong type. The message has the line.
pub(super) fn read_settings_file(command: &Command, path: &Path) -> Result<(Vec<OptionSetting>, bool)> {
    let text = read_settings_text(path)?;
    let shown = path.display().to_string();
    parse_settings(command, &text, &shown)
}

fn parse_settings(command: &Command, text: &str, shown: &str) -> Result<(Vec<OptionSetting>, bool)> {
    let table = DeTable::parse(text).with_context(|| format!("{shown} is not valid"))?;
    let (mut settings, mut has_groups) = (Vec::new(), false);
    for (name, value) in table.get_ref() {
        let key: &str = name.get_ref();
        let origin = format!("{shown}, line {}", line_number(text, &name.span()));
        // As text, the same key is the option `--group`.
        if key == GROUP && value.get_ref().is_array() {
            has_groups = true;
            continue;
        }
        if key == "config" {
            bail!("{origin}: a settings file cannot name another one");
        }
        let Some(option) = command.get_arguments().find(|option| option_key(option) == key) else {
            let keys: Vec<String> = command.get_arguments().map(option_key).collect();
            let known = keys.iter().map(String::as_str).filter(|key| *key != "config");
            let hint = find_similar(key, known).map_or_else(
                || "`wsgiaudit serve --help` lists the options, which are the keys".to_owned(),
                |similar| format!("do you mean {similar}?"),
            );
            bail!("{origin}: {key} is not a key of this file\nhint: {hint}");
        };
        if let Some(values) = read_value(option, value.get_ref()).with_context(|| origin.clone())? {
            settings.push(OptionSetting { key: key.to_owned(), values, origin });
        }
    }
    Ok((settings, has_groups))
}

/// Returns the values of an option; `None` if it is a flag that is off.
fn read_value(option: &Arg, value: &DeValue<'_>) -> Result<Option<Vec<OsString>>> {
    let kind = OptionKind::from_arg(option);
    let values = match (kind, value) {
        (OptionKind::Flag, DeValue::Boolean(false)) => return Ok(None),
        (OptionKind::Flag, DeValue::Boolean(true)) => vec!["true".into()],
        (OptionKind::Integer | OptionKind::Number, DeValue::Integer(number)) => {
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            vec![decimal.map_or_else(|_| number.to_string(), |number| number.to_string()).into()]
        }
        (OptionKind::Number, DeValue::Float(number)) => vec![number.as_str().into()],
        (OptionKind::Octal | OptionKind::Text | OptionKind::List, DeValue::String(text)) => {
            vec![OsStr::new(text.as_ref()).to_owned()]
        }
        (OptionKind::List, DeValue::Array(items)) => match read_texts(items) {
            Some(texts) => texts,
            None => return Err(wrong_type(option, kind, "a list of other things")),
        },
        (_, value) => return Err(wrong_type(option, kind, &name_type(value))),
    };
    Ok(Some(values))
}

fn read_texts(items: &DeArray<'_>) -> Option<Vec<OsString>> {
    items.iter().map(|item| item.get_ref().as_str().map(OsString::from)).collect()
}

fn wrong_type(option: &Arg, kind: OptionKind, found: &str) -> anyhow::Error {
    let (key, wanted, example) = (option_key(option), kind.name(), example_line(option));
    anyhow::anyhow!("{key} is {found}, not {wanted}\nhint: write it as in {example}")
}

/// Names a type of TOML.
fn name_type(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn line_number(text: &str, span: &Range<usize>) -> usize {
    text.get(..span.start).unwrap_or_default().matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::super::option_kind::serve_command;
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, Vec<OsString>)>, String> {
        match parse_settings(&serve_command(), text, "serve.toml") {
            Ok((settings, _)) => {
                Ok(settings.into_iter().map(|setting| (setting.key, setting.values)).collect())
            }
            Err(error) => Err(format!("{error:#}")),
        }
    }

    #[test]
    fn a_value_has_the_type_of_its_option() {
        for (line, expected) in [
            ("threads = 4", Some("4")),
            ("max-body = 0x10", Some("16")),
            ("queue = 1_000", Some("1000")),
            ("drain = 2", Some("2")),
            ("drain = 2.5", Some("2.5")),
            ("copies = true", Some("true")),
            ("copies = false", None),
            ("socket-mode = \"660\"", Some("660")),
            ("bind = \":80\"", Some(":80")),
            ("bind = [\":80\", \":81\"]", Some(":80 :81")),
        ] {
            let found = parse(line).unwrap();
            let values = found.first().map(|(_, values)| {
                values.iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(values.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn an_error_says_the_line_and_what_to_write() {
        for (text, said) in [
            (
                "\nthreads = \"4\"",
                "line 2: threads is a string, not an integer\nhint: write it as in threads = 4",
            ),
            ("drain = \"2\"", "line 1: drain is a string, not a number\nhint: write it as in drain = 2.5"),
            (
                "copies = 1",
                "line 1: copies is an integer, not true or false\nhint: write it as in copies = true",
            ),
            ("socket-mode = 660", "hint: write it as in socket-mode = \"660\""),
            ("bind = [1]", "line 1: bind is a list of other things, not a list of strings"),
            ("mode = 1", "hint: write it as in mode = \"main\""),
            ("a = 1\nconfig = \"b\"", "a is not a key"),
            ("group = 1", "line 1: group is an integer, not a string"),
            ("config = \"b\"", "line 1: a settings file cannot name another one"),
            ("bnd = \":80\"", "line 1: bnd is not a key of this file\nhint: do you mean bind?"),
            ("groups = 1", "hint: do you mean group?"),
            ("threads =", "serve.toml is not valid"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }

    #[test]
    fn variables_are_those_of_the_options() {
        let command = serve_command();
        let given = |pairs: &[(&str, &str)]| -> Vec<(OsString, OsString)> {
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let variables = given(&[
            ("WSGIAUDIT_SERVE_BIND", ":80, :81"),
            ("WSGIAUDIT_SERVE_COPIES", "false"),
            ("WSGIAUDIT_SERVE_MODE", ""),
            ("WSGIAUDIT_SERVE_PROCESES", "2"),
            ("WSGIAUDIT_SERVE", "2"),
        ]);
        let settings = read_variables(&command, &variables).unwrap();
        let values: Vec<OsString> = vec![":80".into(), ":81".into()];
        let origin = "WSGIAUDIT_SERVE_BIND".to_owned();
        assert_eq!(settings, [OptionSetting { key: "bind".to_owned(), values, origin }]);
        assert_eq!(
            describe_unknown_variables(&command, &variables),
            [
                "WSGIAUDIT_SERVE_PROCESES names no option and is ignored: do you mean WSGIAUDIT_SERVE_PROCESSES?"
            ]
        );
        assert!(read_variables(&command, &given(&[("WSGIAUDIT_SERVE_COPIES", "yes")])).is_err());
    }
}
