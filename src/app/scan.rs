//! One file, read once: its imports, its hazards, and what cannot be followed.

use ruff_python_ast::visitor::{Visitor, walk_arguments, walk_expr, walk_parameters, walk_stmt};
use ruff_python_ast::{ElifElseClause, Expr, ExprCall, Stmt};
use ruff_python_parser::parse_module;
use ruff_text_size::{Ranged, TextSize};

use super::globals::Globals;
use super::hazards;
use super::imports::{Import, from_names, guards_imports, names, relative};
use super::names::Names;
use super::path_changes::{self, Change};
use crate::model::Way;

/// What is found in a file.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) imports: Vec<Import>,
    /// Line, function, rule, text.
    pub(super) hazards: Vec<(usize, String, &'static str, String)>,
    /// Line, function, what.
    pub(super) not_followed: Vec<(usize, String, String)>,
    pub(super) path_changes: Vec<Change>,
}

/// Larger files are generated tables.
const LARGEST: usize = 8 << 20;

/// Scans a file of this package.
///
/// # Errors
/// In words, where it is no Python.
pub(super) fn scan(text: &str, package: &str, is_own: bool) -> Result<Scan, String> {
    if text.len() > LARGEST {
        return Err(format!("it has {} bytes, and was not read", text.len()));
    }
    let parsed = parse_module(text).map_err(|error| format!("it does not parse: {error}"))?;
    let body: &[Stmt] = &parsed.syntax().body;
    let names = Names::of(body);
    let globals = Globals::of(body, &names);
    let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
    let mut scanner = Scanner {
        lines: lines.collect(),
        names,
        globals,
        package,
        is_own,
        functions: Vec::new(),
        depth: 0,
        optional: 0,
        conditional: 0,
        path_test: None,
        found: Scan::default(),
    };
    body.iter().for_each(|stmt| scanner.visit_stmt(stmt));
    let mut found = scanner.found;
    found.hazards.sort();
    found.hazards.dedup();
    Ok(found)
}

pub(super) struct Scanner<'p> {
    /// Where lines begin, in bytes.
    lines: Vec<usize>,
    pub(super) names: Names,
    pub(super) globals: Globals,
    package: &'p str,
    pub(super) is_own: bool,
    /// Classes and functions around, outermost first.
    functions: Vec<String>,
    /// How many of them are functions.
    depth: usize,
    optional: usize,
    conditional: usize,
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
        let (line, function) = (self.line(at), self.function());
        self.found.hazards.push((line, function, rule, text));
    }

    fn not_followed(&mut self, at: TextSize, what: String) {
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

    fn import(&mut self, at: TextSize, name: String, is_from: bool) {
        let (line, function, way) = (self.line(at), self.function(), self.way());
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
        let kept = (self.optional, self.conditional);
        if is_function {
            (self.optional, self.conditional) = (0, 0);
        }
        self.body(body);
        (self.optional, self.conditional) = kept;
        self.depth -= usize::from(is_function);
        self.functions.pop();
    }

    fn clause(&mut self, clause: &ElifElseClause, is_else_of_never: bool) {
        match &clause.test {
            Some(test) => {
                self.visit_expr(test);
                if !is_never(test) {
                    self.conditionally(&clause.body);
                }
            }
            None if is_else_of_never => self.body(&clause.body),
            None => self.conditionally(&clause.body),
        }
    }

    /// Imports by call.
    fn call(&mut self, call: &ExprCall) {
        let Some(function) = self.names.resolve(&call.func) else { return };
        let argument = call.arguments.args.first();
        match function.as_str() {
            "importlib.import_module" | "__import__" => {
                let package = call.arguments.find_keyword("package").map(|keyword| &keyword.value);
                let package = package.or_else(|| call.arguments.args.get(1));
                let package = match package {
                    Some(Expr::StringLiteral(text)) => text.value.to_str().to_owned(),
                    Some(_) | None => self.package.to_owned(),
                };
                let constant = match argument {
                    Some(Expr::StringLiteral(text)) => Some(text.value.to_str().to_owned()),
                    Some(_) | None => None,
                };
                let name = constant.and_then(|text| {
                    let bare = text.trim_start_matches('.');
                    relative(bare, u32::try_from(text.len() - bare.len()).unwrap_or(0), &package)
                });
                match name {
                    Some(name) => self.import(call.start(), name, false),
                    None => {
                        self.not_followed(call.start(), format!("{function}() of a name that is computed"))
                    }
                }
            }
            "importlib.metadata.entry_points"
            | "importlib_metadata.entry_points"
            | "pkg_resources.iter_entry_points"
            | "runpy.run_path"
            | "runpy.run_module"
            | "importlib.util.spec_from_file_location" => {
                self.not_followed(call.start(), format!("{function}()"));
            }
            _ => {}
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

/// `TYPE_CHECKING`, `__name__ == "__main__"`, `False`: not what a server runs.
fn is_never(test: &Expr) -> bool {
    match test {
        Expr::Name(name) => name.id.as_str() == "TYPE_CHECKING",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "TYPE_CHECKING",
        Expr::BooleanLiteral(literal) => !literal.value,
        Expr::Compare(compare) => {
            let is_name = matches!(&*compare.left, Expr::Name(name) if name.id.as_str() == "__name__");
            let is_main =
                |expr: &Expr| matches!(expr, Expr::StringLiteral(text) if text.value.to_str() == "__main__");
            is_name
                && compare.ops.iter().all(|op| *op == ruff_python_ast::CmpOp::Eq)
                && compare.comparators.iter().any(is_main)
        }
        _ => false,
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
                    self.import(import.start(), name, false);
                }
            }
            Stmt::ImportFrom(import) => {
                let Some((base, taken)) = from_names(import, self.package) else { return };
                hazards::import(self, import.start(), &base);
                for name in taken {
                    self.import(import.start(), format!("{base}.{name}"), true);
                }
                self.import(import.start(), base, false);
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
                self.visit_expr(&branch.test);
                let is_never = is_never(&branch.test);
                let around = path_changes::enter_test(self, &branch.test);
                if !is_never {
                    self.conditionally(&branch.body);
                }
                self.path_test = around;
                branch.elif_else_clauses.iter().for_each(|clause| self.clause(clause, is_never));
            }
            Stmt::Try(block) => {
                let guarded = usize::from(guards_imports(block));
                self.optional += guarded;
                self.body(&block.body);
                self.optional -= guarded;
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
                self.call(call);
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
