//! Merges the extension modules of an application's own folders into the report of the environment. Pure.

use std::collections::BTreeMap;

use super::assemble::sort_distributions;
use super::blockers::find_blockers;
use super::{DistributionRow, Report};
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
            let is_same = |other: &super::ModuleRow| other.file == row.file && other.folder == row.folder;
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
