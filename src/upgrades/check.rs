//! Checks one distribution: its newest version, and the first version whose modules have the required
//! declaration.

use super::context::UpgradeContext;
use super::lookup_error::LookupError;
use super::wheel_declarations::{self, ModuleDeclarations};
use crate::installer::Resolution;
use crate::model::{AvailableUpgrade, Mode};

/// The distribution to check.
#[derive(Clone, Debug)]
pub struct UpgradeQuery<'a> {
    /// Name of the distribution that blocks a mode.
    pub name: &'a str,
    /// Its installed version.
    pub version: &'a str,
    /// Its modules that are the root cause.
    pub roots: Vec<&'a str>,
    /// The blocked mode.
    pub mode: Mode,
}

/// Checks whether a newer version has the required declaration.
///
/// Fetches the newest version. If that one declares it, a binary search finds the first version that does.
pub fn check_upgrade(context: &UpgradeContext<'_>, query: &UpgradeQuery<'_>) -> AvailableUpgrade {
    let newest = match find_newest_version(context, query) {
        Ok(newest) => newest,
        Err(why) => {
            let words = format!("newer versions could not be checked: {why}");
            return AvailableUpgrade { newest: None, since: None, words };
        }
    };
    let answer = |since: Option<String>, words: String| AvailableUpgrade {
        newest: Some(newest.clone()),
        since,
        words,
    };
    if newest == query.version {
        return answer(None, format!("{newest} is the newest version"));
    }
    match check_declarations(context, query, &newest) {
        DeclarationCheck::Yes => {
            let since = find_first_declaring_version(context, query, &newest);
            let first = since.clone().unwrap_or_else(|| format!("{newest}, the newest version,"));
            let what = wanted_declaration(query.mode);
            answer(
                since.or_else(|| Some(newest.clone())),
                format!("{first} declares {what}: upgrade, and audit again"),
            )
        }
        DeclarationCheck::No(words) => {
            answer(None, format!("{newest}, the newest version, does not either: {words}"))
        }
        DeclarationCheck::Gone(module) => {
            answer(None, format!("{newest}, the newest version, has no module {module}: audit it"))
        }
        DeclarationCheck::Unknown(why) => {
            answer(None, format!("{newest} is the newest version, but could not be read: {why}"))
        }
    }
}

/// The declaration that a mode requires.
fn wanted_declaration(mode: Mode) -> &'static str {
    if mode.is_free_threaded() { "slot 4 = 1" } else { "slot 3 = 2" }
}

/// The newest version with a wheel: from the index, or from the cache if offline.
fn find_newest_version(
    context: &UpgradeContext<'_>,
    query: &UpgradeQuery<'_>,
) -> Result<String, LookupError> {
    let file = context.cache_file(query.name, "newest.json");
    if context.is_offline {
        let known = wheel_declarations::read_cache_file(&file);
        return known.ok_or(LookupError::NotInCache);
    }
    match context.installer.resolve_version(context.environment, query.name) {
        Resolution::Version(version) => {
            drop(wheel_declarations::write_cache_file(&file, &version));
            Ok(version)
        }
        Resolution::Nothing => Err(LookupError::NoWheel),
        Resolution::NoProject => Err(LookupError::NoProject),
        Resolution::NoAnswer(why) => Err(LookupError::Installer(why)),
    }
}

/// The first version after the installed one with the declaration; `None` if versions cannot be listed.
fn find_first_declaring_version(
    context: &UpgradeContext<'_>,
    query: &UpgradeQuery<'_>,
    newest: &str,
) -> Option<String> {
    let listed = if context.is_offline {
        None
    } else {
        context.installer.list_versions(context.environment, query.name)
    };
    let listed = listed?;
    // Versions newer than the installed one, newest first. The newest is known to have the declaration.
    let newer: Vec<&String> =
        listed.iter().skip_while(|each| *each != newest).take_while(|each| *each != query.version).collect();
    let (mut yes, mut no) = (0, newer.len());
    while no - yes > 1 {
        let middle = usize::midpoint(yes, no);
        match check_declarations(context, query, newer.get(middle)?) {
            DeclarationCheck::Yes => yes = middle,
            DeclarationCheck::No(_) | DeclarationCheck::Gone(_) | DeclarationCheck::Unknown(_) => no = middle,
        }
    }
    newer.get(yes).map(|version| (*version).clone())
}

enum DeclarationCheck {
    Yes,
    No(String),
    Gone(String),
    Unknown(String),
}

/// Whether every root module of this version has the required declaration.
fn check_declarations(
    context: &UpgradeContext<'_>,
    query: &UpgradeQuery<'_>,
    version: &str,
) -> DeclarationCheck {
    let wheel = match wheel_declarations::read_wheel(context, query.name, version) {
        Ok(wheel) => wheel,
        Err(why) => return DeclarationCheck::Unknown(why.to_string()),
    };
    for root in &query.roots {
        let Some(says) = wheel.get(*root) else { return DeclarationCheck::Gone((*root).to_owned()) };
        let ModuleDeclarations { own_gil, no_gil, words: [of_slot_3, of_slot_4] } = says;
        let (is_declared, words) =
            if query.mode.is_free_threaded() { (no_gil, of_slot_4) } else { (own_gil, of_slot_3) };
        match is_declared {
            Some(true) => {}
            Some(false) => return DeclarationCheck::No(words.clone()),
            None => return DeclarationCheck::Unknown(format!("{root}: {words}")),
        }
    }
    DeclarationCheck::Yes
}
