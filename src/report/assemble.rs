//! Puts the report together. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::blockers::blockers;
use super::{DecidedBy, DistributionRow, ModuleRow, NameRow, Python, Report};
use crate::model::{
    Distribution, Environment, Facts, FileKind, Judgement, Mode, Module, PythonFinding, Trial,
};
use crate::rules::{
    Beside, Case, DistributionParts, behind, declaration, declare_gil, declare_slot, distribution,
    done_without, left_in_main, left_in_statics, misread_declaration, module, native_threads, python_defect,
};
use crate::trial::Trials;

/// What an audit has gathered.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What is on disk.
    pub environment: &'a Environment,
    /// What was asked about.
    pub decided_by: DecidedBy,
    /// The modes asked about, the control first.
    pub modes: &'a [Mode],
    /// For a free-threaded environment beside another one: what that one imports, and what this one lacks.
    pub beside: Option<&'a Beside>,
    /// What was tried.
    pub trials: &'a Trials,
    /// What was tried once more, under an own GIL with CPython's check overridden.
    pub unchecked: &'a Trials,
    /// What was tried once more, under an own GIL without its packages.
    pub alone: &'a Trials,
    /// Modes that could not be tried, with the judgement of everything in them.
    pub no_trials: BTreeMap<Mode, Judgement>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// What was left out.
    pub trouble: Vec<String>,
}

/// Judges everything and sorts it.
pub fn assemble(evidence: Evidence<'_>) -> Report {
    let environment = evidence.environment;
    let facts: BTreeMap<&str, &Facts> = environment
        .modules
        .iter()
        .filter(|module| module.kind == FileKind::ExtensionModule)
        .map(|module| (module.name.as_str(), &module.facts))
        .collect();
    let case = Case {
        trials: evidence.trials,
        facts: &facts,
        no_trials: &evidence.no_trials,
        is_free_threaded: environment.interpreter.as_ref().is_some_and(|python| python.free_threaded),
        beside: evidence.beside,
    };
    let unchecked = Case { trials: evidence.unchecked, beside: None, ..case };
    let alone = Case { trials: evidence.alone, beside: None, ..case };
    let without = without(&case, environment);
    let modules: Vec<ModuleRow> = environment
        .modules
        .iter()
        .map(|module| module_row([&case, &unchecked, &alone], evidence.modes, environment, module, &without))
        .collect();
    let mut distributions = distribution_rows(&case, evidence.modes, environment, &modules, &without);
    sort_distributions(&mut distributions);
    let asked = || evidence.modes.iter().copied().filter(|mode| *mode != Mode::Main);
    let python_findings = python_findings(&evidence);
    Report {
        python: environment.interpreter.as_ref().map(|interpreter| Python {
            release: interpreter.release.clone(),
            abi: interpreter.abi.clone(),
            platform: interpreter.platform.clone(),
            free_threaded: interpreter.free_threaded,
        }),
        free_threaded: None,
        modes: evidence.modes.to_vec(),
        decided_by: evidence.decided_by,
        blockers: asked().map(|mode| (mode, blockers(mode, &distributions, &modules))).collect(),
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

/// The modules that each distribution does without in the control, by the distribution's index.
type Without = BTreeMap<usize, BTreeSet<String>>;

fn without(case: &Case<'_>, environment: &Environment) -> Without {
    let of = |(index, distribution): (usize, &Distribution)| {
        let own = environment.modules.iter().filter(|module| module.distribution == Some(index));
        (index, done_without(case, &distribution.top_level, &own.collect::<Vec<_>>()))
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

/// Faults of the Python that something of the environment meets.
fn python_findings(evidence: &Evidence<'_>) -> Vec<PythonFinding> {
    let Some(interpreter) = &evidence.environment.interpreter else { return Vec::new() };
    let faults = evidence.trials.faults().iter().filter(|fault| evidence.modes.contains(&fault.mode));
    faults.map(|fault| python_defect(fault, interpreter.version, &interpreter.release)).collect()
}

fn module_row(
    [case, unchecked, alone]: [&Case<'_>; 3],
    modes: &[Mode],
    environment: &Environment,
    subject: &Module,
    without: &Without,
) -> ModuleRow {
    let done_without = subject.distribution.and_then(|index| without.get(&index));
    let distribution = subject.distribution.and_then(|index| environment.distributions.get(index));
    ModuleRow {
        name: subject.name.clone(),
        file: subject.file.clone(),
        folder: subject.folder(),
        sha256: subject.sha256.clone(),
        distribution: distribution.map(|distribution| distribution.name.clone()),
        kind: subject.kind.clone(),
        facts: subject.facts.clone(),
        trials: if subject.is_tried() { trials(case, &subject.name) } else { BTreeMap::new() },
        judgements: in_each_mode(modes, |mode| module(case, subject, done_without, mode)),
        other_build: None,
        findings: [
            declare_slot(unchecked, &subject.name),
            behind(case, alone, &subject.name),
            declare_gil(case, &subject.name),
            left_in_main(case, &subject.name),
            left_in_statics(case, &subject.name),
            native_threads(case, &subject.name),
            misread_declaration(case, subject),
        ]
        .into_iter()
        .flatten()
        .filter(|_| subject.is_tried())
        .collect(),
    }
}

fn trials(case: &Case<'_>, name: &str) -> BTreeMap<Mode, Trial> {
    Mode::ALL.into_iter().filter_map(|mode| Some((mode, case.trials.get(name, mode)?.clone()))).collect()
}

fn in_each_mode(modes: &[Mode], judge: impl Fn(Mode) -> Judgement) -> BTreeMap<Mode, Judgement> {
    modes.iter().copied().map(|mode| (mode, judge(mode))).collect()
}

fn distribution_rows(
    case: &Case<'_>,
    modes: &[Mode],
    environment: &Environment,
    modules: &[ModuleRow],
    without: &Without,
) -> Vec<DistributionRow> {
    let mut own: BTreeMap<Option<usize>, Vec<&ModuleRow>> = BTreeMap::new();
    for (module, row) in environment.modules.iter().zip(modules) {
        own.entry(module.distribution).or_default().push(row);
    }
    let claimed = environment.distributions.iter().enumerate().map(|(index, distribution)| {
        let own = own.get(&Some(index)).map(Vec::as_slice).unwrap_or_default();
        let names = distribution.top_level.iter().map(|name| NameRow {
            name: name.clone(),
            trials: trials(case, name),
            judgements: in_each_mode(modes, |mode| {
                let file = own.iter().find(|row| row.name == *name).and_then(|row| row.judgements.get(&mode));
                case.name_of_file(name, file, mode)
            }),
        });
        let done_without = without.get(&index).cloned().unwrap_or_default();
        let judged = Judged { modes, own, done_without };
        judged.row(Some(distribution.name.clone()), distribution.version.clone(), names.collect())
    });
    let unclaimed = own
        .get(&None)
        .map(|own| Judged { modes, own, done_without: BTreeSet::new() }.row(None, String::new(), Vec::new()));
    claimed.chain(unclaimed).collect()
}

/// A distribution's extension modules, judged.
struct Judged<'a> {
    modes: &'a [Mode],
    own: &'a [&'a ModuleRow],
    done_without: BTreeSet<String>,
}

impl Judged<'_> {
    fn row(self, name: Option<String>, version: String, top_level: Vec<NameRow>) -> DistributionRow {
        let own = self.own;
        let extension_modules: Vec<&&ModuleRow> =
            own.iter().filter(|row| row.kind == FileKind::ExtensionModule).collect();
        let judgements = in_each_mode(self.modes, |mode| {
            let of = |name: &str, judgements: &BTreeMap<Mode, Judgement>| {
                Some((name.to_owned(), judgements.get(&mode)?.clone()))
            };
            distribution(&DistributionParts {
                names: top_level.iter().filter_map(|row| of(&row.name, &row.judgements)).collect(),
                modules: own.iter().filter_map(|row| of(&row.name, &row.judgements)).collect(),
                done_without: self.done_without.clone(),
            })
        });
        DistributionRow {
            name,
            version,
            modules: extension_modules.len(),
            declaration: declarations(extension_modules.iter().map(|row| &row.facts)),
            top_level,
            judgements,
        }
    }
}

/// `3 single-phase, 1 slot 3 = 2`; without numbers where all declare the same.
fn declarations<'a>(facts: impl Iterator<Item = &'a Facts>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for facts in facts {
        *counts.entry(declaration(facts)).or_default() += 1;
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
