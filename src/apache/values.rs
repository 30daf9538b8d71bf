//! Values of mod_wsgi's directives (6.1.1, `wsgi_config.c`).

use super::Problem;
use super::line::word;
use crate::model::ConfigPlace;

/// A value with the line that sets it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set<T> {
    /// The value.
    pub(super) value: T,
    /// The line.
    pub(super) place: ConfigPlace,
}

/// `On` or `Off`, in any case.
pub(super) fn flag(name: &str, text: &str, place: &ConfigPlace) -> Result<Set<bool>, Problem> {
    let value = match text.to_ascii_lowercase().as_str() {
        "on" => true,
        "off" => false,
        _ => return Err(Problem::new(place, format!("{name} must be On or Off, and is {text:?}"))),
    };
    Ok(Set { value, place: place.clone() })
}

/// Seconds, more than 0.
pub(super) fn seconds(name: &str, text: &str, place: &ConfigPlace) -> Result<Set<f64>, Problem> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 => Ok(Set { value, place: place.clone() }),
        Ok(_) | Err(_) => {
            Err(Problem::new(place, format!("{name} must be a positive number of seconds, and is {text:?}")))
        }
    }
}

/// `name=value ...`; a value may stand in quotes, and after white space (`wsgi_parse_option`).
pub(super) fn options(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut all, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        let end = rest.find(|letter: char| letter == '=' || letter.is_ascii_whitespace());
        let (name, after) = end.map_or((rest, ""), |end| rest.split_at(end));
        let Some(after) = after.strip_prefix('=').filter(|_| !name.is_empty()) else {
            return Err(format!("{name:?} is no option: write name=value"));
        };
        let (value, after) = word(after);
        all.push((name.to_owned(), value));
        rest = after;
    }
    Ok(all)
}

/// A group's name as it is compared: `%{GLOBAL}` is the empty one.
pub(super) fn group(name: &str) -> String {
    if name == "%{GLOBAL}" { String::new() } else { name.to_owned() }
}
