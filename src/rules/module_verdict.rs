//! Judges a file that looks like an extension module, in one mode.

use std::collections::BTreeSet;

use super::name_verdict::judge_name;
use super::{VerdictInput, control_failure, indirect_files};
use crate::model::{ExtensionFile, ExtensionFileKind, Judgement, Mode, ReasonId, RootCause, RuleId, Verdict};

/// Judges a file that looks like an extension module. `done_without` are the modules that their distribution
/// works without in the control.
pub fn judge_module(
    input: &VerdictInput<'_>,
    module: &ExtensionFile,
    done_without: Option<&BTreeSet<String>>,
    mode: Mode,
) -> Judgement {
    use ReasonId::{
        BrokenLink, InZipFile, OtherAbi, OtherPlatform, PlainLibrary, Shadowed, UnimportableName, Unreadable,
        UserSite,
    };
    match &module.kind {
        ExtensionFileKind::ExtensionModule => {
            let judgement = judge_name(input, &module.name, mode);
            match done_without.is_some_and(|names| names.contains(&module.name)) {
                true => judge_optional_module(judgement, &module.name),
                false => judgement,
            }
        }
        ExtensionFileKind::Corrupt(how) => judge_damaged_file(judge_name(input, &module.name, mode), how),
        ExtensionFileKind::PlainLibrary => Judgement::from_reason_id(
            PlainLibrary,
            "a library without an init function, not an extension module",
        ),
        ExtensionFileKind::OtherAbi => {
            Judgement::from_reason_id(OtherAbi, "its suffix is for another Python: never imported here")
        }
        ExtensionFileKind::OtherArchitecture(which) => {
            Judgement::from_reason_id(OtherPlatform, format!("built for {which}: cannot be loaded here"))
        }
        ExtensionFileKind::BrokenLink => {
            Judgement::from_reason_id(BrokenLink, "a broken symbolic link: its target does not exist")
        }
        ExtensionFileKind::UnimportableName => Judgement::from_reason_id(
            UnimportableName,
            "its name is not an identifier: it cannot be imported",
        ),
        ExtensionFileKind::Shadowed(by) => {
            Judgement::from_reason_id(Shadowed, format!("never imported: {by} is found first"))
        }
        ExtensionFileKind::Unreadable(why) => {
            Judgement::from_reason_id(Unreadable, format!("cannot be read: {why}"))
        }
        ExtensionFileKind::OtherNames(functions) => {
            indirect_files::judge_file_with_other_names(input, module, functions, mode)
        }
        ExtensionFileKind::Archived { has_stub: false } => Judgement::from_reason_id(
            InZipFile,
            "in a zip file, from which no extension module can be imported",
        ),
        ExtensionFileKind::Archived { has_stub: true } => {
            indirect_files::judge_file_behind_stub(input, module, mode)
        }
        ExtensionFileKind::UserSite => Judgement::from_reason_id(
            UserSite,
            "in the user site-packages of this account, which trials ignore: a server runs under another account",
        ),
    }
}

/// Makes a module `not-applicable` that the control cannot import and its distribution works without. Other
/// judgements, such as a refusal by declaration, are kept.
fn judge_optional_module(judgement: Judgement, name: &str) -> Judgement {
    match (judgement.verdict, &judgement.cause) {
        (Verdict::Unknown, Some(cause)) => {
            let what = control_failure::describe_control_failure(cause, name);
            let reason = format!("its distribution works without it in the main interpreter too: {what}");
            let cause = RootCause { rule: RuleId::DoneWithout, ..cause.clone() };
            Judgement { cause: Some(cause), ..Judgement::from_reason_id(ReasonId::DoneWithout, reason) }
        }
        (
            Verdict::Unsafe
            | Verdict::Blocked
            | Verdict::Unknown
            | Verdict::Degraded
            | Verdict::Ready
            | Verdict::NotApplicable,
            _,
        ) => judgement,
    }
}

/// Makes the damage the reason if the control failed: that says nothing about the intact module.
fn judge_damaged_file(judgement: Judgement, how: &str) -> Judgement {
    let Some(cause) = judgement.cause.as_ref().filter(|_| judgement.verdict == Verdict::Unknown) else {
        return judgement;
    };
    let reason = format!("its file is damaged ({how}), {}{}", cause.what, control_failure::INSTALL_AGAIN);
    let cause = RootCause { rule: RuleId::DamagedFile, ..cause.clone() };
    Judgement { cause: Some(cause), ..Judgement::from_reason_id(ReasonId::DamagedFile, reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RuleId, Trial, TrialPhase};
    use crate::rules::test_evidence::*;

    #[test]
    fn the_kind_of_a_file_decides() {
        let kinds = [
            (
                ExtensionFileKind::PlainLibrary,
                Verdict::NotApplicable,
                RuleId::PlainLibrary,
                "a library without an init function, not an extension module",
            ),
            (
                ExtensionFileKind::OtherAbi,
                Verdict::NotApplicable,
                RuleId::OtherAbi,
                "its suffix is for another Python: never imported here",
            ),
            (
                ExtensionFileKind::OtherArchitecture("arm64".to_owned()),
                Verdict::NotApplicable,
                RuleId::OtherPlatform,
                "built for arm64: cannot be loaded here",
            ),
            (
                ExtensionFileKind::BrokenLink,
                Verdict::Unknown,
                RuleId::BrokenLink,
                "a broken symbolic link: its target does not exist",
            ),
            (
                ExtensionFileKind::UnimportableName,
                Verdict::NotApplicable,
                RuleId::UnimportableName,
                "its name is not an identifier: it cannot be imported",
            ),
            (
                ExtensionFileKind::Shadowed("till.py".to_owned()),
                Verdict::NotApplicable,
                RuleId::Shadowed,
                "never imported: till.py is found first",
            ),
            (
                ExtensionFileKind::Unreadable("denied".to_owned()),
                Verdict::Unknown,
                RuleId::Unreadable,
                "cannot be read: denied",
            ),
            (
                ExtensionFileKind::OtherNames(vec!["PyInit_x".to_owned()]),
                Verdict::Unknown,
                RuleId::OtherNames,
                "it has PyInit_x but no init function for its own name, and no trial loaded it under another name",
            ),
            (
                ExtensionFileKind::Archived { has_stub: false },
                Verdict::NotApplicable,
                RuleId::InZipFile,
                "in a zip file, from which no extension module can be imported",
            ),
            (
                ExtensionFileKind::Archived { has_stub: true },
                Verdict::Unknown,
                RuleId::NotTried,
                "was not tried",
            ),
            (
                ExtensionFileKind::UserSite,
                Verdict::Unknown,
                RuleId::UserSite,
                "in the user site-packages of this account, which trials ignore: a server runs under another account",
            ),
        ];
        for (kind, verdict, rule, reason) in kinds {
            let judgement = TestEvidence::default()
                .ask(|input| judge_module(input, &file("till", kind), None, Mode::OwnGil));
            assert_judged(&judgement, verdict, rule, reason);
        }
    }

    fn judged(kind: ExtensionFileKind, control: Trial, optional: Option<&str>) -> Judgement {
        let optional: Option<BTreeSet<String>> = optional.map(|name| [name.to_owned()].into());
        TestEvidence::new([control, imported("till", Mode::OwnGil)])
            .ask(|input| judge_module(input, &file("till", kind), optional.as_ref(), Mode::OwnGil))
    }

    #[test]
    fn an_optional_module_that_the_control_cannot_import_is_not_applicable() {
        let module = || ExtensionFileKind::ExtensionModule;
        let fails = || trial("till", Mode::Main, crashed(TrialPhase::Import));
        let judgement = judged(module(), fails(), Some("till"));
        assert_judged(
            &judgement,
            Verdict::NotApplicable,
            RuleId::DoneWithout,
            "its distribution works without it in the main interpreter too: crashes at import (SIGSEGV)",
        );
        assert_eq!(judgement.cause.unwrap().rule, RuleId::DoneWithout);
        for optional in [None, Some("lamp")] {
            assert_eq!(rule_of(&judged(module(), fails(), optional)), Some(RuleId::CrashesInControl));
        }
        assert_eq!(judged(module(), imported("till", Mode::Main), Some("till")).verdict, Verdict::Ready);
        let not_tried = trial("till", Mode::Main, because(ReasonId::Killed, "killed"));
        assert_eq!(rule_of(&judged(module(), not_tried, Some("till"))), Some(RuleId::Killed));
    }

    #[test]
    fn a_damaged_file_says_so() {
        let damaged = || ExtensionFileKind::Corrupt("truncated".to_owned());
        let judgement = judged(damaged(), trial("till", Mode::Main, crashed(TrialPhase::Import)), None);
        assert_judged(
            &judgement,
            Verdict::Unknown,
            RuleId::DamagedFile,
            "its file is damaged (truncated), crashes at import (SIGSEGV); install it again",
        );
        assert_eq!(judgement.cause.unwrap().rule, RuleId::DamagedFile);
        assert_eq!(judged(damaged(), imported("till", Mode::Main), None).verdict, Verdict::Ready);
        let killed = trial("till", Mode::Main, because(ReasonId::Killed, "killed"));
        assert_eq!(rule_of(&judged(damaged(), killed, None)), Some(RuleId::Killed));
    }
}
