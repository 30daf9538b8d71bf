//! What stands in the way is told once, with what would be free without it.

use serde_json::{Value, json};

use crate::support::command::Wsgiaudit;
use crate::support::venv::Venv;

#[test]
fn a_root_is_named_once_with_what_it_blocks_and_what_else_does() {
    let venv = Venv::new()
        .with("no-slot")
        .with("single-phase")
        .with_python("needs_one", "import no_slot\n")
        .with_python("needs_both", "import no_slot\nimport single_phase\n");
    let file = venv.path().join("report.json");
    let said = Wsgiaudit::new().arg(venv.path()).arg("--json").arg(&file).run().ended_with(1);

    let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let blockers = report["blockers"]["own-gil"].as_array().unwrap();
    let owners: Vec<&Value> = blockers.iter().map(|blocker| &blocker["distribution"]).collect();
    assert_eq!(owners, ["corpus-no-slot", "corpus-single-phase"]);
    let blocks = blockers[0]["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 2, "{blocks:#?}");
    // The import stops at its first obstacle; the second is known from the control.
    assert_eq!(blocks[0]["distribution"], "needs_both");
    assert_eq!(blocks[0]["also_needs"], json!(["corpus-single-phase"]));
    assert_eq!(blocks[1]["distribution"], "needs_one");
    assert_eq!(blocks[1]["also_needs"], json!([]));

    for line in [
        "In the way of own-gil: 2 root causes block 4 distributions",
        "    also blocks needs_both: needs_both -> no_slot (also blocked by corpus-single-phase)",
        "    also blocks needs_one: needs_one -> no_slot (no other obstacle known)",
    ] {
        assert!(said.out.lines().any(|each| each == line), "{line}\n{}", said.out);
    }
}
