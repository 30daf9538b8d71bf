//! Why something could not be judged, or need not be: every reason of the verdicts `unknown` and `not-applicable`.

use super::Verdict;

/// A reason of `unknown` or `not-applicable`. Each has a page that `wsgiaudit explain` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonId {
    /// The control needs a shared library that the dynamic linker does not find.
    MissingLibrary,
    /// The control needs a Python module that is not installed.
    MissingModule,
    /// The control needs an environment variable.
    MissingVariable,
    /// The control needs a file.
    MissingFile,
    /// The control needs a service that does not answer.
    MissingService,
    /// The control takes longer than a trial may.
    TooSlow,
    /// The control raises something else, or breaks what is not its own.
    FailsInControl,
    /// The control answers a request with an error, or raises.
    RequestFails,
    /// The control answers no request with success.
    NoSuccess,
    /// The control crashes.
    CrashesInControl,
    /// The file is truncated or corrupt.
    DamagedFile,
    /// A symbolic link to nothing.
    BrokenLink,
    /// The file cannot be read.
    Unreadable,
    /// The sandbox may be in the way.
    Sandbox,
    /// The trial wrote more than it may.
    WritesTooMuch,
    /// Somebody killed the trial.
    Killed,
    /// The audit was stopped.
    Interrupted,
    /// This Python runs no trials in this mode.
    NoTrials,
    /// This Python is not CPython.
    NotCPython,
    /// The probe failed, not what it tried.
    ProbeFailed,
    /// There was no trial.
    NotTried,
    /// It needs something that has no answer.
    NeedsUnknown,
    /// Importing the name loads another file, or none.
    LoadsAnotherFile,
    /// CPython accepted what the file should make it refuse.
    DeclarationContradicted,
    /// C data keeps an object, and nobody was seen to use it.
    KeepsObjects,
    /// Whether a module switches the GIL on could not be told.
    GilNotTold,
    /// It fails by several threads with the GIL on, too.
    FailsWithGil,
    /// The second environment does not hold it.
    NotInFreeThreadedEnvironment,
    /// The index gave no answer.
    IndexNotAsked,
    /// An application's source was not read.
    SourceNotRead,
    /// What an application may still import could not be followed.
    SourceNotFollowed,
    /// An application imports it on a condition.
    ImportedOnCondition,
    /// The file has init functions for other names alone.
    OtherNames,
    /// It lies in the account's own site-packages, which trials leave out.
    UserSite,
    /// The file has no init function.
    PlainLibrary,
    /// It lies in a zip file, from which nothing of its kind can be imported.
    InZipFile,
    /// The file is for another Python.
    OtherAbi,
    /// The file is for another machine or system.
    OtherPlatform,
    /// Another file is found first.
    Shadowed,
    /// The name is no identifier.
    UnimportableName,
    /// Its distribution does without it in the control too.
    DoneWithout,
    /// The distribution holds no Python code.
    NoPythonCode,
    /// The distribution's free-threaded build has no such module.
    NotOnFreeThreadedBuild,
}

impl ReasonId {
    /// All of them: those of `unknown` first.
    pub const ALL: [Self; 43] = [
        Self::MissingLibrary,
        Self::MissingModule,
        Self::MissingVariable,
        Self::MissingFile,
        Self::MissingService,
        Self::TooSlow,
        Self::FailsInControl,
        Self::RequestFails,
        Self::NoSuccess,
        Self::CrashesInControl,
        Self::DamagedFile,
        Self::BrokenLink,
        Self::Unreadable,
        Self::Sandbox,
        Self::WritesTooMuch,
        Self::Killed,
        Self::Interrupted,
        Self::NoTrials,
        Self::NotCPython,
        Self::ProbeFailed,
        Self::NotTried,
        Self::NeedsUnknown,
        Self::LoadsAnotherFile,
        Self::DeclarationContradicted,
        Self::KeepsObjects,
        Self::GilNotTold,
        Self::FailsWithGil,
        Self::NotInFreeThreadedEnvironment,
        Self::IndexNotAsked,
        Self::SourceNotRead,
        Self::SourceNotFollowed,
        Self::ImportedOnCondition,
        Self::OtherNames,
        Self::UserSite,
        Self::PlainLibrary,
        Self::InZipFile,
        Self::OtherAbi,
        Self::OtherPlatform,
        Self::Shadowed,
        Self::UnimportableName,
        Self::DoneWithout,
        Self::NoPythonCode,
        Self::NotOnFreeThreadedBuild,
    ];

    /// The id in reports, which never changes.
    pub fn id(self) -> &'static str {
        match self {
            Self::MissingLibrary => "missing-library",
            Self::MissingModule => "missing-module",
            Self::MissingVariable => "missing-variable",
            Self::MissingFile => "missing-file",
            Self::MissingService => "missing-service",
            Self::TooSlow => "too-slow",
            Self::FailsInControl => "fails-in-control",
            Self::RequestFails => "request-fails",
            Self::NoSuccess => "no-success",
            Self::CrashesInControl => "crashes-in-control",
            Self::DamagedFile => "damaged-file",
            Self::BrokenLink => "broken-link",
            Self::Unreadable => "unreadable",
            Self::Sandbox => "sandbox",
            Self::WritesTooMuch => "writes-too-much",
            Self::Killed => "killed",
            Self::Interrupted => "interrupted",
            Self::NoTrials => "no-trials",
            Self::NotCPython => "not-cpython",
            Self::ProbeFailed => "probe-failed",
            Self::NotTried => "not-tried",
            Self::NeedsUnknown => "needs-unknown",
            Self::LoadsAnotherFile => "loads-another-file",
            Self::DeclarationContradicted => "declaration-contradicted",
            Self::KeepsObjects => "keeps-objects",
            Self::GilNotTold => "gil-not-told",
            Self::FailsWithGil => "fails-with-gil",
            Self::NotInFreeThreadedEnvironment => "not-in-free-threaded-environment",
            Self::IndexNotAsked => "index-not-asked",
            Self::SourceNotRead => "source-not-read",
            Self::SourceNotFollowed => "source-not-followed",
            Self::ImportedOnCondition => "imported-on-condition",
            Self::OtherNames => "other-names",
            Self::UserSite => "user-site",
            Self::PlainLibrary => "plain-library",
            Self::InZipFile => "in-zip-file",
            Self::OtherAbi => "other-abi",
            Self::OtherPlatform => "other-platform",
            Self::Shadowed => "shadowed",
            Self::UnimportableName => "unimportable-name",
            Self::DoneWithout => "done-without",
            Self::NoPythonCode => "no-python-code",
            Self::NotOnFreeThreadedBuild => "not-on-free-threaded-build",
        }
    }

    /// The verdict that it is a reason of.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::MissingLibrary
            | Self::MissingModule
            | Self::MissingVariable
            | Self::MissingFile
            | Self::MissingService
            | Self::TooSlow
            | Self::FailsInControl
            | Self::RequestFails
            | Self::NoSuccess
            | Self::CrashesInControl
            | Self::DamagedFile
            | Self::BrokenLink
            | Self::Unreadable
            | Self::Sandbox
            | Self::WritesTooMuch
            | Self::Killed
            | Self::Interrupted
            | Self::NoTrials
            | Self::NotCPython
            | Self::ProbeFailed
            | Self::NotTried
            | Self::NeedsUnknown
            | Self::LoadsAnotherFile
            | Self::DeclarationContradicted
            | Self::KeepsObjects
            | Self::GilNotTold
            | Self::FailsWithGil
            | Self::NotInFreeThreadedEnvironment
            | Self::IndexNotAsked
            | Self::SourceNotRead
            | Self::SourceNotFollowed
            | Self::ImportedOnCondition
            | Self::OtherNames
            | Self::UserSite => Verdict::Unknown,
            Self::PlainLibrary
            | Self::InZipFile
            | Self::OtherAbi
            | Self::OtherPlatform
            | Self::Shadowed
            | Self::UnimportableName
            | Self::DoneWithout
            | Self::NoPythonCode
            | Self::NotOnFreeThreadedBuild => Verdict::NotApplicable,
        }
    }
}
