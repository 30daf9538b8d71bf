//! The row of an application: the modules that it imports, and its verdicts. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{DistributionRow, ExerciseRow, ModuleRow};
use crate::model::{
    ExtensionFileKind, ImportKind, InstalledDistribution, Judgement, Mode, NotRunReason, PythonPathOptions,
    ReachedModule, ReasonId, RootCause, SourceAnalysis, SourceLocation, Trial, TrialOutcome, Verdict,
};

/// The report's row of an application.
#[derive(Clone, Debug)]
pub struct ApplicationRow {
    /// As the user passed it: `shop.wsgi:application`.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The name of the WSGI callable in it.
    pub callable: String,
    /// What the Apache configuration adds to `sys.path` for it, if it serves the application.
    pub served: Option<PythonPathOptions>,
    /// What its source code shows.
    pub sources: SourceAnalysis,
    /// The trials of its import, by mode.
    pub trials: BTreeMap<Mode, Trial>,
    /// Its verdicts, by mode.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// Every extension module of its own folders and of the environment.
    pub modules: Vec<ModuleUse>,
    /// Imports of a computed name in its own files that neither its import nor a request has run, with a
    /// description.
    pub open_imports: Vec<(SourceLocation, String)>,
}

/// How an application uses an extension module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleUse {
    /// Dotted name.
    pub module: String,
    /// How it is imported; `None` if no import of it is known.
    pub way: Option<ImportKind>,
    /// Whether importing the application in the main interpreter loaded it.
    pub is_loaded: bool,
    /// The import statement that decides `way`.
    pub through: Option<SourceLocation>,
    /// The chain of imports that leads to it.
    pub chain: Vec<String>,
}

/// The input of an application's row.
#[derive(Debug)]
pub struct ApplicationParts<'a> {
    /// As the user passed it.
    pub name: &'a str,
    /// Its file.
    pub file: &'a str,
    /// The name of the WSGI callable in it.
    pub callable: &'a str,
    /// What the Apache configuration adds to `sys.path` for it, if it serves the application.
    pub served: Option<PythonPathOptions>,
    /// What its source code shows.
    pub sources: SourceAnalysis,
    /// The trials of its import, by mode.
    pub trials: BTreeMap<Mode, Trial>,
    /// The verdicts of these trials alone, by mode.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// The extension modules in its own folders.
    pub own: &'a [ModuleRow],
    /// Messages about what is not known of its modules. Any of them rules out `ready`.
    pub doubts: Vec<String>,
    /// Imports of a computed name in its own files that its import has not run, with a description.
    pub open_imports: Vec<(SourceLocation, String)>,
}

/// Builds the row of an application.
pub fn build_application_row(
    parts: ApplicationParts<'_>,
    modules: &[ModuleRow],
    distributions: &[DistributionRow],
) -> ApplicationRow {
    let ApplicationParts {
        name,
        file,
        callable,
        served,
        sources,
        trials,
        judgements,
        own,
        doubts,
        open_imports,
    } = parts;
    // Of an own and an installed module of the same name, the control shows which one is imported.
    let is_hidden = |row: &&ModuleRow| {
        let control = row.trials.get(&Mode::Main).map(|trial| &trial.outcome);
        matches!(control, Some(TrialOutcome::NotRun(NotRunReason::Shadowed(_))))
    };
    let own: Vec<&ModuleRow> = own.iter().filter(|row| !is_hidden(row)).collect();
    let is_seen = |row: &&ModuleRow| {
        row.distribution.as_deref() != Some(InstalledDistribution::THE_APPLICATION)
            && !own.iter().any(|own| own.name == row.name && own.kind == ExtensionFileKind::ExtensionModule)
    };
    let modules: Vec<&ModuleRow> = own.iter().copied().chain(modules.iter().filter(is_seen)).collect();
    let control = trials.get(&Mode::Main);
    let loads = || control.into_iter().flat_map(|trial| trial.successful_loads());
    let reached: BTreeMap<&str, &ReachedModule> =
        sources.reached.iter().map(|reached| (reached.name.as_str(), reached)).collect();
    let uses: Vec<ModuleUse> = modules
        .iter()
        .filter(|row| row.kind == ExtensionFileKind::ExtensionModule)
        .map(|row| {
            let load = loads().find(|load| load.name == row.name);
            let found = reached.get(row.name.as_str());
            let is_sure = found.is_some_and(|found| found.way <= ImportKind::Optional);
            let chain = match (found, load) {
                (Some(found), None) => found.chain.clone(),
                (Some(found), Some(_)) if is_sure => found.chain.clone(),
                (_, Some(load)) => load.chain.iter().cloned().chain([row.name.clone()]).collect(),
                (None, None) => Vec::new(),
            };
            let is_loaded = load.is_some();
            let through = found.filter(|_| !is_loaded || is_sure).and_then(|found| found.through.clone());
            let way = found.map(|found| found.way);
            let way = if is_loaded && !is_sure { Some(ImportKind::AtImport) } else { way };
            ModuleUse { module: row.name.clone(), way, is_loaded, through, chain }
        })
        .collect();
    let judgements = judgements
        .into_iter()
        .map(|(mode, own)| {
            let judgement = match control.map(|trial| &trial.outcome) {
                Some(TrialOutcome::Imported) if sources.files == 0 => {
                    let why = "its source was not read: what it imports later is not known";
                    Judgement::from_reason_id(ReasonId::SourceNotRead, why)
                }
                Some(TrialOutcome::Imported) => {
                    let judged = judge_application(mode, own, &uses, &reached, &modules, distributions);
                    apply_doubts(judge_refused_calls(mode, judged, name, &sources), &doubts)
                }
                Some(_) | None => judge_without_control(own),
            };
            (mode, judgement)
        })
        .collect();
    ApplicationRow {
        name: name.to_owned(),
        file: file.to_owned(),
        callable: callable.to_owned(),
        served,
        sources,
        trials,
        judgements,
        modules: uses,
        open_imports,
    }
}

impl ApplicationRow {
    /// Adds the results of a list of requests. Modules that its control loaded count as imported. If a
    /// verdict of its trials is worse than the application's, it replaces that. `has_run` tells whether the
    /// requests' control ran a line of the application's files: an import of a computed name that has run is
    /// no longer open.
    pub fn join_requests(
        &mut self,
        requests: &ExerciseRow,
        modules: &[ModuleRow],
        has_run: impl Fn(&SourceLocation) -> bool,
    ) {
        let control = requests.trials.get(&Mode::Main);
        let mut reached = Vec::new();
        for load in control.into_iter().flat_map(Trial::successful_loads) {
            let unused = |used: &&mut ModuleUse| used.module == load.name && used.way.is_none();
            if let Some(used) = self.modules.iter_mut().find(unused) {
                used.way = Some(ImportKind::Lazy);
                used.chain = load.chain.iter().cloned().chain([load.name.clone()]).collect();
                reached.push(load.name.as_str());
            }
        }
        for (mode, own) in &mut self.judgements {
            // A module's own trials use more interpreters than those of the requests: if they found it
            // unsafe, it is.
            let of_modules = modules.iter().filter(|row| reached.contains(&row.name.as_str()));
            let of_modules =
                of_modules.filter_map(|row| Some((row.name.as_str(), row.judgements.get(mode)?)));
            let unsafe_ones = of_modules.filter(|(_, judged)| judged.verdict == Verdict::Unsafe);
            if let Some(judged) = requests.judgements.get(mode).filter(|judged| judged.verdict < own.verdict)
            {
                *own = judged.clone();
            }
            for (what, judged) in unsafe_ones {
                if judged.verdict < own.verdict {
                    *own = Judgement { reason: format!("{what}: {}", judged.reason), ..judged.clone() };
                }
            }
        }
        self.open_imports.retain(|(spot, _)| !has_run(spot));
    }

    /// Lowers a good verdict to `unknown` if an open import of a computed name could load a module that does
    /// not pass.
    pub fn downgrade_for_open_imports(&mut self, modules: &[ModuleRow], distributions: &[DistributionRow]) {
        let Some((spot, what)) = self.open_imports.first() else { return };
        let is_used = |name: &str| self.modules.iter().any(|used| used.module == name && used.way.is_some());
        let is_reached = |name: &str| self.sources.reached.iter().any(|reached| reached.name == name);
        let of_modules = modules
            .iter()
            .filter(|row| row.kind == ExtensionFileKind::ExtensionModule && !is_used(&row.name));
        let of_modules = of_modules.map(|row| (&row.name, &row.judgements));
        let names = distributions.iter().flat_map(|row| &row.top_level).filter(|row| !is_reached(&row.name));
        let all: Vec<_> = of_modules.chain(names.map(|row| (&row.name, &row.judgements))).collect();
        // A failure in the main interpreter, too, has other reasons.
        for (mode, own) in self.judgements.iter_mut().filter(|(mode, _)| **mode != Mode::Main) {
            let is_bad = |judged: &&Judgement| judged.verdict <= Verdict::Unknown;
            let bad = all.iter().filter_map(|(name, judged)| Some((name, judged.get(mode).filter(is_bad)?)));
            let worst = bad.min_by_key(|(_, judged)| judged.verdict);
            if let Some((name, judged)) = worst.filter(|_| own.verdict > Verdict::Unknown) {
                let (file, line) = (spot.file.display(), spot.line);
                let why = format!(
                    "whether {file}:{line} loads {name} ({}: {}) is not known: {what}",
                    judged.verdict, judged.reason
                );
                *own = Judgement::from_reason_id(ReasonId::SourceNotFollowed, why);
            }
        }
    }
}

/// Returns the judgement of what the control does not import: never better than `unknown`.
pub(super) fn judge_without_control(own: Judgement) -> Judgement {
    match own.verdict {
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown => own,
        Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => {
            Judgement::from_reason_id(ReasonId::NotTried, "the main interpreter does not import it either")
        }
    }
}

/// Judges an application by its own import and by the modules that it may load later. A module that the
/// control did not load at import is taken not to be loaded at import in other modes either.
fn judge_application(
    mode: Mode,
    own: Judgement,
    uses: &[ModuleUse],
    reached: &BTreeMap<&str, &ReachedModule>,
    modules: &[&ModuleRow],
    distributions: &[DistributionRow],
) -> Judgement {
    let mut worst = own;
    let extensions: BTreeSet<&str> = uses.iter().map(|each| each.module.as_str()).collect();
    let of_modules = uses.iter().filter_map(|each| {
        let row = modules.iter().find(|row| row.name == each.module)?;
        Some((
            each.module.as_str(),
            each.way?,
            each.is_loaded,
            each.through.as_ref(),
            row.judgements.get(&mode)?,
        ))
    });
    let names = distributions.iter().flat_map(|row| &row.top_level);
    let of_names = names.filter(|row| !extensions.contains(row.name.as_str())).filter_map(|row| {
        let found = reached.get(row.name.as_str())?;
        Some((row.name.as_str(), found.way, false, found.through.as_ref(), row.judgements.get(&mode)?))
    });
    for (name, way, is_loaded, through, judgement) in of_names.chain(of_modules) {
        let Some(verdict) = effective_verdict(way, is_loaded, judgement.verdict) else { continue };
        if verdict < worst.verdict {
            let reason = format!("{name}: {}{}", judgement.reason, describe_deferred_import(way, through));
            let id = judgement.reason_id.unwrap_or(ReasonId::ImportedOnCondition);
            let reason_id = (verdict == Verdict::Unknown).then_some(id);
            let cause = judgement.cause.clone();
            worst = Judgement { reason_id, ..Judgement::from_evidence(verdict, cause, reason) };
        }
    }
    match worst.verdict {
        Verdict::NotApplicable => Judgement::from_reason_id(ReasonId::NotTried, "it was not tried"),
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded | Verdict::Ready => worst,
    }
}

/// Judges calls in the application's functions that an interpreter with its own GIL always refuses, like a
/// lazy import of a refused module. Returns the worse of that and `judged`.
fn judge_refused_calls(
    mode: Mode,
    judged: Judgement,
    application: &str,
    sources: &SourceAnalysis,
) -> Judgement {
    let refused = sources.hazards.iter().filter_map(|hazard| Some((hazard, hazard.refused?)));
    let refused = refused.filter(|_| mode == Mode::OwnGil).map(|(hazard, way)| match way {
        ImportKind::LazyOptional | ImportKind::Optional => (Verdict::Degraded, hazard),
        ImportKind::AtImport | ImportKind::Conditional | ImportKind::Lazy => (Verdict::Blocked, hazard),
    });
    let Some((verdict, hazard)) = refused.min_by_key(|(verdict, _)| *verdict) else { return judged };
    if verdict >= judged.verdict {
        return judged;
    }
    let SourceLocation { file, line, function } = &hazard.spot;
    let what = format!(
        "{} in {function}() ({}:{line}) raises RuntimeError: daemon threads are disabled in this interpreter",
        hazard.text,
        file.display()
    );
    let module = application.to_owned();
    let cause = RootCause { rule: hazard.rule, chain: vec![module.clone()], module, what: what.clone() };
    Judgement::from_evidence(verdict, Some(cause), what)
}

/// Lowers a good verdict to `unknown` if the application's search path is not fully known.
fn apply_doubts(judged: Judgement, doubts: &[String]) -> Judgement {
    match doubts.first().filter(|_| judged.verdict > Verdict::Unknown) {
        Some(doubt) => Judgement::from_reason_id(ReasonId::SourceNotFollowed, doubt.clone()),
        None => judged,
    }
}

/// Returns what a module's verdict means for an application that imports it in this way; `None` if the
/// application's own import shows as much.
fn effective_verdict(way: ImportKind, is_loaded: bool, verdict: Verdict) -> Option<Verdict> {
    let is_bad = matches!(verdict, Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded);
    match way {
        _ if !is_bad => None,
        // The module's own trials use more interpreters than the application's import.
        _ if is_loaded => (verdict == Verdict::Unsafe).then_some(verdict),
        ImportKind::AtImport | ImportKind::Optional => None,
        // At another time the condition may hold.
        ImportKind::Conditional => Some(Verdict::Unknown),
        ImportKind::Lazy => Some(verdict),
        ImportKind::LazyOptional if verdict == Verdict::Blocked => Some(Verdict::Degraded),
        ImportKind::LazyOptional => Some(verdict),
    }
}

fn describe_deferred_import(way: ImportKind, through: Option<&SourceLocation>) -> String {
    let Some(spot) = through else { return String::new() };
    let place = format!("{}:{}", spot.file.display(), spot.line);
    match (way, spot.function.as_str()) {
        (ImportKind::Conditional, _) => format!("; imported on a condition, {place}"),
        (ImportKind::Lazy | ImportKind::LazyOptional, "") => {
            format!("; imported later, by its name or at first use, {place}")
        }
        (ImportKind::Lazy | ImportKind::LazyOptional, function) => {
            format!("; imported at the first call of {function}(), {place}")
        }
        (ImportKind::AtImport | ImportKind::Optional, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_still_be_loaded_counts() {
        use Verdict::{Blocked, Degraded, Ready, Unknown, Unsafe};
        assert_eq!(effective_verdict(ImportKind::Lazy, false, Blocked), Some(Blocked));
        assert_eq!(effective_verdict(ImportKind::LazyOptional, false, Blocked), Some(Degraded));
        assert_eq!(effective_verdict(ImportKind::LazyOptional, false, Unsafe), Some(Unsafe));
        assert_eq!(effective_verdict(ImportKind::AtImport, true, Blocked), None);
        assert_eq!(effective_verdict(ImportKind::AtImport, true, Unsafe), Some(Unsafe));
        assert_eq!(effective_verdict(ImportKind::AtImport, false, Blocked), None);
        assert_eq!(effective_verdict(ImportKind::Conditional, false, Blocked), Some(Unknown));
        assert_eq!(effective_verdict(ImportKind::Lazy, false, Ready), None);
    }
}
