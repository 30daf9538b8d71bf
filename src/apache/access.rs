//! Who may ask (httpd 2.4, mod_authz_core and mod_access_compat): only what is the same for all clients is decided.

use super::line::words;
use super::values::Set;
use crate::model::ConfigPlace;

/// What the directives of one section say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Access {
    /// The line that says it.
    pub(super) place: ConfigPlace,
    pub(super) allows: Allows,
}

/// Whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allows {
    /// Everybody.
    All,
    /// Nobody.
    None,
    /// Some clients, or those who log in.
    Some,
}

impl Access {
    /// `Require`, one of several of which one is enough.
    pub(super) fn require(before: Option<Self>, args: &str, place: &ConfigPlace) -> Self {
        let words: Vec<String> = words(args).iter().map(|word| word.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let allows = match words[..] {
            ["all", "granted"] | ["not", "all", "denied"] => Allows::All,
            ["all", "denied"] | ["not", "all", "granted"] => Allows::None,
            _ => Allows::Some,
        };
        let allows = match (before.map(|before| before.allows), allows) {
            (Some(Allows::All), _) | (_, Allows::All) => Allows::All,
            (Some(Allows::None) | None, Allows::None) => Allows::None,
            (_, Allows::None | Allows::Some) => Allows::Some,
        };
        Self { place: place.clone(), allows }
    }

    /// What `<RequireAny>` and the like come to: not looked into.
    pub(super) fn some(place: &ConfigPlace) -> Self {
        Self { place: place.clone(), allows: Allows::Some }
    }
}

/// `Order`, `Allow` and `Deny` of one section.
#[derive(Clone, Debug, Default)]
pub(super) struct OldAccess {
    is_allow_first: bool,
    allows: Option<Set<bool>>,
    denies: Option<Set<bool>>,
}

impl OldAccess {
    /// Takes one of the three directives.
    pub(super) fn add(&mut self, name: &str, args: &str, place: &ConfigPlace) {
        let is_all = words(args).get(1).is_some_and(|word| word.eq_ignore_ascii_case("all"));
        let set = Some(Set { value: is_all, place: place.clone() });
        match name {
            "order" => self.is_allow_first = args.to_ascii_lowercase().replace(' ', "") == "allow,deny",
            "allow" => self.allows = set,
            _ => self.denies = set,
        }
    }

    /// What they come to.
    pub(super) fn access(&self, place: &ConfigPlace) -> Access {
        let is_all = |set: &Option<Set<bool>>| set.as_ref().map(|set| set.value);
        let (allow, deny) = (is_all(&self.allows), is_all(&self.denies));
        let allows = match (self.is_allow_first, allow, deny) {
            (true, Some(true), None) | (false, Some(true), _) | (false, _, None) => Allows::All,
            (true, None, _) | (true, _, Some(true)) | (false, None, Some(true)) => Allows::None,
            (true, Some(_), _) | (false, _, Some(_)) => Allows::Some,
        };
        Access { place: place.clone(), allows }
    }
}
