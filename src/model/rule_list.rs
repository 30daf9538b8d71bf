//! The list of rules. Ids, catalog, `wsgiaudit rules`, `explain`, SARIF and the pages of the documentation
//! follow from it.
//!
//! A rule is one line here and its page, `src/rules/GROUP/ID.md`. The groups are folders: `trial` (what trials
//! show), `binary` (hazards in shared objects), `source` (hazards in Python sources), `apache` (findings in a
//! configuration), `telemetry` (what `wsgiaudit top` measures) and `reason` (reasons of the verdicts `unknown` and `not-applicable`).

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::rule::{Confidence, Rule, Severity};
use super::verdict::Verdict;

/// Defines [`RuleId`], [`ReasonId`] and [`RULES`]. A line is the id as a variant and as text, the severity and the
/// kind of evidence.
macro_rules! define_rules {
    (
        $(findings in $group:ident { $($finding:ident $finding_id:literal $severity:ident $evidence:ident,)* })*
        reasons in $folder:ident { $($reason:ident $reason_id:literal $verdict:ident $how:ident,)* }
    ) => {
        /// The id of a rule. The cache stores variants by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum RuleId {
            $($(#[doc = concat!("The rule `", $finding_id, "`.")] $finding,)*)*
            $(#[doc = concat!("The rule `", $reason_id, "`.")] $reason,)*
        }

        /// A reason of `unknown` or `not-applicable`: one of the rules.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ReasonId {
            $(#[doc = concat!("The reason `", $reason_id, "`.")] $reason,)*
        }

        /// All rules, in the order of [`RuleId`].
        pub const RULES: &[Rule] = &[
            $($(Rule {
                id: $finding_id,
                severity: Severity::$severity,
                confidence: Confidence::$evidence,
                page: include_str!(concat!("../rules/", stringify!($group), "/", $finding_id, ".md")),
            },)*)*
            $(Rule {
                id: $reason_id,
                severity: Severity::$verdict,
                confidence: Confidence::$how,
                page: include_str!(concat!("../rules/", stringify!($folder), "/", $reason_id, ".md")),
            },)*
        ];

        impl RuleId {
            /// All ids, in the order of [`RULES`].
            pub const ALL: &[Self] = &[$($(Self::$finding,)*)* $(Self::$reason,)*];
        }

        impl ReasonId {
            /// The verdict to which this reason belongs.
            pub fn verdict(self) -> Verdict {
                match self {
                    $(Self::$reason => Verdict::$verdict,)*
                }
            }
        }

        impl From<ReasonId> for RuleId {
            fn from(reason: ReasonId) -> Self {
                match reason {
                    $(ReasonId::$reason => Self::$reason,)*
                }
            }
        }
    };
}

define_rules! {
    findings in trial {
        Refused "refused" Error Tried,
        RefusesByItself "refuses-by-itself" Error Tried,
        Raises "raises" Error Tried,
        Crashes "crashes" Error Tried,
        Hangs "hangs" Error Tried,
        LosesDescriptors "loses-descriptors" Error Tried,
        LeavesThreads "leaves-threads" Error Tried,
        SharesObjects "shares-objects" Error Tried,
        EntersMain "enters-main" Error Tried,
        ReplacesAllocator "replaces-allocator" Error Tried,
        PythonDefect "python-defect" Error Tried,
        SwitchesGilOn "switches-gil-on" Error Tried,
        NoFreeThreadedWheel "no-free-threaded-wheel" Error Read,
        LostAccelerator "lost-accelerator" Warning Tried,
        DeclareSlot "declare-slot" Note Tried,
        DeclareGil "declare-gil" Note Tried,
        Behind "behind" Note Tried,
        LeftInMain "left-in-main" Warning Tried,
        LeftInStatics "left-in-statics" Warning Tried,
        NativeThreads "native-threads" Note Tried,
        SharedFunctions "shared-functions" Note Tried,
        ChangesProcess "changes-process" Note Tried,
        MisreadDeclaration "misread-declaration" Warning Tried,
    }
    findings in binary {
        GilStateApi "gil-state-api" Note Read,
        StaticType "static-type" Note Read,
        StateFindModule "state-find-module" Note Read,
        GlobalState "global-state" Note Read,
        OwnInterpreterGuard "own-interpreter-guard" Note Read,
        WritableGlobals "writable-globals" Note Read,
    }
    findings in source {
        DaemonThread "daemon-thread" Warning Read,
        TimerThread "timer-thread" Note Read,
        QueueListener "queue-listener" Warning Read,
        Multiprocessing "multiprocessing" Warning Read,
        ThreadInRequest "thread-in-request" Note Read,
        ThreadPool "thread-pool" Note Read,
        AtexitCleanup "atexit-cleanup" Warning Read,
        ForkOrExec "fork-or-exec" Warning Read,
        SignalHandler "signal-handler" Note Read,
        MainOnlyModule "main-only-module" Warning Read,
        ProcessWideGlobal "process-wide-global" Note Read,
        PerInterpreterCache "per-interpreter-cache" Note Read,
        ProcessState "process-state" Warning Read,
        EnvironmentVariable "environment-variable" Warning Read,
        CtypesLoad "ctypes-load" Note Read,
    }
    findings in apache {
        ApacheOwnGilMain "apache-own-gil-main" Warning Read,
        ApacheMainBesideGroups "apache-main-beside-groups" Error Read,
        ApacheUnfitInterpreter "apache-unfit-interpreter" Error Tried,
        ApacheOwnGilUnused "apache-own-gil-unused" Note Tried,
        ApacheOwnGilFreeThreading "apache-own-gil-free-threading" Warning Read,
        ApacheFreeThreadingGilBuild "apache-free-threading-gil-build" Warning Read,
        ApacheFreeThreadingOneGroup "apache-free-threading-one-group" Warning Read,
        ApacheOwnGilOldPython "apache-own-gil-old-python" Warning Read,
        ApacheSwitchIntervalSharedGil "apache-switch-interval-shared-gil" Warning Read,
        ApacheSwitchIntervalOwnGil "apache-switch-interval-own-gil" Warning Read,
        ApacheSwitchIntervalOverridden "apache-switch-interval-overridden" Warning Read,
        ApacheSwitchIntervalFreeThreading "apache-switch-interval-free-threading" Warning Read,
        ApachePoolDestroyed "apache-pool-destroyed" Warning Read,
        ApacheOptionsUnused "apache-options-unused" Warning Read,
        ApacheAliasUnused "apache-alias-unused" Warning Read,
        ApacheNoProcessGroup "apache-no-process-group" Error Read,
        ApacheEmbeddedNotAllowed "apache-embedded-not-allowed" Error Read,
        ApacheProcessNotAllowed "apache-process-not-allowed" Error Read,
        ApacheProcessOfOtherHost "apache-process-of-other-host" Error Read,
        ApacheAccessDenied "apache-access-denied" Error Read,
        ApacheHtaccessRefused "apache-htaccess-refused" Error Read,
        ApacheAliasBroken "apache-alias-broken" Error Read,
        ApacheDaemonUnused "apache-daemon-unused" Warning Read,
        ApacheSectionUnused "apache-section-unused" Warning Read,
        ApacheGroupByClient "apache-group-by-client" Note Read,
        ApacheGroupForEachUrl "apache-group-for-each-url" Warning Read,
        ApacheOtherPython "apache-other-python" Error Read,
        ApacheModuleNotLoaded "apache-module-not-loaded" Note Read,
        ApacheBodiesCutOff "apache-bodies-cut-off" Error Read,
        ApacheRequestTimeout "apache-request-timeout" Note Read,
    }
    findings in trial {
        PythonTooOld "python-too-old" Error Read,
    }
    findings in telemetry {
        Saturated "saturated" Warning Measured,
        GilBound "gil-bound" Warning Measured,
        OneCore "one-core" Warning Measured,
        BusyWithoutCpu "busy-without-cpu" Note Measured,
        ProcessLost "process-lost" Warning Measured,
        DatagramsLost "datagrams-lost" Note Measured,
    }
    reasons in reason {
        MissingLibrary "missing-library" Unknown Tried,
        MissingModule "missing-module" Unknown Tried,
        MissingVariable "missing-variable" Unknown Tried,
        MissingFile "missing-file" Unknown Tried,
        MissingService "missing-service" Unknown Tried,
        TooSlow "too-slow" Unknown Tried,
        FailsInControl "fails-in-control" Unknown Tried,
        RequestFails "request-fails" Unknown Tried,
        NoSuccess "no-success" Unknown Tried,
        CrashesInControl "crashes-in-control" Unknown Tried,
        DamagedFile "damaged-file" Unknown Read,
        BrokenLink "broken-link" Unknown Read,
        Unreadable "unreadable" Unknown Read,
        Sandbox "sandbox" Unknown Tried,
        WritesTooMuch "writes-too-much" Unknown Tried,
        Killed "killed" Unknown Tried,
        Interrupted "interrupted" Unknown Read,
        NoTrials "no-trials" Unknown Read,
        NotCPython "not-cpython" Unknown Read,
        ProbeFailed "probe-failed" Unknown Tried,
        NotTried "not-tried" Unknown Read,
        NeedsUnknown "needs-unknown" Unknown Read,
        LoadsAnotherFile "loads-another-file" Unknown Tried,
        DeclarationContradicted "declaration-contradicted" Unknown Tried,
        KeepsObjects "keeps-objects" Unknown Tried,
        SharedLibrary "shared-library" Unknown Tried,
        SharedVariable "shared-variable" Unknown Tried,
        HandlesSignals "handles-signals" Unknown Tried,
        GilNotTold "gil-not-told" Unknown Tried,
        FailsWithGil "fails-with-gil" Unknown Tried,
        NotInFreeThreadedEnvironment "not-in-free-threaded-environment" Unknown Read,
        IndexNotAsked "index-not-asked" Unknown Read,
        SourceNotRead "source-not-read" Unknown Read,
        SourceNotFollowed "source-not-followed" Unknown Read,
        ImportedOnCondition "imported-on-condition" Unknown Read,
        OtherNames "other-names" Unknown Tried,
        UserSite "user-site" Unknown Read,
        PlainLibrary "plain-library" NotApplicable Read,
        InZipFile "in-zip-file" NotApplicable Read,
        OtherAbi "other-abi" NotApplicable Read,
        OtherPlatform "other-platform" NotApplicable Read,
        Shadowed "shadowed" NotApplicable Read,
        UnimportableName "unimportable-name" NotApplicable Read,
        DoneWithout "done-without" NotApplicable Tried,
        NoPythonCode "no-python-code" NotApplicable Read,
        NotOnFreeThreadedBuild "not-on-free-threaded-build" NotApplicable Read,
    }
}

impl RuleId {
    /// The entry of the catalog.
    pub fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }

    /// The id in reports. It never changes.
    pub fn id(self) -> &'static str {
        self.rule().id
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

// Reports sort findings by the text of the id.
impl Ord for RuleId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id().cmp(other.id())
    }
}

impl PartialOrd for RuleId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ReasonId {
    /// The id in reports. It never changes.
    pub fn id(self) -> &'static str {
        RuleId::from(self).id()
    }
}

impl Rule {
    /// Returns the rule with this id.
    pub fn find_by_id(id: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_parts() {
        for rule in RULES {
            assert!(rule.page.starts_with(&format!("# {}\n\n", rule.id)), "{}", rule.id);
            assert!(rule.title().ends_with('.') && !rule.title().starts_with('#'), "{}", rule.id);
            for heading in ["What it means", "How it is found", "What to do"] {
                assert!(!rule.section(heading).is_empty(), "{}: {heading}", rule.id);
            }
            assert_eq!(rule.section("What it mean"), "", "{}", rule.id);
        }
    }

    #[test]
    fn an_id_has_the_rule_of_its_name() {
        for (id, name) in [
            (RuleId::Refused, "refused"),
            (RuleId::ApacheRequestTimeout, "apache-request-timeout"),
            (RuleId::PythonTooOld, "python-too-old"),
            (RuleId::NotOnFreeThreadedBuild, "not-on-free-threaded-build"),
        ] {
            assert_eq!((id.id(), Rule::find_by_id(name)), (name, Some(id.rule())));
        }
        assert_eq!(Rule::find_by_id("absent"), None);
    }

    #[test]
    fn a_variant_spells_its_id_and_ids_are_unique() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
        let variant = |id: &str| id.replace('-', "");
        for id in RuleId::ALL {
            assert_eq!(format!("{id:?}").to_lowercase(), variant(id.id()));
        }
    }

    #[test]
    fn ids_are_sorted_by_their_text() {
        assert!(RuleId::Refused > RuleId::Crashes && RuleId::GlobalState < RuleId::StaticType);
        assert_eq!(RuleId::Refused.partial_cmp(&RuleId::Refused), Some(Ordering::Equal));
    }

    #[test]
    fn a_reason_is_a_rule_of_its_verdict() {
        for (reason, rule, verdict) in [
            (ReasonId::MissingLibrary, RuleId::MissingLibrary, Verdict::Unknown),
            (ReasonId::UserSite, RuleId::UserSite, Verdict::Unknown),
            (ReasonId::PlainLibrary, RuleId::PlainLibrary, Verdict::NotApplicable),
        ] {
            assert_eq!((RuleId::from(reason), reason.verdict(), reason.id()), (rule, verdict, rule.id()));
            assert!(rule.rule().is_reason());
        }
        assert!(!RuleId::Refused.rule().is_reason());
    }

    #[test]
    fn severity_and_evidence_have_names_for_tables() {
        let severities =
            [Severity::Error, Severity::Warning, Severity::Note, Severity::Unknown, Severity::NotApplicable];
        assert_eq!(severities.map(|each| each.to_string()), ["error", "warning", "note", "unknown", "n/a"]);
        let kinds = [Confidence::Tried, Confidence::Read, Confidence::Measured].map(|each| each.to_string());
        assert_eq!(kinds, ["tried", "read", "measured"]);
    }
}
