//! The answer: may this be switched on? Computed here, once, from what decides. The closing line, the document's
//! `answers`, the exit status, the directive, the page, JUnit and SARIF read it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::v1::{Apache, Application, Document, Judged, Tried};
use crate::model::{Mode, Verdict};

/// What an audit was asked about, and so what decides its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// Everything that is installed.
    #[default]
    Distributions,
    /// The applications named (`--app`, `--apache-config`).
    Applications,
    /// The extension modules named (`wsgiaudit module`).
    Modules,
}

/// What kind of thing a decider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeciderKind {
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

/// One of the things that decide, with its verdict in the mode asked about.
#[derive(Clone, Copy, Debug)]
pub struct Decider<'a> {
    /// What it is.
    pub kind: DeciderKind,
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
    /// What decides. Without what is `not-applicable`: that is no evidence.
    pub deciders: Vec<Decider<'a>>,
    /// Whether every decider was tried in this mode.
    pub all_were_tried: bool,
    /// Whether the audit left something out, or could not read it.
    pub has_trouble: bool,
}

impl Answer<'_> {
    /// The answer as a verdict: `unsafe` and `blocked` mean no, `unknown` not known, `degraded` yes with
    /// accelerators lost, `ready` yes. Never `not-applicable`.
    pub fn verdict(&self) -> Verdict {
        let all: Vec<Verdict> = self.deciders.iter().map(|decider| decider.judged.verdict).collect();
        self.verdict_of(&all, self.has_trouble)
    }

    /// The answer where only these verdicts of the deciders count, as with acceptances. The others still show that
    /// something was judged.
    pub fn verdict_of(&self, verdicts: &[Verdict], has_trouble: bool) -> Verdict {
        let worst = verdicts.iter().copied().min();
        let is_open = has_trouble || !self.all_were_tried || self.deciders.is_empty();
        match worst {
            Some(worst @ (Verdict::Unsafe | Verdict::Blocked)) => worst,
            Some(_) | None if is_open => Verdict::Unknown,
            Some(worst) => worst,
            None => Verdict::Ready,
        }
    }

    /// How many of the deciders have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.deciders.iter().filter(|decider| decider.judged.verdict == verdict).count()
    }

    /// How many of the deciders of this kind stand in the way.
    pub fn in_the_way(&self, kind: DeciderKind) -> usize {
        let stands_in_the_way =
            |decider: &&Decider<'_>| decider.kind == kind && decider.judged.verdict <= Verdict::Blocked;
        self.deciders.iter().filter(stands_in_the_way).count()
    }
}

impl Document {
    /// The answer in this mode; `None` where the audit was not asked about it.
    pub fn answer(&self, mode: Mode) -> Option<Answer<'_>> {
        let is_asked = match &self.apache {
            Some(apache) => {
                apache.modes().contains(&mode) || self.has_application_beside_the_configuration(mode)
            }
            None => mode != Mode::Main && self.modes.contains(&mode),
        };
        is_asked.then(|| {
            let (mut deciders, all_were_tried) = self.deciders(mode);
            deciders.retain(|decider| decider.judged.verdict != Verdict::NotApplicable);
            Answer { mode, deciders, all_were_tried, has_trouble: !self.trouble.is_empty() }
        })
    }

    /// The modes that the audit was asked about, in the order of [`Mode::ALL`].
    pub fn asked(&self) -> impl Iterator<Item = Answer<'_>> {
        Mode::ALL.into_iter().filter_map(|mode| self.answer(mode))
    }

    /// What decides.
    pub fn decided_by(&self) -> DecidedBy {
        match self.applications.is_empty() && self.apache.is_none() {
            true => self.decided_by,
            false => DecidedBy::Applications,
        }
    }

    /// The verdict of an application together with what it answered to requests; `None` where it was not tried.
    pub fn application(&self, name: &str, mode: Mode) -> Option<&Judged> {
        let application = self.applications.iter().find(|each| each.name == name)?;
        let own = &application.modes.get(&mode)?.judged;
        let requests = self.exercises.iter().filter(|each| each.application.as_deref() == Some(name));
        let judged = requests.filter_map(|each| Some(&each.modes.get(&mode)?.judged));
        Some(judged.fold(own, |worst, each| if each.verdict < worst.verdict { each } else { worst }))
    }

    /// Brings `answers` up to date with the rows, whatever wrote them.
    pub fn with_answers(mut self) -> Self {
        self.answers = self.asked().map(|answer| (answer.mode, answer.verdict())).collect();
        self
    }

    /// Everything that decides in a mode, and whether all of it was tried there.
    fn deciders(&self, mode: Mode) -> (Vec<Decider<'_>>, bool) {
        let (kind, rows): (DeciderKind, Vec<Named<'_>>) = match self.decided_by() {
            DecidedBy::Distributions => {
                let rows = self.distributions.iter();
                let rows = rows.map(|row| (row.name.as_deref(), row.modes.get(&mode)));
                (DeciderKind::Distribution, rows.collect())
            }
            DecidedBy::Modules => {
                let rows = self.modules.iter();
                (DeciderKind::Module, rows.map(|row| named(&row.name, &row.modes, mode)).collect())
            }
            DecidedBy::Applications => {
                let decides = |row: &&Application| {
                    self.apache.as_ref().is_none_or(|apache| apache.asks(&row.name, mode))
                };
                let rows = self.applications.iter().filter(decides);
                (DeciderKind::Application, rows.map(|row| named(&row.name, &row.modes, mode)).collect())
            }
        };
        // An application that could not even be judged is no reason to pass over it.
        let says_nothing =
            |judged: &Judged| kind == DeciderKind::Application && judged.verdict == Verdict::NotApplicable;
        let all_were_tried =
            rows.iter().all(|(_, judged)| judged.is_some_and(|judged| !says_nothing(judged)));
        // Not every exercise can be run in every mode.
        let exercises = self.exercises.iter().map(|each| named(&each.file, &each.modes, mode));
        let decider =
            |kind| move |(name, judged): (_, Option<_>)| Some(Decider { kind, name, judged: judged? });
        let rows = rows.into_iter().filter_map(decider(kind));
        let deciders = rows.chain(exercises.filter_map(decider(DeciderKind::Exercise)));
        (deciders.chain(self.configuration_lines(mode)).collect(), all_were_tried)
    }

    /// The lines of the configuration that are in the way; the others are no evidence for anything.
    fn configuration_lines(&self, mode: Mode) -> impl Iterator<Item = Decider<'_>> {
        let findings = self.apache.iter().flat_map(Apache::deciding);
        let findings = findings.filter(move |each| each.mode == mode && each.judged.verdict < Verdict::Ready);
        findings.map(|finding| Decider {
            kind: DeciderKind::ConfigurationLine,
            name: Some(finding.rule()),
            judged: &finding.judged,
        })
    }

    /// Whether an application was named that the configuration does not serve: it is asked about as without one.
    fn has_application_beside_the_configuration(&self, mode: Mode) -> bool {
        let is_served = |name: &str| self.apache.as_ref().is_some_and(|apache| apache.serves(name));
        mode != Mode::Main
            && self.modes.contains(&mode)
            && self.applications.iter().any(|each| !is_served(&each.name))
    }
}

/// A row's name, and its verdict in a mode.
type Named<'a> = (Option<&'a str>, Option<&'a Judged>);

/// Of a row.
fn named<'a>(name: &'a str, modes: &'a BTreeMap<Mode, Tried>, mode: Mode) -> Named<'a> {
    (Some(name), modes.get(&mode).map(|tried| &tried.judged))
}
