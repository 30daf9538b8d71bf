//! The list of root causes: what blocks each mode, and which distributions each root cause blocks.

use std::collections::BTreeMap;

use crate::model::{Mode, Rule};
use crate::render::table;
use crate::report::v1::{Blocked, Blocker, Document};

use super::text::truncate_text;
use crate::render::answer::ORDER;

/// The root causes of one mode.
#[derive(Debug)]
pub(super) struct ModeCauses {
    pub(super) mode: &'static str,
    /// `13 root causes block 15 distributions`.
    pub(super) summary: String,
    pub(super) causes: Vec<CauseView>,
}

/// The root causes of one distribution.
#[derive(Debug)]
pub(super) struct CauseView {
    pub(super) owner: String,
    /// The id of its row, if it has one.
    pub(super) link: Option<String>,
    pub(super) roots: Vec<RootView>,
    /// The first root module and its failure, and the number of others.
    pub(super) what: String,
    /// The effect of removing it on other distributions.
    pub(super) gain: String,
    /// What newer versions declare, if the index was asked.
    pub(super) upgrade: Option<String>,
    pub(super) others: Vec<BlockedView>,
}

/// A root module.
#[derive(Debug)]
pub(super) struct RootView {
    pub(super) module: String,
    pub(super) what: String,
    pub(super) rule: Option<&'static str>,
}

/// A distribution that a root cause blocks.
#[derive(Debug)]
pub(super) struct BlockedView {
    pub(super) name: String,
    pub(super) link: Option<String>,
    pub(super) chain: Vec<String>,
    /// Its other obstacles.
    pub(super) beside: String,
}

/// Builds the root causes of each mode, in the page's order. Modes without obstacles are left out.
pub(super) fn build_mode_causes(document: &Document, links: &BTreeMap<&str, String>) -> Vec<ModeCauses> {
    let of = |mode: Mode| {
        let blockers = document.blockers.get(&mode).filter(|blockers| !blockers.is_empty())?;
        let summary = table::summarize_root_causes(document, mode, blockers.len());
        let causes = blockers.iter().map(|blocker| build_cause(blocker, links)).collect();
        Some(ModeCauses { mode: mode.name(), summary, causes })
    };
    ORDER.into_iter().filter_map(of).collect()
}

fn build_cause(blocker: &Blocker, links: &BTreeMap<&str, String>) -> CauseView {
    let owner = blocker.distribution.as_deref();
    let roots: Vec<RootView> = blocker
        .roots
        .iter()
        .take(50)
        .map(|root| RootView {
            module: truncate_text(&root.module, 200),
            what: truncate_text(&root.what, 400),
            rule: Rule::find_by_id(&root.rule).map(|rule| rule.id),
        })
        .collect();
    let first = roots.first().map(|root| format!("{}: {}", root.module, root.what)).unwrap_or_default();
    let what = match blocker.roots.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more of its modules)", count - 1),
    };
    CauseView {
        owner: truncate_text(owner.unwrap_or("the standard library, or no distribution"), 120),
        link: owner.and_then(|owner| links.get(owner)).cloned(),
        roots,
        what,
        gain: describe_gain(&blocker.blocks),
        upgrade: blocker.upgrade.as_ref().map(|upgrade| truncate_text(&upgrade.words, 300)),
        others: blocker.blocks.iter().map(|blocked| build_blocked(blocked, links)).collect(),
    }
}

/// Describes how many other distributions it blocks, and how many of them have no other obstacle.
fn describe_gain(blocks: &[Blocked]) -> String {
    let free = blocks.iter().filter(|blocked| blocked.also_needs.is_empty()).count();
    match (blocks.len(), free) {
        (0, _) => "blocks no other".to_owned(),
        (1, 1) => "blocks 1 other, would free it".to_owned(),
        (1, _) => "blocks 1 other, would free none".to_owned(),
        (all, 0) => format!("blocks {all} others, would free none"),
        (all, free) if all == free => format!("blocks {all} others, would free all"),
        (all, free) => format!("blocks {all} others, would free {free}"),
    }
}

fn build_blocked(blocked: &Blocked, links: &BTreeMap<&str, String>) -> BlockedView {
    BlockedView {
        name: truncate_text(&blocked.distribution, 120),
        link: links.get(blocked.distribution.as_str()).cloned(),
        chain: blocked.chain.iter().take(40).map(|name| truncate_text(name, 200)).collect(),
        beside: table::describe_other_obstacles(blocked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(also_needs: &[&str]) -> Blocked {
        Blocked {
            distribution: "pandas".to_owned(),
            chain: Vec::new(),
            also_needs: also_needs.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn only_others_count_and_only_those_that_nothing_else_blocks() {
        assert_eq!(describe_gain(&[]), "blocks no other");
        assert_eq!(describe_gain(&[blocked(&["pandas"])]), "blocks 1 other, would free none");
        assert_eq!(describe_gain(&[blocked(&[]), blocked(&["scipy"])]), "blocks 2 others, would free 1");
        assert_eq!(describe_gain(&[blocked(&[]), blocked(&[])]), "blocks 2 others, would free all");
    }
}
