//! Merges the extension modules of an application's own folders into the report of the environment. Pure.

use std::collections::BTreeMap;

use super::assemble::sort_distributions;
use super::blockers::find_blockers;
use super::rows::{DistributionRow, ModuleRow, Report};
use crate::model::{AvailableUpgrade, Mode};

impl Report {
    /// Adds a note, unless it is already there.
    pub fn add_note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds the modules of an application's own folders, and recomputes the blockers. The verdicts of
    /// installed distributions stay as they are: those of own modules count for the application that imports
    /// them.
    pub fn merge_application_modules(&mut self, own: Option<Self>) {
        let Some(own) = own else { return };
        for row in own.modules {
            let is_same = |other: &ModuleRow| other.file == row.file && other.folder == row.folder;
            if !self.modules.iter().any(is_same) {
                self.modules.push(row);
            }
        }
        self.modules.sort_by(|a, b| (&a.file, &a.folder).cmp(&(&b.file, &b.folder)));
        for row in own.distributions {
            match self.distributions.iter_mut().find(|other| other.name == row.name) {
                Some(other) => merge_distribution_row(other, row),
                None => self.distributions.push(row),
            }
        }
        sort_distributions(&mut self.distributions);
        for (mode, all) in &mut self.blockers {
            let mut upgrades: BTreeMap<Option<String>, AvailableUpgrade> =
                all.drain(..).filter_map(|each| Some((each.distribution, each.upgrade?))).collect();
            *all = find_blockers(*mode, &self.distributions, &self.modules);
            for each in all {
                each.upgrade = upgrades.remove(&each.distribution);
            }
        }
    }
}

/// Adds the own modules of another application to the row.
fn merge_distribution_row(row: &mut DistributionRow, other: DistributionRow) {
    row.modules += other.modules;
    if row.declaration != other.declaration {
        row.declaration = format!("{}, {}", row.declaration, other.declaration);
    }
    let judgements: Vec<(Mode, _)> = other.judgements.into_iter().collect();
    for (mode, judgement) in judgements {
        let worst = row.judgements.entry(mode).or_insert_with(|| judgement.clone());
        if judgement.verdict < worst.verdict {
            *worst = judgement;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;
    use crate::report::fixtures::{blocked_by, distribution, judged, module, own_gil, report, top_level};

    #[test]
    fn a_note_is_added_once() {
        let mut report = report();
        for note in ["one", "two", "one"] {
            report.add_note(note.to_owned());
        }
        assert_eq!(report.notes, ["one", "two"]);
    }

    #[test]
    fn own_modules_join_those_of_the_environment() {
        let mut whole = report();
        whole.modules = vec![module("b", Some("dist"), own_gil(blocked_by(&["b"])))];
        let mut owner = distribution(Some("dist"), own_gil(judged(Verdict::Blocked)));
        owner.top_level.push(top_level("b", own_gil(blocked_by(&["b"]))));
        whole.distributions =
            vec![owner.clone(), distribution(Some("other"), own_gil(judged(Verdict::Ready)))];
        let upgrade =
            AvailableUpgrade { newest: Some("2.0".to_owned()), since: None, words: "none".to_owned() };
        whole
            .blockers
            .insert(Mode::OwnGil, find_blockers(Mode::OwnGil, &whole.distributions, &whole.modules));
        whole.blockers.get_mut(&Mode::OwnGil).unwrap()[0].upgrade = Some(upgrade.clone());
        let mut own = report();
        let elsewhere = ModuleRow {
            name: "own.b".to_owned(),
            folder: "/app".to_owned(),
            ..module("b", Some("app"), BTreeMap::new())
        };
        own.modules = vec![
            elsewhere,
            module("b", Some("app"), BTreeMap::new()),
            module("a", Some("app"), BTreeMap::new()),
        ];
        own.distributions = vec![distribution(Some("app"), own_gil(judged(Verdict::Unsafe)))];
        whole.merge_application_modules(None);
        assert_eq!(whole.modules.len(), 1);
        whole.merge_application_modules(Some(own));
        let files: Vec<String> =
            whole.modules.iter().map(|row| format!("{}/{}", row.folder, row.file)).collect();
        assert_eq!(files, ["/site/a.so", "/app/b.so", "/site/b.so"]);
        let names: Vec<_> = whole.distributions.iter().map(|row| row.name.as_deref().unwrap()).collect();
        assert_eq!(names, ["app", "dist", "other"]);
        let blockers = &whole.blockers[&Mode::OwnGil];
        assert_eq!((blockers.len(), blockers[0].upgrade.as_ref()), (1, Some(&upgrade)));

        // The modules of a second application count for the same row, the worst verdict too.
        let mut more = report();
        let mut row = distribution(Some("app"), own_gil(judged(Verdict::Blocked)));
        row.judgements.insert(Mode::SharedGil, judged(Verdict::Ready));
        row.declaration = "single-phase".to_owned();
        more.distributions = vec![row.clone()];
        whole.merge_application_modules(Some(more));
        let merged = &whole.distributions[0];
        assert_eq!((merged.modules, merged.declaration.as_str()), (2, "slot 3 = 2, single-phase"));
        assert_eq!(merged.judgements[&Mode::OwnGil], judged(Verdict::Unsafe));
        assert_eq!(merged.judgements[&Mode::SharedGil], judged(Verdict::Ready));
        let mut again = row.clone();
        merge_distribution_row(
            &mut again,
            DistributionRow { modules: 3, judgements: own_gil(judged(Verdict::Unsafe)), ..row.clone() },
        );
        assert_eq!((again.modules, again.declaration.as_str()), (4, "single-phase"));
        assert_eq!(again.judgements[&Mode::OwnGil], judged(Verdict::Unsafe));
        // Of two that are equally bad, the first reason stays.
        let other = crate::model::Judgement::from_evidence(Verdict::Unsafe, None, "other");
        merge_distribution_row(&mut again, DistributionRow { judgements: own_gil(other), ..row });
        assert_eq!(again.judgements[&Mode::OwnGil].reason, "unsafe");
    }
}
