//! Converts the report to the document.

use std::collections::BTreeMap;

use super::convert_trial::{convert_judgement, convert_modes};
use super::rows::{
    ApplicationRow, DistributionRow, ExerciseRow, ModuleRow, ModuleUse, NameRow, Report, RequestRow,
};
use super::v1::{
    Apache, Application, Distribution, Document, Exercise, Finding, Module, Name, NotFollowed, PythonFinding,
    Request, RequestTimes, SourceFinding, SourcePlace, Tool, UsedModule,
};
use crate::model::{
    ExtensionFileKind, HazardWeight, ModuleFinding, PythonDefect, SourceHazard, SourceLocation,
    UnresolvedImport, Verdict,
};

impl From<&Report> for Document {
    fn from(report: &Report) -> Self {
        Self {
            schema: 1,
            tool: Tool::this_program(),
            header: None,
            environment: report.python.clone(),
            free_threaded: report.free_threaded.clone(),
            modes: report.modes.clone(),
            answers: BTreeMap::new(),
            decided_by: report.decided_by,
            distributions: report.distributions.iter().map(Distribution::from).collect(),
            modules: report.modules.iter().map(Module::from).collect(),
            blockers: report.blockers.clone(),
            applications: report.applications.iter().map(Application::from).collect(),
            exercises: report.exercises.iter().map(Exercise::from).collect(),
            apache: report.deployment.as_ref().map(Apache::from),
            python_findings: report.python_findings.iter().map(PythonFinding::from).collect(),
            notes: report.notes.clone(),
            trouble: report.trouble.clone(),
        }
        .with_updated_answers()
    }
}

impl RequestTimes {
    /// Creates the times of each list of requests.
    pub fn from_report(report: &Report) -> Vec<Self> {
        let lists = report.exercises.iter().enumerate().filter(|(_, row)| !row.requests.is_empty());
        let times = lists.map(|(exercise, row)| {
            let milliseconds = row.requests.iter().map(|request| Some(request.main.as_ref()?.milliseconds));
            Self { exercise, milliseconds: milliseconds.collect() }
        });
        times.collect()
    }
}

impl From<&DistributionRow> for Distribution {
    fn from(row: &DistributionRow) -> Self {
        let modes = row.judgements.iter().map(|(mode, judgement)| (*mode, convert_judgement(judgement)));
        Self {
            name: row.name.clone(),
            version: row.version.clone(),
            extension_modules: row.modules,
            declaration: row.declaration.clone(),
            modes: modes.collect(),
            top_level: row.top_level.iter().map(Name::from).collect(),
        }
    }
}

impl From<&NameRow> for Name {
    fn from(row: &NameRow) -> Self {
        Self { name: row.name.clone(), modes: convert_modes(&row.judgements, &row.trials) }
    }
}

impl From<&ModuleRow> for Module {
    fn from(row: &ModuleRow) -> Self {
        let has_declaration =
            matches!(row.kind, ExtensionFileKind::ExtensionModule | ExtensionFileKind::Shadowed(_));
        Self {
            name: row.name.clone(),
            file: row.file.clone(),
            folder: row.folder.clone(),
            sha256: row.sha256.clone(),
            distribution: row.distribution.clone(),
            kind: row.kind.class(),
            declaration: has_declaration.then(|| (&row.facts).into()),
            free_threaded_build: row.other_build.clone(),
            modes: convert_modes(&row.judgements, &row.trials),
            findings: row.findings.iter().map(Finding::from).collect(),
        }
    }
}

impl From<&ModuleFinding> for Finding {
    fn from(finding: &ModuleFinding) -> Self {
        Self {
            rule: finding.rule.id().to_owned(),
            text: finding.text.clone(),
            add: finding.add.iter().map(|line| (*line).to_owned()).collect(),
        }
    }
}

impl From<&PythonDefect> for PythonFinding {
    fn from(defect: &PythonDefect) -> Self {
        Self {
            rule: defect.rule.id().to_owned(),
            mode: defect.mode,
            verdict: Verdict::Unsafe,
            module: defect.module.clone(),
            what: defect.what.clone(),
            text: defect.text.clone(),
            mended: defect.mended.clone(),
            issue: defect.issue.clone(),
        }
    }
}

impl From<&ApplicationRow> for Application {
    fn from(row: &ApplicationRow) -> Self {
        let sources = &row.sources;
        Self {
            name: row.name.clone(),
            file: row.file.clone(),
            files: sources.files,
            modes: convert_modes(&row.judgements, &row.trials),
            modules: row.modules.iter().map(UsedModule::from).collect(),
            hazards: convert_hazards(&sources.hazards, false),
            hazards_elsewhere: convert_hazards(&sources.elsewhere, false),
            minor_hazards: convert_hazards(&sources.hazards, true),
            minor_hazards_elsewhere: convert_hazards(&sources.elsewhere, true),
            not_followed: convert_unresolved_imports(&sources.not_followed),
            not_followed_elsewhere: convert_unresolved_imports(&sources.not_followed_elsewhere),
        }
    }
}

impl From<&ModuleUse> for UsedModule {
    fn from(used: &ModuleUse) -> Self {
        Self {
            name: used.module.clone(),
            reached: used.way.into(),
            loaded: used.is_loaded,
            through: used.through.as_ref().map(SourcePlace::from),
            chain: used.chain.clone(),
        }
    }
}

impl From<&ExerciseRow> for Exercise {
    fn from(row: &ExerciseRow) -> Self {
        Self {
            file: row.file.clone(),
            application: row.application.clone(),
            requests: row.requests.iter().map(Request::from).collect(),
            modes: convert_modes(&row.judgements, &row.trials),
        }
    }
}

impl From<&RequestRow> for Request {
    fn from(row: &RequestRow) -> Self {
        let main = row.main.as_ref();
        Self {
            method: row.method.clone(),
            target: row.target.clone(),
            status: main.map(|main| main.status.clone()),
            bytes: main.and_then(|main| main.bytes),
            sha256: main.and_then(|main| main.sha256.clone()),
            modes: row.modes.clone(),
        }
    }
}

/// Converts the minor hazards, or the others.
fn convert_hazards(all: &[SourceHazard], are_minor: bool) -> Vec<SourceFinding> {
    let chosen = all.iter().filter(|hazard| (hazard.weight == HazardWeight::Low) == are_minor);
    chosen.map(SourceFinding::from).collect()
}

fn convert_unresolved_imports(all: &[(SourceLocation, UnresolvedImport)]) -> Vec<NotFollowed> {
    all.iter().map(|(spot, what)| NotFollowed { what: what.to_string(), place: spot.into() }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Mode;
    use crate::report::fixtures::{full_report, judged, module, own_gil};

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let document = Document::from(&full_report());
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(Document::parse(&text, "it").unwrap(), document);
    }

    #[test]
    fn each_row_has_its_fields() {
        let document = serde_json::to_value(Document::from(&full_report())).unwrap();
        let at = |path: &str| document.pointer(path).cloned().unwrap_or_default();
        for (path, expected) in [
            ("/environment/python", json!("/srv/3.14")),
            ("/answers", json!({"own-gil": "blocked", "shared-gil": "blocked"})),
            ("/decided_by", json!("distributions")),
            ("/distributions/0/modes/own-gil/cause/rule", json!("refuses-by-itself")),
            ("/distributions/0/top_level/0/name", json!("/srv/top")),
            ("/modules/0/kind", json!("extension-module")),
            ("/modules/0/declaration/initialisation", json!("multi-phase")),
            ("/modules/0/declaration/multiple_interpreters", json!(1)),
            ("/modules/0/declaration/gil", json!("absent")),
            ("/modules/0/declaration/slots", json!([[2, 64], [3, 1]])),
            ("/modules/0/declaration/hazards", json!([{"kind": "static-type", "evidence": "/srv/evidence"}])),
            ("/modules/0/free_threaded_build/file", json!("/srv/other")),
            ("/modules/0/findings/0/add", json!(["{3, 2}"])),
            ("/blockers/own-gil/0/upgrade/newest", json!("/srv/2")),
            ("/applications/0/files", json!(3)),
            ("/applications/0/modules/0/reached", json!("lazy-optional")),
            ("/applications/0/hazards/0/use", json!("state")),
            ("/applications/0/hazards/0/places/0/line", json!(2)),
            ("/exercises/1/requests/0/bytes", json!(4)),
            ("/exercises/1/requests/0/modes/own-gil/result", json!("differs")),
            ("/exercises/1/requests/1/status", Value::Null),
            ("/apache/landings/0/application", json!("shop")),
            ("/apache/daemons/0/options/home", json!("/srv/home")),
            ("/apache/findings/0/verdict", json!("blocked")),
            ("/python_findings/0/verdict", json!("unsafe")),
        ] {
            assert_eq!(at(path), expected, "{path}");
        }
        let count = |path: &str| at(path).as_array().map_or(0, Vec::len);
        let hazards = ["hazards", "minor_hazards", "hazards_elsewhere", "minor_hazards_elsewhere"];
        assert_eq!(hazards.map(|name| count(&format!("/applications/0/{name}"))), [1, 2, 1, 0]);
        let imports = ["not_followed", "not_followed_elsewhere"];
        assert_eq!(imports.map(|name| count(&format!("/applications/0/{name}"))), [1, 2]);
    }

    #[test]
    fn only_lists_of_requests_have_times() {
        let times = RequestTimes::from_report(&full_report());
        assert_eq!(times, [RequestTimes { exercise: 1, milliseconds: vec![Some(1.5), None] }]);
    }

    #[test]
    fn only_what_could_be_loaded_has_a_declaration() {
        let has = |kind| {
            let row = ModuleRow { kind, ..module("m", None, own_gil(judged(Verdict::Ready))) };
            Module::from(&row).declaration.is_some()
        };
        assert!(has(ExtensionFileKind::ExtensionModule) && has(ExtensionFileKind::Shadowed("m".to_owned())));
        assert!(!has(ExtensionFileKind::PlainLibrary) && !has(ExtensionFileKind::UserSite));
    }

    #[test]
    fn distributions_are_counted_by_verdict() {
        let document = Document::from(&full_report());
        let count = |mode, verdict| document.count_distributions(mode, verdict);
        assert_eq!(count(Mode::OwnGil, Verdict::Blocked), 1);
        assert_eq!((count(Mode::OwnGil, Verdict::Ready), count(Mode::Main, Verdict::Blocked)), (0, 0));
    }
}
