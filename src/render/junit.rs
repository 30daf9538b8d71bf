//! Renders JUnit XML, for CI dashboards.
//!
//! There is a suite for each mode, with a case for each item that decides its answer. A suite has a failure
//! or an error if and only if the answer is not "yes".

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::escape::escape;
use crate::model::{Mode, Verdict};
use crate::report::v1::{Document, Judged};
use crate::report::{Answer, DecidingItemKind};

/// Renders the document. A degraded item passes, unless `is_strict`.
///
/// # Errors
/// If it cannot be written, which does not happen in memory.
pub fn render(document: &Document, is_strict: bool) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("wsgiaudit");
    for answer in document.compute_answers() {
        report.add_test_suite(build_suite(document, &answer, is_strict));
    }
    if document.compute_answers().next().is_none() {
        let mut suite = TestSuite::new("audit");
        suite.add_test_case(incomplete_case("audit", "no mode that was asked about could be tried"));
        report.add_test_suite(suite);
    }
    report.to_string()
}

/// Builds the suite of a mode.
fn build_suite(document: &Document, answer: &Answer<'_>, is_strict: bool) -> TestSuite {
    let mut suite = TestSuite::new(answer.mode.name());
    for decider in &answer.deciders {
        let name = decider.name.unwrap_or("(no distribution)");
        let version = match decider.kind {
            DecidingItemKind::Distribution => distribution_version(document, decider.name),
            DecidingItemKind::Application
            | DecidingItemKind::Module
            | DecidingItemKind::Exercise
            | DecidingItemKind::ConfigurationLine => String::new(),
        };
        suite.add_test_case(build_case(&format!("{name} {version}"), answer.mode, decider.judged, is_strict));
    }
    let class = format!("wsgiaudit.{}", answer.mode);
    if !answer.all_were_tried {
        suite.add_test_case(incomplete_case(&class, "not everything was tried"));
    }
    if answer.deciders.is_empty() {
        suite.add_test_case(incomplete_case(&class, "nothing here was tried"));
    }
    for trouble in &document.trouble {
        suite.add_test_case(incomplete_case(&class, trouble));
    }
    suite
}

fn distribution_version(document: &Document, name: Option<&str>) -> String {
    let row = document.distributions.iter().find(|row| row.name.as_deref() == name);
    row.map(|row| row.version.clone()).unwrap_or_default()
}

/// Builds an error case for a reason why the audit is incomplete.
fn incomplete_case(class: &str, why: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type("incomplete").set_message(escape(why).into_owned());
    let mut case = TestCase::new("(the audit itself)", status);
    case.set_classname(class.to_owned());
    case
}

/// Builds the case of an item that decides the answer.
fn build_case(name: &str, mode: Mode, judged: &Judged, is_strict: bool) -> TestCase {
    let status = match judged.verdict {
        Verdict::Unsafe | Verdict::Blocked => non_success_status(NonSuccessKind::Failure, judged),
        Verdict::Degraded if is_strict => non_success_status(NonSuccessKind::Failure, judged),
        Verdict::Unknown => non_success_status(NonSuccessKind::Error, judged),
        Verdict::NotApplicable => TestCaseStatus::skipped(),
        Verdict::Degraded | Verdict::Ready => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(escape(name).trim_end(), status);
    case.set_classname(format!("wsgiaudit.{mode}"));
    if judged.verdict == Verdict::Degraded && !is_strict {
        case.set_system_out(escape(&judged.reason).into_owned());
    }
    case
}

/// Builds a failure or an error, with the rule as its type.
fn non_success_status(kind: NonSuccessKind, judged: &Judged) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let rule = judged.explanation_id().unwrap_or("unknown");
    status.set_type(escape(rule).into_owned()).set_message(escape(&judged.reason).into_owned());
    if let Some(cause) = &judged.cause {
        status.set_description(format!(
            "{}\nwsgiaudit explain {}",
            escape(&cause.chain.join(" -> ")),
            escape(rule)
        ));
    }
    status
}
