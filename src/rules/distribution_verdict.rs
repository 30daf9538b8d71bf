//! Judges a distribution in one mode: it gets the worst verdict of its parts, with one exception.
//!
//! An extension module that the distribution works without does not block it. The distribution is degraded
//! then, or, if it works without the module in the control too, gets the verdict of its other parts.

use std::collections::BTreeSet;

use crate::model::{Judgement, ReasonId, RootCause, Verdict};

/// The parts of a distribution, already judged in one mode.
#[derive(Debug)]
pub struct DistributionParts {
    /// Its top-level names.
    pub names: Vec<(String, Judgement)>,
    /// Its extension modules.
    pub modules: Vec<(String, Judgement)>,
    /// Names of modules that the control cannot import, and that the top-level names work without.
    pub done_without: BTreeSet<String>,
}

/// Extension modules of the standard library that CPython may have been built without (its documentation
/// lists them as optional) and that it refuses in sub-interpreters. A distribution cannot rely on them
/// anywhere.
const OPTIONAL: [&str; 6] = ["_curses", "_curses_panel", "_dbm", "_gdbm", "_tkinter", "readline"];

/// Judges a distribution.
pub fn judge_distribution(parts: &DistributionParts) -> Judgement {
    let is_public = |name: &str| !name.starts_with('_');
    let lost: BTreeSet<&String> = parts
        .names
        .iter()
        .filter(|(name, _)| is_public(name))
        .flat_map(|(_, judgement)| &judgement.lost)
        .collect();
    let is_done_without = |name: &str, judgement: &Judgement, is_module: bool| {
        let is_lost = || judgement.cause.as_ref().is_some_and(|cause| lost.contains(&cause.module));
        // It raises because a module is missing that its public names work without.
        let misses_lost_module = || judgement.lost.iter().any(|name| lost.contains(name));
        let is_in_control_too = parts.done_without.contains(name) && judgement.verdict != Verdict::Unsafe;
        (is_module || !is_public(name))
            && (is_in_control_too
                || (judgement.verdict == Verdict::Blocked && (is_lost() || misses_lost_module())))
    };
    let is_imported = parts.names.iter().any(|(name, judgement)| {
        is_public(name) && matches!(judgement.verdict, Verdict::Ready | Verdict::Degraded)
    });
    let needs_an_optional = |judgement: &Judgement| {
        let is_optional = |cause: &RootCause| OPTIONAL.contains(&cause.module.as_str());
        judgement.verdict == Verdict::Blocked && judgement.cause.as_ref().is_some_and(is_optional)
    };
    let (without, modules): (Vec<_>, Vec<_>) =
        parts.modules.iter().partition(|(_, judgement)| is_imported && needs_an_optional(judgement));
    let names = parts.names.iter().map(|part| (part, false));
    let modules = modules.into_iter().map(|part| (part, true));
    let worst = names
        .chain(modules)
        .filter(|((name, judgement), is_module)| !is_done_without(name, judgement, *is_module))
        .map(|((name, judgement), _)| (name, judgement))
        .min_by_key(|(_, judgement)| judgement.verdict)
        .map(|(name, judgement)| name_part_in_reason(name, judgement));
    match (worst, without.first()) {
        (Some(Judgement { verdict: Verdict::Ready, .. }), Some((name, judgement))) => {
            let reason = format!("imports without {name}, which {}", judgement.reason);
            Judgement { verdict: Verdict::Degraded, reason, lost: vec![name.clone()], ..judgement.clone() }
        }
        (Some(worst), _) => worst,
        (None, _) => Judgement::from_reason_id(ReasonId::NoPythonCode, "contains no Python code"),
    }
}

/// Turns the judgement of a part into that of its distribution: the reason must name the part.
fn name_part_in_reason(name: &str, judgement: &Judgement) -> Judgement {
    let has_name = judgement.reason.is_empty()
        || judgement.verdict == Verdict::Degraded
        || judgement
            .cause
            .as_ref()
            .is_some_and(|cause| cause.module != name && judgement.verdict != Verdict::NotApplicable);
    let reason = match has_name {
        true => judgement.reason.clone(),
        false => format!("{name}: {}", judgement.reason),
    };
    Judgement { reason, ..judgement.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(verdict: Verdict, root: Option<&str>) -> Judgement {
        let cause = |module: &str| RootCause {
            rule: "refused",
            module: module.to_owned(),
            chain: Vec::new(),
            what: "refused by CPython".to_owned(),
        };
        let reason = root.map(|root| format!("needs {root}, refused by CPython")).unwrap_or_default();
        Judgement::from_evidence(verdict, root.map(cause), reason)
    }

    fn judged(name: Judgement, module: Judgement) -> Judgement {
        let (names, modules) = (vec![("shop".to_owned(), name)], vec![("shop._till".to_owned(), module)]);
        judge_distribution(&DistributionParts { names, modules, done_without: BTreeSet::new() })
    }

    #[test]
    fn a_module_that_needs_what_not_every_python_has_is_done_without() {
        let till = judgement(Verdict::Blocked, Some("_tkinter"));
        let shop = judged(judgement(Verdict::Ready, None), till);
        assert_eq!(shop.verdict, Verdict::Degraded);
        assert_eq!(shop.reason, "imports without shop._till, which needs _tkinter, refused by CPython");
        assert_eq!(shop.lost, ["shop._till"]);
    }

    #[test]
    fn a_module_that_is_refused_otherwise_stands_in_the_way() {
        for root in ["faulthandler", "shop._till", "numpy._core._multiarray_umath"] {
            let till = judgement(Verdict::Blocked, Some(root));
            assert_eq!(judged(judgement(Verdict::Ready, None), till).verdict, Verdict::Blocked, "{root}");
        }
        // No name of the distribution can be imported, so it does not work without the module.
        let blocked = || judgement(Verdict::Blocked, Some("_tkinter"));
        assert_eq!(judged(blocked(), blocked()).verdict, Verdict::Blocked);
        assert_eq!(
            judged(judgement(Verdict::Ready, None), judgement(Verdict::Unsafe, Some("_tkinter"))).verdict,
            Verdict::Unsafe
        );
    }
}
