//! Assembles the report from the evidence of an audit. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::blockers::find_blockers;
use super::module_rank::rank_modules;
use super::rows::{DistributionRow, ModuleRow, NameRow, Report};
use super::v1::{DecidedBy, Python, StandardModule};
use crate::model::{
    BinaryFacts, Environment, ExtensionFile, ExtensionFileKind, InstalledDistribution, Judgement, Mode,
    PythonDefect, Trial,
};
use crate::rules::{
    DistributionParts, MODULE_CHECKS, ModuleEvidence, ReferenceEnvironment, VerdictInput,
    describe_python_defect, describe_slot_declaration, find_optional_modules, judge_distribution,
    judge_module, judge_name_of_file,
};
use crate::trial::Trials;

/// The evidence of an audit.
#[derive(Debug)]
pub struct AuditEvidence<'a> {
    /// The environment as found on disk.
    pub environment: &'a Environment,
    /// What the audit was asked about.
    pub decided_by: DecidedBy,
    /// The modes asked about, the control first.
    pub modes: &'a [Mode],
    /// For a free-threaded environment that is audited together with another one: what the other one imports,
    /// and what this one lacks.
    pub beside: Option<&'a ReferenceEnvironment>,
    /// The trials.
    pub trials: &'a Trials,
    /// Diagnostic trials under an own GIL with CPython's check overridden.
    pub unchecked: &'a Trials,
    /// Diagnostic trials of modules under an own GIL, without their packages.
    pub alone: &'a Trials,
    /// Modes that could not be tried, with the judgement of every subject in them.
    pub no_trials: BTreeMap<Mode, Judgement>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// What was left out or could not be read.
    pub trouble: Vec<String>,
}

/// Judges every module and distribution, and sorts the rows.
pub fn assemble_report(evidence: AuditEvidence<'_>) -> Report {
    let environment = evidence.environment;
    let facts: BTreeMap<&str, &BinaryFacts> = environment
        .modules
        .iter()
        .filter(|module| module.kind == ExtensionFileKind::ExtensionModule)
        .map(|module| (module.name.as_str(), &module.facts))
        .collect();
    let input = VerdictInput {
        trials: evidence.trials,
        facts: &facts,
        no_trials: &evidence.no_trials,
        is_free_threaded: environment.interpreter.as_ref().is_some_and(|python| python.free_threaded),
        beside: evidence.beside,
    };
    let unchecked = VerdictInput { trials: evidence.unchecked, beside: None, ..input };
    let alone = VerdictInput { trials: evidence.alone, beside: None, ..input };
    let optional_modules = collect_optional_modules(&input, environment);
    let modules: Vec<ModuleRow> = environment
        .modules
        .iter()
        .zip(rank_modules(&input, environment))
        .map(|(module, rank)| {
            let inputs = [&input, &unchecked, &alone];
            let row = build_module_row(inputs, evidence.modes, environment, module, &optional_modules);
            ModuleRow { rank, ..row }
        })
        .collect();
    let mut distributions =
        build_distribution_rows(&input, evidence.modes, environment, &modules, &optional_modules);
    sort_distributions(&mut distributions);
    let asked = || evidence.modes.iter().copied().filter(|mode| *mode != Mode::Main);
    let python_findings = find_python_defects(&evidence);
    Report {
        python: environment.interpreter.as_ref().map(|interpreter| Python {
            python: interpreter.release.clone(),
            abi: interpreter.abi.clone(),
            platform: interpreter.platform.clone(),
            free_threaded: interpreter.free_threaded,
            standard_modules: environment.standard_modules.as_deref().map(list_standard_modules),
        }),
        free_threaded: None,
        modes: evidence.modes.to_vec(),
        decided_by: evidence.decided_by,
        blockers: asked().map(|mode| (mode, find_blockers(mode, &distributions, &modules))).collect(),
        distributions,
        modules,
        applications: Vec::new(),
        exercises: Vec::new(),
        deployment: None,
        notes: evidence
            .notes
            .into_iter()
            .chain(python_findings.iter().map(|each| each.text.clone()))
            .collect(),
        python_findings,
        trouble: evidence.trouble,
    }
}

fn list_standard_modules(all: &[(PathBuf, String)]) -> Vec<StandardModule> {
    let module = |(file, sha256): &(PathBuf, String)| StandardModule {
        file: file.to_string_lossy().into_owned(),
        sha256: sha256.clone(),
    };
    all.iter().map(module).collect()
}

/// The modules without which each distribution works in the control, by the distribution's index.
type OptionalModules = BTreeMap<usize, BTreeSet<String>>;

fn collect_optional_modules(input: &VerdictInput<'_>, environment: &Environment) -> OptionalModules {
    let of = |(index, distribution): (usize, &InstalledDistribution)| {
        let own = environment.modules.iter().filter(|module| module.distribution == Some(index));
        (index, find_optional_modules(input, &distribution.top_level, &own.collect::<Vec<_>>()))
    };
    environment.distributions.iter().enumerate().map(of).collect()
}

/// Worst first in own-gil, then by name.
pub(super) fn sort_distributions(distributions: &mut [DistributionRow]) {
    distributions.sort_by_key(|row| {
        let worst = row.judgements.get(&Mode::OwnGil).map(|judgement| judgement.verdict);
        (worst, row.name.as_ref().map(|name| name.to_lowercase()))
    });
}

/// Finds the defects of the Python interpreter that trials of this environment met.
fn find_python_defects(evidence: &AuditEvidence<'_>) -> Vec<PythonDefect> {
    let Some(interpreter) = &evidence.environment.interpreter else { return Vec::new() };
    let faults = evidence.trials.python_faults().iter().filter(|fault| evidence.modes.contains(&fault.mode));
    faults.map(|fault| describe_python_defect(fault, interpreter.version, &interpreter.release)).collect()
}

fn build_module_row(
    [input, unchecked, alone]: [&VerdictInput<'_>; 3],
    modes: &[Mode],
    environment: &Environment,
    subject: &ExtensionFile,
    optional_modules: &OptionalModules,
) -> ModuleRow {
    let optional = subject.distribution.and_then(|index| optional_modules.get(&index));
    let distribution = subject.distribution.and_then(|index| environment.distributions.get(index));
    let evidence = ModuleEvidence { input, unchecked, alone, module: subject };
    ModuleRow {
        name: subject.name.clone(),
        file: subject.file.clone(),
        folder: subject.folder(),
        sha256: subject.sha256.clone(),
        rank: 0,
        distribution: distribution.map(|distribution| distribution.name.clone()),
        kind: subject.kind.clone(),
        facts: subject.facts.clone(),
        trials: if subject.is_trial_subject() {
            collect_trials(input, &subject.name)
        } else {
            BTreeMap::new()
        },
        judgements: judge_each_mode(modes, |mode| judge_module(input, subject, optional, mode)),
        other_build: None,
        findings: match subject.is_trial_subject() {
            true => MODULE_CHECKS.iter().filter_map(|check| check(&evidence)).collect(),
            false => Vec::new(),
        },
    }
}

fn collect_trials(input: &VerdictInput<'_>, name: &str) -> BTreeMap<Mode, Trial> {
    Mode::ALL.into_iter().filter_map(|mode| Some((mode, input.trials.get(name, mode)?.clone()))).collect()
}

fn judge_each_mode(modes: &[Mode], judge: impl Fn(Mode) -> Judgement) -> BTreeMap<Mode, Judgement> {
    modes.iter().copied().map(|mode| (mode, judge(mode))).collect()
}

fn build_distribution_rows(
    input: &VerdictInput<'_>,
    modes: &[Mode],
    environment: &Environment,
    modules: &[ModuleRow],
    optional_modules: &OptionalModules,
) -> Vec<DistributionRow> {
    let mut own: BTreeMap<Option<usize>, Vec<&ModuleRow>> = BTreeMap::new();
    for (module, row) in environment.modules.iter().zip(modules) {
        own.entry(module.distribution).or_default().push(row);
    }
    // Of several modules with the worst verdict, the first is the one that is named.
    own.values_mut().for_each(|rows| rows.sort_by_key(|row| row.rank));
    let claimed = environment.distributions.iter().enumerate().map(|(index, distribution)| {
        let own = own.get(&Some(index)).map(Vec::as_slice).unwrap_or_default();
        let names = distribution.top_level.iter().map(|name| NameRow {
            name: name.clone(),
            trials: collect_trials(input, name),
            judgements: judge_each_mode(modes, |mode| {
                let file = own.iter().find(|row| row.name == *name).and_then(|row| row.judgements.get(&mode));
                judge_name_of_file(input, name, file, mode)
            }),
        });
        let optional = optional_modules.get(&index).cloned().unwrap_or_default();
        let judged = DistributionModules { modes, own, optional };
        judged.into_row(Some(distribution.name.clone()), distribution.version.clone(), names.collect())
    });
    let unclaimed = own.get(&None).map(|own| {
        DistributionModules { modes, own, optional: BTreeSet::new() }.into_row(
            None,
            String::new(),
            Vec::new(),
        )
    });
    claimed.chain(unclaimed).collect()
}

/// The judged extension modules of a distribution.
struct DistributionModules<'a> {
    modes: &'a [Mode],
    own: &'a [&'a ModuleRow],
    optional: BTreeSet<String>,
}

impl DistributionModules<'_> {
    fn into_row(self, name: Option<String>, version: String, top_level: Vec<NameRow>) -> DistributionRow {
        let own = self.own;
        let extension_modules: Vec<&&ModuleRow> =
            own.iter().filter(|row| row.kind == ExtensionFileKind::ExtensionModule).collect();
        let judgements = judge_each_mode(self.modes, |mode| {
            let of = |name: &str, judgements: &BTreeMap<Mode, Judgement>| {
                Some((name.to_owned(), judgements.get(&mode)?.clone()))
            };
            judge_distribution(&DistributionParts {
                names: top_level.iter().filter_map(|row| of(&row.name, &row.judgements)).collect(),
                modules: own.iter().filter_map(|row| of(&row.name, &row.judgements)).collect(),
                done_without: self.optional.clone(),
            })
        });
        DistributionRow {
            name,
            version,
            modules: extension_modules.len(),
            declaration: summarize_declarations(extension_modules.iter().map(|row| &row.facts)),
            top_level,
            judgements,
        }
    }
}

/// Summarizes declarations: `3 single-phase, 1 slot 3 = 2`, without numbers if all are the same.
fn summarize_declarations<'a>(facts: impl Iterator<Item = &'a BinaryFacts>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for facts in facts {
        *counts.entry(describe_slot_declaration(facts)).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    match counts.as_slice() {
        [(words, _)] => words.clone(),
        several => {
            several.iter().map(|(words, count)| format!("{count} {words}")).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        Interpreter, ModuleLoad, PythonError, Refuser, RuleId, TrialOutcome, TrialPhase, Verdict,
    };
    use crate::report::fixtures::{control, distribution, judged, multi_phase, own_gil, trial};

    fn python() -> Interpreter {
        Interpreter::example()
    }

    fn installed(name: &str) -> InstalledDistribution {
        let name = name.to_owned();
        InstalledDistribution {
            top_level: vec![name.clone()],
            name,
            version: "1.0".to_owned(),
            tags: Vec::new(),
            editable: false,
        }
    }

    fn file(name: &str, distribution: Option<usize>, slots: &[(u16, u64)]) -> ExtensionFile {
        ExtensionFile {
            name: name.to_owned(),
            path: format!("/site/{name}.so").into(),
            file: format!("{name}.so"),
            distribution,
            kind: ExtensionFileKind::ExtensionModule,
            facts: multi_phase(slots),
            sha256: None,
            size: 0,
            toolchain: None,
        }
    }

    /// Every interpreter of the mode loads the module.
    fn passed(name: &str, module: &str, mode: Mode) -> Trial {
        let load = control(&[module]).loads[0].clone();
        let loads = mode.interpreters().iter().map(|interpreter| ModuleLoad {
            interpreter: (*interpreter).to_owned(),
            path: format!("/site/{module}.so"),
            ..load.clone()
        });
        Trial { subject: name.to_owned(), loads: loads.collect(), ..trial(mode, TrialOutcome::Imported) }
    }

    fn refused(name: &str, module: &str) -> Trial {
        let text = format!("module {module} does not support loading in subinterpreters");
        let error = PythonError { kind: "ImportError".to_owned(), text, chain: Vec::new() };
        let (by, place) = (Refuser::CPython, TrialPhase::Import);
        let outcome = TrialOutcome::Refused { by, module: module.to_owned(), place, error };
        Trial { subject: name.to_owned(), ..trial(Mode::OwnGil, outcome) }
    }

    #[test]
    fn rows_are_judged_and_sorted() {
        let library =
            ExtensionFile { kind: ExtensionFileKind::PlainLibrary, ..file("alpha.lib", Some(0), &[]) };
        let environment = Environment {
            root: "/venv".into(),
            interpreter: Some(python()),
            distributions: vec![installed("alpha"), installed("beta")],
            modules: vec![
                file("alpha.m", Some(0), &[(3, 2)]),
                library,
                file("beta.m", Some(1), &[]),
                file("loose", None, &[(3, 2)]),
            ],
            standard_modules: None,
            trouble: Vec::new(),
        };
        let pairs = [("alpha", "alpha.m"), ("alpha.m", "alpha.m"), ("loose", "loose")];
        let good = pairs
            .into_iter()
            .flat_map(|(name, module)| [Mode::Main, Mode::OwnGil].map(|mode| passed(name, module, mode)));
        let bad = ["beta", "beta.m"]
            .into_iter()
            .flat_map(|name| [passed(name, "beta.m", Mode::Main), refused(name, "beta.m")]);
        let mut trials: Trials = good.chain(bad).collect();
        let fault = |mode| Arc::new(Trial { subject: "_std".to_owned(), mode, ..refused("_std", "_std") });
        trials.add_python_faults(vec![fault(Mode::OwnGil), fault(Mode::SharedGil)]);
        let unchecked: Trials = [passed("beta.m", "beta.m", Mode::OwnGil)].into_iter().collect();
        let report = assemble_report(AuditEvidence {
            environment: &environment,
            decided_by: DecidedBy::Distributions,
            modes: &[Mode::Main, Mode::OwnGil],
            beside: None,
            trials: &trials,
            unchecked: &unchecked,
            alone: &Trials::default(),
            no_trials: BTreeMap::new(),
            notes: vec!["a note".to_owned()],
            trouble: vec!["trouble".to_owned()],
        });
        let rows: Vec<_> = report
            .distributions
            .iter()
            .map(|row| {
                let verdict = row.judgements[&Mode::OwnGil].verdict;
                (row.name.as_deref(), verdict, row.modules, row.declaration.as_str())
            })
            .collect();
        let expected = [
            (Some("beta"), Verdict::Blocked, 1, "no slot 3"),
            (None, Verdict::Ready, 1, "slot 3 = 2"),
            (Some("alpha"), Verdict::Ready, 1, "slot 3 = 2"),
        ];
        assert_eq!(rows, expected);
        assert_eq!(report.distributions[0].top_level[0].trials.len(), 2);
        assert_eq!(report.blockers.keys().collect::<Vec<_>>(), [&Mode::OwnGil]);
        assert_eq!(report.blockers[&Mode::OwnGil][0].roots[0].module, "beta.m");
        assert_eq!(report.python.unwrap().python, "3.14.1");
        let trials: Vec<usize> = report.modules.iter().map(|row| row.trials.len()).collect();
        assert_eq!(trials, [2, 0, 2, 2]);
        let found = &report.modules[2].findings;
        assert_eq!(found.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [RuleId::DeclareSlot]);
        let judged_modes: Vec<&Mode> = report.modules[1].judgements.keys().collect();
        assert_eq!(judged_modes, [&Mode::Main, &Mode::OwnGil]);
        let [defect] = report.python_findings.as_slice() else { panic!("{:?}", report.python_findings) };
        assert_eq!((defect.mode, defect.module.as_str()), (Mode::OwnGil, "_std"));
        assert_eq!(report.notes, ["a note", defect.text.as_str()]);
        assert_eq!(report.trouble, ["trouble"]);
    }

    /// By size, by what loads it, by its name, and by what the public name imports first.
    #[test]
    fn of_several_refused_modules_the_most_important_one_is_named() {
        let sized = |name: &str, owner, size| ExtensionFile { size, ..file(name, Some(owner), &[]) };
        let modules = vec![
            sized("big.a", 0, 10),
            sized("big.z", 0, 100),
            sized("used.a", 1, 100),
            sized("used.z", 1, 10),
            sized("first.a", 2, 100),
            sized("first.z", 2, 10),
            sized("public._a", 3, 100),
            sized("public.z", 3, 10),
        ];
        let names: Vec<String> = modules.iter().map(|module| module.name.clone()).collect();
        let environment = Environment {
            root: "/venv".into(),
            interpreter: Some(python()),
            distributions: ["big", "used", "first", "public"].map(installed).to_vec(),
            modules,
            standard_modules: None,
            trouble: Vec::new(),
        };
        let own = names.iter().flat_map(|name| [passed(name, name, Mode::Main), refused(name, name)]);
        let mut trials: Vec<Trial> = own.collect();
        trials.extend([passed("another", "used.z", Mode::Main), passed("another.m", "first.a", Mode::Main)]);
        trials.push(passed("another.n", "public._a", Mode::Main));
        for (name, module) in [("first", "first.z"), ("used", "json"), ("big", "json"), ("public", "json")] {
            trials.extend([passed(name, module, Mode::Main), passed(name, module, Mode::OwnGil)]);
        }
        let report = assemble_report(AuditEvidence {
            environment: &environment,
            decided_by: DecidedBy::Distributions,
            modes: &[Mode::Main, Mode::OwnGil],
            beside: None,
            trials: &trials.into_iter().collect(),
            unchecked: &Trials::default(),
            alone: &Trials::default(),
            no_trials: BTreeMap::new(),
            notes: Vec::new(),
            trouble: Vec::new(),
        });
        let judgements = report.distributions.iter().map(|row| &row.judgements[&Mode::OwnGil]);
        let causes: Vec<&str> =
            judgements.filter_map(|judgement| Some(judgement.cause.as_ref()?.module.as_str())).collect();
        assert_eq!(causes, ["big.z", "first.z", "public.z", "used.z"]);
        let roots: Vec<&str> =
            report.blockers[&Mode::OwnGil].iter().map(|blocker| blocker.roots[0].module.as_str()).collect();
        assert_eq!(roots, causes);
    }

    #[test]
    fn the_worst_come_first_and_then_names_whatever_their_case() {
        let row = |name, verdict| distribution(Some(name), own_gil(judged(verdict)));
        let mut rows = [
            row("b", Verdict::Ready),
            row("A", Verdict::Ready),
            row("z", Verdict::Blocked),
            row("C", Verdict::Ready),
        ];
        sort_distributions(&mut rows);
        assert_eq!(rows.map(|row| row.name.unwrap()), ["z", "A", "b", "C"]);
    }

    #[test]
    fn declarations_are_counted_unless_all_are_the_same() {
        let (two, one) = (multi_phase(&[(3, 2)]), multi_phase(&[(3, 1)]));
        for (facts, expected) in [
            (vec![&two, &two], "slot 3 = 2"),
            (vec![&one, &two, &two], "2 slot 3 = 2, 1 slot 3 = 1"),
            (vec![&two, &one], "1 slot 3 = 1, 1 slot 3 = 2"),
            (vec![], ""),
        ] {
            assert_eq!(summarize_declarations(facts.into_iter()), expected);
        }
    }
}
