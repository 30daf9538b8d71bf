//! The table of distributions.

use std::collections::BTreeMap;

use crate::model::{Mode, Rule, Verdict};
use crate::render::reasons;
use crate::report::v1::{Distribution, Document, Module};

use super::rule_pages::{RulePage, RulePages};
use super::subject::SubjectView;
use super::text::{ElementIds, truncate_text};
use super::verdict_cell::VerdictCell;
use crate::render::answer::ORDER;

/// A row of the table: a distribution.
#[derive(Debug)]
pub(super) struct DistributionView {
    /// The element's id, which links refer to.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) modules: usize,
    pub(super) declaration: String,
    pub(super) cells: Vec<VerdictCell>,
    pub(super) reason: String,
    /// The reasons of its verdicts, for each mode that has one.
    pub(super) verdicts: Vec<VerdictReason>,
    pub(super) advice: Vec<RulePage>,
    /// What newer versions of it declare, if the index was asked: mode and sentence.
    pub(super) upgrades: Vec<(&'static str, String)>,
    /// Whether it has obstacles that no rule's page explains.
    pub(super) needs_general_advice: bool,
    /// Its extension modules, and its other top-level names.
    pub(super) subjects: Vec<SubjectView>,
}

/// A verdict and its reason, for the modes that share them.
#[derive(Debug)]
pub(super) struct VerdictReason {
    pub(super) modes: String,
    pub(super) cell: VerdictCell,
    pub(super) reason: String,
    pub(super) rule: Option<&'static str>,
    pub(super) chain: Vec<String>,
    pub(super) lost: Vec<String>,
}

/// Returns the modes that have a column.
pub(super) fn column_modes(document: &Document) -> Vec<Mode> {
    let is_there = |mode: &Mode| {
        document.modes.contains(mode) || document.distributions.iter().any(|row| row.modes.contains_key(mode))
    };
    ORDER.into_iter().filter(is_there).collect()
}

/// Assigns an id to each row, in the document's order.
pub(super) fn assign_row_ids(document: &Document) -> Vec<String> {
    let mut ids = ElementIds::default();
    document
        .distributions
        .iter()
        .map(|row| ids.assign_id(row.name.as_deref().unwrap_or("no-distribution")))
        .collect()
}

/// Builds the rows, in the document's order.
pub(super) fn build_rows(
    document: &Document,
    modes: &[Mode],
    ids: &[String],
    rule_pages: &RulePages,
) -> Vec<DistributionView> {
    let mut modules: BTreeMap<Option<&str>, Vec<&Module>> = BTreeMap::new();
    for module in &document.modules {
        modules.entry(module.distribution.as_deref()).or_default().push(module);
    }
    let rows = document.distributions.iter().zip(ids);
    rows.map(|(distribution, id)| {
        let own = modules.get(&distribution.name.as_deref()).map(Vec::as_slice).unwrap_or_default();
        DistributionView {
            upgrades: describe_upgrades(document, distribution),
            ..build_row(distribution, id, modes, own, rule_pages)
        }
    })
    .collect()
}

fn build_row(
    row: &Distribution,
    id: &str,
    modes: &[Mode],
    modules: &[&Module],
    rule_pages: &RulePages,
) -> DistributionView {
    let cells: Vec<VerdictCell> =
        modes.iter().map(|mode| VerdictCell::from_judged(*mode, row.modes.get(mode))).collect();
    let of_modules = modules.iter().flat_map(|module| module.modes.values()).map(|tried| &tried.judged);
    let advice = rule_pages.advice_for(row.modes.values().chain(of_modules));
    let is_module = |name: &str| modules.iter().any(|module| module.name == name);
    let names = row.top_level.iter().filter(|name| !is_module(&name.name));
    let is_held_up = row.modes.values().any(|judged| match judged.verdict {
        Verdict::Unsafe | Verdict::Blocked | Verdict::Degraded => true,
        Verdict::Unknown | Verdict::Ready | Verdict::NotApplicable => false,
    });
    DistributionView {
        id: id.to_owned(),
        name: truncate_text(row.name.as_deref().unwrap_or("(no distribution)"), 120),
        version: truncate_text(&row.version, 40),
        modules: row.extension_modules,
        declaration: truncate_text(&row.declaration, 160),
        reason: describe_reason(row),
        verdicts: group_verdicts(row),
        needs_general_advice: is_held_up && advice.is_empty(),
        advice,
        upgrades: Vec::new(),
        subjects: modules
            .iter()
            .map(|module| SubjectView::from_module(module, modes))
            .chain(names.map(|name| SubjectView::from_name(name, modes)))
            .collect(),
        cells,
    }
}

/// Returns what newer versions declare, for each mode that the distribution blocks.
fn describe_upgrades(document: &Document, row: &Distribution) -> Vec<(&'static str, String)> {
    let of = |mode: Mode| {
        let blockers = document.blockers.get(&mode)?;
        let own = blockers.iter().find(|blocker| blocker.distribution == row.name)?;
        Some((mode.name(), truncate_text(&own.upgrade.as_ref()?.words, 300)))
    };
    ORDER.into_iter().filter_map(of).collect()
}

/// Returns the reason as on the terminal, or a default text if there is none.
fn describe_reason(row: &Distribution) -> String {
    let modes: Vec<Mode> = row.modes.keys().copied().filter(|mode| *mode != Mode::Main).collect();
    match reasons::describe_reasons(&modes, |mode| row.modes.get(&mode)).join("; ") {
        reason if !reason.is_empty() => truncate_text(&reason, 500),
        _ if row.extension_modules == 0 => "no extension modules".to_owned(),
        _ => "nothing found".to_owned(),
    }
}

/// Groups the modes of a distribution that have the same verdict, reason and chain.
fn group_verdicts(row: &Distribution) -> Vec<VerdictReason> {
    let mut all: Vec<(Vec<Mode>, VerdictReason)> = Vec::new();
    for mode in ORDER {
        let Some(judged) = row.modes.get(&mode).filter(|judged| !judged.reason.is_empty()) else { continue };
        let cause = judged.cause.as_ref();
        let names =
            |all: &[String]| all.iter().take(40).map(|name| truncate_text(name, 200)).collect::<Vec<_>>();
        let why = VerdictReason {
            modes: mode.name().to_owned(),
            cell: VerdictCell::from_judged(mode, Some(judged)),
            reason: truncate_text(&judged.reason, 600),
            rule: cause.and_then(|cause| Rule::find_by_id(&cause.rule)).map(|rule| rule.id),
            chain: cause.map(|cause| names(&cause.chain)).unwrap_or_default(),
            lost: names(&judged.lost),
        };
        let same = all.iter_mut().find(|(_, other)| {
            (&other.reason, other.cell.class, &other.chain, &other.lost)
                == (&why.reason, why.cell.class, &why.chain, &why.lost)
        });
        match same {
            Some((modes, other)) => {
                modes.push(mode);
                other.modes = modes.iter().map(|mode| mode.name()).collect::<Vec<_>>().join(", ");
            }
            None => all.push((vec![mode], why)),
        }
    }
    all.into_iter().map(|(_, why)| why).collect()
}
