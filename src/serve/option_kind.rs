//! The options of `wsgiaudit serve`, as clap defines them: their names elsewhere, and what is written for them.

use std::any::TypeId;
use std::num::NonZeroUsize;

use clap::{Arg, ArgAction, Args, Command};

use crate::cli::ServeArgs;

/// What the variables of all options begin with.
pub(super) const PREFIX: &str = "WSGIAUDIT_SERVE_";

/// Options that need another one, or one of several.
pub(super) const NEEDED: [(&str, &[&str]); 11] = [
    ("admit", &["report"]),
    ("unvetted", &["report"]),
    ("max-requests-jitter", &["max-requests"]),
    ("access-log-format", &["access-log"]),
    ("proxy-header", &["proxy"]),
    ("group", &["user"]),
    ("proxy-protocol", &["proxy"]),
    ("telemetry-interval", &["telemetry", "metrics"]),
    ("slow-requests", &["telemetry", "metrics"]),
    ("tls-certificate", &["tls-key"]),
    ("tls-key", &["tls-certificate"]),
];

/// The type of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionKind {
    /// On or off.
    Flag,
    /// A whole number.
    Integer,
    /// A number, which may have a fraction.
    Number,
    /// An octal number in quotes: without them it would be a decimal one.
    Octal,
    /// Any other value.
    Text,
    /// Several texts.
    List,
}

impl OptionKind {
    /// Returns the type of an option's value.
    pub(super) fn from_arg(option: &Arg) -> Self {
        let parsed = option.get_value_parser().type_id();
        let is_integer = [TypeId::of::<u64>(), TypeId::of::<usize>(), TypeId::of::<NonZeroUsize>()];
        if matches!(option.get_action(), ArgAction::SetTrue) {
            Self::Flag
        } else if matches!(option.get_action(), ArgAction::Append) {
            Self::List
        } else if is_integer.iter().any(|integer| parsed == *integer) {
            Self::Integer
        } else if parsed == TypeId::of::<f64>() {
            Self::Number
        } else if parsed == TypeId::of::<u32>() {
            Self::Octal
        } else {
            Self::Text
        }
    }

    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Flag => "true or false",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Octal => "an octal number in quotes",
            Self::Text => "a string",
            Self::List => "a list of strings",
        }
    }

    /// A value of this type as it is written in TOML.
    fn example(self) -> &'static str {
        match self {
            Self::Flag => "true",
            Self::Integer => "4",
            Self::Number => "2.5",
            Self::Octal => "\"660\"",
            Self::Text => "\"...\"",
            Self::List => "[\"...\"]",
        }
    }
}

/// An option with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeOption {
    /// The long option without its dashes, which is the key in `serve.toml`, e.g. `http-threads`.
    pub key: String,
    /// The environment variable, e.g. `WSGIAUDIT_SERVE_HTTP_THREADS`.
    pub variable: String,
    /// An example of its line in `serve.toml`; `None` if it cannot be there.
    pub example: Option<String>,
}

/// Lists all options, in the order of `--help`.
pub fn list_options() -> Vec<ServeOption> {
    let list = |option: &Arg| {
        let key = option_key(option);
        let example = (key != "config").then(|| example_line(option));
        ServeOption { variable: variable_name(&key), example, key }
    };
    serve_command().get_arguments().map(list).collect()
}

/// The command whose arguments are the options of `wsgiaudit serve`.
pub(super) fn serve_command() -> Command {
    let command = Command::new("wsgiaudit serve").disable_help_flag(true).disable_version_flag(true);
    let mut command = ServeArgs::augment_args(command);
    command.build();
    command
}

/// Returns the name of an option in `serve.toml`. An argument without a long option has its own name.
pub(super) fn option_key(option: &Arg) -> String {
    option.get_long().unwrap_or(option.get_id().as_str()).to_owned()
}

/// Returns the environment variable of an option.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('-', "_"))
}

/// Returns an example of an option's line in `serve.toml`.
pub(super) fn example_line(option: &Arg) -> String {
    let kind = OptionKind::from_arg(option);
    let named = option.get_possible_values().first().map(|value| format!("{:?}", value.get_name()));
    let example = match (kind, named) {
        (OptionKind::Text, Some(named)) => named,
        (OptionKind::List, Some(named)) => format!("[{named}]"),
        _ => kind.example().to_owned(),
    };
    format!("{} = {example}", option_key(option))
}

/// Finds the name that a misspelled one is most similar to.
pub(super) fn find_similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let similar = known.map(|known| (strsim::jaro_winkler(name, known), known));
    similar
        .filter(|(score, _)| *score > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|found| found.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_that_of_the_value() {
        let command = serve_command();
        let found = |key: &str| {
            let option = command.get_arguments().find(|option| option_key(option) == key).unwrap();
            (OptionKind::from_arg(option), example_line(option))
        };
        for (key, kind, line) in [
            ("copies", OptionKind::Flag, "copies = true"),
            ("threads", OptionKind::Integer, "threads = 4"),
            ("max-body", OptionKind::Integer, "max-body = 4"),
            ("drain", OptionKind::Number, "drain = 2.5"),
            ("socket-mode", OptionKind::Octal, "socket-mode = \"660\""),
            ("mode", OptionKind::Text, "mode = \"main\""),
            ("application", OptionKind::Text, "application = \"...\""),
            ("bind", OptionKind::List, "bind = [\"...\"]"),
            ("proxy-header", OptionKind::List, "proxy-header = [\"x-forwarded-for\"]"),
        ] {
            assert_eq!(found(key), (kind, line.to_owned()), "{key}");
        }
    }

    #[test]
    fn options_that_are_needed_are_options() {
        let keys: Vec<String> = serve_command().get_arguments().map(option_key).collect();
        for (option, needed) in NEEDED {
            let mut names = std::iter::once(&option).chain(needed);
            assert!(names.all(|name| keys.iter().any(|key| key == name)), "{option}");
        }
    }

    #[test]
    fn a_misspelled_name_has_a_similar_one() {
        let known = ["bind", "max-body", "http-threads"];
        for (name, expected) in [
            ("bnd", Some("bind")),
            ("http_threads", Some("http-threads")),
            ("max-bdy", Some("max-body")),
            ("zzz", None),
        ] {
            assert_eq!(find_similar(name, known.into_iter()), expected, "{name}");
        }
    }
}
