//! What was found in an application's own folders joins what was found in the environment. Pure.

use std::collections::BTreeMap;

use super::assemble::sort_distributions;
use super::blockers::blockers;
use super::{DistributionRow, Report};
use crate::model::{Mode, Upgrade};

impl Report {
    /// Adds a note that is not there yet.
    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds the modules of an application's own folders, and sees what stands in the way once more. The environment's
    /// own answers stay as they are: the application's verdict counts what of these it reaches.
    pub fn extend(&mut self, own: Option<Self>) {
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
                Some(other) => add_to(other, row),
                None => self.distributions.push(row),
            }
        }
        sort_distributions(&mut self.distributions);
        for (mode, all) in &mut self.blockers {
            let mut upgrades: BTreeMap<Option<String>, Upgrade> =
                all.drain(..).filter_map(|each| Some((each.distribution, each.upgrade?))).collect();
            *all = blockers(*mode, &self.distributions, &self.modules);
            for each in all {
                each.upgrade = upgrades.remove(&each.distribution);
            }
        }
    }
}

/// The own modules of one more application.
fn add_to(row: &mut DistributionRow, other: DistributionRow) {
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
