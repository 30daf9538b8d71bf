//! A distribution in one mode: the worst of what it is made of, with one exception. An extension module that
//! the distribution itself does without is no obstacle: the distribution is degraded, or, where it does without it in
//! the control too, as good as its other parts.

use std::collections::BTreeSet;

use crate::model::{Judgement, ReasonId, Verdict};

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

/// Judges a distribution.
pub fn distribution(parts: &DistributionParts) -> Judgement {
    let is_public = |name: &str| !name.starts_with('_');
    let lost: BTreeSet<&String> = parts
        .names
        .iter()
        .filter(|(name, _)| is_public(name))
        .flat_map(|(_, judgement)| &judgement.lost)
        .collect();
    let is_done_without = |name: &str, judgement: &Judgement, is_module: bool| {
        let is_lost = || judgement.cause.as_ref().is_some_and(|cause| lost.contains(&cause.module));
        let is_in_control_too = parts.done_without.contains(name) && judgement.verdict != Verdict::Unsafe;
        (is_module || !is_public(name))
            && (is_in_control_too || (judgement.verdict == Verdict::Blocked && is_lost()))
    };
    let names = parts.names.iter().map(|part| (part, false));
    let modules = parts.modules.iter().map(|part| (part, true));
    names
        .chain(modules)
        .filter(|((name, judgement), is_module)| !is_done_without(name, judgement, *is_module))
        .map(|((name, judgement), _)| (name, judgement))
        .min_by_key(|(_, judgement)| judgement.verdict)
        .map(|(name, judgement)| named(name, judgement))
        .unwrap_or_else(|| Judgement::open(ReasonId::NoPythonCode, "holds no Python code"))
}

/// The judgement of a part as its distribution's: the reason must say which part it speaks of.
fn named(name: &str, judgement: &Judgement) -> Judgement {
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
