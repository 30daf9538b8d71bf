//! Audits a second environment: the same distributions for a free-threaded build. That build cannot load an
//! ordinary build's files, and what these declare says nothing about its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::context::{AuditContext, AuditedEnvironment, ModeSelection};
use super::environment_audit::audit_environment;
use crate::free_threaded_env::{self, AbsenceReason, FreeThreadedEnvironmentSpec};
use crate::model::{
    InstalledDistribution, Interpreter, Judgement, Mode, ReasonId, RootCause, RuleId, Verdict,
};
use crate::plan::FreeThreadedSource;
use crate::report::normalize_name;
use crate::rules::ReferenceEnvironment;
use crate::venv::{self, LocatedEnvironment};

/// The audit of the free-threaded environment.
#[derive(Debug)]
pub(super) struct FreeThreadedAudit {
    pub(super) audited: AuditedEnvironment,
    pub(super) reference: ReferenceEnvironment,
    /// The judgements of the distributions that it lacks, by normalized name.
    pub(super) absent: BTreeMap<String, Judgement>,
}

/// Audits the free-threaded environment, if one is asked for and can be made. Otherwise adds the reason to
/// the first audit's messages.
pub(super) fn audit_free_threaded(
    context: &AuditContext<'_>,
    first: &mut AuditedEnvironment,
) -> Option<FreeThreadedAudit> {
    let is_free_threaded =
        first.environment.interpreter.as_ref().is_some_and(|interpreter| interpreter.free_threaded);
    let source = context.plan.free_threaded.as_ref();
    if is_free_threaded {
        first.notes.extend(
            source.map(|_| "the environment is itself free-threaded: no second one was needed".to_owned()),
        );
        return None;
    }
    let is_required = context.plan.require.iter().any(|mode| mode.is_free_threaded());
    let Some(source) = source else {
        if context.plan.only.is_some() {
            let how = "pass a free-threaded Python with --python";
            first.trouble.extend(is_required.then(|| format!("free threading was not tried: {how}")));
        } else if is_required {
            first.trouble.push(format!("free threading was not tried: {FREE_THREADED_HINT}"));
        } else {
            first.notes.push(format!("free threading was not audited: {FREE_THREADED_HINT}"));
        }
        return None;
    };
    match find_or_make_environment(context, first, source) {
        Ok((located, absent)) => Some(audit_located(context, first, &located, &absent)),
        Err(why) => {
            first.trouble.push(format!("free threading was not tried: {why}"));
            None
        }
    }
}

/// What a plain audit can do about free threading.
const FREE_THREADED_HINT: &str = "a free-threaded Python cannot load this environment's files; \
     --free-threaded auto makes an environment of the same distributions for one and tries that too";

/// Checks the environment or Python that was named, before the trials of the other one take their time.
///
/// # Errors
/// When it has no free-threaded Python that answers.
pub(super) fn check_named_source(context: &AuditContext<'_>) -> anyhow::Result<()> {
    let Some(FreeThreadedSource::Named(path)) = &context.plan.free_threaded else { return Ok(()) };
    match query_named_source(context, path) {
        Ok(_) => Ok(()),
        Err(why) => bail!("{why}\nhint: `--free-threaded auto` finds a free-threaded Python"),
    }
}

/// Returns the environment at a path, and its free-threaded interpreter.
fn query_named_source(
    context: &AuditContext<'_>,
    path: &Path,
) -> Result<(LocatedEnvironment, Interpreter), String> {
    let located = venv::locate_environment(path).map_err(|error| error.to_string())?;
    let python = located.python.as_ref().map_err(Clone::clone)?;
    let interpreter =
        venv::query_interpreter(python, context.scratch.path()).map_err(|error| error.to_string())?;
    match interpreter.free_threaded {
        true => Ok((located, interpreter)),
        false => Err(format!("{} is not a free-threaded Python", python.display())),
    }
}

type AbsentDistributions = BTreeMap<usize, AbsenceReason>;

/// Returns the environment to audit: the one named, if it has any of the distributions, or else one made with
/// the Python that was named or found.
fn find_or_make_environment(
    context: &AuditContext<'_>,
    first: &AuditedEnvironment,
    source: &FreeThreadedSource,
) -> Result<(LocatedEnvironment, AbsentDistributions), String> {
    let python = match source {
        FreeThreadedSource::Auto => None,
        FreeThreadedSource::Named(path) => {
            let (located, interpreter) = query_named_source(context, path)?;
            let python = located.python.as_ref().map_err(Clone::clone)?;
            if is_usable_environment(&located, &interpreter, &first.environment.distributions) {
                return Ok((located, AbsentDistributions::new()));
            }
            Some(python.clone())
        }
    };
    make_environment(context, first, python.as_deref())
}

fn is_usable_environment(
    located: &LocatedEnvironment,
    interpreter: &Interpreter,
    wanted: &[InstalledDistribution],
) -> bool {
    let there = venv::find_distributions(&interpreter.site, &interpreter.editable);
    let holds = |each: &InstalledDistribution| {
        each.name != "pip"
            && there
                .all
                .iter()
                .any(|other| normalize_name(&other.distribution.name) == normalize_name(&each.name))
    };
    located.root.join("pyvenv.cfg").is_file() || wanted.iter().any(holds)
}

fn make_environment(
    context: &AuditContext<'_>,
    first: &AuditedEnvironment,
    python: Option<&Path>,
) -> Result<(LocatedEnvironment, AbsentDistributions), String> {
    let interpreter = first.environment.interpreter.as_ref().ok_or("the environment has no Python")?;
    let made = free_threaded_env::create_environment(&FreeThreadedEnvironmentSpec {
        python,
        version: interpreter.target().version,
        distributions: &first.environment.distributions,
        options: &context.plan.index,
    })?;
    let python: PathBuf = made.root.join("bin/python");
    Ok((LocatedEnvironment { root: made.root, python: Ok(python) }, made.absent))
}

fn audit_located(
    context: &AuditContext<'_>,
    first: &AuditedEnvironment,
    located: &LocatedEnvironment,
    missing: &AbsentDistributions,
) -> FreeThreadedAudit {
    let distributions = &first.environment.distributions;
    let judged: BTreeMap<usize, Judgement> = missing
        .iter()
        .filter_map(|(index, why)| Some((*index, judge_absent(distributions.get(*index)?, why))))
        .collect();
    let lacking =
        || judged.iter().filter_map(|(index, judgement)| Some((distributions.get(*index)?, judgement)));
    let imported = first
        .trials
        .trials_in_mode(Mode::Main)
        .filter(|trial| trial.outcome.has_passed())
        .map(|trial| &trial.subject);
    let own: BTreeSet<&str> = first.environment.modules.iter().map(|module| module.name.as_str()).collect();
    let loads =
        first.trials.trials_in_mode(Mode::Main).filter(|trial| trial.through.is_none()).map(|trial| {
            let loaded =
                trial.successful_loads().map(|load| &load.name).filter(|name| own.contains(name.as_str()));
            (trial.subject.clone(), loaded.cloned().collect())
        });
    let reference = ReferenceEnvironment {
        loads: loads.collect(),
        imports: imported.cloned().collect(),
        absent: lacking()
            .flat_map(|(each, judgement)| {
                each.top_level.iter().map(|name| (name.clone(), judgement.reason.clone()))
            })
            .collect(),
    };
    let absent = lacking().map(|(each, judgement)| (normalize_name(&each.name), judgement.clone())).collect();
    FreeThreadedAudit {
        audited: audit_environment(context, located, None, ModeSelection::FreeThreading),
        reference,
        absent,
    }
}

fn judge_absent(distribution: &InstalledDistribution, why: &AbsenceReason) -> Judgement {
    let reason = match why {
        AbsenceReason::NoWheel(Some(newest)) => format!(
            "has no free-threaded wheel of {}: the newest version that has one is {newest}",
            distribution.version
        ),
        AbsenceReason::NoWheel(None) => "has no free-threaded wheel of any version".to_owned(),
        AbsenceReason::Unknown(why) => {
            let reason = format!("is not in the free-threaded environment: {why}");
            return Judgement::from_reason_id(ReasonId::IndexNotAsked, reason);
        }
    };
    let module = distribution.top_level.first().unwrap_or(&distribution.name).clone();
    let cause = RootCause {
        rule: RuleId::NoFreeThreadedWheel,
        chain: vec![module.clone()],
        module,
        what: reason.clone(),
    };
    Judgement::from_evidence(Verdict::Blocked, Some(cause), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_distribution_is_blocked_or_unknown() {
        let distribution = InstalledDistribution {
            name: "shop".to_owned(),
            version: "1.0".to_owned(),
            top_level: vec!["till".to_owned()],
            tags: Vec::new(),
            editable: false,
        };
        let reason = |why| judge_absent(&distribution, &why);
        let older = reason(AbsenceReason::NoWheel(Some("0.9".to_owned())));
        assert_eq!(older.reason, "has no free-threaded wheel of 1.0: the newest version that has one is 0.9");
        let cause = older.cause.unwrap();
        assert_eq!((cause.rule, cause.module.as_str()), (RuleId::NoFreeThreadedWheel, "till"));
        let never = reason(AbsenceReason::NoWheel(None));
        assert_eq!(never.reason, "has no free-threaded wheel of any version");
        let unknown = reason(AbsenceReason::Unknown("no network".to_owned()));
        assert_eq!(unknown.reason_id, Some(ReasonId::IndexNotAsked));
        assert_eq!(unknown.reason, "is not in the free-threaded environment: no network");
    }
}
