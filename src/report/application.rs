//! The row of an application: the modules that it imports, and its verdicts. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{ApplicationRow, DistributionRow, ExerciseRow, ModuleRow, ModuleUse};
use crate::model::{
    ExtensionFileKind, ImportKind, InstalledDistribution, Judgement, Mode, NotRunReason, PythonPathOptions,
    ReachedModule, ReasonId, RootCause, SourceAnalysis, SourceLocation, Trial, TrialOutcome, Verdict,
};

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
    let refused = refused.filter(|_| matches!(mode, Mode::OwnGil | Mode::OwnGilCopies)).map(
        |(hazard, way)| match way {
            ImportKind::LazyOptional | ImportKind::Optional => (Verdict::Degraded, hazard),
            ImportKind::AtImport | ImportKind::Conditional | ImportKind::Lazy => (Verdict::Blocked, hazard),
        },
    );
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
    use crate::model::{HazardWeight, RuleId, SourceHazard};
    use crate::report::fixtures::{
        blocked_by, control, distribution, exercise, judged, module, own_gil, top_level, trial,
    };

    fn spot(function: &str) -> SourceLocation {
        SourceLocation { file: "a.py".into(), line: 3, function: function.to_owned() }
    }

    fn reached(name: &str, way: ImportKind) -> ReachedModule {
        let chain = ["shop", "by", name].map(str::to_owned).to_vec();
        ReachedModule { name: name.to_owned(), way, through: Some(spot("f")), chain }
    }

    fn sources(all: &[(&str, ImportKind)]) -> SourceAnalysis {
        let reached = all.iter().map(|(name, way)| reached(name, *way)).collect();
        SourceAnalysis { reached, files: 1, ..SourceAnalysis::default() }
    }

    /// The parts of an application whose own import is ready in own-gil.
    fn parts(sources: SourceAnalysis, loaded: &[&str]) -> ApplicationParts<'static> {
        ApplicationParts {
            name: "shop",
            file: "shop.py",
            callable: "application",
            served: None,
            sources,
            trials: BTreeMap::from([(Mode::Main, control(loaded))]),
            judgements: own_gil(judged(Verdict::Ready)),
            own: &[],
            doubts: Vec::new(),
            open_imports: Vec::new(),
        }
    }

    fn own_gil_of(row: &ApplicationRow) -> &Judgement {
        &row.judgements[&Mode::OwnGil]
    }

    #[test]
    fn only_what_may_still_be_loaded_counts() {
        use ImportKind::{AtImport, Conditional, Lazy, LazyOptional, Optional};
        use Verdict::{Blocked, Degraded, NotApplicable, Ready, Unknown, Unsafe};
        for (way, is_loaded, verdict, expected) in [
            (Lazy, false, Blocked, Some(Blocked)),
            (Lazy, false, Unknown, Some(Unknown)),
            (Lazy, false, Degraded, Some(Degraded)),
            (Lazy, false, Ready, None),
            (Lazy, false, NotApplicable, None),
            (Lazy, true, Blocked, None),
            (LazyOptional, false, Blocked, Some(Degraded)),
            (LazyOptional, false, Unsafe, Some(Unsafe)),
            (AtImport, true, Blocked, None),
            (AtImport, true, Unsafe, Some(Unsafe)),
            (AtImport, false, Unsafe, None),
            (Optional, false, Blocked, None),
            (Conditional, false, Blocked, Some(Unknown)),
        ] {
            assert_eq!(effective_verdict(way, is_loaded, verdict), expected, "{way:?} {is_loaded} {verdict}");
        }
        for (way, function, expected) in [
            (Conditional, "f", "; imported on a condition, a.py:3"),
            (Lazy, "", "; imported later, by its name or at first use, a.py:3"),
            (LazyOptional, "f", "; imported at the first call of f(), a.py:3"),
            (AtImport, "f", ""),
        ] {
            assert_eq!(describe_deferred_import(way, Some(&spot(function))), expected);
        }
        assert_eq!(describe_deferred_import(Lazy, None), "");
    }

    #[test]
    fn the_control_shows_what_is_loaded_and_the_source_what_may_be() {
        use ImportKind::{AtImport, Lazy, Optional};
        let sources = sources(&[("at", AtImport), ("opt", Optional), ("lazy", Lazy), ("later", Lazy)]);
        let mut all: Vec<ModuleRow> =
            ["at", "opt", "lazy", "later", "hidden", "unused", "lib", "mine", "shade"]
                .map(|name| module(name, Some("dist"), BTreeMap::new()))
                .into();
        all[6].kind = ExtensionFileKind::PlainLibrary;
        all.push(module("theirs", Some(InstalledDistribution::THE_APPLICATION), BTreeMap::new()));
        let mut own = ["mine", "shade"].map(|name| module(name, Some("own"), BTreeMap::new()));
        let shadowed = TrialOutcome::NotRun(NotRunReason::Shadowed(None));
        own[1].trials.insert(Mode::Main, trial(Mode::Main, shadowed));
        let parts = ApplicationParts { own: &own, ..parts(sources, &["at", "opt", "lazy", "hidden"]) };
        let row = build_application_row(parts, &all, &[]);
        let uses: Vec<_> = row
            .modules
            .iter()
            .map(|each| {
                (each.module.as_str(), each.way, each.is_loaded, each.through.is_some(), each.chain.join(" "))
            })
            .collect();
        let chain = str::to_owned;
        let expected = [
            ("mine", None, false, false, chain("")),
            ("at", Some(AtImport), true, true, chain("shop by at")),
            ("opt", Some(Optional), true, true, chain("shop by opt")),
            ("lazy", Some(AtImport), true, false, chain("shop lazy")),
            ("later", Some(Lazy), false, true, chain("shop by later")),
            ("hidden", Some(AtImport), true, false, chain("shop hidden")),
            ("unused", None, false, false, chain("")),
            ("shade", None, false, false, chain("")),
        ];
        assert_eq!(uses, expected);
    }

    #[test]
    fn a_module_that_a_request_may_load_decides() {
        let modules = ["first", "later"].map(|name| module(name, Some("dist"), own_gil(blocked_by(&[name]))));
        let lazy = sources(&[("later", ImportKind::Lazy)]);
        let row = build_application_row(parts(lazy.clone(), &[]), &modules, &[]);
        let judgement = own_gil_of(&row);
        assert_eq!(judgement.reason, "later: blocked; imported at the first call of f(), a.py:3");
        assert_eq!((judgement.verdict, judgement.reason_id), (Verdict::Blocked, None));
        assert_eq!(judgement.cause.as_ref().unwrap().module, "later");
        // On a condition it is not known, and has an id for that.
        let row =
            build_application_row(parts(sources(&[("later", ImportKind::Conditional)]), &[]), &modules, &[]);
        let expected = (Verdict::Unknown, Some(ReasonId::ImportedOnCondition));
        assert_eq!((own_gil_of(&row).verdict, own_gil_of(&row).reason_id), expected);
        // A top-level name counts as well, unless an extension module has that name.
        let mut owner = distribution(Some("dist"), BTreeMap::new());
        owner.top_level = vec![
            top_level("name", own_gil(judged(Verdict::Unsafe))),
            top_level("later", own_gil(judged(Verdict::Unsafe))),
        ];
        let both = sources(&[("later", ImportKind::Lazy), ("name", ImportKind::Lazy)]);
        let row = build_application_row(parts(both, &[]), &modules, &[owner.clone()]);
        assert!(own_gil_of(&row).reason.starts_with("name: unsafe;"), "{:?}", own_gil_of(&row));
        let row = build_application_row(parts(lazy.clone(), &[]), &modules, &[owner]);
        assert_eq!(own_gil_of(&row).verdict, Verdict::Blocked);
        // Its own verdict stands if it is not better.
        let own =
            ApplicationParts { judgements: own_gil(judged(Verdict::Blocked)), ..parts(lazy.clone(), &[]) };
        assert_eq!(own_gil_of(&build_application_row(own, &modules, &[])).reason, "blocked");
        let own = ApplicationParts {
            judgements: own_gil(judged(Verdict::NotApplicable)),
            ..parts(sources(&[]), &[])
        };
        assert_eq!(own_gil_of(&build_application_row(own, &[], &[])).reason_id, Some(ReasonId::NotTried));
    }

    #[test]
    fn without_evidence_a_good_verdict_is_unknown() {
        let modules = [module("later", None, own_gil(judged(Verdict::Ready)))];
        let judge = |parts| own_gil_of(&build_application_row(parts, &modules, &[])).clone();
        let ready = judge(parts(sources(&[]), &[]));
        assert_eq!(ready, judged(Verdict::Ready));
        let unread = SourceAnalysis::default();
        assert_eq!(judge(parts(unread, &[])).reason_id, Some(ReasonId::SourceNotRead));
        let doubts = vec!["a finder".to_owned()];
        let doubtful = judge(ApplicationParts { doubts: doubts.clone(), ..parts(sources(&[]), &[]) });
        assert_eq!(doubtful, Judgement::from_reason_id(ReasonId::SourceNotFollowed, "a finder"));
        for bad in [Verdict::Unknown, Verdict::Blocked] {
            assert_eq!(apply_doubts(judged(bad), &doubts), judged(bad));
        }
        let failed = ApplicationParts { trials: BTreeMap::new(), ..parts(sources(&[]), &[]) };
        assert_eq!(judge(failed).reason_id, Some(ReasonId::NotTried));
        for bad in [Verdict::Unsafe, Verdict::Blocked, Verdict::Unknown] {
            assert_eq!(judge_without_control(judged(bad)), judged(bad));
        }
    }

    #[test]
    fn a_call_that_an_own_gil_refuses_blocks_the_application() {
        let hazard = |refused| SourceHazard {
            weight: HazardWeight::High,
            spot: spot("start"),
            rule: RuleId::DaemonThread,
            text: "Thread()".to_owned(),
            name: None,
            used: None,
            others: Vec::new(),
            refused,
        };
        for (refused, mode, own, expected) in [
            (Some(ImportKind::Lazy), Mode::OwnGil, Verdict::Ready, Verdict::Blocked),
            (Some(ImportKind::LazyOptional), Mode::OwnGil, Verdict::Ready, Verdict::Degraded),
            (Some(ImportKind::Lazy), Mode::SharedGil, Verdict::Ready, Verdict::Ready),
            (None, Mode::OwnGil, Verdict::Ready, Verdict::Ready),
            (Some(ImportKind::Lazy), Mode::OwnGil, Verdict::Unsafe, Verdict::Unsafe),
        ] {
            let sources = SourceAnalysis { hazards: vec![hazard(refused)], ..SourceAnalysis::default() };
            let judgement = judge_refused_calls(mode, judged(own), "shop", &sources);
            assert_eq!(judgement.verdict, expected, "{refused:?} {mode} {own}");
            assert_eq!(judgement.cause.is_some(), expected != own);
        }
    }

    #[test]
    fn requests_show_more_modules_and_worse_verdicts() {
        let unsafe_ones = ["seen", "other"].map(|name| module(name, None, own_gil(judged(Verdict::Unsafe))));
        let blocked = module("blocked", None, own_gil(blocked_by(&["blocked"])));
        let modules: Vec<ModuleRow> = unsafe_ones.into_iter().chain([blocked]).collect();
        let new_row = || {
            let known = sources(&[("other", ImportKind::Lazy)]);
            let mut row = build_application_row(parts(known, &[]), &modules, &[]);
            row.judgements = own_gil(judged(Verdict::Degraded));
            row.open_imports = vec![(spot("run"), String::new()), (spot("open"), String::new())];
            row
        };
        let asked = |verdict, loaded: &[&str]| {
            let mut row = exercise(Some("shop"), own_gil(Judgement::from_evidence(verdict, None, "asked")));
            row.trials.insert(Mode::Main, control(loaded));
            row
        };
        for (verdict, loaded, expected) in [
            (Verdict::Blocked, &[][..], "asked"),
            (Verdict::Degraded, &[], "degraded"),
            (Verdict::Ready, &["blocked", "other"], "degraded"),
            (Verdict::Blocked, &["seen"], "seen: unsafe"),
            (Verdict::Unsafe, &["seen"], "asked"),
        ] {
            let mut row = new_row();
            row.join_requests(&asked(verdict, loaded), &modules, |spot| spot.function == "run");
            assert_eq!(own_gil_of(&row).reason, expected, "{verdict} {loaded:?}");
            assert_eq!(row.open_imports, [(spot("open"), String::new())]);
        }
        let mut row = new_row();
        row.join_requests(&asked(Verdict::Ready, &["seen", "other"]), &modules, |_| false);
        let used = |name: &str| row.modules.iter().find(|used| used.module == name).unwrap();
        assert_eq!(
            (used("seen").way, used("seen").chain.join(" ")),
            (Some(ImportKind::Lazy), "shop seen".into())
        );
        assert_eq!(used("other").chain.join(" "), "shop by other");
        assert_eq!(used("blocked").way, None);
        assert_eq!(row.open_imports.len(), 2);
    }

    #[test]
    fn an_open_import_may_load_what_does_not_pass() {
        let modules =
            [module("used", None, own_gil(judged(Verdict::Unsafe))), module("m", None, BTreeMap::new())];
        let new_row = |own| {
            let sources = sources(&[("used", ImportKind::AtImport), ("known", ImportKind::Lazy)]);
            let mut row = build_application_row(parts(sources, &[]), &modules, &[]);
            row.judgements =
                BTreeMap::from([(Mode::Main, judged(Verdict::Ready)), (Mode::OwnGil, judged(own))]);
            row.open_imports = vec![(spot("f"), "a computed name".to_owned())];
            row
        };
        let names = |name: &str, verdict| {
            let mut owner = distribution(None, BTreeMap::new());
            let all = BTreeMap::from([(Mode::Main, judged(verdict)), (Mode::OwnGil, judged(verdict))]);
            owner.top_level.push(top_level(name, all));
            owner
        };
        let library = |kind| ModuleRow { kind, ..module("m", None, own_gil(judged(Verdict::Blocked))) };
        let lowered = "whether a.py:3 loads m (blocked: blocked) is not known: a computed name";
        for (own, module, owner, expected) in [
            (Verdict::Ready, library(ExtensionFileKind::ExtensionModule), None, lowered),
            (Verdict::Degraded, library(ExtensionFileKind::ExtensionModule), None, lowered),
            (Verdict::Unknown, library(ExtensionFileKind::ExtensionModule), None, "unknown"),
            (Verdict::Ready, library(ExtensionFileKind::PlainLibrary), None, "ready"),
            (Verdict::Ready, modules[0].clone(), None, "ready"),
            (Verdict::Ready, modules[1].clone(), Some(names("known", Verdict::Unsafe)), "ready"),
            (Verdict::Ready, modules[1].clone(), Some(names("name", Verdict::Degraded)), "ready"),
            (
                Verdict::Ready,
                modules[1].clone(),
                Some(names("name", Verdict::Unknown)),
                "whether a.py:3 loads name (unknown: unknown) is not known: a computed name",
            ),
        ] {
            let mut row = new_row(own);
            row.downgrade_for_open_imports(&[module], owner.as_slice());
            assert_eq!(own_gil_of(&row).reason, expected);
            assert_eq!(row.judgements[&Mode::Main], judged(Verdict::Ready));
            row = new_row(own);
            row.open_imports.clear();
            row.downgrade_for_open_imports(&[library(ExtensionFileKind::ExtensionModule)], &[]);
            assert_eq!(own_gil_of(&row), &judged(own));
        }
    }
}
