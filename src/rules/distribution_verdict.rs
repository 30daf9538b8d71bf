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
    use crate::model::RuleId;

    fn judgement(verdict: Verdict, root: Option<&str>) -> Judgement {
        let cause = |module: &str| RootCause {
            rule: RuleId::Refused,
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

    fn of_parts(
        names: Vec<(&str, Judgement)>,
        modules: Vec<(&str, Judgement)>,
        without: &[&str],
    ) -> Judgement {
        let owned = |parts: Vec<(&str, Judgement)>| {
            parts.into_iter().map(|(name, judgement)| (name.to_owned(), judgement)).collect()
        };
        judge_distribution(&DistributionParts {
            names: owned(names),
            modules: owned(modules),
            done_without: without.iter().map(|name| (*name).to_owned()).collect(),
        })
    }

    #[test]
    fn without_parts_it_contains_no_python_code() {
        let judgement = of_parts(vec![], vec![], &[]);
        assert_eq!(judgement, Judgement::from_reason_id(ReasonId::NoPythonCode, "contains no Python code"));
    }

    #[test]
    fn the_worst_part_decides_and_is_named() {
        let own = judgement(Verdict::Blocked, Some("shop"));
        let needs = judgement(Verdict::Blocked, Some("till"));
        let unsafe_ = Judgement { reason: "crashes".to_owned(), ..judgement(Verdict::Unsafe, None) };
        let abi = Judgement::from_reason_id(ReasonId::OtherAbi, "other");
        let degraded =
            Judgement { reason: "imports without a".to_owned(), ..judgement(Verdict::Degraded, None) };
        let ready = || judgement(Verdict::Ready, None);
        for (part, verdict, reason) in [
            (own, Verdict::Blocked, "shop: needs shop, refused by CPython"),
            (needs, Verdict::Blocked, "needs till, refused by CPython"),
            (unsafe_, Verdict::Unsafe, "shop: crashes"),
            (degraded, Verdict::Degraded, "imports without a"),
            (abi.clone(), Verdict::Ready, ""),
        ] {
            let judged = of_parts(vec![("lamp", ready()), ("shop", part)], vec![], &[]);
            assert_eq!((judged.verdict, judged.reason.as_str()), (verdict, reason));
        }
        let cause = judgement(Verdict::Blocked, Some("till")).cause;
        let named = of_parts(vec![("shop", Judgement { cause, ..abi })], vec![], &[]);
        assert_eq!(named.reason, "shop: other");
    }

    #[test]
    fn parts_that_it_works_without_do_not_count() {
        let ready = || judgement(Verdict::Ready, None);
        let blocked = || judgement(Verdict::Blocked, Some("shop._till"));
        let degraded =
            |lost: &str| Judgement { lost: vec![lost.to_owned()], ..judgement(Verdict::Degraded, None) };
        let verdict = |name: Judgement, part: (&str, Judgement), is_module: bool, without: &[&str]| {
            let (names, modules) = if is_module {
                (vec![("shop", name)], vec![part])
            } else {
                (vec![("shop", name), part], vec![])
            };
            of_parts(names, modules, without).verdict
        };
        let till = "shop._till";
        assert_eq!(verdict(ready(), (till, blocked()), true, &[]), Verdict::Blocked);
        assert_eq!(verdict(ready(), (till, blocked()), true, &[till]), Verdict::Ready);
        assert_eq!(verdict(ready(), ("_till", blocked()), false, &["_till"]), Verdict::Ready);
        assert_eq!(verdict(ready(), ("till", blocked()), false, &["till"]), Verdict::Blocked);
        let crashes = || judgement(Verdict::Unsafe, Some(till));
        assert_eq!(verdict(ready(), (till, crashes()), true, &[till]), Verdict::Unsafe);
        // A public name imports without the module, or without the one that this one misses.
        assert_eq!(verdict(degraded(till), (till, blocked()), true, &[]), Verdict::Degraded);
        assert_eq!(verdict(degraded(till), (till, crashes()), true, &[]), Verdict::Unsafe);
        assert_eq!(verdict(degraded("other"), (till, blocked()), true, &[]), Verdict::Blocked);
        let misses = Judgement { lost: vec!["other".to_owned()], ..blocked() };
        assert_eq!(verdict(degraded("other"), (till, misses.clone()), true, &[]), Verdict::Degraded);
        let unknown = Judgement { lost: misses.lost, ..judgement(Verdict::Unknown, Some(till)) };
        assert_eq!(verdict(degraded("other"), (till, unknown), true, &[]), Verdict::Unknown);
        // What a private name lost does not count.
        let private = of_parts(vec![("shop", ready()), ("_s", degraded(till))], vec![(till, blocked())], &[]);
        assert_eq!(private.verdict, Verdict::Blocked);
    }
}
