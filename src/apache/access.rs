//! Access control (httpd 2.4, mod_authz_core and mod_access_compat). Only rules that give every client the
//! same answer are decided.

use super::lexer::split_words;
use super::values::LocatedValue;
use crate::model::ConfigLocation;

/// The access rules of one section.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AccessControl {
    /// The line of the directive.
    pub(super) place: ConfigLocation,
    pub(super) allows: AllowedClients,
}

/// Which clients are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AllowedClients {
    /// Everybody.
    All,
    /// Nobody.
    None,
    /// Some clients: by address, login or another condition.
    Some,
}

impl AccessControl {
    /// Adds a `Require` line. Several lines form an implicit `<RequireAny>`: one match is enough.
    pub(super) fn add_require(before: Option<Self>, args: &str, place: &ConfigLocation) -> Self {
        let words: Vec<String> = split_words(args).iter().map(|word| word.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let allows = match words[..] {
            ["all", "granted"] | ["not", "all", "denied"] => AllowedClients::All,
            ["all", "denied"] | ["not", "all", "granted"] => AllowedClients::None,
            _ => AllowedClients::Some,
        };
        let allows = match (before.map(|before| before.allows), allows) {
            (Some(AllowedClients::All), _) | (_, AllowedClients::All) => AllowedClients::All,
            (Some(AllowedClients::None) | None, AllowedClients::None) => AllowedClients::None,
            (_, AllowedClients::None | AllowedClients::Some) => AllowedClients::Some,
        };
        Self { place: place.clone(), allows }
    }

    /// Access for an unknown subset of clients: rules that are not evaluated.
    pub(super) fn new_restricted(place: &ConfigLocation) -> Self {
        Self { place: place.clone(), allows: AllowedClients::Some }
    }
}

/// `Order`, `Allow` and `Deny` of one section (mod_access_compat).
#[derive(Clone, Debug, Default)]
pub(super) struct AccessCompat {
    is_allow_first: bool,
    allows: Option<LocatedValue<bool>>,
    denies: Option<LocatedValue<bool>>,
}

impl AccessCompat {
    /// Adds an `Order`, `Allow` or `Deny` line.
    pub(super) fn add_directive(&mut self, name: &str, args: &str, place: &ConfigLocation) {
        let is_all = split_words(args).get(1).is_some_and(|word| word.eq_ignore_ascii_case("all"));
        let set = Some(LocatedValue { value: is_all, place: place.clone() });
        match name {
            "order" => self.is_allow_first = args.to_ascii_lowercase().replace(' ', "") == "allow,deny",
            "allow" => self.allows = set,
            _ => self.denies = set,
        }
    }

    /// Returns their combined effect.
    pub(super) fn to_access_control(&self, place: &ConfigLocation) -> AccessControl {
        let is_all = |set: &Option<LocatedValue<bool>>| set.as_ref().map(|set| set.value);
        let (allow, deny) = (is_all(&self.allows), is_all(&self.denies));
        let allows = match (self.is_allow_first, allow, deny) {
            (true, Some(true), None) | (false, Some(true), _) | (false, _, None) => AllowedClients::All,
            (true, None, _) | (true, _, Some(true)) | (false, None, Some(true)) => AllowedClients::None,
            (true, Some(_), _) | (false, _, Some(_)) => AllowedClients::Some,
        };
        AccessControl { place: place.clone(), allows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> ConfigLocation {
        ConfigLocation { file: "x".into(), line: 1 }
    }

    #[test]
    fn of_several_require_lines_one_is_enough() {
        use AllowedClients::{All, None, Some};
        for (lines, expected) in [
            (&["all granted"][..], All),
            (&["ALL Denied"], None),
            (&["not all denied"], All),
            (&["not all granted"], None),
            (&["ip 10.0.0.1"], Some),
            (&["all denied", "all denied"], None),
            (&["all denied", "all granted"], All),
            (&["all granted", "ip 10.0.0.1"], All),
            (&["all denied", "ip 10.0.0.1"], Some),
            (&["ip 10.0.0.1", "all denied"], Some),
        ] {
            let access = lines.iter().fold(Option::None, |before, line| {
                Option::Some(AccessControl::add_require(before, line, &place()))
            });
            assert_eq!(access.unwrap().allows, expected, "{lines:?}");
        }
        assert_eq!(AccessControl::new_restricted(&place()).allows, Some);
    }

    #[test]
    fn the_order_of_allow_and_deny_decides() {
        use AllowedClients::{All, None, Some};
        for (lines, expected) in [
            (&["order deny,allow"][..], All),
            (&["order deny,allow", "deny from all"], None),
            (&["order deny,allow", "deny from all", "allow from all"], All),
            (&["order deny,allow", "deny from all", "allow from 10.0.0.1"], Some),
            (&["order deny,allow", "deny from 10.0.0.1"], Some),
            (&["order Allow, Deny"], None),
            (&["order allow,deny", "allow from all"], All),
            (&["order allow,deny", "allow from all", "deny from all"], None),
            (&["order allow,deny", "allow from all", "deny from 10.0.0.1"], Some),
            (&["order allow,deny", "allow from 10.0.0.1"], Some),
        ] {
            let mut access = AccessCompat::default();
            for line in lines {
                let (name, args) = line.split_once(' ').unwrap();
                access.add_directive(name, args, &place());
            }
            assert_eq!(access.to_access_control(&place()).allows, expected, "{lines:?}");
        }
    }
}
