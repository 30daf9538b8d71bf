//! What a visit of a file keeps: the scopes around its position, and the accesses recorded so far.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{Expr, ExprContext, Parameters};
use ruff_text_size::{Ranged, TextSize};

use super::accesses::{AccessesByVariable, HeldLock, ProcessChange};
use super::bound_names::{BoundNames, parameter_names};
use super::external_effects::ExternalEffects;
use super::module_scope::ModuleScope;
use super::origins::Origins;
use super::write_context::{
    FunctionFacts, WriteContext, is_definition_parameter, is_setter_name, is_setup_name,
};
use crate::app::import_aliases::ImportAliases;

/// A scope of names: a function, `lambda`, comprehension, or class in a function.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) is_class: bool,
    /// The function's name; empty for a comprehension and a `lambda`.
    pub(super) name: String,
    pub(super) parameters: Vec<String>,
    pub(super) bound: BoundNames,
    /// What the values of its names derive from.
    pub(super) origins: BTreeMap<String, Origins>,
    pub(super) facts: FunctionFacts,
    /// Module-level variables that conditions in the function depend on.
    pub(super) tested: BTreeSet<String>,
}

impl Scope {
    /// Makes the scope of a function with these parameters; the first one of a method is its object or class.
    pub(super) fn of_function(all: &Parameters, is_method: bool) -> Self {
        let parameters = parameter_names(all);
        let origins = parameters.iter().enumerate().map(|(index, name)| {
            let is_own = is_method && index == 0;
            (name.clone(), if is_own { Origins::default() } else { Origins::from_parameter(name) })
        });
        Self { origins: origins.collect(), parameters, ..Self::default() }
    }

    fn binds_name(&self, name: &str) -> bool {
        self.bound.is_local(name)
            || self.bound.imported.contains(name)
            || self.parameters.iter().any(|each| each == name)
    }

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
    pub(super) scopes: Vec<Scope>,
    /// Enclosing classes and functions.
    pub(super) path: Vec<String>,
    /// How many of these are functions.
    pub(super) depth: usize,
    /// The enclosing module-level class.
    pub(super) class: Option<String>,
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

    /// Whether the directly enclosing scope is a class.
    pub(super) fn is_in_class(&self) -> bool {
        match self.scopes.last() {
            Some(scope) => scope.is_class,
            None => !self.path.is_empty(),
        }
    }

    /// Counts a read of a module-level variable. Returns whether the expression names one.
    pub(super) fn record_read(&mut self, expr: &Expr, context: ExprContext) -> bool {
        let Some(name) = self.resolve_variable(expr) else { return false };
        if context == ExprContext::Load && !self.changed.contains(&expr.start()) {
            self.accesses.entry(name).or_default().reads += 1;
        }
        true
    }
}
