//! A distribution in one mode: the worst of what it is made of, with one exception. An extension module that
//! the distribution itself does without is no obstacle: the distribution is degraded, or, where it does without it in
//! the control too, as good as its other parts.

use std::collections::BTreeSet;

use crate::model::{Judgement, ReasonId, RootCause, Verdict};

/// What a distribution is made of, already judged in one mode.
#[derive(Debug)]
pub struct DistributionParts {
    /// Its top-level names.
    pub names: Vec<(String, Judgement)>,
    /// Its extension modules.
    pub modules: Vec<(String, Judgement)>,
    /// Those of them that the control cannot import, and its names do without.
    pub done_without: BTreeSet<String>,
}

/// Extension modules of CPython's that it may have been built without (its documentation lists them as optional) and that it
/// refuses in sub-interpreters. A distribution cannot count on them anywhere.
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
        // It raises because of what it lacks, as its public names lack it.
        let lacks_the_same = || judgement.lost.iter().any(|name| lost.contains(name));
        let is_in_control_too = parts.done_without.contains(name) && judgement.verdict != Verdict::Unsafe;
        (is_module || !is_public(name))
            && (is_in_control_too
                || (judgement.verdict == Verdict::Blocked && (is_lost() || lacks_the_same())))
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
        (None, _) => Judgement::from_reason_id(ReasonId::NoPythonCode, "holds no Python code"),
    }
}

/// The judgement of a part as its distribution's: the reason must say which part it speaks of.
fn name_part_in_reason(name: &str, judgement: &Judgement) -> Judgement {
    let names_it = judgement.reason.is_empty()
        || judgement.verdict == Verdict::Degraded
        || judgement
            .cause
            .as_ref()
            .is_some_and(|cause| cause.module != name && judgement.verdict != Verdict::NotApplicable);
    let reason = match names_it {
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
        // Nothing of it can be imported: it does not do without anything.
        let blocked = || judgement(Verdict::Blocked, Some("_tkinter"));
        assert_eq!(judged(blocked(), blocked()).verdict, Verdict::Blocked);
        assert_eq!(
            judged(judgement(Verdict::Ready, None), judgement(Verdict::Unsafe, Some("_tkinter"))).verdict,
            Verdict::Unsafe
        );
    }
}
