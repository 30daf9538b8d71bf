//! What the live page of `--metrics` says of the whole server.

use std::path::Path;

use wsgiaudit_probes_core::figures::finding_rule::FindingRule;
use wsgiaudit_probes_core::host_config::{LivePageConfig, RuleText};

use super::listening_socket::ListeningSocket;
use crate::model::Rule;

/// What the folder is called, in the supervisor's own, in which processes leave what the pages of the others show.
const FOLDER: &str = "live";

/// Describes the server for the page of one of its processes. `None` without metrics.
pub(super) fn describe_server(
    slot: usize,
    metrics: &[Vec<ListeningSocket>],
    folder: &Path,
) -> Option<LivePageConfig> {
    metrics.get(slot).filter(|sockets| !sockets.is_empty())?;
    let folder = folder.join(FOLDER);
    // Without it, each page shows its own process only.
    let _ = std::fs::create_dir_all(&folder);
    let find_port = |sockets: &Vec<ListeningSocket>| {
        let listener = sockets.first()?.to_listener(false);
        listener.port.parse().ok().filter(|_| !listener.is_unix)
    };
    Some(LivePageConfig {
        slot,
        ports: metrics.iter().map(find_port).collect(),
        rules: FindingRule::ALL.into_iter().filter_map(describe_rule).collect(),
        folder: folder.display().to_string(),
    })
}

fn describe_rule(rule: FindingRule) -> Option<RuleText> {
    let page = Rule::find_by_id(rule.id())?;
    Some(RuleText {
        id: rule.id().to_owned(),
        title: page.title().to_owned(),
        found: join_lines(page.section("How it is found")),
    })
}

/// Joins the lines of each paragraph and list item, which are wrapped.
fn join_lines(text: &str) -> String {
    let mut joined = String::new();
    for line in text.lines() {
        let begins = line.is_empty() || line.starts_with("- ") || joined.ends_with('\n');
        if !joined.is_empty() {
            joined.push(if begins { '\n' } else { ' ' });
        }
        joined.push_str(line.trim());
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_text() {
        for rule in FindingRule::ALL {
            let text = describe_rule(rule).unwrap_or_else(|| panic!("no {rule:?}"));
            assert!(!text.title.is_empty() && !text.found.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn wrapped_lines_are_joined() {
        assert_eq!(
            join_lines("One\ntwo:\n\n- a\n  b;\n- c\n\nLast\nline"),
            "One two:\n\n- a b;\n- c\n\nLast line"
        );
    }

    #[test]
    fn without_metrics_there_is_no_page() {
        assert!(describe_server(0, &[Vec::new()], Path::new("/x")).is_none());
    }
}
