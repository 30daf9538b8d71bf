//! What a function assigns to its names, and what it tests, without the functions and classes in it.

use ruff_python_ast::visitor::{Visitor, walk_comprehension, walk_expr, walk_stmt, walk_with_item};
use ruff_python_ast::{Comprehension, ExceptHandler, Expr, ExprContext, Stmt, StmtTry, WithItem};

/// A value for names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    pub(super) target: &'a Expr,
    pub(super) value: &'a Expr,
    /// Whether the value is put on top of what is there: `total += 1`.
    pub(super) is_counted: bool,
}

/// The code of a function.
#[derive(Debug, Default)]
pub(super) struct Function<'a> {
    pub(super) bindings: Vec<Binding<'a>>,
    /// Expressions on which depends what runs next.
    pub(super) tests: Vec<&'a Expr>,
    /// How many `try` statements around expect that something is not there.
    expected: usize,
}

impl<'a> Function<'a> {
    pub(super) fn of(body: &'a [Stmt]) -> Self {
        let mut code = Self::default();
        body.iter().for_each(|stmt| code.visit_stmt(stmt));
        code
    }

    fn bind(&mut self, target: &'a Expr, value: &'a Expr) {
        if let (Expr::Tuple(targets), Expr::Tuple(values)) = (target, value)
            && targets.elts.len() == values.elts.len()
            && !targets.elts.iter().any(Expr::is_starred_expr)
        {
            targets.elts.iter().zip(&values.elts).for_each(|(target, value)| self.bind(target, value));
            return;
        }
        self.bindings.push(Binding { target, value, is_counted: false });
    }
}

/// Errors by which code sees that something is not there.
const NOT_THERE: [&str; 5] = ["KeyError", "IndexError", "LookupError", "AttributeError", "NameError"];

/// Whether a `try` goes on where something is not there.
fn expects_nothing(block: &StmtTry) -> bool {
    let is_it = |expr: &Expr| matches!(expr, Expr::Name(name) if NOT_THERE.contains(&name.id.as_str()));
    block.handlers.iter().any(|ExceptHandler::ExceptHandler(handler)| match handler.type_.as_deref() {
        Some(Expr::Tuple(all)) => all.elts.iter().any(is_it),
        Some(expr) => is_it(expr),
        None => false,
    })
}

impl<'a> Visitor<'a> for Function<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => return,
            Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|target| self.bind(target, &assign.value));
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.bind(&assign.target, value);
                }
            }
            Stmt::AugAssign(assign) => {
                let (target, value) = (&*assign.target, &*assign.value);
                self.bindings.push(Binding { target, value, is_counted: true });
            }
            Stmt::For(each) => self.bind(&each.target, &each.iter),
            Stmt::If(branch) => {
                self.tests.push(&branch.test);
                self.tests.extend(branch.elif_else_clauses.iter().filter_map(|clause| clause.test.as_ref()));
            }
            Stmt::While(repeated) => self.tests.push(&repeated.test),
            Stmt::Assert(assertion) => self.tests.push(&assertion.test),
            Stmt::Match(choice) => self.tests.push(&choice.subject),
            Stmt::Try(block) => {
                let is_expected = usize::from(expects_nothing(block));
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
        // What is assigned is not looked at.
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
            Expr::Named(named) => self.bind(&named.target, &named.value),
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
            self.bind(target, &item.context_expr);
        }
        walk_with_item(self, item);
    }
}
