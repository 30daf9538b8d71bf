//! Scans a source file once for imports, hazards, and imports that cannot be followed.

use std::io::ErrorKind;
use std::path::Path;

use ruff_python_ast::visitor::{Visitor, walk_arguments, walk_expr, walk_parameters, walk_stmt};
use ruff_python_ast::{Expr, Stmt, StmtIf};
use ruff_text_size::Ranged;

use super::conditions::{EvaluatedBranch, Reachability, branches_of_if};
use super::function_calls::FunctionCalls;
use super::import_aliases::ImportAliases;
use super::imports::{catches_any, imported_names, lazy_modules, resolve_from_import};
use super::scanner::{FileContext, FileScan, Scanner};
use super::variables::find_variable_hazards;
use super::{hazards, import_calls, path_changes};
use crate::model::ImportKind;
use crate::python_source::{self, parse_source};
use crate::regular_file;

/// Reads the text of a file. What is not UTF-8 is replaced.
///
/// # Errors
/// A message, if the file cannot be read, or is too large.
pub(super) fn read_source(file: &Path) -> Result<String, String> {
    match regular_file::read_limited(file, python_source::MAX_SIZE) {
        Ok(bytes) => Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err(format!("it is too large and was not read: {error}"))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Scans the text of a file.
///
/// # Errors
/// A message, if the text is too large, nested too deeply, or not valid Python.
pub(super) fn scan_source(text: &str, context: FileContext<'_>) -> Result<FileScan, String> {
    parse_source(text, |body| scan_statements(body, text, context))
}

fn scan_statements(body: &[Stmt], text: &str, context: FileContext<'_>) -> FileScan {
    let names = ImportAliases::from_body(body);
    let called = FunctionCalls::from_body(body, &names);
    let variables = find_variable_hazards(body, &names, context.is_own);
    let lazy_modules = if context.has_lazy_modules { lazy_modules(body) } else { Vec::new() };
    let mut scanner = Scanner::new(text, context, names, called, lazy_modules);
    body.iter().for_each(|stmt| scanner.visit_stmt(stmt));
    variables.into_iter().for_each(|hazard| scanner.report_grouped_hazard(hazard));
    let mut found = scanner.found;
    found.hazards.sort();
    found.hazards.dedup();
    found
}

impl Scanner<'_> {
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
