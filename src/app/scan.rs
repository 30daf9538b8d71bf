//! One file, read once: its imports, its hazards, and what cannot be followed.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_arguments, walk_expr, walk_parameters, walk_stmt};
use ruff_python_ast::{Expr, Stmt, StmtIf};
use ruff_python_parser::parse_module;
use ruff_text_size::{Ranged, TextSize};

use super::called::Called;
use super::computed;
use super::conditions::{Branch, Runs, branches};
use super::hazards::{self, Hazard};
use super::imports::{Import, catches, from_names, lazy_modules, names};
use super::names::Names;
use super::path_changes::{self, Change};
use super::variables::{Row, rows};
use crate::model::Way;

/// What is found in a file.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) imports: Vec<Import>,
    pub(super) hazards: Vec<Hazard>,
    /// Line, function, what.
    pub(super) not_followed: Vec<(usize, String, String)>,
    pub(super) path_changes: Vec<Change>,
}

/// Larger files are generated tables.
const LARGEST: usize = 8 << 20;

/// What a file is part of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'p> {
    /// Its package; empty at the top.
    pub(super) package: &'p str,
    /// Whether it is the application's own.
    pub(super) is_own: bool,
    /// Whether its Python reads `__lazy_modules__` (PEP 810, since 3.15).
    pub(super) has_lazy_modules: bool,
}

/// Scans a file.
///
/// # Errors
/// In words, where it is no Python.
pub(super) fn scan(text: &str, around: Around<'_>) -> Result<Scan, String> {
    if text.len() > LARGEST {
        return Err(format!("it has {} bytes, and was not read", text.len()));
    }
    let parsed = parse_module(text).map_err(|error| format!("it does not parse: {error}"))?;
    let body: &[Stmt] = &parsed.syntax().body;
    let names = Names::of(body);
    let called = Called::of(body, &names);
    let variables = rows(body, &names, around.is_own);
    let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
    let mut scanner = Scanner {
        lines: lines.collect(),
        names,
        called,
        package: around.package,
        is_own: around.is_own,
        lazy_modules: if around.has_lazy_modules { lazy_modules(body) } else { Vec::new() },
        functions: Vec::new(),
        depth: 0,
        optional: 0,
        tolerant: 0,
        threads: BTreeSet::new(),
        conditional: 0,
        path_test: None,
        found: Scan::default(),
    };
    body.iter().for_each(|stmt| scanner.visit_stmt(stmt));
    variables.into_iter().for_each(|row| scanner.report_row(row));
    let mut found = scanner.found;
    found.hazards.sort();
    found.hazards.dedup();
    Ok(found)
}

pub(super) struct Scanner<'p> {
    /// Where lines begin, in bytes.
    lines: Vec<usize>,
    pub(super) names: Names,
    pub(super) called: Called,
    pub(super) package: &'p str,
    pub(super) is_own: bool,
    /// What `__lazy_modules__` names.
    lazy_modules: Vec<String>,
    /// Classes and functions around, outermost first.
    functions: Vec<String>,
    /// How many of them are functions.
    depth: usize,
    optional: usize,
    conditional: usize,
    /// How many `try` statements around take a `RuntimeError`.
    tolerant: usize,
    /// Names that a thread was assigned to, in the function around.
    pub(super) threads: BTreeSet<String>,
    /// The lines of the test around that asks what is on `sys.path` already.
    pub(super) path_test: Option<(usize, usize)>,
    pub(super) found: Scan,
}

impl Scanner<'_> {
    pub(super) fn line(&self, at: TextSize) -> usize {
        self.lines.partition_point(|begin| *begin <= at.to_usize())
    }

    /// The function around; empty at the level of the module or a class.
    pub(super) fn function(&self) -> String {
        if self.depth == 0 { String::new() } else { self.functions.join(".") }
    }

    pub(super) fn is_in_function(&self) -> bool {
        self.depth > 0
    }

    pub(super) fn report(&mut self, at: TextSize, rule: &'static str, text: String) {
        self.add(at, rule, text, None);
    }

    /// Reports what raises a `RuntimeError` for certain where an interpreter with its own GIL runs it. What a module does
    /// at its own level shows when it is imported.
    pub(super) fn report_refused(&mut self, at: TextSize, rule: &'static str, text: String) {
        let way = if self.tolerant > 0 { Way::LazyOptional } else { Way::Lazy };
        let refused = self.is_in_function().then_some(way);
        self.add(at, rule, text, refused);
    }

    fn add(&mut self, at: TextSize, rule: &'static str, text: String, refused: Option<Way>) {
        let (line, function, weight) = (self.line(at), self.function(), hazards::weight(rule));
        let others = Vec::new();
        let hazard = Hazard { weight, line, function, rule, text, name: None, used: None, others, refused };
        self.found.hazards.push(hazard);
    }

    fn report_row(&mut self, row: Row) {
        let Row { rule, name, text, weight, used, places } = row;
        let mut places = places.into_iter().map(|(at, function)| (self.line(at), function));
        let Some((line, function)) = places.next() else { return };
        let mut others: Vec<_> = places.filter(|place| *place != (line, function.clone())).collect();
        others.dedup();
        let name = Some(name);
        let hazard = Hazard { weight, line, function, rule, text, name, used, others, refused: None };
        self.found.hazards.push(hazard);
    }

    pub(super) fn not_followed(&mut self, at: TextSize, what: String) {
        let (line, function) = (self.line(at), self.function());
        self.found.not_followed.push((line, function, what));
    }

    fn way(&self) -> Way {
        match (self.depth > 0, self.optional > 0, self.conditional > 0) {
            (true, true, _) => Way::LazyOptional,
            (true, false, _) => Way::Lazy,
            (false, true, _) => Way::Optional,
            (false, false, true) => Way::Conditional,
            (false, false, false) => Way::AtImport,
        }
    }

    pub(super) fn import(&mut self, at: TextSize, name: String, is_from: bool) {
        self.import_as(at, name, is_from, self.way());
    }

    /// An import that runs when what it names is first used.
    pub(super) fn import_lazily(&mut self, at: TextSize, name: String, is_from: bool) {
        self.import_as(at, name, is_from, self.way().then(Way::Lazy));
    }

    fn import_as(&mut self, at: TextSize, name: String, is_from: bool, way: Way) {
        let (line, function) = (self.line(at), self.function());
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

    /// Whether an import statement waits until what it names is used: `lazy import`, or `__lazy_modules__`, which counts
    /// at the level of the module alone (PEP 810).
    fn is_lazy(&self, is_written: bool, name: &str) -> bool {
        is_written || (self.functions.is_empty() && self.lazy_modules.iter().any(|lazy| lazy == name))
    }

    fn body(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.visit_stmt(stmt));
    }

    fn conditionally(&mut self, body: &[Stmt]) {
        self.conditional += 1;
        self.body(body);
        self.conditional -= 1;
    }

    fn within(&mut self, name: &str, is_function: bool, body: &[Stmt]) {
        self.functions.push(name.to_owned());
        self.depth += usize::from(is_function);
        // What surrounds a definition does not surround the call.
        let kept = (self.optional, self.conditional, self.tolerant);
        if is_function {
            (self.optional, self.conditional, self.tolerant) = (0, 0, 0);
        }
        let threads = std::mem::take(&mut self.threads);
        self.body(body);
        self.threads = threads;
        (self.optional, self.conditional, self.tolerant) = kept;
        self.depth -= usize::from(is_function);
        self.functions.pop();
    }

    /// The branches of an `if` that may run in a server.
    fn visit_branches(&mut self, branch: &StmtIf) {
        for Branch { test, body, runs } in branches(branch) {
            test.into_iter().for_each(|test| self.visit_expr(test));
            match runs {
                Runs::Never => {}
                Runs::Perhaps => self.conditionally(body),
                Runs::Always => self.body(body),
            }
        }
    }

    /// Names in strings: `"shop.urls"`. Frameworks import what their settings name.
    fn text(&mut self, at: TextSize, text: &str) {
        let is_name = text.len() < 200
            && text.split('.').all(|part| {
                part.starts_with(|letter: char| letter == '_' || letter.is_ascii_alphabetic())
                    && part.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
            });
        if self.is_own && is_name {
            let (line, function) = (self.line(at), self.function());
            let import = Import {
                is_conditional: false,
                name: text.to_owned(),
                is_from: true,
                line,
                function,
                way: Way::Lazy,
                is_named: true,
            };
            self.found.imports.push(import);
        }
    }
}

impl<'a> Visitor<'a> for Scanner<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        hazards::statement(self, stmt);
        path_changes::statement(self, stmt);
        match stmt {
            Stmt::Import(import) => {
                for name in names(import) {
                    hazards::import(self, import.start(), &name);
                    match self.is_lazy(import.is_lazy, &name) {
                        true => self.import_lazily(import.start(), name, false),
                        false => self.import(import.start(), name, false),
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                let Some((base, taken)) = from_names(import, self.package) else { return };
                hazards::import(self, import.start(), &base);
                let way = match self.is_lazy(import.is_lazy, &base) {
                    true => self.way().then(Way::Lazy),
                    false => self.way(),
                };
                for name in taken {
                    self.import_as(import.start(), format!("{base}.{name}"), true, way);
                }
                self.import_as(import.start(), base, false, way);
            }
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|each| self.visit_decorator(each));
                walk_parameters(self, &function.parameters);
                self.within(function.name.as_str(), true, &function.body);
            }
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|each| self.visit_decorator(each));
                if let Some(arguments) = &class.arguments {
                    walk_arguments(self, arguments);
                }
                self.within(class.name.as_str(), false, &class.body);
            }
            Stmt::If(branch) => {
                let around = path_changes::enter_test(self, &branch.test);
                self.visit_branches(branch);
                self.path_test = around;
            }
            Stmt::Try(block) => {
                let guarded = usize::from(catches(block, &["ImportError", "ModuleNotFoundError"]));
                let tolerant = usize::from(catches(block, &["RuntimeError"]));
                self.optional += guarded;
                self.tolerant += tolerant;
                self.body(&block.body);
                self.optional -= guarded;
                self.tolerant -= tolerant;
                // Handlers run where the body failed; what they import instead is needed then.
                self.conditional += 1;
                block.handlers.iter().for_each(|handler| self.visit_except_handler(handler));
                self.body(&block.orelse);
                self.conditional -= 1;
                self.body(&block.finalbody);
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
                computed::call(self, call);
                hazards::call(self, call);
                path_changes::call(self, call);
                walk_expr(self, expr);
            }
            Expr::StringLiteral(text) => self.text(text.start(), text.value.to_str()),
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
