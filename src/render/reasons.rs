//! The reasons of a row's verdicts, each once, with the modes that it is about.

use crate::model::{Mode, Verdict};
use crate::report::v1::Judged;

/// Describes the reasons of all modes but the control: `own-gil, free-threaded: refused: no slot 3`. No mode is named
/// if one reason holds in all that have a column. `columns` are the modes whose verdicts are shown beside; the verdict
/// of another mode is named, and only if it is bad.
pub(super) fn describe_reasons<'a>(
    columns: &[Mode],
    judged: impl Fn(Mode) -> Option<&'a Judged>,
) -> Vec<String> {
    let mut found: Vec<(Vec<String>, &str)> = Vec::new();
    for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::Main) {
        let is_remark = |judged: &Judged| mode == Mode::OwnGilCopies && judged.verdict > Verdict::Degraded;
        let judged = judged(mode).filter(|judged| !judged.reason.is_empty() && !is_remark(judged));
        let Some(judged) = judged else { continue };
        let name = match columns.contains(&mode) {
            true => mode.name().to_owned(),
            false if judged.verdict < Verdict::Degraded => format!("{mode} ({})", judged.verdict),
            false => continue,
        };
        match found.iter_mut().find(|(_, reason)| *reason == judged.reason) {
            Some((modes, _)) => modes.push(name),
            None => found.push((vec![name], &judged.reason)),
        }
    }
    let columns: Vec<&str> = columns.iter().map(|mode| mode.name()).collect();
    let line = |(modes, reason): &(Vec<String>, &str)| match *modes == columns {
        true => (*reason).to_owned(),
        false => format!("{}: {reason}", modes.join(", ")),
    };
    found.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn described(judged: &[(Mode, Verdict, &str)]) -> Vec<String> {
        let all: BTreeMap<Mode, Judged> = judged
            .iter()
            .map(|(mode, verdict, reason)| {
                let reason = (*reason).to_owned();
                let judged =
                    Judged { verdict: *verdict, reason, reason_id: None, cause: None, lost: Vec::new() };
                (*mode, judged)
            })
            .collect();
        describe_reasons(&[Mode::SharedGil, Mode::OwnGil], |mode| all.get(&mode))
    }

    #[test]
    fn every_mode_has_its_reason_and_each_reason_is_told_once() {
        use Mode::{FreeThreadedGroup, Main, OwnGil, SharedGil};
        use Verdict::{Blocked, Ready, Unsafe};
        let same = described(&[(Main, Ready, "control"), (SharedGil, Unsafe, "a"), (OwnGil, Unsafe, "a")]);
        assert_eq!(same, ["a"]);
        let apart = described(&[(SharedGil, Unsafe, "a"), (OwnGil, Blocked, "b")]);
        assert_eq!(apart, ["shared-gil: a", "own-gil: b"]);
        assert_eq!(described(&[(SharedGil, Ready, ""), (OwnGil, Blocked, "b")]), ["own-gil: b"]);
        let group = described(&[(OwnGil, Blocked, "b"), (FreeThreadedGroup, Blocked, "b")]);
        assert_eq!(group, ["own-gil, free-threaded-group (blocked): b"]);
        assert_eq!(described(&[(FreeThreadedGroup, Ready, "a remark")]), Vec::<String>::new());
    }
}
