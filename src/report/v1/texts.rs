//! Walks all texts of a document.

use std::collections::BTreeMap;

use super::apache::Daemon;
use super::{
    Apache, ApacheFinding, Application, Blocked, Blocker, Cause, ConfigLine, Crash, DecidedBy, Declaration,
    Distribution, Document, Exercise, FailedLoad, Finding, Hazard, Header, Inspected, Judged, Landing,
    Module, ModuleReach, Name, NotFollowed, NotTold, Outcome, Python, PythonFinding, Remembered, Request,
    RequestInMode, RequestResult, RequestTimes, Root, SourceFinding, SourcePlace, StandardModule, Tool,
    Tried, UsedModule,
};
use crate::model::{
    AvailableUpgrade, ExtensionFileClass, InitKind, Mode, OutcomeKind, Refuser, SharedPythonObject,
    SlotDeclaration, TrialPhase, VariableUse, Verdict,
};

/// A part of a document.
pub(in crate::report) trait DocumentPart {
    /// Replaces each text in it with what `change` returns for it. Keys of maps stay.
    fn map_texts(&mut self, change: &dyn Fn(&str) -> String);
}

impl DocumentPart for String {
    fn map_texts(&mut self, change: &dyn Fn(&str) -> String) {
        *self = change(self);
    }
}

impl<T: DocumentPart> DocumentPart for Option<T> {
    fn map_texts(&mut self, change: &dyn Fn(&str) -> String) {
        self.iter_mut().for_each(|part| part.map_texts(change));
    }
}

impl<T: DocumentPart> DocumentPart for Vec<T> {
    fn map_texts(&mut self, change: &dyn Fn(&str) -> String) {
        self.iter_mut().for_each(|part| part.map_texts(change));
    }
}

impl<T: DocumentPart, const N: usize> DocumentPart for [T; N] {
    fn map_texts(&mut self, change: &dyn Fn(&str) -> String) {
        self.iter_mut().for_each(|part| part.map_texts(change));
    }
}

impl<K, T: DocumentPart> DocumentPart for BTreeMap<K, T> {
    fn map_texts(&mut self, change: &dyn Fn(&str) -> String) {
        self.values_mut().for_each(|part| part.map_texts(change));
    }
}

/// Parts without a text.
macro_rules! textless {
    ($($part:ty),* $(,)?) => {
        $(impl DocumentPart for $part {
            fn map_texts(&mut self, _: &dyn Fn(&str) -> String) {}
        })*
    };
}

/// Parts with fields. All of them must be named, so that the compiler finds a field that is missing here.
macro_rules! with_fields {
    ($($part:ident { $($field:ident),* $(,)? })*) => {
        $(impl DocumentPart for $part {
            fn map_texts(&mut self, change: &dyn Fn(&str) -> String) {
                let Self { $($field),* } = self;
                $($field.map_texts(change);)*
            }
        })*
    };
}

textless!(bool, u8, u16, u64, i64, f64, usize, (u16, u64));
textless!(
    DecidedBy,
    ExtensionFileClass,
    InitKind,
    Mode,
    ModuleReach,
    OutcomeKind,
    Refuser,
    Remembered,
    RequestResult,
    RequestTimes,
    SlotDeclaration,
    TrialPhase,
    VariableUse,
    Verdict,
);

with_fields! {
    Apache { file, daemons, landings, findings, not_told }
    ApacheFinding { mode, application, place, judged }
    Application {
        name, file, files, modes, modules, hazards, hazards_elsewhere, minor_hazards, minor_hazards_elsewhere,
        not_followed, not_followed_elsewhere,
    }
    AvailableUpgrade { newest, since, words }
    Blocked { distribution, chain, also_needs }
    Blocker { distribution, roots, blocks, upgrade }
    Cause { rule, module, chain, what }
    ConfigLine { file, line }
    Crash { address, object, symbol, offset, stack }
    Daemon { name, options, place }
    Declaration {
        summary, init_function, initialisation, m_size, multiple_interpreters, gil, slots, hazards, doubts,
    }
    Distribution { name, version, extension_modules, declaration, modes, top_level }
    Document {
        schema, tool, header, environment, free_threaded, modes, answers, decided_by, distributions, modules,
        blockers, applications, exercises, apache, python_findings, notes, trouble,
    }
    Exercise { file, application, requests, modes }
    FailedLoad { interpreter, name, error, text, chain }
    Finding { rule, text, add }
    Hazard { kind, evidence }
    Header { started, seconds, places, trials, requests }
    Inspected { file, declaration }
    Judged { verdict, reason, reason_id, cause, lost }
    Landing {
        host, url, except, limited, script, callable, process_group, application_group, other_groups, mode,
        status, application, place,
    }
    Module {
        name, file, folder, sha256, distribution, kind, declaration, free_threaded_build, modes, findings,
    }
    Name { name, modes }
    NotFollowed { what, place }
    NotTold { what, place }
    Outcome {
        kind, place, by, module, error, text, after, through, python, failed_loads, printed, crash, shared, kept,
    }
    Python { python, abi, platform, free_threaded, standard_modules }
    PythonFinding { rule, mode, verdict, module, what, text, mended, issue }
    Request { method, target, status, bytes, sha256, modes }
    RequestInMode { result, status }
    Root { module, what, rule }
    SharedPythonObject { kind, is_type, is_static, module, ways }
    StandardModule { file, sha256 }
    SourceFinding { rule, text, name, used, place, places }
    SourcePlace { file, line, function }
    Tool { name, version }
    Tried { outcome, judged }
    UsedModule { name, reached, loaded, through, chain }
}
