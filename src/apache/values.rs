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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parsed_as_mod_wsgi_parses_them() {
        let place = ConfigLocation { file: "x".into(), line: 1 };
        let flag = |text: &str| parse_flag("X", text, &place).ok().map(|set| set.value);
        assert_eq!([flag("On"), flag("oFF"), flag("yes"), flag("")], [Some(true), Some(false), None, None]);
        let seconds = |text: &str| parse_seconds("X", text, &place).ok().map(|set| set.value);
        assert_eq!(
            [seconds("0.5"), seconds("0"), seconds("-1"), seconds("x")],
            [Some(0.5), None, None, None]
        );
        assert_eq!([normalize_group("%{GLOBAL}"), normalize_group("%{SERVER}")], ["", "%{SERVER}"]);
    }

    #[test]
    fn options_are_names_and_values() {
        let options = |text: &str| {
            let all = parse_options(text)?;
            Ok(all.iter().map(|(name, value)| format!("{name}={value};")).collect::<String>())
        };
        for (text, expected) in [
            ("", Ok("")),
            ("  a=1 b=2", Ok("a=1;b=2;")),
            ("a='x y'  b=", Ok("a=x y;b=;")),
            ("a= 1 b=2", Ok("a=1;b=2;")),
            ("a=b=c", Ok("a=b=c;")),
            ("a", Err("\"a\" is no option: write name=value")),
            ("a =1", Err("\"a\" is no option: write name=value")),
            ("=1", Err("\"\" is no option: write name=value")),
            ("a=1 b", Err("\"b\" is no option: write name=value")),
        ] {
            let expected: Result<String, String> = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(options(text), expected, "{text}");
        }
    }
}
