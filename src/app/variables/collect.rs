//! Visits the functions of a file and records how they use module-level variables, locks and process state.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{
    Visitor, walk_arguments, walk_decorator, walk_expr, walk_parameters, walk_stmt,
};
use ruff_python_ast::{Comprehension, Expr, ExprContext, Parameters, Stmt, StmtFunctionDef};
use ruff_text_size::{Ranged, TextSize};

use super::bindings::{Binding, FunctionBindings};
use super::bound_names::{BoundNames, parameter_names, target_names};
use super::locks::{self, ExternalEffects, HeldLock};
use super::module_scope::ModuleScope;
use super::origins::{self, Origins};
use super::process_state::{self, ProcessChange};
use super::write_context::{
    FunctionFacts, WriteContext, is_definition_parameter, is_setter_name, is_setup_name,
};
use super::writes::{self, AccessesByVariable};
use crate::app::conditions::{EvaluatedBranch, reachable_branches};
use crate::app::import_aliases::ImportAliases;

/// A scope of names: a function, `lambda`, comprehension, or class in a function.
#[derive(Debug, Default)]
struct Scope {
    is_class: bool,
    /// The function's name; empty for a comprehension and a `lambda`.
    name: String,
    parameters: Vec<String>,
    bound: BoundNames,
    /// What the values of its names derive from.
    origins: BTreeMap<String, Origins>,
    facts: FunctionFacts,
    /// Module-level variables that conditions in the function depend on.
    tested: BTreeSet<String>,
}

impl Scope {
    fn binds_name(&self, name: &str) -> bool {
        self.bound.is_local(name)
            || self.bound.imported.contains(name)
            || self.parameters.iter().any(|each| each == name)
    }
}

impl Scope {
    /// Whether a parameter stands for a user or a request.
    fn takes_request(&self) -> bool {
        self.parameters.iter().any(|name| !Origins::from_parameter(name).request.is_empty())
    }
}

/// The visitor of a file.
pub(super) struct VariableCollector<'m> {
    pub(super) names: &'m ImportAliases,
    pub(super) module: &'m ModuleScope,
    /// Functions of the file with an effect outside of the interpreter, each with the call that has it.
    pub(super) external_effects: &'m ExternalEffects,
    scopes: Vec<Scope>,
    /// Enclosing classes and functions.
    path: Vec<String>,
    /// How many of these are functions.
    depth: usize,
    /// The enclosing module-level class.
    class: Option<String>,
    /// Starts of the expressions that are the object of a write: they do not count as reads.
    pub(super) changed: BTreeSet<TextSize>,
    pub(super) accesses: AccessesByVariable,
    pub(super) held_locks: Vec<HeldLock>,
    pub(super) changes: Vec<ProcessChange>,
}

impl<'m> VariableCollector<'m> {
    pub(super) fn new(
        names: &'m ImportAliases,
        module: &'m ModuleScope,
        external_effects: &'m ExternalEffects,
    ) -> Self {
        Self {
            names,
            module,
            external_effects,
            scopes: Vec::new(),
            path: Vec::new(),
            depth: 0,
            class: None,
            changed: BTreeSet::new(),
            accesses: AccessesByVariable::new(),
            held_locks: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn is_in_function(&self) -> bool {
        self.depth > 0
    }

    /// Returns the enclosing function; empty at the level of the module or a class.
    pub(super) fn enclosing_function(&self) -> String {
        if self.depth == 0 { String::new() } else { self.path.join(".") }
    }

    /// Returns the call in the enclosing function that has an effect outside of the interpreter, if any.
    pub(super) fn external_effect_of_function(&self) -> Option<String> {
        self.external_effects.get(self.path.last()?).cloned()
    }

    /// Returns the scope that binds a name; `None` for module-level and builtin names.
    fn find_scope(&self, name: &str) -> Option<&Scope> {
        let last = self.scopes.len();
        for (index, scope) in self.scopes.iter().enumerate().rev() {
            // Functions in a class do not see the names of the class.
            if scope.is_class && index + 1 != last {
                continue;
            }
            if scope.bound.global.contains(name) {
                return None;
            }
            if scope.binds_name(name) {
                return Some(scope);
            }
        }
        None
    }

    /// Returns the module-level variable that an expression names: `CACHE`, `Shop.carts`, `cls.carts`.
    pub(super) fn resolve_variable(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Name(name) => {
                let name = name.id.as_str();
                (self.find_scope(name).is_none() && self.module.names.contains(name)).then(|| name.to_owned())
            }
            Expr::Attribute(attribute) => {
                let full = |class: &str| format!("{class}.{}", attribute.attr);
                let own = self.class.as_deref();
                match &*attribute.value {
                    Expr::Name(name) if name.id.as_str() == "cls" => own.map(full),
                    Expr::Name(name) if name.id.as_str() == "self" => own.map(full).filter(|name| {
                        self.module.containers.contains_key(name) && !self.module.of_objects.contains(name)
                            || self.module.locks.contains_key(name)
                    }),
                    Expr::Name(name) => {
                        let name = name.id.as_str();
                        let is_class = self.module.classes.contains(name) && self.find_scope(name).is_none();
                        is_class.then(|| full(name))
                    }
                    Expr::Attribute(of) if of.attr.as_str() == "__class__" => own.map(full),
                    Expr::Call(call) if matches!(&*call.func, Expr::Name(name) if name.id.as_str() == "type") => {
                        own.map(full)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Returns the dotted name of an expression, unless a local name shadows it.
    pub(super) fn resolve_name(&self, expr: &Expr) -> Option<String> {
        let mut root = expr;
        while let Expr::Attribute(attribute) = root {
            root = &attribute.value;
        }
        let Expr::Name(name) = root else { return None };
        let name = name.id.as_str();
        let is_hidden = self.find_scope(name).is_some_and(|scope| !scope.bound.imported.contains(name));
        if is_hidden { None } else { self.names.resolve_name(expr) }
    }

    pub(super) fn origins_of_name(&self, name: &str) -> Origins {
        match self.find_scope(name) {
            Some(scope) => scope.origins.get(name).cloned().unwrap_or_default(),
            None if self.module.names.contains(name) => Origins::from_variable(name.to_owned()),
            None => Origins::default(),
        }
    }

    /// Whether an assignment to the name sets the module's variable, by a `global` statement.
    pub(super) fn assigns_global(&self, name: &str) -> bool {
        let scopes = self.scopes.iter().rev().filter(|scope| !scope.is_class);
        let own =
            scopes.into_iter().find(|scope| scope.bound.global.contains(name) || scope.binds_name(name));
        own.is_some_and(|scope| scope.bound.global.contains(name))
    }

    /// Returns what the enclosing functions show of a write whose value and key derive from `origins`.
    pub(super) fn write_context(&self, origins: &[&Origins]) -> WriteContext {
        let functions: Vec<&Scope> = self.scopes.iter().filter(|scope| !scope.name.is_empty()).collect();
        let is_at_import = |scope: &&Scope| {
            let of_class = self.class.as_ref().map(|class| format!("{class}.{}", scope.name));
            self.module.at_import.contains(&scope.name)
                || of_class.is_some_and(|name| self.module.at_import.contains(&name))
        };
        // A decorator returns its argument, or a wrapper of it.
        let is_inner = functions.len() > 1;
        let returns = |scope: &Scope| {
            let is_given = |name: &String| {
                scope.parameters.contains(name)
                    && (is_inner || is_definition_parameter(name, self.module.is_own))
                    && origins.iter().any(|each| each.given.contains(name))
            };
            scope.facts.returned.iter().any(is_given)
        };
        let last = functions.last();
        let wraps = last.is_some_and(|scope| !scope.facts.returned.is_disjoint(&scope.facts.defined));
        let is_metaclass = last.is_some_and(|scope| {
            let first = scope.parameters.first().map(String::as_str).unwrap_or_default();
            ["mcs", "mcls", "metacls"].contains(&first) || (first == "cls" && scope.name == "__init__")
        });
        let of_meta = self.class.as_deref().is_some_and(|class| class.ends_with("Meta"));
        WriteContext {
            makes_object: last.is_some_and(|scope| ["__init__", "__new__"].contains(&scope.name.as_str())),
            is_setting: functions.iter().any(|scope| is_setter_name(&scope.name)),
            is_setup: of_meta
                || wraps
                || is_metaclass
                || last.is_some_and(|scope| returns(scope))
                || functions.iter().any(|scope| is_setup_name(&scope.name) && !scope.takes_request())
                || functions.iter().any(is_at_import),
            warns: last.is_some_and(|scope| scope.facts.warns),
        }
    }

    pub(super) fn is_tested(&self, variable: &str) -> bool {
        self.scopes.iter().any(|scope| scope.tested.contains(variable))
    }

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
            ..Self::function_scope(&function.parameters, self.is_in_class())
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

    /// Whether the directly enclosing scope is a class.
    fn is_in_class(&self) -> bool {
        match self.scopes.last() {
            Some(scope) => scope.is_class,
            None => !self.path.is_empty(),
        }
    }

    /// Makes the scope of a function with these parameters; the first one of a method is its object or class.
    fn function_scope(all: &Parameters, is_method: bool) -> Scope {
        let parameters = parameter_names(all);
        let origins = parameters.iter().enumerate().map(|(index, name)| {
            let is_own = is_method && index == 0;
            (name.clone(), if is_own { Origins::default() } else { Origins::from_parameter(name) })
        });
        Scope { origins: origins.collect(), parameters, ..Scope::default() }
    }

    /// Fills in the origins of the innermost scope's names, and the variables its conditions depend on.
    fn derive_origins(&mut self, code: &FunctionBindings<'_>) {
        // Names derive from other names, in any order: a few rounds reach most of them.
        for _ in 0..3 {
            for Binding { target, value, is_counted } in &code.bindings {
                let mut found = origins::origins_of_expr(self, value);
                if *is_counted {
                    found.merge(origins::origins_of_expr(self, target));
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
            let Origins { variables, fetched, .. } = origins::origins_of_expr(self, test);
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
            let found = origins::origins_of_expr(self, &generator.iter);
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

    fn record_read(&mut self, expr: &Expr, context: ExprContext) -> bool {
        let Some(name) = self.resolve_variable(expr) else { return false };
        if context == ExprContext::Load && !self.changed.contains(&expr.start()) {
            self.accesses.entry(name).or_default().reads += 1;
        }
        true
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
                    .map(|all| Self::function_scope(all, false))
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
