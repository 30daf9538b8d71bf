//! The assignments and conditions of a function, without those of functions and classes nested in it.

use ruff_python_ast::visitor::{Visitor, walk_comprehension, walk_expr, walk_stmt, walk_with_item};
use ruff_python_ast::{Comprehension, ExceptHandler, Expr, ExprContext, Stmt, StmtTry, WithItem};

/// An assignment of a value to a target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    pub(super) target: &'a Expr,
    pub(super) value: &'a Expr,
    /// Whether it is an augmented assignment: `total += 1`.
    pub(super) is_counted: bool,
}

/// The assignments and conditions of a function.
#[derive(Debug, Default)]
pub(super) struct FunctionBindings<'a> {
    pub(super) bindings: Vec<Binding<'a>>,
    /// Expressions that the control flow depends on.
    pub(super) tests: Vec<&'a Expr>,
    /// How many enclosing `try` statements catch the error of a missing entry.
    expected: usize,
}

impl<'a> FunctionBindings<'a> {
    pub(super) fn from_body(body: &'a [Stmt]) -> Self {
        let mut code = Self::default();
        body.iter().for_each(|stmt| code.visit_stmt(stmt));
        code
    }

    fn record_binding(&mut self, target: &'a Expr, value: &'a Expr) {
        if let (Expr::Tuple(targets), Expr::Tuple(values)) = (target, value)
            && targets.elts.len() == values.elts.len()
            && !targets.elts.iter().any(Expr::is_starred_expr)
        {
            targets
                .elts
                .iter()
                .zip(&values.elts)
                .for_each(|(target, value)| self.record_binding(target, value));
            return;
        }
        self.bindings.push(Binding { target, value, is_counted: false });
    }
}

/// Errors that a missing entry, attribute or name raises.
const NOT_THERE: [&str; 5] = ["KeyError", "IndexError", "LookupError", "AttributeError", "NameError"];

/// Whether a `try` statement catches the error of a missing entry.
fn catches_missing_value(block: &StmtTry) -> bool {
    let is_it = |expr: &Expr| matches!(expr, Expr::Name(name) if NOT_THERE.contains(&name.id.as_str()));
    block.handlers.iter().any(|ExceptHandler::ExceptHandler(handler)| match handler.type_.as_deref() {
        Some(Expr::Tuple(all)) => all.elts.iter().any(is_it),
        Some(expr) => is_it(expr),
        None => false,
    })
}

impl<'a> Visitor<'a> for FunctionBindings<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => return,
            Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|target| self.record_binding(target, &assign.value));
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.record_binding(&assign.target, value);
                }
            }
            Stmt::AugAssign(assign) => {
                let (target, value) = (&*assign.target, &*assign.value);
                self.bindings.push(Binding { target, value, is_counted: true });
            }
            Stmt::For(each) => self.record_binding(&each.target, &each.iter),
            Stmt::If(branch) => {
                self.tests.push(&branch.test);
                self.tests.extend(branch.elif_else_clauses.iter().filter_map(|clause| clause.test.as_ref()));
            }
            Stmt::While(repeated) => self.tests.push(&repeated.test),
            Stmt::Assert(assertion) => self.tests.push(&assertion.test),
            Stmt::Match(choice) => self.tests.push(&choice.subject),
            Stmt::Try(block) => {
                let is_expected = usize::from(catches_missing_value(block));
                self.expected += is_expected;
                block.body.iter().for_each(|stmt| self.visit_stmt(stmt));
                self.expected -= is_expected;
                for ExceptHandler::ExceptHandler(handler) in &block.handlers {
                    handler.body.iter().for_each(|stmt| self.visit_stmt(stmt));
                }
                block.orelse.iter().chain(&block.finalbody).for_each(|stmt| self.visit_stmt(stmt));
                return;
            }
            _ => {}
        }
        walk_stmt(self, stmt);
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        // The target of an assignment is not read.
        if let Expr::Subscript(item) = expr
            && item.ctx != ExprContext::Load
        {
            return self.visit_expr(&item.slice);
        }
        if self.expected > 0 {
            self.tests.push(expr);
        }
        match expr {
            Expr::Lambda(_) => return,
            Expr::Named(named) => self.record_binding(&named.target, &named.value),
            Expr::If(choice) => self.tests.push(&choice.test),
            Expr::BoolOp(operation) => self.tests.extend(&operation.values),
            _ => {}
        }
        walk_expr(self, expr);
    }

    fn visit_comprehension(&mut self, comprehension: &'a Comprehension) {
        self.tests.extend(&comprehension.ifs);
        walk_comprehension(self, comprehension);
    }

    fn visit_with_item(&mut self, item: &'a WithItem) {
        if let Some(target) = &item.optional_vars {
            self.record_binding(target, &item.context_expr);
        }
        walk_with_item(self, item);
    }
}
