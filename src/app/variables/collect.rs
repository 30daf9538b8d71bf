//! Goes through a file's functions and notes what they do with the module's variables.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{
    Visitor, walk_arguments, walk_decorator, walk_expr, walk_parameters, walk_stmt,
};
use ruff_python_ast::{Comprehension, Expr, ExprContext, Parameters, Stmt, StmtFunctionDef};
use ruff_text_size::{Ranged, TextSize};

use super::bindings::{Binding, Function};
use super::context::{Context, Facts, is_definition, is_setter_name, is_setup_name};
use super::level::Level;
use super::locks::{self, Held, Outside};
use super::origins::{self, Origins};
use super::process::{self, Change};
use super::scopes::{Bound, parameters, targets};
use super::writes::{self, Uses};
use crate::app::conditions::{Branch, may_run};
use crate::app::names::Names;

/// What stands around an expression.
#[derive(Debug, Default)]
struct Scope {
    is_class: bool,
    /// The function's name; empty for a comprehension and a `lambda`.
    name: String,
    parameters: Vec<String>,
    bound: Bound,
    /// What its names derive from.
    origins: BTreeMap<String, Origins>,
    facts: Facts,
    /// Variables of the module that the function looks at before it goes on.
    tested: BTreeSet<String>,
}

impl Scope {
    fn has(&self, name: &str) -> bool {
        self.bound.hides(name)
            || self.bound.imported.contains(name)
            || self.parameters.iter().any(|each| each == name)
    }
}

impl Scope {
    /// Whether it is given a user or a request.
    fn is_of_request(&self) -> bool {
        self.parameters.iter().any(|name| !Origins::of_parameter(name).request.is_empty())
    }
}

/// Goes through a file.
pub(super) struct Collector<'m> {
    pub(super) names: &'m Names,
    pub(super) level: &'m Level,
    /// Functions of the file that change something outside, with what they call for it.
    pub(super) outside_of: &'m Outside,
    scopes: Vec<Scope>,
    /// Classes and functions around.
    path: Vec<String>,
    /// How many of them are functions.
    depth: usize,
    /// The class at the level of the module around.
    class: Option<String>,
    /// Where expressions begin that a change names: they are no reads.
    pub(super) changed: BTreeSet<TextSize>,
    pub(super) uses: Uses,
    pub(super) held: Vec<Held>,
    pub(super) changes: Vec<Change>,
}

impl<'m> Collector<'m> {
    pub(super) fn new(names: &'m Names, level: &'m Level, outside_of: &'m Outside) -> Self {
        Self {
            names,
            level,
            outside_of,
            scopes: Vec::new(),
            path: Vec::new(),
            depth: 0,
            class: None,
            changed: BTreeSet::new(),
            uses: Uses::new(),
            held: Vec::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn is_in_function(&self) -> bool {
        self.depth > 0
    }

    /// The function around; empty at the level of the module or a class.
    pub(super) fn function(&self) -> String {
        if self.depth == 0 { String::new() } else { self.path.join(".") }
    }

    /// What the function around calls that changes something outside.
    pub(super) fn outside_around(&self) -> Option<String> {
        self.outside_of.get(self.path.last()?).cloned()
    }

    /// The scope that has a name; `None` for the module and what is built in.
    fn scope_of(&self, name: &str) -> Option<&Scope> {
        let last = self.scopes.len();
        for (index, scope) in self.scopes.iter().enumerate().rev() {
            // The functions in a class do not see its names.
            if scope.is_class && index + 1 != last {
                continue;
            }
            if scope.bound.global.contains(name) {
                return None;
            }
            if scope.has(name) {
                return Some(scope);
            }
        }
        None
    }

    /// The variable of the module that an expression names: `CACHE`, `Shop.carts`, `cls.carts`.
    pub(super) fn variable(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Name(name) => {
                let name = name.id.as_str();
                (self.scope_of(name).is_none() && self.level.names.contains(name)).then(|| name.to_owned())
            }
            Expr::Attribute(attribute) => {
                let full = |class: &str| format!("{class}.{}", attribute.attr);
                let own = self.class.as_deref();
                match &*attribute.value {
                    Expr::Name(name) if name.id.as_str() == "cls" => own.map(full),
                    Expr::Name(name) if name.id.as_str() == "self" => own.map(full).filter(|name| {
                        self.level.containers.contains_key(name) && !self.level.of_objects.contains(name)
                            || self.level.locks.contains_key(name)
                    }),
                    Expr::Name(name) => {
                        let name = name.id.as_str();
                        let is_class = self.level.classes.contains(name) && self.scope_of(name).is_none();
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

    /// The dotted name that an expression stands for, if no name of a function hides it.
    pub(super) fn resolve(&self, expr: &Expr) -> Option<String> {
        let mut root = expr;
        while let Expr::Attribute(attribute) = root {
            root = &attribute.value;
        }
        let Expr::Name(name) = root else { return None };
        let name = name.id.as_str();
        let is_hidden = self.scope_of(name).is_some_and(|scope| !scope.bound.imported.contains(name));
        if is_hidden { None } else { self.names.resolve(expr) }
    }

    pub(super) fn origins_of_name(&self, name: &str) -> Origins {
        match self.scope_of(name) {
            Some(scope) => scope.origins.get(name).cloned().unwrap_or_default(),
            None if self.level.names.contains(name) => Origins::of_variable(name.to_owned()),
            None => Origins::default(),
        }
    }

    /// Whether `global` gives what a function assigns to this name to the module.
    pub(super) fn gives_to_module(&self, name: &str) -> bool {
        let scopes = self.scopes.iter().rev().filter(|scope| !scope.is_class);
        let own = scopes.into_iter().find(|scope| scope.bound.global.contains(name) || scope.has(name));
        own.is_some_and(|scope| scope.bound.global.contains(name))
    }

    /// What the functions around tell of a change whose value and key derive from these.
    pub(super) fn context(&self, origins: &[&Origins]) -> Context {
        let functions: Vec<&Scope> = self.scopes.iter().filter(|scope| !scope.name.is_empty()).collect();
        let is_at_import = |scope: &&Scope| {
            let of_class = self.class.as_ref().map(|class| format!("{class}.{}", scope.name));
            self.level.at_import.contains(&scope.name)
                || of_class.is_some_and(|name| self.level.at_import.contains(&name))
        };
        // A decorator gives back what it was given, or what it wraps that in.
        let is_inner = functions.len() > 1;
        let returns = |scope: &Scope| {
            let is_given = |name: &String| {
                scope.parameters.contains(name)
                    && (is_inner || is_definition(name, self.level.is_own))
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
        Context {
            makes_object: last.is_some_and(|scope| ["__init__", "__new__"].contains(&scope.name.as_str())),
            is_setting: functions.iter().any(|scope| is_setter_name(&scope.name)),
            is_setup: of_meta
                || wraps
                || is_metaclass
                || last.is_some_and(|scope| returns(scope))
                || functions.iter().any(|scope| is_setup_name(&scope.name) && !scope.is_of_request())
                || functions.iter().any(is_at_import),
            warns: last.is_some_and(|scope| scope.facts.warns),
        }
    }

    pub(super) fn is_tested(&self, variable: &str) -> bool {
        self.scopes.iter().any(|scope| scope.tested.contains(variable))
    }

    fn body(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.visit_stmt(stmt));
    }

    fn function_definition(&mut self, function: &StmtFunctionDef) {
        function.decorator_list.iter().for_each(|each| walk_decorator(self, each));
        walk_parameters(self, &function.parameters);
        let code = Function::of(&function.body);
        let scope = Scope {
            name: function.name.to_string(),
            bound: Bound::of(&function.body),
            facts: Facts::of(&function.body),
            ..Self::scope(&function.parameters, self.is_in_class())
        };
        self.path.push(function.name.to_string());
        self.depth += 1;
        self.scopes.push(scope);
        self.derive(&code);
        self.body(&function.body);
        self.scopes.pop();
        self.depth -= 1;
        self.path.pop();
    }

    /// Whether the body of a class is directly around.
    fn is_in_class(&self) -> bool {
        match self.scopes.last() {
            Some(scope) => scope.is_class,
            None => !self.path.is_empty(),
        }
    }

    /// The scope of a function with these parameters; of a method the first is its object or class.
    fn scope(all: &Parameters, is_method: bool) -> Scope {
        let parameters = parameters(all);
        let origins = parameters.iter().enumerate().map(|(index, name)| {
            let is_own = is_method && index == 0;
            (name.clone(), if is_own { Origins::default() } else { Origins::of_parameter(name) })
        });
        Scope { origins: origins.collect(), parameters, ..Scope::default() }
    }

    /// Fills in what the names of the last scope derive from, and what is tested in it.
    fn derive(&mut self, code: &Function<'_>) {
        // Names derive from names: a few rounds reach what is written in any order.
        for _ in 0..3 {
            for Binding { target, value, is_counted } in &code.bindings {
                let mut found = origins::of(self, value);
                if *is_counted {
                    found.join(origins::of(self, target));
                    found = found.counted();
                }
                let Some(scope) = self.scopes.last_mut() else { return };
                for name in targets(target).into_iter().filter(|name| scope.bound.hides(name)) {
                    scope.origins.entry(name.to_owned()).or_default().join(found.clone());
                }
            }
        }
        let mut tested = BTreeSet::new();
        for test in &code.tests {
            let Origins { variables, fetched, .. } = origins::of(self, test);
            tested.extend(variables);
            tested.extend(fetched);
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.tested = tested;
        }
    }

    fn comprehension(&mut self, generators: &[Comprehension], parts: &[&Expr]) {
        let mut scope = Scope::default();
        for generator in generators {
            self.visit_expr(&generator.iter);
            let found = origins::of(self, &generator.iter);
            for name in targets(&generator.target) {
                scope.parameters.push(name.to_owned());
                scope.origins.insert(name.to_owned(), found.clone());
            }
        }
        self.scopes.push(scope);
        generators.iter().flat_map(|generator| &generator.ifs).for_each(|test| self.visit_expr(test));
        parts.iter().for_each(|part| self.visit_expr(part));
        self.scopes.pop();
    }

    fn read(&mut self, expr: &Expr, context: ExprContext) -> bool {
        let Some(name) = self.variable(expr) else { return false };
        if context == ExprContext::Load && !self.changed.contains(&expr.start()) {
            self.uses.entry(name).or_default().reads += 1;
        }
        true
    }
}

impl<'a> Visitor<'a> for Collector<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        writes::statement(self, stmt);
        process::statement(self, stmt);
        match stmt {
            Stmt::FunctionDef(function) => self.function_definition(function),
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
                    let bound = Bound::of(&class.body);
                    self.scopes.push(Scope { is_class: true, bound, ..Scope::default() });
                    self.class = None;
                }
                self.path.push(class.name.to_string());
                self.body(&class.body);
                self.path.pop();
                if self.depth > 0 {
                    self.scopes.pop();
                }
                self.class = around;
            }
            Stmt::If(branch) => {
                for Branch { test, body, .. } in may_run(branch) {
                    test.into_iter().for_each(|test| self.visit_expr(test));
                    self.body(body);
                }
            }
            Stmt::With(block) => {
                locks::with(self, block);
                walk_stmt(self, stmt);
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_annotation(&mut self, _: &'a Expr) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => {
                self.read(expr, name.ctx);
            }
            Expr::Attribute(attribute) => {
                if !self.read(expr, attribute.ctx) {
                    walk_expr(self, expr);
                }
            }
            Expr::Call(call) => {
                writes::call(self, call);
                process::call(self, call);
                locks::call(self, call);
                walk_expr(self, expr);
            }
            Expr::Named(named) => {
                writes::walrus(self, named);
                walk_expr(self, expr);
            }
            Expr::ListComp(all) => self.comprehension(&all.generators, &[&all.elt]),
            Expr::SetComp(all) => self.comprehension(&all.generators, &[&all.elt]),
            Expr::Generator(all) => self.comprehension(&all.generators, &[&all.elt]),
            Expr::DictComp(all) => {
                let key = all.key.as_deref();
                let parts: Vec<&Expr> = key.into_iter().chain([&*all.value]).collect();
                self.comprehension(&all.generators, &parts);
            }
            Expr::Lambda(lambda) => {
                let scope =
                    lambda.parameters.as_deref().map(|all| Self::scope(all, false)).unwrap_or_default();
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
