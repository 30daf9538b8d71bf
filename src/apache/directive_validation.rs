//! Checks that mod_wsgi accepts a directive: the name exists in the loaded version, the context allows it,
//! and the arguments are valid. Apache does not start with a directive that its module rejects.

use super::directive_table::{
    ArgumentSpec, DIRECTIVES, DirectiveScope, DirectiveSpec, EMPTY_VALUE_OPTIONS, find_directive,
};
use super::lexer::{split_word, split_words};
use super::mod_wsgi_version::ModWsgiVersion;
use super::request_settings::HtaccessOverrides;
use super::values::parse_options;
use super::wsgi_module_file::WsgiModuleFile;
use super::{ConfigurationError, Directive};
use crate::model::ConfigLocation;

/// The context that a directive stands in (in the sense of Apache's documentation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirectiveContext {
    /// Server config: outside any section.
    Main,
    /// `<VirtualHost>`.
    Host,
    /// `<WSGIInterpreterOptions>`.
    Block,
    /// `<Directory>`, `<Location>`, `<Files>` and the like.
    Section,
    /// `.htaccess`, with the overrides allowed there.
    Htaccess(HtaccessOverrides),
}

/// Why a directive is rejected.
pub(super) enum DirectiveRejection {
    /// Apache does not start.
    Certainly(String),
    /// The loaded version is unknown or newer than the directive table, so it may accept the directive.
    Perhaps(String),
}

/// Largest edit distance at which a similar name is suggested.
const MAX_EDIT_DISTANCE: usize = 3;

/// Whether the name is a mod_wsgi directive, or close enough to one to be a misspelling.
pub(super) fn is_wsgi_directive(name: &str) -> bool {
    let is_near = |spec: &DirectiveSpec| {
        let spec = spec.name.to_ascii_lowercase();
        spec.len() > 8 && strsim::damerau_levenshtein(&spec, name) <= 2
    };
    name.trim_start_matches('<').starts_with("wsgi") || DIRECTIVES.iter().any(is_near)
}

/// Returns an error if mod_wsgi would reject the directive.
pub(super) fn validate_directive(
    found: &Directive,
    context: DirectiveContext,
    module: &WsgiModuleFile,
) -> Result<(), DirectiveRejection> {
    let Some(spec) = find_directive(&found.name) else {
        let text = format!("mod_wsgi has no directive {}", found.name.trim_start_matches('<'));
        let nearest = find_nearest_name(&found.name, DIRECTIVES);
        return Err(reject_unknown_name(text, nearest, module));
    };
    let name = spec.name.trim_start_matches('<');
    check_version(name, spec, module)?;
    check_context(name, spec.scope, context).map_err(DirectiveRejection::Certainly)?;
    check_arguments(name, spec, &found.args, module)
}

impl DirectiveRejection {
    /// Returns the message.
    pub(super) fn into_message(self) -> String {
        match self {
            Self::Certainly(what) | Self::Perhaps(what) => what,
        }
    }

    /// Returns a certain rejection as an error, and a possible one as a note with its location.
    pub(super) fn into_error(
        self,
        found: &Directive,
    ) -> Result<(ConfigLocation, String), ConfigurationError> {
        match self {
            Self::Certainly(what) => {
                Err(ConfigurationError::new(&found.place, format!("{what}: Apache would not start")))
            }
            Self::Perhaps(what) => Ok((found.place.clone(), what)),
        }
    }
}

/// Rejects a name that is not in the table; only tentatively if the loaded version is newer than the table.
fn reject_unknown_name(text: String, nearest: Option<&str>, module: &WsgiModuleFile) -> DirectiveRejection {
    let text = match nearest {
        Some(nearest) => format!("{text} (write {nearest})"),
        None => text,
    };
    match module.release {
        Some(release) if release > ModWsgiVersion::NEWEST => DirectiveRejection::Perhaps(format!(
            "{text} up to {}, and the module loaded is {release}",
            ModWsgiVersion::NEWEST
        )),
        Some(_) | None => DirectiveRejection::Certainly(text),
    }
}

fn find_nearest_name(name: &str, all: &[DirectiveSpec]) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let distance =
        |spec: &DirectiveSpec| strsim::damerau_levenshtein(&spec.name.to_ascii_lowercase(), &lower);
    let is_as_long = |spec: &&DirectiveSpec| spec.name.len().abs_diff(lower.len()) <= MAX_EDIT_DISTANCE;
    let found = all.iter().filter(is_as_long).map(|spec| (distance(spec), spec.name)).min();
    found.filter(|(distance, _)| *distance <= MAX_EDIT_DISTANCE).map(|(_, name)| name)
}

/// Checks that the loaded version has the directive or option.
fn check_version(
    name: &str,
    spec: &DirectiveSpec,
    module: &WsgiModuleFile,
) -> Result<(), DirectiveRejection> {
    let release = module.release.unwrap_or(ModWsgiVersion::NEWEST);
    if release < spec.since {
        let since = spec.since;
        return Err(DirectiveRejection::Certainly(format!(
            "{name} is new in mod_wsgi {since}, and {} is {release}: load a later one (pip install mod_wsgi, \
             mod_wsgi-express module-config), or delete it",
            module.display_name()
        )));
    }
    if let Some((until, instead)) = spec.until.filter(|(until, _)| release >= *until) {
        return Err(match module.release {
            Some(release) => DirectiveRejection::Certainly(format!(
                "mod_wsgi {until} has removed {name}, and {} is {release}: {instead}",
                module.display_name()
            )),
            None => DirectiveRejection::Perhaps(format!(
                "mod_wsgi {until} has removed {name}, and the loaded version is unknown: {instead}"
            )),
        });
    }
    Ok(())
}

fn check_context(name: &str, scope: DirectiveScope, context: DirectiveContext) -> Result<(), String> {
    let is_taken = match (scope, context) {
        (
            DirectiveScope::AuthConfig,
            DirectiveContext::Main | DirectiveContext::Host | DirectiveContext::Block,
        ) => false,
        (_, DirectiveContext::Main) => true,
        (DirectiveScope::Global | DirectiveScope::Interpreter, DirectiveContext::Block) => true,
        (
            DirectiveScope::Global | DirectiveScope::Interpreter,
            DirectiveContext::Host | DirectiveContext::Section,
        ) => false,
        (DirectiveScope::Server, DirectiveContext::Host | DirectiveContext::Block) => true,
        (DirectiveScope::Server, DirectiveContext::Section) => false,
        (
            DirectiveScope::Section | DirectiveScope::FileInfo,
            DirectiveContext::Host | DirectiveContext::Block | DirectiveContext::Section,
        ) => true,
        (DirectiveScope::AuthConfig, DirectiveContext::Section) => true,
        (DirectiveScope::FileInfo, DirectiveContext::Htaccess(overrides)) => overrides.file_info,
        (DirectiveScope::AuthConfig, DirectiveContext::Htaccess(overrides)) => overrides.auth_config,
        (
            DirectiveScope::Global
            | DirectiveScope::Interpreter
            | DirectiveScope::Server
            | DirectiveScope::Section,
            DirectiveContext::Htaccess(_),
        ) => false,
    };
    let place = match context {
        DirectiveContext::Main => "at the top level",
        DirectiveContext::Htaccess(_) => "in this .htaccess",
        DirectiveContext::Host | DirectiveContext::Block | DirectiveContext::Section => {
            "inside <VirtualHost>, <Directory> and the like"
        }
    };
    if is_taken { Ok(()) } else { Err(format!("{name} is not allowed {place}")) }
}

/// Checks the arguments of a directive.
fn check_arguments(
    name: &str,
    spec: &DirectiveSpec,
    args: &str,
    module: &WsgiModuleFile,
) -> Result<(), DirectiveRejection> {
    let certainly = |what: String| Err(DirectiveRejection::Certainly(what));
    let given = split_words(args);
    match spec.takes {
        ArgumentSpec::Words => Ok(()),
        ArgumentSpec::Options(count, table) => {
            let mut rest = args;
            for _ in 0..count {
                let (first, after) = split_word(rest);
                if first.is_empty() {
                    return certainly(match name {
                        "WSGIDaemonProcess" => format!("{name} without a name"),
                        _ if count == 1 => format!("{name} takes a script"),
                        "WSGIHandlerScript" => format!("{name} takes a handler's name and a script"),
                        _ => format!("{name} takes a URL and a script"),
                    });
                }
                rest = after;
            }
            check_options(name, rest, table, module)
        }
        ArgumentSpec::Telemetry => {
            check_telemetry_service(name, &given).map_err(DirectiveRejection::Certainly)
        }
        ArgumentSpec::TelemetryFlags => {
            check_telemetry_flags(name, &given).map_err(DirectiveRejection::Certainly)
        }
        ArgumentSpec::Addresses => match given.iter().find(|word| !is_network_address(word)) {
            Some(word) => certainly(format!("{name}: {word:?} is neither an IP address nor a network")),
            None => Ok(()),
        },
        ArgumentSpec::Flag
        | ArgumentSpec::OneOf(_)
        | ArgumentSpec::Word
        | ArgumentSpec::Absolute
        | ArgumentSpec::Seconds
        | ArgumentSpec::Number(..)
        | ArgumentSpec::Bytes(_)
        | ArgumentSpec::Octal
        | ArgumentSpec::HashSeed
        | ArgumentSpec::Threshold => match &given[..] {
            [value] if !value.is_empty() => {
                check_value(name, spec.takes, value).map_err(DirectiveRejection::Certainly)
            }
            [_] => certainly(format!("{name} takes one argument, and has an empty one")),
            others => certainly(format!("{name} takes one argument, and has {}", others.len())),
        },
    }
}

fn check_options(
    name: &str,
    text: &str,
    table: &[DirectiveSpec],
    module: &WsgiModuleFile,
) -> Result<(), DirectiveRejection> {
    for (option, value) in parse_options(text).map_err(DirectiveRejection::Certainly)? {
        let Some(spec) = table.iter().find(|spec| spec.name == option) else {
            let text = format!("{option}= is not an option of {name}");
            return Err(reject_unknown_name(text, find_nearest_name(&option, table), module));
        };
        check_version(&format!("{option}="), spec, module)?;
        // The value is an environment variable that only the running Apache knows.
        if value.contains("${") {
            continue;
        }
        if value.is_empty() && !EMPTY_VALUE_OPTIONS.contains(&spec.name) {
            return Err(DirectiveRejection::Certainly(format!("{name}: {option}= has no value")));
        }
        check_value(&format!("{name}: {option}="), spec.takes, &value)
            .map_err(DirectiveRejection::Certainly)?;
    }
    Ok(())
}

/// Checks a single value.
fn check_value(name: &str, takes: ArgumentSpec, value: &str) -> Result<(), String> {
    if value.contains("${") {
        return Ok(());
    }
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    let wanted = match takes {
        ArgumentSpec::Flag if !is_one_of(&["On", "Off"]) => "On or Off".to_owned(),
        ArgumentSpec::OneOf(words) if !is_one_of(words) => format!("one of {}", words.join(", ")),
        ArgumentSpec::Absolute if !value.starts_with('/') => "an absolute path".to_owned(),
        ArgumentSpec::Seconds if value.parse::<f64>().map_or(true, |seconds| seconds <= 0.0) => {
            "a positive number of seconds".to_owned()
        }
        ArgumentSpec::Number(least, below) => match atoi(value) {
            number if number < least => format!("a number of at least {least}"),
            number if number >= below => format!("a number less than {below}"),
            _ => return Ok(()),
        },
        ArgumentSpec::Bytes(least) if (1..least).contains(&atoi(value)) || atoi(value) < 0 => {
            format!("0, or at least {least}")
        }
        ArgumentSpec::Octal if i64::from_str_radix(value, 8).map_or(true, |number| number < 0) => {
            "an octal number".to_owned()
        }
        ArgumentSpec::HashSeed if value != "random" && !value.is_empty() && value.parse::<u32>().is_err() => {
            "random, or a number from 0 to 4294967295".to_owned()
        }
        ArgumentSpec::Threshold if atof(value) < 0.0 => "a number of seconds that is not negative".to_owned(),
        ArgumentSpec::Flag
        | ArgumentSpec::OneOf(_)
        | ArgumentSpec::Word
        | ArgumentSpec::Absolute
        | ArgumentSpec::Seconds
        | ArgumentSpec::Bytes(_)
        | ArgumentSpec::Octal
        | ArgumentSpec::HashSeed
        | ArgumentSpec::Words
        | ArgumentSpec::Addresses
        | ArgumentSpec::Options(..)
        | ArgumentSpec::Telemetry
        | ArgumentSpec::Threshold
        | ArgumentSpec::TelemetryFlags => return Ok(()),
    };
    Err(format!("{name} must be {wanted}, and is {value:?}"))
}

/// C's `atoi`: the leading number of a text, or 0.
fn atoi(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let number: i64 = digits.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    sign * number
}

fn atof(text: &str) -> f64 {
    let ends = (1..=text.len()).rev().filter_map(|end| text.get(..end)?.trim_start().parse().ok());
    ends.into_iter().next().unwrap_or(0.0)
}

fn check_telemetry_service(name: &str, given: &[String]) -> Result<(), String> {
    let (target, interval) = match given {
        [target] => (target, None),
        [target, interval] => (target, Some(interval)),
        _ => return Err(format!("{name} takes unix:PATH and interval=SECONDS")),
    };
    if !target.starts_with("unix:") {
        return Err(format!("{name} takes unix:PATH, and not {target:?}"));
    }
    match interval.map(|interval| interval.strip_prefix("interval=").map(atof)) {
        None => Ok(()),
        Some(None) => Err(format!("{name}: the second argument must be interval=SECONDS")),
        Some(Some(seconds)) if seconds < 0.5 => {
            Err(format!("{name}: interval= must be at least 0.5 seconds, and is {seconds}"))
        }
        Some(Some(_)) => Ok(()),
    }
}

fn check_telemetry_flags(name: &str, given: &[String]) -> Result<(), String> {
    if given.is_empty() {
        return Err(format!("{name} takes at least one flag"));
    }
    let is_signed = |word: &String| word.starts_with(['+', '-']);
    if given.iter().any(is_signed) && !given.iter().all(is_signed) {
        return Err(format!("{name}: flags with + or - cannot be mixed with flags without"));
    }
    let is_known = |word: &String| {
        let plain = word.trim_start_matches(['+', '-']);
        let alone = !is_signed(word) && ["none", "all"].contains(&plain.to_ascii_lowercase().as_str());
        alone || plain.eq_ignore_ascii_case("CaptureUserAgent")
    };
    match given.iter().find(|word| !is_known(word)) {
        Some(word) => Err(format!("{name} has no flag {word}")),
        None => Ok(()),
    }
}

/// Whether the text is an IPv4 or IPv6 address, with an optional prefix length or netmask.
fn is_network_address(text: &str) -> bool {
    let (address, mask) = text.split_once('/').map_or((text, None), |(address, mask)| (address, Some(mask)));
    let is_partial = || {
        let numbers: Vec<&str> = address.trim_end_matches('.').split('.').collect();
        numbers.len() < 4 && numbers.iter().all(|number| number.parse::<u8>().is_ok())
    };
    let is_mask = |mask: &str| mask.parse::<u8>().is_ok() || mask.parse::<std::net::Ipv4Addr>().is_ok();
    (address.parse::<std::net::IpAddr>().is_ok() || is_partial()) && mask.is_none_or(is_mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        assert_eq!([atoi("15s"), atoi(" -3"), atoi("x"), atoi("")], [15, -3, 0, 0]);
        assert!((atof("0.5s") - 0.5).abs() < f64::EPSILON && atof("x") == 0.0);
    }

    #[test]
    fn a_name_is_known_by_a_few_letters() {
        assert!(is_wsgi_directive("wgsiscriptalias") && is_wsgi_directive("wsgianything"));
        assert!(!is_wsgi_directive("scriptalias") && !is_wsgi_directive("alias"));
        assert_eq!(find_nearest_name("wsgiscriptalas", DIRECTIVES), Some("WSGIScriptAlias"));
    }
}
