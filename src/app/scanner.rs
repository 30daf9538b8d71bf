//! What a scan of a source file keeps: its position, and the imports and hazards found so far.

use std::collections::BTreeSet;

use ruff_text_size::TextSize;

use super::file_hazard::{FileHazard, weight_of_rule};
use super::function_calls::FunctionCalls;
use super::import_aliases::ImportAliases;
use super::imports::Import;
use super::variables::GroupedHazard;
use crate::model::{ImportKind, RuleId};

/// The result of scanning a file.
#[derive(Debug, Default)]
pub(super) struct FileScan {
    pub(super) imports: Vec<Import>,
    pub(super) hazards: Vec<FileHazard>,
    /// Imports that cannot be followed: line, function, description.
    pub(super) not_followed: Vec<(usize, String, String)>,
    pub(super) path_changes: Vec<SearchPathChange>,
}

/// A statement that changes the module search path.
#[derive(Clone, Debug)]
pub(super) struct SearchPathChange {
    pub(super) line: usize,
    pub(super) function: String,
    /// The change, in one line.
    pub(super) text: String,
    /// First and last line of the code that must have run for `sys.path` to show the effect; `None` if it
    /// never does.
    pub(super) lines: Option<(usize, usize)>,
}

/// The package and the environment of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileContext<'p> {
    /// The file's package; empty at the top level.
    pub(super) package: &'p str,
    /// Whether the file is the application's own.
    pub(super) is_own: bool,
    /// Whether the application's Python heeds `__lazy_modules__` (PEP 810, since 3.15).
    pub(super) has_lazy_modules: bool,
}

/// The state of a scan: where the visitor of `scan` is, and what it has found.
pub(super) struct Scanner<'p> {
    /// Byte offsets of the beginnings of lines.
    lines: Vec<usize>,
    pub(super) names: ImportAliases,
    pub(super) called: FunctionCalls,
    pub(super) package: &'p str,
    pub(super) is_own: bool,
    /// The names in `__lazy_modules__`.
    lazy_modules: Vec<String>,
    /// Enclosing classes and functions, outermost first.
    pub(super) functions: Vec<String>,
    /// How many of these are functions.
    pub(super) depth: usize,
    /// How many enclosing `try` statements catch `ImportError`.
    pub(super) optional: usize,
    /// How many enclosing conditions, loops and exception handlers there are.
    pub(super) conditional: usize,
    /// How many enclosing `try` statements catch `RuntimeError`.
    pub(super) tolerant: usize,
    /// Names in the enclosing function that a thread was assigned to.
    pub(super) threads: BTreeSet<String>,
    /// First and last line of the enclosing condition that tests `sys.path`.
    pub(super) path_test: Option<(usize, usize)>,
    pub(super) found: FileScan,
}

impl<'p> Scanner<'p> {
    /// Starts at the top of a file. `lazy_modules`: the names in `__lazy_modules__`.
    pub(super) fn new(
        text: &str,
        context: FileContext<'p>,
        names: ImportAliases,
        called: FunctionCalls,
        lazy_modules: Vec<String>,
    ) -> Self {
        let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
        Self {
            lines: lines.collect(),
            names,
            called,
            package: context.package,
            is_own: context.is_own,
            lazy_modules,
            functions: Vec::new(),
            depth: 0,
            optional: 0,
            tolerant: 0,
            threads: BTreeSet::new(),
            conditional: 0,
            path_test: None,
            found: FileScan::default(),
        }
    }

    /// Returns the line number of an offset, from 1.
    pub(super) fn line_at(&self, at: TextSize) -> usize {
        self.lines.partition_point(|begin| *begin <= at.to_usize())
    }

    /// Returns the enclosing function; empty at the level of the module or a class.
    pub(super) fn enclosing_function(&self) -> String {
        if self.depth == 0 { String::new() } else { self.functions.join(".") }
    }

    pub(super) fn is_in_function(&self) -> bool {
        self.depth > 0
    }

    pub(super) fn report_hazard(&mut self, at: TextSize, rule: RuleId, text: String) {
        self.push_hazard(at, rule, text, None);
    }

    /// Reports code that always raises `RuntimeError` in an interpreter with its own GIL. At module level it
    /// is not marked as refused: the trial's import shows it.
    pub(super) fn report_refused_hazard(&mut self, at: TextSize, rule: RuleId, text: String) {
        let way = if self.tolerant > 0 { ImportKind::LazyOptional } else { ImportKind::Lazy };
        let refused = self.is_in_function().then_some(way);
        self.push_hazard(at, rule, text, refused);
    }

    fn push_hazard(&mut self, at: TextSize, rule: RuleId, text: String, refused: Option<ImportKind>) {
        let (line, function, weight) = (self.line_at(at), self.enclosing_function(), weight_of_rule(rule));
        let others = Vec::new();
        let hazard =
            FileHazard { weight, line, function, rule, text, name: None, used: None, others, refused };
        self.found.hazards.push(hazard);
    }

    pub(super) fn report_grouped_hazard(&mut self, hazard: GroupedHazard) {
        let GroupedHazard { rule, name, text, weight, used, places } = hazard;
        let mut locations = places.into_iter().map(|(at, function)| (self.line_at(at), function));
        let Some((line, function)) = locations.next() else { return };
        let mut others: Vec<_> = locations.filter(|other| *other != (line, function.clone())).collect();
        others.dedup();
        let name = Some(name);
        let hazard = FileHazard { weight, line, function, rule, text, name, used, others, refused: None };
        self.found.hazards.push(hazard);
    }

    pub(super) fn report_not_followed(&mut self, at: TextSize, what: String) {
        let (line, function) = (self.line_at(at), self.enclosing_function());
        self.found.not_followed.push((line, function, what));
    }

    /// Returns the kind of an import at the current position.
    pub(super) fn import_kind(&self) -> ImportKind {
        match (self.depth > 0, self.optional > 0, self.conditional > 0) {
            (true, true, _) => ImportKind::LazyOptional,
            (true, false, _) => ImportKind::Lazy,
            (false, true, _) => ImportKind::Optional,
            (false, false, true) => ImportKind::Conditional,
            (false, false, false) => ImportKind::AtImport,
        }
    }

    pub(super) fn record_import(&mut self, at: TextSize, name: String, is_from: bool) {
        self.record_import_as(at, name, is_from, self.import_kind());
    }

    /// Records an import that runs when the module is first used.
    pub(super) fn record_lazy_import(&mut self, at: TextSize, name: String, is_from: bool) {
        self.record_import_as(at, name, is_from, self.import_kind().followed_by(ImportKind::Lazy));
    }

    pub(super) fn record_import_as(&mut self, at: TextSize, name: String, is_from: bool, way: ImportKind) {
        let (line, function) = (self.line_at(at), self.enclosing_function());
        let is_conditional = self.conditional > 0;
        self.found.imports.push(Import {
            name,
            is_from,
            line,
            function,
            way,
            is_conditional,
            is_named: false,
        });
    }

    /// Whether an import statement is lazy: by `lazy import`, or by `__lazy_modules__`, which applies at
    /// module level only (PEP 810).
    pub(super) fn is_lazy_import(&self, is_written: bool, name: &str) -> bool {
        is_written || (self.functions.is_empty() && self.lazy_modules.iter().any(|lazy| lazy == name))
    }

    /// Records a module name in a string, `"shop.urls"`: frameworks import what their settings name.
    pub(super) fn record_string_import(&mut self, at: TextSize, text: &str) {
        let is_name = text.len() < 200
            && text.split('.').all(|part| {
                part.starts_with(|letter: char| letter == '_' || letter.is_ascii_alphabetic())
                    && part.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
            });
        if self.is_own && is_name {
            let (line, function) = (self.line_at(at), self.enclosing_function());
            let import = Import {
                is_conditional: false,
                name: text.to_owned(),
                is_from: true,
                line,
                function,
                way: ImportKind::Lazy,
                is_named: true,
            };
            self.found.imports.push(import);
        }
    }
}
