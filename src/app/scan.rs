//! Scans a source file once for imports, hazards, and imports that cannot be followed.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_arguments, walk_expr, walk_parameters, walk_stmt};
use ruff_python_ast::{Expr, Stmt, StmtIf};
use ruff_python_parser::parse_module;
use ruff_text_size::{Ranged, TextSize};

use super::conditions::{EvaluatedBranch, Reachability, branches_of_if};
use super::function_calls::FunctionCalls;
use super::hazards::{self, FileHazard};
use super::import_aliases::ImportAliases;
use super::import_calls;
use super::imports::{Import, catches_any, imported_names, lazy_modules, resolve_from_import};
use super::path_changes::{self, SearchPathChange};
use super::variables::{GroupedHazard, find_variable_hazards};
use crate::model::ImportKind;

/// The result of scanning a file.
#[derive(Debug, Default)]
pub(super) struct FileScan {
    pub(super) imports: Vec<Import>,
    pub(super) hazards: Vec<FileHazard>,
    /// Imports that cannot be followed: line, function, description.
    pub(super) not_followed: Vec<(usize, String, String)>,
    pub(super) path_changes: Vec<SearchPathChange>,
}

/// Maximum size of a file in bytes: larger files are generated tables.
const LARGEST: usize = 8 << 20;

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

/// Scans the text of a file.
///
/// # Errors
/// A message, if the text is too large or not valid Python.
pub(super) fn scan_source(text: &str, context: FileContext<'_>) -> Result<FileScan, String> {
    if text.len() > LARGEST {
        return Err(format!("it is too large and was not read: {} bytes", text.len()));
    }
    let parsed = parse_module(text).map_err(|error| format!("it does not parse: {error}"))?;
    let body: &[Stmt] = &parsed.syntax().body;
    let names = ImportAliases::from_body(body);
    let called = FunctionCalls::from_body(body, &names);
    let variables = find_variable_hazards(body, &names, context.is_own);
    let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
    let mut scanner = Scanner {
        lines: lines.collect(),
        names,
        called,
        package: context.package,
        is_own: context.is_own,
        lazy_modules: if context.has_lazy_modules { lazy_modules(body) } else { Vec::new() },
        functions: Vec::new(),
        depth: 0,
        optional: 0,
        tolerant: 0,
        threads: BTreeSet::new(),
        conditional: 0,
        path_test: None,
        found: FileScan::default(),
    };
    body.iter().for_each(|stmt| scanner.visit_stmt(stmt));
    variables.into_iter().for_each(|hazard| scanner.report_grouped_hazard(hazard));
    let mut found = scanner.found;
    found.hazards.sort();
    found.hazards.dedup();
    Ok(found)
}

/// The visitor that scans a file.
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
    functions: Vec<String>,
    /// How many of these are functions.
    depth: usize,
    /// How many enclosing `try` statements catch `ImportError`.
    optional: usize,
    /// How many enclosing conditions, loops and exception handlers there are.
    conditional: usize,
    /// How many enclosing `try` statements catch `RuntimeError`.
    tolerant: usize,
    /// Names in the enclosing function that a thread was assigned to.
    pub(super) threads: BTreeSet<String>,
    /// First and last line of the enclosing condition that tests `sys.path`.
    pub(super) path_test: Option<(usize, usize)>,
    pub(super) found: FileScan,
}

impl Scanner<'_> {
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

    pub(super) fn report_hazard(&mut self, at: TextSize, rule: &'static str, text: String) {
        self.push_hazard(at, rule, text, None);
    }

    /// Reports code that always raises `RuntimeError` in an interpreter with its own GIL. At module level it
    /// is not marked as refused: the trial's import shows it.
    pub(super) fn report_refused_hazard(&mut self, at: TextSize, rule: &'static str, text: String) {
        let way = if self.tolerant > 0 { ImportKind::LazyOptional } else { ImportKind::Lazy };
        let refused = self.is_in_function().then_some(way);
        self.push_hazard(at, rule, text, refused);
    }

    fn push_hazard(&mut self, at: TextSize, rule: &'static str, text: String, refused: Option<ImportKind>) {
        let (line, function, weight) =
            (self.line_at(at), self.enclosing_function(), hazards::weight_of_rule(rule));
        let others = Vec::new();
        let hazard =
            FileHazard { weight, line, function, rule, text, name: None, used: None, others, refused };
        self.found.hazards.push(hazard);
    }

    fn report_grouped_hazard(&mut self, hazard: GroupedHazard) {
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
    fn import_kind(&self) -> ImportKind {
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

    fn record_import_as(&mut self, at: TextSize, name: String, is_from: bool, way: ImportKind) {
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
    fn is_lazy_import(&self, is_written: bool, name: &str) -> bool {
        is_written || (self.functions.is_empty() && self.lazy_modules.iter().any(|lazy| lazy == name))
    }

    fn visit_statements(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.visit_stmt(stmt));
    }

    fn visit_conditional(&mut self, body: &[Stmt]) {
        self.conditional += 1;
        self.visit_statements(body);
        self.conditional -= 1;
    }

    fn visit_definition(&mut self, name: &str, is_function: bool, body: &[Stmt]) {
        self.functions.push(name.to_owned());
        self.depth += usize::from(is_function);
        // Conditions and `try` statements around a definition do not apply to its calls.
        let outer = (self.optional, self.conditional, self.tolerant);
        if is_function {
            (self.optional, self.conditional, self.tolerant) = (0, 0, 0);
        }
        let threads = std::mem::take(&mut self.threads);
        self.visit_statements(body);
        self.threads = threads;
        (self.optional, self.conditional, self.tolerant) = outer;
        self.depth -= usize::from(is_function);
        self.functions.pop();
    }

    /// Visits the branches of an `if` that may run in a server.
    fn visit_branches(&mut self, branch: &StmtIf) {
        for EvaluatedBranch { test, body, runs } in branches_of_if(branch) {
            test.into_iter().for_each(|test| self.visit_expr(test));
            match runs {
                Reachability::Never => {}
                Reachability::Perhaps => self.visit_conditional(body),
                Reachability::Always => self.visit_statements(body),
            }
        }
    }

    /// Records a module name in a string, `"shop.urls"`: frameworks import what their settings name.
    fn record_string_import(&mut self, at: TextSize, text: &str) {
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

impl<'a> Visitor<'a> for Scanner<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        hazards::check_statement(self, stmt);
        path_changes::scan_statement(self, stmt);
        match stmt {
            Stmt::Import(import) => {
                for name in imported_names(import) {
                    hazards::check_import(self, import.start(), &name);
                    match self.is_lazy_import(import.is_lazy, &name) {
                        true => self.record_lazy_import(import.start(), name, false),
                        false => self.record_import(import.start(), name, false),
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                let Some((base, taken)) = resolve_from_import(import, self.package) else { return };
                hazards::check_import(self, import.start(), &base);
                let way = match self.is_lazy_import(import.is_lazy, &base) {
                    true => self.import_kind().followed_by(ImportKind::Lazy),
                    false => self.import_kind(),
                };
                for name in taken {
                    self.record_import_as(import.start(), format!("{base}.{name}"), true, way);
                }
                self.record_import_as(import.start(), base, false, way);
            }
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|each| self.visit_decorator(each));
                walk_parameters(self, &function.parameters);
                self.visit_definition(function.name.as_str(), true, &function.body);
            }
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|each| self.visit_decorator(each));
                if let Some(arguments) = &class.arguments {
                    walk_arguments(self, arguments);
                }
                self.visit_definition(class.name.as_str(), false, &class.body);
            }
            Stmt::If(branch) => {
                let outer_test = path_changes::enter_test(self, &branch.test);
                self.visit_branches(branch);
                self.path_test = outer_test;
            }
            Stmt::Try(block) => {
                let guarded = usize::from(catches_any(block, &["ImportError", "ModuleNotFoundError"]));
                let tolerant = usize::from(catches_any(block, &["RuntimeError"]));
                self.optional += guarded;
                self.tolerant += tolerant;
                self.visit_statements(&block.body);
                self.optional -= guarded;
                self.tolerant -= tolerant;
                // Handlers run when the body fails; then the imports in them are needed.
                self.conditional += 1;
                block.handlers.iter().for_each(|handler| self.visit_except_handler(handler));
                self.visit_statements(&block.orelse);
                self.conditional -= 1;
                self.visit_statements(&block.finalbody);
            }
            Stmt::While(_) | Stmt::For(_) | Stmt::Match(_) => {
                self.conditional += 1;
                walk_stmt(self, stmt);
                self.conditional -= 1;
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Call(call) => {
                import_calls::scan_import_call(self, call);
                hazards::check_call(self, call);
                path_changes::scan_call(self, call);
                walk_expr(self, expr);
            }
            Expr::StringLiteral(text) => self.record_string_import(text.start(), text.value.to_str()),
            Expr::Lambda(lambda) => {
                self.functions.push("lambda".to_owned());
                self.depth += 1;
                self.visit_expr(&lambda.body);
                self.depth -= 1;
                self.functions.pop();
            }
            _ => walk_expr(self, expr),
        }
    }
}
