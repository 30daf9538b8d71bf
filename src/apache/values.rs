//! Parsers for the values of mod_wsgi's directives (6.1.1, `wsgi_config.c`).

use super::ConfigurationError;
use super::lexer::split_word;
use crate::model::ConfigLocation;

/// A value and the line that sets it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LocatedValue<T> {
    pub(super) value: T,
    pub(super) place: ConfigLocation,
}

/// Parses `On` or `Off`, ignoring case.
pub(super) fn parse_flag(
    name: &str,
    text: &str,
    place: &ConfigLocation,
) -> Result<LocatedValue<bool>, ConfigurationError> {
    let value = match text.to_ascii_lowercase().as_str() {
        "on" => true,
        "off" => false,
        _ => {
            return Err(ConfigurationError::new(place, format!("{name} must be On or Off, and is {text:?}")));
        }
    };
    Ok(LocatedValue { value, place: place.clone() })
}

/// Parses a number of seconds greater than 0.
pub(super) fn parse_seconds(
    name: &str,
    text: &str,
    place: &ConfigLocation,
) -> Result<LocatedValue<f64>, ConfigurationError> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 => Ok(LocatedValue { value, place: place.clone() }),
        Ok(_) | Err(_) => Err(ConfigurationError::new(
            place,
            format!("{name} must be a positive number of seconds, and is {text:?}"),
        )),
    }
}

/// Parses `name=value ...`. A value may be quoted and may follow whitespace after `=` (`wsgi_parse_option`).
pub(super) fn parse_options(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut all, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter == '=' || letter.is_ascii_whitespace());
        let (name, after) = end.map_or((rest, ""), |end| rest.split_at(end));
        let Some(after) = after.strip_prefix('=').filter(|_| !name.is_empty()) else {
            return Err(format!("{name:?} is no option: write name=value"));
        };
        let (value, after) = split_word(after);
        all.push((name.to_owned(), value));
        rest = after;
    }
    Ok(all)
}

/// Returns a group's name in the form used for comparison: `%{GLOBAL}` is the empty string.
pub(super) fn normalize_group(name: &str) -> String {
    if name == "%{GLOBAL}" { String::new() } else { name.to_owned() }
}
