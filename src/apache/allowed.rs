//! Whether mod_wsgi takes a directive: its name in this version, its place, its arguments. What it does not take keeps Apache from
//! starting.

use super::directives::{DIRECTIVES, Known, MAY_BE_EMPTY, Scope, Takes, directive};
use super::line::{word, words};
use super::module_file::ModuleFile;
use super::release::Release;
use super::settings::Overrides;
use super::values::options;
use super::{Directive, Problem};
use crate::model::ConfigPlace;

/// Where a directive stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// At the top level.
    Main,
    /// In a virtual host.
    Host,
    /// In `<WSGIInterpreterOptions>`.
    Block,
    /// In `<Directory>` and the like.
    Section,
    /// In a `.htaccess`.
    Htaccess(Overrides),
}

/// Why a directive is not taken, or what keeps that from being told.
pub(super) enum Refused {
    /// Apache does not start.
    Certainly(String),
    /// It might be.
    Perhaps(String),
}

/// A typing error of so many letters is told from another name.
const FAR: usize = 3;

/// Whether a directive's name is one of mod_wsgi's, or looks like one.
pub(super) fn is_of_mod_wsgi(name: &str) -> bool {
    let is_near = |known: &Known| {
        let known = known.name.to_ascii_lowercase();
        known.len() > 8 && strsim::damerau_levenshtein(&known, name) <= 2
    };
    name.trim_start_matches('<').starts_with("wsgi") || DIRECTIVES.iter().any(is_near)
}

/// Refuses what mod_wsgi would.
pub(super) fn check(found: &Directive, spot: Spot, module: &ModuleFile) -> Result<(), Refused> {
    let Some(known) = directive(&found.name) else {
        let text = format!("mod_wsgi has no directive {}", found.name.trim_start_matches('<'));
        let nearest = nearest(&found.name, DIRECTIVES);
        return Err(unknown(text, nearest, module));
    };
    let name = known.name.trim_start_matches('<');
    fits(name, known, module)?;
    stands(name, known.scope, spot).map_err(Refused::Certainly)?;
    taken(name, known, &found.args, module)
}

impl Refused {
    /// Why, in words.
    pub(super) fn what(self) -> String {
        match self {
            Self::Certainly(what) | Self::Perhaps(what) => what,
        }
    }

    /// As an error at a directive's line.
    pub(super) fn at(self, found: &Directive) -> Result<(ConfigPlace, String), Problem> {
        match self {
            Self::Certainly(what) => {
                Err(Problem::new(&found.place, format!("{what}: Apache would not start")))
            }
            Self::Perhaps(what) => Ok((found.place.clone(), what)),
        }
    }
}

/// A name that is in no version that is known.
fn unknown(text: String, nearest: Option<&str>, module: &ModuleFile) -> Refused {
    let text = match nearest {
        Some(nearest) => format!("{text} (write {nearest})"),
        None => text,
    };
    match module.release {
        Some(release) if release > Release::NEWEST => {
            Refused::Perhaps(format!("{text} up to {}, and the module loaded is {release}", Release::NEWEST))
        }
        Some(_) | None => Refused::Certainly(text),
    }
}

fn nearest(name: &str, all: &[Known]) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let distance = |known: &Known| strsim::damerau_levenshtein(&known.name.to_ascii_lowercase(), &lower);
    let found = all.iter().map(|known| (distance(known), known.name)).min();
    found.filter(|(distance, _)| *distance <= FAR).map(|(_, name)| name)
}

/// Whether the version that is loaded has it.
fn fits(name: &str, known: &Known, module: &ModuleFile) -> Result<(), Refused> {
    let release = module.release.unwrap_or(Release::NEWEST);
    if release < known.since {
        let since = known.since;
        return Err(Refused::Certainly(format!(
            "{name} is new in mod_wsgi {since}, and {} is {release}: load a later one (pip install mod_wsgi, \
             mod_wsgi-express module-config), or delete it",
            module.named()
        )));
    }
    if let Some((until, instead)) = known.until.filter(|(until, _)| release >= *until) {
        return Err(match module.release {
            Some(release) => Refused::Certainly(format!(
                "mod_wsgi {until} has removed {name}, and {} is {release}: {instead}",
                module.named()
            )),
            None => Refused::Perhaps(format!(
                "mod_wsgi {until} has removed {name}, and which version is loaded is not known: {instead}"
            )),
        });
    }
    Ok(())
}

fn stands(name: &str, scope: Scope, spot: Spot) -> Result<(), String> {
    let is_taken = match (scope, spot) {
        (Scope::AuthConfig, Spot::Main | Spot::Host | Spot::Block) => false,
        (_, Spot::Main) => true,
        (Scope::Global | Scope::Interpreter, Spot::Block) => true,
        (Scope::Global | Scope::Interpreter, Spot::Host | Spot::Section) => false,
        (Scope::Server, Spot::Host | Spot::Block) => true,
        (Scope::Server, Spot::Section) => false,
        (Scope::Section | Scope::FileInfo, Spot::Host | Spot::Block | Spot::Section) => true,
        (Scope::AuthConfig, Spot::Section) => true,
        (Scope::FileInfo, Spot::Htaccess(overrides)) => overrides.file_info,
        (Scope::AuthConfig, Spot::Htaccess(overrides)) => overrides.auth_config,
        (Scope::Global | Scope::Interpreter | Scope::Server | Scope::Section, Spot::Htaccess(_)) => false,
    };
    let place = match spot {
        Spot::Main => "at the top level",
        Spot::Htaccess(_) => "in this .htaccess",
        Spot::Host | Spot::Block | Spot::Section => "inside of <VirtualHost>, <Directory> and the like",
    };
    if is_taken { Ok(()) } else { Err(format!("{name} is not allowed {place}")) }
}

/// Whether the arguments are taken.
fn taken(name: &str, known: &Known, args: &str, module: &ModuleFile) -> Result<(), Refused> {
    let certainly = |what: String| Err(Refused::Certainly(what));
    let given = words(args);
    match known.takes {
        Takes::Words => Ok(()),
        Takes::Options(count, table) => {
            let mut rest = args;
            for _ in 0..count {
                let (first, after) = word(rest);
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
            of_options(name, rest, table, module)
        }
        Takes::Telemetry => telemetry(name, &given).map_err(Refused::Certainly),
        Takes::TelemetryFlags => telemetry_flags(name, &given).map_err(Refused::Certainly),
        Takes::Addresses => match given.iter().find(|word| !is_address(word)) {
            Some(word) => certainly(format!("{name}: {word:?} is no address and no network")),
            None => Ok(()),
        },
        Takes::Flag
        | Takes::OneOf(_)
        | Takes::Word
        | Takes::Absolute
        | Takes::Seconds
        | Takes::Number(..)
        | Takes::Bytes(_)
        | Takes::Octal
        | Takes::HashSeed
        | Takes::Threshold => match &given[..] {
            [value] if !value.is_empty() => one(name, known.takes, value).map_err(Refused::Certainly),
            [_] => certainly(format!("{name} takes one argument, and has an empty one")),
            others => certainly(format!("{name} takes one argument, and has {}", others.len())),
        },
    }
}

fn of_options(name: &str, text: &str, table: &[Known], module: &ModuleFile) -> Result<(), Refused> {
    for (option, value) in options(text).map_err(Refused::Certainly)? {
        let Some(known) = table.iter().find(|known| known.name == option) else {
            let text = format!("{option}= is no option of {name}");
            return Err(unknown(text, nearest(&option, table), module));
        };
        fits(&format!("{option}="), known, module)?;
        // Known only where Apache runs.
        if value.contains("${") {
            continue;
        }
        if value.is_empty() && !MAY_BE_EMPTY.contains(&known.name) {
            return Err(Refused::Certainly(format!("{name}: {option}= has no value")));
        }
        one(&format!("{name}: {option}="), known.takes, &value).map_err(Refused::Certainly)?;
    }
    Ok(())
}

/// A single value.
fn one(name: &str, takes: Takes, value: &str) -> Result<(), String> {
    if value.contains("${") {
        return Ok(());
    }
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    let wanted = match takes {
        Takes::Flag if !is_one_of(&["On", "Off"]) => "On or Off".to_owned(),
        Takes::OneOf(words) if !is_one_of(words) => format!("one of {}", words.join(", ")),
        Takes::Absolute if !value.starts_with('/') => "an absolute path".to_owned(),
        Takes::Seconds if value.parse::<f64>().map_or(true, |seconds| seconds <= 0.0) => {
            "a positive number of seconds".to_owned()
        }
        Takes::Number(least, below) => match atoi(value) {
            number if number < least => format!("a number of at least {least}"),
            number if number >= below => format!("a number less than {below}"),
            _ => return Ok(()),
        },
        Takes::Bytes(least) if (1..least).contains(&atoi(value)) || atoi(value) < 0 => {
            format!("0, or at least {least}")
        }
        Takes::Octal if i64::from_str_radix(value, 8).map_or(true, |number| number < 0) => {
            "an octal number".to_owned()
        }
        Takes::HashSeed if value != "random" && !value.is_empty() && value.parse::<u32>().is_err() => {
            "random, or a number from 0 to 4294967295".to_owned()
        }
        Takes::Threshold if atof(value) < 0.0 => "a number of seconds that is not negative".to_owned(),
        Takes::Flag
        | Takes::OneOf(_)
        | Takes::Word
        | Takes::Absolute
        | Takes::Seconds
        | Takes::Bytes(_)
        | Takes::Octal
        | Takes::HashSeed
        | Takes::Words
        | Takes::Addresses
        | Takes::Options(..)
        | Takes::Telemetry
        | Takes::Threshold
        | Takes::TelemetryFlags => return Ok(()),
    };
    Err(format!("{name} must be {wanted}, and is {value:?}"))
}

/// C's: the number that a text begins with, else 0.
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

fn telemetry(name: &str, given: &[String]) -> Result<(), String> {
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

fn telemetry_flags(name: &str, given: &[String]) -> Result<(), String> {
    if given.is_empty() {
        return Err(format!("{name} takes at least one flag"));
    }
    let is_signed = |word: &String| word.starts_with(['+', '-']);
    if given.iter().any(is_signed) && !given.iter().all(is_signed) {
        return Err(format!("{name}: flags with + or - and flags without do not mix"));
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

/// An address of IPv4 or IPv6, with the length of a network's prefix or a mask.
fn is_address(text: &str) -> bool {
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
        assert!(is_of_mod_wsgi("wgsiscriptalias") && is_of_mod_wsgi("wsgianything"));
        assert!(!is_of_mod_wsgi("scriptalias") && !is_of_mod_wsgi("alias"));
        assert_eq!(nearest("wsgiscriptalas", DIRECTIVES), Some("WSGIScriptAlias"));
    }
}
