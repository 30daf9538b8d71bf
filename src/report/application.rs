//! An application's row: what it reaches, and what that means. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{DistributionRow, ExerciseRow, ModuleRow};
use crate::model::{
    Cause, Distribution, FileKind, Judgement, Mode, ModulePath, NotRun, Outcome, Reached, ReasonId, Sources,
    Spot, Trial, Verdict, Way,
};

/// An application.
#[derive(Clone, Debug)]
pub struct ApplicationRow {
    /// As it was named: `shop.wsgi:application`.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The name in it.
    pub callable: String,
    /// What the web server's configuration adds to `sys.path` for it, where one serves it.
    pub served: Option<ModulePath>,
    /// What its sources say.
    pub sources: Sources,
    /// How importing it ended.
    pub trials: BTreeMap<Mode, Trial>,
    /// Its verdicts.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// Every extension module of its own folders and of the environment.
    pub modules: Vec<Use>,
    /// Imports by a computed name in its own files, in words, that neither its import nor a request has run.
    pub open_imports: Vec<(Spot, String)>,
}

/// What an application does with an extension module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Dotted name.
    pub module: String,
    /// How it is reached; `None` where it is not, as far as can be told.
    pub way: Option<Way>,
    /// Whether importing the application in the main interpreter loaded it.
    pub is_loaded: bool,
    /// The import that decides the way.
    pub through: Option<Spot>,
    /// The modules that lead there.
    pub chain: Vec<String>,
}

/// What an application's row is made of.
#[derive(Debug)]
pub struct ApplicationParts<'a> {
    /// As it was named.
    pub name: &'a str,
    /// Its file.
    pub file: &'a str,
    /// The name in it.
    pub callable: &'a str,
    /// What the web server's configuration adds to `sys.path` for it, where one serves it.
    pub served: Option<ModulePath>,
    /// What its sources say.
    pub sources: Sources,
    /// How importing it ended, by mode.
    pub trials: BTreeMap<Mode, Trial>,
    /// What that alone means, by mode.
    pub judgements: BTreeMap<Mode, Judgement>,
    /// The modules in its own folders.
    pub own: &'a [ModuleRow],
    /// What of its modules is not known, in words: it is not ready while there is any.
    pub doubts: Vec<String>,
    /// Imports by a computed name in its own files that its import has not run, in words.
    pub open_imports: Vec<(Spot, String)>,
}

/// Puts the row together.
pub fn application(
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
    // Of its own and an installed one of the same name it gets what the control got.
    let is_hidden = |row: &&ModuleRow| {
        let control = row.trials.get(&Mode::Main).map(|trial| &trial.outcome);
        matches!(control, Some(Outcome::NotRun(NotRun::Shadowed(_))))
    };
    let own: Vec<&ModuleRow> = own.iter().filter(|row| !is_hidden(row)).collect();
    let is_seen = |row: &&ModuleRow| {
        row.distribution.as_deref() != Some(Distribution::THE_APPLICATION)
            && !own.iter().any(|own| own.name == row.name && own.kind == FileKind::ExtensionModule)
    };
    let modules: Vec<&ModuleRow> = own.iter().copied().chain(modules.iter().filter(is_seen)).collect();
    let control = trials.get(&Mode::Main);
    let loads = || control.into_iter().flat_map(|trial| trial.loaded());
    let reached: BTreeMap<&str, &Reached> =
        sources.reached.iter().map(|reached| (reached.name.as_str(), reached)).collect();
    let uses: Vec<Use> = modules
        .iter()
        .filter(|row| row.kind == FileKind::ExtensionModule)
        .map(|row| {
            let load = loads().find(|load| load.name == row.name);
            let found = reached.get(row.name.as_str());
            let is_sure = found.is_some_and(|found| found.way <= Way::Optional);
            let chain = match (found, load) {
                (Some(found), None) => found.chain.clone(),
                (Some(found), Some(_)) if is_sure => found.chain.clone(),
                (_, Some(load)) => load.chain.iter().cloned().chain([row.name.clone()]).collect(),
                (None, None) => Vec::new(),
            };
            let is_loaded = load.is_some();
            let through = found.filter(|_| !is_loaded || is_sure).and_then(|found| found.through.clone());
            let way = found.map(|found| found.way);
            let way = if is_loaded && !is_sure { Some(Way::AtImport) } else { way };
            Use { module: row.name.clone(), way, is_loaded, through, chain }
        })
        .collect();
    let judgements = judgements
        .into_iter()
        .map(|(mode, own)| {
            let judgement = match control.map(|trial| &trial.outcome) {
                Some(Outcome::Imported) if sources.files == 0 => {
                    let why = "its source was not read: what it imports later is not known";
                    Judgement::open(ReasonId::SourceNotRead, why)
                }
                Some(Outcome::Imported) => {
                    let judged = judge(mode, own, &uses, &reached, &modules, distributions);
                    doubt(judge_refused_calls(mode, judged, name, &sources), &doubts)
                }
                Some(_) | None => not_imported(own),
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
    /// Adds the results of a list of requests. Modules that its control loaded are reached. A verdict of its trials that is
    /// worse than the application's replaces it. A computed import that has run is no longer open; `has_run` tells whether
    /// the requests' control ran a line of the application's files.
    pub fn join_requests(
        &mut self,
        requests: &ExerciseRow,
        modules: &[ModuleRow],
        has_run: impl Fn(&Spot) -> bool,
    ) {
        let control = requests.trials.get(&Mode::Main);
        let mut reached = Vec::new();
        for load in control.into_iter().flat_map(Trial::loaded) {
            let unused = |used: &&mut Use| used.module == load.name && used.way.is_none();
            if let Some(used) = self.modules.iter_mut().find(unused) {
                used.way = Some(Way::Lazy);
                used.chain = load.chain.iter().cloned().chain([load.name.clone()]).collect();
                reached.push(load.name.as_str());
            }
        }
        for (mode, own) in &mut self.judgements {
            // A module's own trials use more interpreters than those of the requests: if they found it unsafe, it is.
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

    /// Makes the application `unknown`, if nothing worse was found, while an import by a computed name could load something
    /// that does not pass.
    pub fn doubt_open_imports(&mut self, modules: &[ModuleRow], distributions: &[DistributionRow]) {
        let Some((spot, what)) = self.open_imports.first() else { return };
        let is_used = |name: &str| self.modules.iter().any(|used| used.module == name && used.way.is_some());
        let is_reached = |name: &str| self.sources.reached.iter().any(|reached| reached.name == name);
        let of_modules =
            modules.iter().filter(|row| row.kind == FileKind::ExtensionModule && !is_used(&row.name));
        let of_modules = of_modules.map(|row| (&row.name, &row.judgements));
        let names = distributions.iter().flat_map(|row| &row.top_level).filter(|row| !is_reached(&row.name));
        let all: Vec<_> = of_modules.chain(names.map(|row| (&row.name, &row.judgements))).collect();
        // What fails in the main interpreter too fails for other reasons.
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
                *own = Judgement::open(ReasonId::SourceNotFollowed, why);
            }
        }
    }
}

/// What cannot be imported in the control is never ready; why it could not says its own judgement.
pub(super) fn not_imported(own: Judgement) -> Judgement {
    match own.verdict {
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown => own,
        Verdict::Degraded | Verdict::Ready | Verdict::NotApplicable => {
            Judgement::open(ReasonId::NotTried, "the main interpreter does not import it either")
        }
    }
}

/// What the application's own import showed, and what it may load later. What the control did not load at import
/// will hardly be loaded at import elsewhere.
fn judge(
    mode: Mode,
    own: Judgement,
    uses: &[Use],
    reached: &BTreeMap<&str, &Reached>,
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
        let Some(verdict) = counts(way, is_loaded, judgement.verdict) else { continue };
        if verdict < worst.verdict {
            let reason = format!("{name}: {}{}", judgement.reason, later(way, through));
            let id = judgement.reason_id.unwrap_or(ReasonId::ImportedOnCondition);
            let reason_id = (verdict == Verdict::Unknown).then_some(id);
            let cause = judgement.cause.clone();
            worst = Judgement { reason_id, ..Judgement::found(verdict, cause, reason) };
        }
    }
    match worst.verdict {
        Verdict::NotApplicable => Judgement::open(ReasonId::NotTried, "it was not tried"),
        Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded | Verdict::Ready => worst,
    }
}

/// Judges calls in the application's functions that an interpreter with its own GIL always refuses, like a lazy import of a
/// refused module. Returns the worse of that and `judged`.
fn judge_refused_calls(mode: Mode, judged: Judgement, application: &str, sources: &Sources) -> Judgement {
    let refused = sources.hazards.iter().filter_map(|hazard| Some((hazard, hazard.refused?)));
    let refused = refused.filter(|_| mode == Mode::OwnGil).map(|(hazard, way)| match way {
        Way::LazyOptional | Way::Optional => (Verdict::Degraded, hazard),
        Way::AtImport | Way::Conditional | Way::Lazy => (Verdict::Blocked, hazard),
    });
    let Some((verdict, hazard)) = refused.min_by_key(|(verdict, _)| *verdict) else { return judged };
    if verdict >= judged.verdict {
        return judged;
    }
    let Spot { file, line, function } = &hazard.spot;
    let what = format!(
        "{} in {function}() ({}:{line}) raises RuntimeError: daemon threads are disabled in this interpreter",
        hazard.text,
        file.display()
    );
    let module = application.to_owned();
    let cause = Cause { rule: hazard.rule, chain: vec![module.clone()], module, what: what.clone() };
    Judgement::found(verdict, Some(cause), what)
}

/// Makes a good verdict `unknown` if it is not known where the application's modules are looked for.
fn doubt(judged: Judgement, doubts: &[String]) -> Judgement {
    match doubts.first().filter(|_| judged.verdict > Verdict::Unknown) {
        Some(doubt) => Judgement::open(ReasonId::SourceNotFollowed, doubt.clone()),
        None => judged,
    }
}

/// What a module's verdict means for who reaches it like this; `None` for nothing that its own import has not shown.
fn counts(way: Way, is_loaded: bool, verdict: Verdict) -> Option<Verdict> {
    let is_bad = matches!(verdict, Verdict::Unsafe | Verdict::Blocked | Verdict::Unknown | Verdict::Degraded);
    match way {
        _ if !is_bad => None,
        // Two interpreters in one process see more than the one import of the application.
        _ if is_loaded => (verdict == Verdict::Unsafe).then_some(verdict),
        Way::AtImport | Way::Optional => None,
        // Another day the condition may hold.
        Way::Conditional => Some(Verdict::Unknown),
        Way::Lazy => Some(verdict),
        Way::LazyOptional if verdict == Verdict::Blocked => Some(Verdict::Degraded),
        Way::LazyOptional => Some(verdict),
    }
}

fn later(way: Way, through: Option<&Spot>) -> String {
    let Some(spot) = through else { return String::new() };
    let place = format!("{}:{}", spot.file.display(), spot.line);
    match (way, spot.function.as_str()) {
        (Way::Conditional, _) => format!("; imported on a condition, {place}"),
        (Way::Lazy | Way::LazyOptional, "") => {
            format!("; imported later, by its name or at first use, {place}")
        }
        (Way::Lazy | Way::LazyOptional, function) => {
            format!("; imported at the first call of {function}(), {place}")
        }
        (Way::AtImport | Way::Optional, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_still_be_loaded_counts() {
        use Verdict::{Blocked, Degraded, Ready, Unknown, Unsafe};
        assert_eq!(counts(Way::Lazy, false, Blocked), Some(Blocked));
        assert_eq!(counts(Way::LazyOptional, false, Blocked), Some(Degraded));
        assert_eq!(counts(Way::LazyOptional, false, Unsafe), Some(Unsafe));
        assert_eq!(counts(Way::AtImport, true, Blocked), None);
        assert_eq!(counts(Way::AtImport, true, Unsafe), Some(Unsafe));
        assert_eq!(counts(Way::AtImport, false, Blocked), None);
        assert_eq!(counts(Way::Conditional, false, Blocked), Some(Unknown));
        assert_eq!(counts(Way::Lazy, false, Ready), None);
    }
}
