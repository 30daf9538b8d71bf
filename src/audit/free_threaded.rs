//! The second environment: the same distributions for a free-threaded build. An ordinary build's files cannot be
//! loaded into one, and what they declare says nothing about those that can.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::run::{Audited, Question, Running};
use crate::model::{Cause, Distribution, Interpreter, Judgement, Mode, Outcome, ReasonId, Verdict};
use crate::plan::FreeThreaded;
use crate::report::normalised;
use crate::rules::Beside;
use crate::shadow::{self, Absent, Wanted};
use crate::venv::{self, Located};

/// A second environment, audited.
#[derive(Debug)]
pub(super) struct Second {
    pub(super) audited: Audited,
    pub(super) beside: Beside,
    /// The judgement of what it lacks, by normalised name.
    pub(super) absent: BTreeMap<String, Judgement>,
}

/// Audits it where one is asked for and can be had. What keeps it from that is the first one's trouble.
pub(super) fn second(running: &Running<'_>, first: &mut Audited) -> Option<Second> {
    let is_free_threaded =
        first.environment.interpreter.as_ref().is_some_and(|interpreter| interpreter.free_threaded);
    let asked = running.plan.free_threaded.as_ref();
    if is_free_threaded {
        first.notes.extend(
            asked.map(|_| "the environment is itself free-threaded: no other one was looked for".to_owned()),
        );
        return None;
    }
    let is_required = running.plan.require.iter().any(|mode| mode.is_free_threaded());
    let Some(asked) = asked else {
        if running.plan.only.is_some() {
            let how = "name a free-threaded Python with --python";
            first.trouble.extend(is_required.then(|| format!("free threading was not tried: {how}")));
        } else if is_required {
            first.trouble.push(format!("free threading was not tried: {HOW}"));
        } else {
            first.notes.push(format!("free threading was not asked: {HOW}"));
        }
        return None;
    };
    match environment(running, first, asked) {
        Ok((located, shadowed)) => Some(audit(running, first, &located, &shadowed)),
        Err(why) => {
            first.trouble.push(format!("free threading was not tried: {why}"));
            None
        }
    }
}

/// What the plain command can do.
const HOW: &str = "a free-threaded Python cannot load this environment's files; --free-threaded auto makes an \
                   environment of the same distributions for one and tries that too";

type Missing = BTreeMap<usize, Absent>;

/// The environment to audit: the one named, where it holds any of the distributions, else one made with the
/// Python named or found.
fn environment(
    running: &Running<'_>,
    first: &Audited,
    asked: &FreeThreaded,
) -> Result<(Located, Missing), String> {
    let python = match asked {
        FreeThreaded::Auto => None,
        FreeThreaded::Named(path) => {
            let located = venv::locate(path).map_err(|error| error.to_string())?;
            let python = located.python.as_ref().map_err(Clone::clone)?;
            let interpreter = venv::ask(python, running.scratch.path()).map_err(|error| error.to_string())?;
            if !interpreter.free_threaded {
                return Err(format!("{} is not a free-threaded Python", python.display()));
            }
            if is_used_as_it_is(&located, &interpreter, &first.environment.distributions) {
                return Ok((located, Missing::new()));
            }
            Some(python.clone())
        }
    };
    shadow(running, first, python.as_deref())
}

fn is_used_as_it_is(located: &Located, interpreter: &Interpreter, wanted: &[Distribution]) -> bool {
    let there = venv::installed(&interpreter.site, &interpreter.editable);
    let holds = |each: &Distribution| {
        each.name != "pip"
            && there.all.iter().any(|other| normalised(&other.distribution.name) == normalised(&each.name))
    };
    located.root.join("pyvenv.cfg").is_file() || wanted.iter().any(holds)
}

fn shadow(
    running: &Running<'_>,
    first: &Audited,
    python: Option<&Path>,
) -> Result<(Located, Missing), String> {
    let interpreter = first.environment.interpreter.as_ref().ok_or("the environment has no Python")?;
    let made = shadow::make(&Wanted {
        python,
        version: interpreter.target().version,
        distributions: &first.environment.distributions,
        options: &running.plan.index,
    })?;
    let python: PathBuf = made.root.join("bin/python");
    Ok((Located { root: made.root, python: Ok(python) }, made.absent))
}

fn audit(running: &Running<'_>, first: &Audited, located: &Located, missing: &Missing) -> Second {
    let distributions = &first.environment.distributions;
    let judged: BTreeMap<usize, Judgement> = missing
        .iter()
        .filter_map(|(index, why)| Some((*index, judgement(distributions.get(*index)?, why))))
        .collect();
    let lacking =
        || judged.iter().filter_map(|(index, judgement)| Some((distributions.get(*index)?, judgement)));
    let imported = first
        .trials
        .of(Mode::Main)
        .filter(|trial| trial.outcome == Outcome::Imported)
        .map(|trial| &trial.subject);
    let own: BTreeSet<&str> = first.environment.modules.iter().map(|module| module.name.as_str()).collect();
    let loads = first.trials.of(Mode::Main).filter(|trial| trial.through.is_none()).map(|trial| {
        let loaded = trial.loaded().map(|load| &load.name).filter(|name| own.contains(name.as_str()));
        (trial.subject.clone(), loaded.cloned().collect())
    });
    let beside = Beside {
        loads: loads.collect(),
        imports: imported.cloned().collect(),
        absent: lacking()
            .flat_map(|(each, judgement)| {
                each.top_level.iter().map(|name| (name.clone(), judgement.reason.clone()))
            })
            .collect(),
    };
    let absent = lacking().map(|(each, judgement)| (normalised(&each.name), judgement.clone())).collect();
    Second { audited: running.audit(located, None, Question::FreeThreading), beside, absent }
}

fn judgement(distribution: &Distribution, why: &Absent) -> Judgement {
    let reason = match why {
        Absent::NoWheel(Some(newest)) => format!(
            "has no free-threaded wheel of {}: the newest version that has one is {newest}",
            distribution.version
        ),
        Absent::NoWheel(None) => "has no free-threaded wheel of any version".to_owned(),
        Absent::Unknown(why) => {
            let reason = format!("is not in the free-threaded environment: {why}");
            return Judgement::open(ReasonId::IndexNotAsked, reason);
        }
    };
    let module = distribution.top_level.first().unwrap_or(&distribution.name).clone();
    let cause =
        Cause { rule: "no-free-threaded-wheel", chain: vec![module.clone()], module, what: reason.clone() };
    Judgement::found(Verdict::Blocked, Some(cause), reason)
}
