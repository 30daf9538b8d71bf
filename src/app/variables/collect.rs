//! Visits the functions of a file and records how they use module-level variables, locks and process state.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{
    Visitor, walk_arguments, walk_decorator, walk_expr, walk_parameters, walk_stmt,
};
use ruff_python_ast::{Comprehension, Expr, Stmt, StmtFunctionDef};

use super::bindings::{Binding, FunctionBindings};
use super::bound_names::{BoundNames, target_names};
use super::collector::{Scope, VariableCollector};
use super::expression_origins::origins_of_expr;
use super::origins::Origins;
use super::write_context::FunctionFacts;
use super::{locks, process_state, writes};
use crate::app::conditions::{EvaluatedBranch, reachable_branches};

impl VariableCollector<'_> {
    fn visit_statements(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.visit_stmt(stmt));
    }

    fn visit_function(&mut self, function: &StmtFunctionDef) {
        function.decorator_list.iter().for_each(|each| walk_decorator(self, each));
        walk_parameters(self, &function.parameters);
        let code = FunctionBindings::from_body(&function.body);
        let scope = Scope {
            name: function.name.to_string(),
            bound: BoundNames::from_body(&function.body),
            facts: FunctionFacts::from_body(&function.body),
            ..Scope::of_function(&function.parameters, self.is_in_class())
        };
        self.path.push(function.name.to_string());
        self.depth += 1;
        self.scopes.push(scope);
        self.derive_origins(&code);
        self.visit_statements(&function.body);
        self.scopes.pop();
        self.depth -= 1;
        self.path.pop();
    }

    /// Fills in the origins of the innermost scope's names, and the variables its conditions depend on.
    fn derive_origins(&mut self, code: &FunctionBindings<'_>) {
        // Names derive from other names, in any order: a few rounds reach most of them.
        for _ in 0..3 {
            for Binding { target, value, is_counted } in &code.bindings {
                let mut found = origins_of_expr(self, value);
                if *is_counted {
                    found.merge(origins_of_expr(self, target));
                    found = found.into_counted();
                }
                let Some(scope) = self.scopes.last_mut() else { return };
                for name in target_names(target).into_iter().filter(|name| scope.bound.is_local(name)) {
                    scope.origins.entry(name.to_owned()).or_default().merge(found.clone());
                }
            }
        }
        let mut tested = BTreeSet::new();
        for test in &code.tests {
            let Origins { variables, fetched, .. } = origins_of_expr(self, test);
            tested.extend(variables);
            tested.extend(fetched);
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.tested = tested;
        }
    }

    fn visit_comprehension_parts(&mut self, generators: &[Comprehension], parts: &[&Expr]) {
        let mut scope = Scope::default();
        for generator in generators {
            self.visit_expr(&generator.iter);
            let found = origins_of_expr(self, &generator.iter);
            for name in target_names(&generator.target) {
                scope.parameters.push(name.to_owned());
                scope.origins.insert(name.to_owned(), found.clone());
            }
        }
        self.scopes.push(scope);
        generators.iter().flat_map(|generator| &generator.ifs).for_each(|test| self.visit_expr(test));
        parts.iter().for_each(|part| self.visit_expr(part));
        self.scopes.pop();
    }
}

impl<'a> Visitor<'a> for VariableCollector<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        writes::record_statement(self, stmt);
        process_state::check_statement(self, stmt);
        match stmt {
            Stmt::FunctionDef(function) => self.visit_function(function),
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|each| walk_decorator(self, each));
                if let Some(arguments) = &class.arguments {
                    walk_arguments(self, arguments);
                }
                let around = self.class.clone();
                if self.path.is_empty() {
                    self.class = Some(class.name.to_string());
                }
                if self.depth > 0 {
                    let bound = BoundNames::from_body(&class.body);
                    self.scopes.push(Scope { is_class: true, bound, ..Scope::default() });
                    self.class = None;
                }
                self.path.push(class.name.to_string());
                self.visit_statements(&class.body);
                self.path.pop();
                if self.depth > 0 {
                    self.scopes.pop();
                }
                self.class = around;
            }
            Stmt::If(branch) => {
                for EvaluatedBranch { test, body, .. } in reachable_branches(branch) {
                    test.into_iter().for_each(|test| self.visit_expr(test));
                    self.visit_statements(body);
                }
            }
            Stmt::With(block) => {
                locks::check_with_statement(self, block);
                walk_stmt(self, stmt);
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => {
                self.record_read(expr, name.ctx);
            }
            Expr::Attribute(attribute) => {
                if !self.record_read(expr, attribute.ctx) {
                    walk_expr(self, expr);
                }
            }
            Expr::Call(call) => {
                writes::record_method_call(self, call);
                process_state::check_call(self, call);
                locks::check_acquire_call(self, call);
                walk_expr(self, expr);
            }
            Expr::Named(named) => {
                writes::record_walrus(self, named);
                walk_expr(self, expr);
            }
            Expr::ListComp(all) => self.visit_comprehension_parts(&all.generators, &[&all.elt]),
            Expr::SetComp(all) => self.visit_comprehension_parts(&all.generators, &[&all.elt]),
            Expr::Generator(all) => self.visit_comprehension_parts(&all.generators, &[&all.elt]),
            Expr::DictComp(all) => {
                let key = all.key.as_deref();
                let parts: Vec<&Expr> = key.into_iter().chain([&*all.value]).collect();
                self.visit_comprehension_parts(&all.generators, &parts);
            }
            Expr::Lambda(lambda) => {
                let scope = lambda
                    .parameters
                    .as_deref()
                    .map(|all| Scope::of_function(all, false))
                    .unwrap_or_default();
                self.path.push("lambda".to_owned());
                self.depth += 1;
                self.scopes.push(scope);
                self.visit_expr(&lambda.body);
                self.scopes.pop();
                self.depth -= 1;
                self.path.pop();
            }
            _ => walk_expr(self, expr),
        }
    }
}
