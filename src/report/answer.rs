//! The answer to the audit's question: may this mode be enabled? It is computed here alone, from the rows
//! that decide. The closing line, the document's `answers`, the exit status, the directive, the page, JUnit
//! and SARIF use it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::v1::{Apache, Application, DecidedBy, Document, Judged, Module, Tried};
use crate::model::{Mode, Verdict};

/// The kind of a row that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DecidingItemKind {
    /// A distribution.
    Distribution,
    /// An application.
    Application,
    /// An extension module.
    Module,
    /// A script, a list of requests, or a distribution's own tests.
    Exercise,
    /// A line of the web server's configuration.
    ConfigurationLine,
}

/// A row that decides, with its verdict in one mode.
#[derive(Clone, Copy, Debug)]
pub struct DecidingItem<'a> {
    /// The kind of the row.
    pub kind: DecidingItemKind,
    /// Its name; `None` for files that no distribution claims.
    pub name: Option<&'a str>,
    /// Its verdict, with the reason.
    pub judged: &'a Judged,
}

/// The answer in one mode.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The mode asked about.
    pub mode: Mode,
    /// The rows that decide, without those that are `not-applicable`: these are no evidence.
    pub deciders: Vec<DecidingItem<'a>>,
    /// Whether every row that decides was tried in this mode.
    pub all_were_tried: bool,
    /// Whether the audit left something out, or could not read it.
    pub has_trouble: bool,
}

impl Answer<'_> {
    /// The answer as a verdict: `unsafe` and `blocked` mean no, `unknown` not known, `degraded` yes with
    /// accelerators lost, `ready` yes. Never `not-applicable`.
    pub fn verdict(&self) -> Verdict {
        let all: Vec<Verdict> = self.deciders.iter().map(|decider| decider.judged.verdict).collect();
        self.verdict_from(&all, self.has_trouble)
    }

    /// Computes the answer from these verdicts of deciding rows only, e.g. without the accepted ones. The
    /// other rows still show that something was judged.
    pub fn verdict_from(&self, verdicts: &[Verdict], has_trouble: bool) -> Verdict {
        let worst = verdicts.iter().copied().min();
        let is_open = has_trouble || !self.all_were_tried || self.deciders.is_empty();
        match worst {
            Some(worst @ (Verdict::Unsafe | Verdict::Blocked)) => worst,
            Some(_) | None if is_open => Verdict::Unknown,
            Some(worst) => worst,
            None => Verdict::Ready,
        }
    }

    /// The number of deciding rows with this verdict.
    pub fn count_with_verdict(&self, verdict: Verdict) -> usize {
        self.deciders.iter().filter(|decider| decider.judged.verdict == verdict).count()
    }

    /// The number of deciding rows of this kind that are blocked or unsafe.
    pub fn count_blocking(&self, kind: DecidingItemKind) -> usize {
        let stands_in_the_way =
            |decider: &&DecidingItem<'_>| decider.kind == kind && decider.judged.verdict <= Verdict::Blocked;
        self.deciders.iter().filter(stands_in_the_way).count()
    }
}

impl Document {
    /// Computes the answer in this mode; `None` if the audit was not asked about it.
    pub fn compute_answer(&self, mode: Mode) -> Option<Answer<'_>> {
        let is_asked = match &self.apache {
            Some(apache) => apache.modes().contains(&mode) || self.has_unserved_application(mode),
            None => mode != Mode::Main && self.modes.contains(&mode),
        };
        is_asked.then(|| {
            let (mut deciders, all_were_tried) = self.collect_deciders(mode);
            deciders.retain(|decider| decider.judged.verdict != Verdict::NotApplicable);
            Answer { mode, deciders, all_were_tried, has_trouble: !self.trouble.is_empty() }
        })
    }

    /// Computes the answers in all modes that the audit was asked about, in the order of [`Mode::ALL`].
    pub fn compute_answers(&self) -> impl Iterator<Item = Answer<'_>> {
        Mode::ALL.into_iter().filter_map(|mode| self.compute_answer(mode))
    }

    /// Whether what was audited works in the main interpreter: each application; without applications, something of the
    /// environment.
    pub fn works_in_main(&self) -> bool {
        let passes = |judged: &Judged| match judged.verdict {
            Verdict::Ready | Verdict::Degraded => true,
            Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::NotApplicable => false,
        };
        match self.decided_by() {
            DecidedBy::Distributions => {
                self.distributions.iter().filter_map(|row| row.modes.get(&Mode::Main)).any(passes)
            }
            DecidedBy::Modules => self
                .modules
                .iter()
                .filter_map(|row| row.modes.get(&Mode::Main))
                .any(|each| passes(&each.judged)),
            DecidedBy::Applications => {
                let verdict = |row: &Application| self.application_verdict(&row.name, Mode::Main);
                !self.applications.is_empty()
                    && self.applications.iter().all(|row| verdict(row).is_some_and(passes))
            }
        }
    }

    /// What decides the answer. Applications do, if there are any.
    pub fn decided_by(&self) -> DecidedBy {
        match self.applications.is_empty() && self.apache.is_none() {
            true => self.decided_by,
            false => DecidedBy::Applications,
        }
    }

    /// Returns the worst verdict of an application and of its requests; `None` if it was not tried in this
    /// mode.
    pub fn application_verdict(&self, name: &str, mode: Mode) -> Option<&Judged> {
        let application = self.applications.iter().find(|each| each.name == name)?;
        let own = &application.modes.get(&mode)?.judged;
        let requests = self.exercises.iter().filter(|each| each.application.as_deref() == Some(name));
        let judged = requests.filter_map(|each| Some(&each.modes.get(&mode)?.judged));
        Some(judged.fold(own, |worst, each| if each.verdict < worst.verdict { each } else { worst }))
    }

    /// Returns the SHA-256 of each extension module that is ready in this mode, by its path with links resolved.
    /// The document must have real paths ([`Document::with_real_paths`]).
    pub fn digests_of_ready_modules(&self, mode: Mode) -> BTreeMap<PathBuf, String> {
        let is_ready = |module: &&Module| {
            module.modes.get(&mode).is_some_and(|tried| tried.judged.verdict == Verdict::Ready)
        };
        let entry = |module: &Module| {
            let path = Path::new(&module.folder).join(&module.file);
            Some((path.canonicalize().unwrap_or(path), module.sha256.clone()?))
        };
        self.modules.iter().filter(is_ready).filter_map(entry).collect()
    }

    /// Recomputes `answers` from the rows, whatever wrote them.
    pub fn with_updated_answers(mut self) -> Self {
        self.answers = self.compute_answers().map(|answer| (answer.mode, answer.verdict())).collect();
        self
    }

    /// Collects the rows that decide in a mode, and whether all of them were tried.
    fn collect_deciders(&self, mode: Mode) -> (Vec<DecidingItem<'_>>, bool) {
        let (kind, rows): (DecidingItemKind, Vec<NamedVerdict<'_>>) = match self.decided_by() {
            DecidedBy::Distributions => {
                let rows = self.distributions.iter();
                let rows = rows.map(|row| (row.name.as_deref(), row.modes.get(&mode)));
                (DecidingItemKind::Distribution, rows.collect())
            }
            DecidedBy::Modules => {
                let rows = self.modules.iter();
                (
                    DecidingItemKind::Module,
                    rows.map(|row| named_verdict(&row.name, &row.modes, mode)).collect(),
                )
            }
            DecidedBy::Applications => {
                let decides = |row: &&Application| {
                    self.apache.as_ref().is_none_or(|apache| apache.is_application_decisive(&row.name, mode))
                };
                let rows = self.applications.iter().filter(decides);
                (
                    DecidingItemKind::Application,
                    rows.map(|row| named_verdict(&row.name, &row.modes, mode)).collect(),
                )
            }
        };
        // An application without a verdict is not skipped: it counts as not tried.
        let says_nothing = |judged: &Judged| {
            kind == DecidingItemKind::Application && judged.verdict == Verdict::NotApplicable
        };
        let all_were_tried =
            rows.iter().all(|(_, judged)| judged.is_some_and(|judged| !says_nothing(judged)));
        // Not every exercise can be run in every mode.
        let exercises = self.exercises.iter().map(|each| named_verdict(&each.file, &each.modes, mode));
        let decider =
            |kind| move |(name, judged): (_, Option<_>)| Some(DecidingItem { kind, name, judged: judged? });
        let rows = rows.into_iter().filter_map(decider(kind));
        let deciders = rows.chain(exercises.filter_map(decider(DecidingItemKind::Exercise)));
        (deciders.chain(self.deciding_configuration_lines(mode)).collect(), all_were_tried)
    }

    /// The findings about the configuration that are worse than `ready`. The others are no evidence.
    fn deciding_configuration_lines(&self, mode: Mode) -> impl Iterator<Item = DecidingItem<'_>> {
        let findings = self.apache.iter().flat_map(Apache::deciding_findings);
        let findings = findings.filter(move |each| each.mode == mode && each.judged.verdict < Verdict::Ready);
        findings.map(|finding| DecidingItem {
            kind: DecidingItemKind::ConfigurationLine,
            name: Some(finding.rule_id()),
            judged: &finding.judged,
        })
    }

    /// Whether the configuration does not serve one of the audited applications. That one is judged in the
    /// modes of an audit without a configuration.
    fn has_unserved_application(&self, mode: Mode) -> bool {
        let is_served =
            |name: &str| self.apache.as_ref().is_some_and(|apache| apache.serves_application(name));
        mode != Mode::Main
            && self.modes.contains(&mode)
            && self.applications.iter().any(|each| !is_served(&each.name))
    }
}

/// A row's name, and its verdict in a mode.
type NamedVerdict<'a> = (Option<&'a str>, Option<&'a Judged>);

/// Returns a row's name and its verdict in a mode.
fn named_verdict<'a>(name: &'a str, modes: &'a BTreeMap<Mode, Tried>, mode: Mode) -> NamedVerdict<'a> {
    (Some(name), modes.get(&mode).map(|tried| &tried.judged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Judgement, RuleId};
    use crate::report::Report;
    use crate::report::fixtures::{
        application, config_finding, deployment, distribution, exercise, in_mode, judged, module, own_gil,
        report,
    };

    fn wire(verdict: Verdict) -> Judged {
        Judged { verdict, reason: String::new(), reason_id: None, cause: None, lost: Vec::new() }
    }

    #[test]
    fn the_worst_row_decides_and_what_is_open_is_unknown() {
        use Verdict::{Blocked, Degraded, Ready, Unknown, Unsafe};
        for (verdicts, all_were_tried, has_trouble, expected) in [
            (&[Unsafe, Ready][..], true, false, Unsafe),
            (&[Ready, Blocked], false, true, Blocked),
            (&[Unknown, Ready], true, false, Unknown),
            (&[Degraded, Ready], true, false, Degraded),
            (&[Degraded], false, false, Unknown),
            (&[Ready], true, false, Ready),
            (&[Ready], false, false, Unknown),
            (&[Ready], true, true, Unknown),
            (&[], true, false, Unknown),
        ] {
            let all: Vec<Judged> = verdicts.iter().copied().map(wire).collect();
            let kind = DecidingItemKind::Exercise;
            let deciders = all.iter().map(|judged| DecidingItem { kind, name: None, judged }).collect();
            let answer = Answer { mode: Mode::OwnGil, deciders, all_were_tried, has_trouble };
            assert_eq!(answer.verdict(), expected, "{verdicts:?}");
            let without = answer.verdict_from(&[], false);
            assert_eq!(without == Ready, all_were_tried && !verdicts.is_empty(), "{verdicts:?}");
            let count = |wanted: &[Verdict]| verdicts.iter().filter(|each| wanted.contains(each)).count();
            assert_eq!(answer.count_with_verdict(Ready), count(&[Ready]));
            assert_eq!(answer.count_blocking(kind), count(&[Unsafe, Blocked]));
            assert_eq!(answer.count_blocking(DecidingItemKind::Module), 0);
        }
    }

    /// The answers of a report, as `MODE VERDICT NUMBER-OF-DECIDERS`.
    fn answers(report: &Report) -> Vec<String> {
        let document = Document::from(report);
        let all: Vec<Answer<'_>> = document.compute_answers().collect();
        let verdicts = all.iter().map(|answer| (answer.mode, answer.verdict())).collect();
        assert_eq!(document.answers, verdicts);
        all.iter().map(|each| format!("{} {} {}", each.mode, each.verdict(), each.deciders.len())).collect()
    }

    fn both(shared: Verdict, own: Verdict) -> BTreeMap<Mode, Judgement> {
        BTreeMap::from([(Mode::SharedGil, judged(shared)), (Mode::OwnGil, judged(own))])
    }

    #[test]
    fn what_was_asked_about_decides() {
        use Verdict::{Blocked, Degraded, NotApplicable, Ready, Unknown, Unsafe};
        let mut asked = report();
        asked.distributions = vec![
            distribution(Some("a"), both(Ready, Blocked)),
            distribution(None, both(NotApplicable, Ready)),
        ];
        asked.modules = vec![module("m", None, both(Degraded, Unsafe))];
        asked.exercises = vec![exercise(None, own_gil(judged(Unknown)))];
        assert_eq!(answers(&asked), ["shared-gil ready 1", "own-gil blocked 3"]);
        asked.decided_by = DecidedBy::Modules;
        assert_eq!(answers(&asked), ["shared-gil degraded 1", "own-gil unsafe 2"]);
        asked.applications = vec![application("shop", both(Ready, Ready))];
        assert_eq!(Document::from(&asked).decided_by(), DecidedBy::Applications);
        assert_eq!(answers(&asked), ["shared-gil ready 1", "own-gil unknown 2"]);
        asked.exercises.clear();
        assert_eq!(answers(&asked), ["shared-gil ready 1", "own-gil ready 1"]);
        // Neither a missing verdict nor one that says nothing is an application's yes.
        asked.applications.push(application("cart", in_mode(Mode::SharedGil, judged(NotApplicable))));
        assert_eq!(answers(&asked), ["shared-gil unknown 1", "own-gil unknown 1"]);
        asked.applications.pop();
        asked.trouble.push("a folder cannot be read".to_owned());
        assert_eq!(answers(&asked), ["shared-gil unknown 1", "own-gil unknown 1"]);
    }

    #[test]
    fn a_configuration_decides_in_the_modes_of_its_mounts() {
        use Verdict::{Blocked, Ready};
        let mut asked = report();
        asked.applications = vec![application("shop", both(Ready, Blocked))];
        asked.deployment = Some(deployment(&[("shop", Mode::SharedGil)]));
        assert_eq!(Document::from(&asked).decided_by(), DecidedBy::Applications);
        assert_eq!(answers(&asked), ["shared-gil ready 1"]);
        // An application that it does not serve is judged in all modes.
        asked.applications.push(application("cart", both(Ready, Ready)));
        assert_eq!(answers(&asked), ["shared-gil ready 2", "own-gil ready 1"]);
        asked.modes = vec![Mode::Main, Mode::SharedGil];
        assert_eq!(answers(&asked), ["shared-gil ready 2"]);
        asked.applications.pop();
        // A finding decides, unless it repeats an application's verdict; a note is no evidence.
        if let Some(deployment) = &mut asked.deployment {
            deployment.findings = vec![
                config_finding(RuleId::ApacheUnfitInterpreter, Mode::OwnGil, Some("shop")),
                config_finding(RuleId::ApacheAccessDenied, Mode::Main, None),
                config_finding(RuleId::ApacheOwnGilMain, Mode::SharedGil, None),
                config_finding(RuleId::ApacheOwnGilUnused, Mode::FreeThreaded, None),
            ];
        }
        let expected = ["main blocked 1", "shared-gil degraded 2", "free-threaded unknown 0"];
        assert_eq!(answers(&asked), expected);
        let document = Document::from(&asked);
        let lines = document.compute_answer(Mode::Main).unwrap().deciders;
        assert_eq!(lines[0].kind, DecidingItemKind::ConfigurationLine);
        assert_eq!(lines[0].name, Some("apache-access-denied"));
        let apache = document.apache.as_ref().unwrap();
        assert!(apache.serves_application("shop") && !apache.serves_application("cart"));
        let decides = |name, mode| apache.is_application_decisive(name, mode);
        assert!(decides("shop", Mode::SharedGil) && !decides("shop", Mode::OwnGil));
        assert!(decides("cart", Mode::OwnGil));
        asked.applications.clear();
        assert_eq!(Document::from(&asked).decided_by(), DecidedBy::Applications);
    }

    #[test]
    fn an_application_is_as_bad_as_its_requests() {
        use Verdict::{Blocked, Ready, Unknown, Unsafe};
        let mut asked = report();
        asked.applications = ["shop", "cart"].map(|name| application(name, own_gil(judged(Unknown)))).into();
        asked.exercises = vec![
            exercise(Some("shop"), own_gil(judged(Blocked))),
            exercise(Some("shop"), own_gil(judged(Ready))),
            exercise(None, own_gil(judged(Unsafe))),
        ];
        let document = Document::from(&asked);
        let verdict = |name, mode| document.application_verdict(name, mode).map(|judged| judged.verdict);
        assert_eq!(verdict("shop", Mode::OwnGil), Some(Blocked));
        assert_eq!(verdict("cart", Mode::OwnGil), Some(Unknown));
        assert_eq!((verdict("shop", Mode::SharedGil), verdict("none", Mode::OwnGil)), (None, None));
        // Of two that are equally bad, the application's own reason is shown.
        asked.exercises =
            vec![exercise(Some("cart"), own_gil(Judgement::from_evidence(Unknown, None, "other")))];
        let document = Document::from(&asked);
        assert_eq!(document.application_verdict("cart", Mode::OwnGil).unwrap().reason, "unknown");
    }
}
