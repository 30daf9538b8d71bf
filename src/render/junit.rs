//! JUnit XML, for CI dashboards: a suite for each mode, a case for each distribution, application and exercise.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::escape::escape;
use crate::model::{Mode, Verdict};
use crate::report::v1::{Document, Judged};

/// The document. A degraded distribution passes, unless `is_strict`.
///
/// # Errors
/// When it cannot be written, which does not happen in memory.
pub fn render(document: &Document, is_strict: bool) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("wsgiaudit");
    for mode in document.modes.iter().copied().filter(|mode| *mode != Mode::Main) {
        let mut suite = TestSuite::new(mode.name());
        for row in &document.distributions {
            if let Some(judged) = row.modes.get(&mode) {
                let name = row.name.as_deref().unwrap_or("(no distribution)");
                suite.add_test_case(case(&format!("{name} {}", row.version), mode, judged, is_strict));
            }
        }
        let applications = document.applications.iter().map(|each| (&each.name, &each.modes));
        let exercises = document.exercises.iter().map(|each| (&each.file, &each.modes));
        for (name, modes) in applications.chain(exercises) {
            if let Some(tried) = modes.get(&mode) {
                suite.add_test_case(case(name, mode, &tried.judged, is_strict));
            }
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(name: &str, mode: Mode, judged: &Judged, is_strict: bool) -> TestCase {
    let status = match judged.verdict {
        Verdict::Unsafe | Verdict::Blocked => not(NonSuccessKind::Failure, judged),
        Verdict::Degraded if is_strict => not(NonSuccessKind::Failure, judged),
        Verdict::Unknown => not(NonSuccessKind::Error, judged),
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

fn not(kind: NonSuccessKind, judged: &Judged) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let rule = judged.explained_by().unwrap_or("unknown");
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
