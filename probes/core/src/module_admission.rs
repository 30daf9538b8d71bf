//! Whether the report vetted an extension module for the mode of the interpreter that loads it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::host_config::{GuardConfig, InterpreterMode, VettedModule};

/// The modules that the report covers, by file, and which verdicts they may have.
#[derive(Clone, Debug)]
pub struct VettedModules {
    modules: HashMap<PathBuf, VettedModule>,
    /// SHA-256 of CPython's own extension modules. CPython itself refuses those that do not support an
    /// interpreter.
    standard: HashMap<PathBuf, String>,
    admits_degraded: bool,
}

/// Why an extension module is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AdmissionError {
    /// The server did not create the interpreter.
    #[error("{name} is not loaded by wsgiaudit: the application created this interpreter")]
    ForeignInterpreter {
        /// Dotted name of the module.
        name: String,
    },
    /// The file cannot be read or copied.
    #[error("{name} is not loaded by wsgiaudit: {path}: {error}")]
    Unreadable {
        /// Dotted name of the module.
        name: String,
        /// Path of the file.
        path: String,
        /// The error of the system.
        error: String,
    },
    /// The report does not cover the file.
    #[error(
        "{name} is not vetted for {mode}: {file} is not in the report; audit the environment again, or \
         --unvetted warn"
    )]
    NotInReport {
        /// Dotted name of the module.
        name: String,
        /// The interpreter's mode.
        mode: &'static str,
        /// The file, symbolic links resolved.
        file: String,
    },
    /// The file is not the one that was audited.
    #[error(
        "{name} is not vetted for {mode}: {file} has changed since the audit ({change}); audit the environment again"
    )]
    Changed {
        /// Dotted name of the module.
        name: String,
        /// The interpreter's mode.
        mode: &'static str,
        /// The file, symbolic links resolved.
        file: String,
        /// What is different.
        change: String,
    },
    /// The module's verdict for the mode is not good enough.
    #[error("{name} is {verdict} for {mode}{}; {}", format_reason(reason), advice_for_verdict(verdict))]
    Verdict {
        /// Dotted name of the module.
        name: String,
        /// The interpreter's mode.
        mode: &'static str,
        /// The verdict.
        verdict: String,
        /// The reason for the verdict, which may be empty.
        reason: String,
    },
}

impl VettedModules {
    /// Takes the modules of a guard's configuration.
    pub fn new(config: &GuardConfig) -> Self {
        let modules = config.vetted.iter().map(|module| (PathBuf::from(&module.path), module.clone()));
        let standard = config.standard.iter();
        let standard = standard.map(|module| (PathBuf::from(&module.path), module.sha256.clone()));
        Self {
            modules: modules.collect(),
            standard: standard.collect(),
            admits_degraded: config.admit_degraded,
        }
    }

    /// Returns the SHA-256 that this file had at the audit, if it is one of CPython's own extension modules.
    /// Symbolic links are resolved already.
    pub fn digest_of_standard_module(&self, file: &Path) -> Option<&str> {
        self.standard.get(file).map(String::as_str)
    }

    /// Returns what the report says about this file, if it may be loaded. Symbolic links are resolved already.
    ///
    /// # Errors
    /// If the report does not cover the file, or its verdict is not good enough.
    pub fn admit_module(
        &self,
        name: &str,
        file: &Path,
        mode: InterpreterMode,
    ) -> Result<&VettedModule, AdmissionError> {
        let (name, mode) = (name.to_owned(), mode.name());
        let Some(module) = self.modules.get(file) else {
            return Err(AdmissionError::NotInReport { name, mode, file: file.display().to_string() });
        };
        let (verdict, reason) = module
            .verdicts
            .get(mode)
            .map_or(("unknown", "this mode was not audited"), |(verdict, reason)| {
                (verdict.as_str(), reason.as_str())
            });
        if verdict == "ready" || (verdict == "degraded" && self.admits_degraded) {
            return Ok(module);
        }
        Err(AdmissionError::Verdict { name, mode, verdict: verdict.to_owned(), reason: reason.to_owned() })
    }
}

fn format_reason(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn advice_for_verdict(verdict: &str) -> &'static str {
    match verdict {
        "degraded" => "use --admit degraded to load it",
        "blocked" | "unsafe" => "move its application to a group in the main interpreter",
        _ => "audit the environment again",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::{AdmissionError, VettedModules};
    use crate::host_config::{GuardConfig, InterpreterMode, StandardModule, VettedModule};

    fn vetted(verdict: &str, reason: &str, admit_degraded: bool) -> VettedModules {
        let module = VettedModule {
            path: "/site/m.so".to_owned(),
            folder: "/site".to_owned(),
            sha256: String::new(),
            verdicts: BTreeMap::from([("own-gil".to_owned(), (verdict.to_owned(), reason.to_owned()))]),
        };
        let (warn_only, folder) = (false, String::new());
        let standard = vec![StandardModule { path: "/lib/_ssl.so".to_owned(), sha256: "12".to_owned() }];
        VettedModules::new(&GuardConfig { vetted: vec![module], standard, admit_degraded, warn_only, folder })
    }

    #[test]
    fn standard_modules_are_known_by_file_and_not_by_folder() {
        let modules = vetted("ready", "", false);
        assert_eq!(modules.digest_of_standard_module(Path::new("/lib/_ssl.so")), Some("12"));
        assert_eq!(modules.digest_of_standard_module(Path::new("/lib/other.so")), None);
        assert_eq!(modules.digest_of_standard_module(Path::new("/site/m.so")), None);
    }

    fn refusal(modules: &VettedModules, file: &str, mode: InterpreterMode) -> String {
        modules.admit_module("m", Path::new(file), mode).unwrap_err().to_string()
    }

    #[test]
    fn a_module_that_is_ready_is_admitted() {
        let modules = vetted("ready", "", false);
        let admitted = modules.admit_module("m", Path::new("/site/m.so"), InterpreterMode::OwnGil).unwrap();
        assert_eq!(admitted.path, "/site/m.so");
    }

    #[test]
    fn a_degraded_module_is_admitted_on_request() {
        let admitted = |modules: VettedModules| {
            modules.admit_module("m", Path::new("/site/m.so"), InterpreterMode::OwnGil).is_ok()
        };
        assert!(admitted(vetted("degraded", "", true)));
        assert!(!admitted(vetted("degraded", "", false)));
        assert!(!admitted(vetted("blocked", "", true)));
    }

    #[test]
    fn a_refusal_says_why_and_what_to_do() {
        let own = InterpreterMode::OwnGil;
        assert_eq!(
            refusal(&vetted("unsafe", "it crashes", true), "/site/m.so", own),
            "m is unsafe for own-gil: it crashes; move its application to a group in the main interpreter"
        );
        assert_eq!(
            refusal(&vetted("blocked", "", true), "/site/m.so", own),
            "m is blocked for own-gil; move its application to a group in the main interpreter"
        );
        assert_eq!(
            refusal(&vetted("degraded", "slow", false), "/site/m.so", own),
            "m is degraded for own-gil: slow; use --admit degraded to load it"
        );
        assert_eq!(
            refusal(&vetted("unknown", "", true), "/site/m.so", own),
            "m is unknown for own-gil; audit the environment again"
        );
    }

    #[test]
    fn what_was_not_audited_is_not_vetted() {
        let modules = vetted("ready", "", true);
        assert_eq!(
            refusal(&modules, "/site/m.so", InterpreterMode::SharedGil),
            "m is unknown for shared-gil: this mode was not audited; audit the environment again"
        );
        assert_eq!(
            refusal(&modules, "/site/other.so", InterpreterMode::OwnGil),
            "m is not vetted for own-gil: /site/other.so is not in the report; audit the environment again, or \
             --unvetted warn"
        );
    }

    #[test]
    fn other_errors_name_the_module_and_the_file() {
        let name = || "m".to_owned();
        let error =
            AdmissionError::Unreadable { name: name(), path: "/a".to_owned(), error: "gone".to_owned() };
        assert_eq!(error.to_string(), "m is not loaded by wsgiaudit: /a: gone");
        let (file, change) = ("/a".to_owned(), "its SHA-256 is 1, not 2".to_owned());
        let error = AdmissionError::Changed { name: name(), mode: "main", file, change };
        assert_eq!(
            error.to_string(),
            "m is not vetted for main: /a has changed since the audit (its SHA-256 is 1, not 2); audit the \
             environment again"
        );
        let error = AdmissionError::ForeignInterpreter { name: name() };
        assert_eq!(
            error.to_string(),
            "m is not loaded by wsgiaudit: the application created this interpreter"
        );
    }
}
