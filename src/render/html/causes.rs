//! The upper part: what stands in the way in each mode, and what each root cause alone keeps there.

use std::collections::BTreeMap;

use crate::model::Mode;
use crate::render::table;
use crate::report::v1::{Blocked, Blocker, Document};
use crate::rules::Rule;

use super::text::cut;
use crate::render::answer::ORDER;

/// The root causes of one mode.
#[derive(Debug)]
pub(super) struct InTheWay {
    pub(super) mode: &'static str,
    /// `13 root causes block 15 distributions`.
    pub(super) summary: String,
    pub(super) causes: Vec<Cause>,
}

/// The root causes of one distribution.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) owner: String,
    /// Its row, if it has one.
    pub(super) link: Option<String>,
    pub(super) roots: Vec<Root>,
    /// What the first root and the count of the others come to.
    pub(super) what: String,
    /// What it means for other distributions.
    pub(super) gain: String,
    /// What newer versions declare, where that was asked.
    pub(super) upgrade: Option<String>,
    pub(super) others: Vec<Other>,
}

/// A root module.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) module: String,
    pub(super) what: String,
    pub(super) rule: Option<&'static str>,
}

/// A distribution that it blocks.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) name: String,
    pub(super) link: Option<String>,
    pub(super) chain: Vec<String>,
    /// What would still be in its way.
    pub(super) beside: String,
}

/// In the page's order; modes with nothing in the way are left out.
pub(super) fn causes(document: &Document, links: &BTreeMap<&str, String>) -> Vec<InTheWay> {
    let of = |mode: Mode| {
        let blockers = document.blockers.get(&mode).filter(|blockers| !blockers.is_empty())?;
        let summary = table::counted(document, mode, blockers.len());
        let causes = blockers.iter().map(|blocker| cause(blocker, links)).collect();
        Some(InTheWay { mode: mode.name(), summary, causes })
    };
    ORDER.into_iter().filter_map(of).collect()
}

fn cause(blocker: &Blocker, links: &BTreeMap<&str, String>) -> Cause {
    let owner = blocker.distribution.as_deref();
    let roots: Vec<Root> = blocker
        .roots
        .iter()
        .take(50)
        .map(|root| Root {
            module: cut(&root.module, 200),
            what: cut(&root.what, 400),
            rule: Rule::find(&root.rule).map(|rule| rule.id),
        })
        .collect();
    let first = roots.first().map(|root| format!("{}: {}", root.module, root.what)).unwrap_or_default();
    let what = match blocker.roots.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more of its modules)", count - 1),
    };
    Cause {
        owner: cut(owner.unwrap_or("the standard library, or no distribution"), 120),
        link: owner.and_then(|owner| links.get(owner)).cloned(),
        roots,
        what,
        gain: gain(&blocker.blocks),
        upgrade: blocker.upgrade.as_ref().map(|upgrade| cut(&upgrade.words, 300)),
        others: blocker.blocks.iter().map(|blocked| other(blocked, links)).collect(),
    }
}

/// What it would free: other distributions than its own, and only those that nothing else is in the way of.
fn gain(blocks: &[Blocked]) -> String {
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

fn other(blocked: &Blocked, links: &BTreeMap<&str, String>) -> Other {
    Other {
        name: cut(&blocked.distribution, 120),
        link: links.get(blocked.distribution.as_str()).cloned(),
        chain: blocked.chain.iter().take(40).map(|name| cut(name, 200)).collect(),
        beside: table::beside(blocked),
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
        assert_eq!(gain(&[]), "blocks no other");
        assert_eq!(gain(&[blocked(&["pandas"])]), "blocks 1 other, would free none");
        assert_eq!(gain(&[blocked(&[]), blocked(&["scipy"])]), "blocks 2 others, would free 1");
        assert_eq!(gain(&[blocked(&[]), blocked(&[])]), "blocks 2 others, would free all");
    }
}
