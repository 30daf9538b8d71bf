//! The reasons of the verdicts `unknown` and `not-applicable`.

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
    /// The control exceeds the time limit of a trial.
    TooSlow,
    /// The control raises another exception, or damages resources that it does not own.
    FailsInControl,
    /// The control answers a request with an error, or raises.
    RequestFails,
    /// The control answers no request with success.
    NoSuccess,
    /// The control crashes.
    CrashesInControl,
    /// The file is truncated or corrupt.
    DamagedFile,
    /// The file is a dangling symbolic link.
    BrokenLink,
    /// The file cannot be read.
    Unreadable,
    /// The sandbox may have caused the failure.
    Sandbox,
    /// The trial wrote more than its limit.
    WritesTooMuch,
    /// The trial was killed from outside.
    Killed,
    /// The audit was stopped.
    Interrupted,
    /// This Python cannot run trials in this mode.
    NoTrials,
    /// This Python is not CPython.
    NotCPython,
    /// The probe failed, not what it tried.
    ProbeFailed,
    /// There was no trial.
    NotTried,
    /// It needs a module whose verdict is unknown.
    NeedsUnknown,
    /// Importing the name loads another file, or none.
    LoadsAnotherFile,
    /// CPython accepted a module that it should refuse, by what the file declares.
    DeclarationContradicted,
    /// C data retains an object, but no other interpreter was seen to use it.
    KeepsObjects,
    /// Whether a module enables the GIL could not be determined.
    GilNotTold,
    /// It fails in several threads with the GIL on, too.
    FailsWithGil,
    /// It is not installed in the free-threaded environment.
    NotInFreeThreadedEnvironment,
    /// The package index gave no answer.
    IndexNotAsked,
    /// An application's source was not read.
    SourceNotRead,
    /// What an application may import later could not be determined.
    SourceNotFollowed,
    /// An application imports it on a condition.
    ImportedOnCondition,
    /// The file exports init functions for other names only.
    OtherNames,
    /// It lies in the user's own site-packages, which trials leave out.
    UserSite,
    /// The file has no init function.
    PlainLibrary,
    /// It lies in a zip file, from which extension modules cannot be imported.
    InZipFile,
    /// The file is for another Python.
    OtherAbi,
    /// The file is for another machine or system.
    OtherPlatform,
    /// Another file is found first.
    Shadowed,
    /// The name is not a Python identifier.
    UnimportableName,
    /// Its distribution works without it in the control, too.
    DoneWithout,
    /// The distribution holds no Python code.
    NoPythonCode,
    /// The distribution's free-threaded build has no such module.
    NotOnFreeThreadedBuild,
}

impl ReasonId {
    /// All reasons, those of `unknown` first.
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

    /// The id in reports. It never changes.
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

    /// The verdict to which this reason belongs.
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
