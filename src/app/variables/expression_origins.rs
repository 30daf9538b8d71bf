//! Data flow within a function: the origins of an expression, by those of the names in it.

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, ExprCall};

use super::collector::VariableCollector;
use super::module_scope::constant_text;
use super::origins::Origins;

/// Returns the origins of an expression in the collector's current scope.
pub(super) fn origins_of_expr(collector: &VariableCollector<'_>, expr: &Expr) -> Origins {
    if let Some(variable) = variable_read_by(collector, expr) {
        return Origins::from_variable(variable);
    }
    let both = |all: &[&Expr]| {
        let mut origins = Origins::default();
        all.iter().for_each(|each| origins.merge(origins_of_expr(collector, each)));
        origins
    };
    match expr {
        Expr::Name(name) => collector.origins_of_name(name.id.as_str()),
        Expr::If(choice) => both(&[&choice.body, &choice.orelse]),
        Expr::Tuple(tuple) if !tuple.elts.is_empty() => both(&tuple.elts.iter().collect::<Vec<_>>()),
        Expr::BoolOp(operation) => both(&operation.values.iter().collect::<Vec<_>>()),
        Expr::Named(named) => origins_of_expr(collector, &named.value),
        Expr::Await(awaited) => origins_of_expr(collector, &awaited.value),
        Expr::Starred(starred) => origins_of_expr(collector, &starred.value),
        _ => {
            let mut gather = OriginVisitor { collector, found: Origins::default() };
            gather.visit_expr(expr);
            let found = match expr {
                Expr::BinOp(_) => gather.found.into_counted(),
                _ => gather.found.into_computed(),
            };
            Origins { is_fresh: found.given.is_empty() && is_fresh(expr), ..found }
        }
    }
}

/// Whether an attribute stands for a user or a request on any object: `self.request`.
fn is_request_attribute(name: &str) -> bool {
    ["request", "user", "remote_addr", "session_id", "user_id", "username"].contains(&name)
}

/// Global objects of frameworks for the current request and session.
const OF_FRAMEWORKS: &[&str] = &[
    "flask.request",
    "flask.session",
    "flask.g",
    "flask_login.current_user",
    "quart.request",
    "quart.session",
    "bottle.request",
    "cherrypy.request",
    "cherrypy.session",
    "web.ctx",
];

/// Whether the result of a function differs at each call.
fn is_time_or_random_call(function: &str) -> bool {
    let (module, last) = function.rsplit_once('.').unwrap_or(("", function));
    match module {
        "time" => ["time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"].contains(&last),
        "random" | "secrets" | "numpy.random" => true,
        "uuid" => ["uuid1", "uuid4", "uuid6", "uuid7"].contains(&last),
        "os" => ["urandom", "getrandom"].contains(&last),
        "datetime.datetime" | "datetime.date" => ["now", "utcnow", "today"].contains(&last),
        "django.utils.timezone" => last == "now",
        _ => false,
    }
}

/// Returns the variable that an expression only reads: `CACHE`, `CACHE[key]`, `CACHE.get(key)`.
fn variable_read_by(collector: &VariableCollector<'_>, expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(_) | Expr::Attribute(_) => collector.resolve_variable(expr),
        Expr::Subscript(item) => collector.resolve_variable(&item.value),
        Expr::Call(call) => {
            let Expr::Attribute(method) = &*call.func else { return None };
            let reads = ["get", "pop", "setdefault", "popitem", "popleft", "get_nowait"];
            reads.contains(&method.attr.as_str()).then(|| collector.resolve_variable(&method.value)).flatten()
        }
        _ => None,
    }
}

/// Whether an expression makes a new, empty object.
fn is_fresh(expr: &Expr) -> bool {
    match expr {
        Expr::Dict(dict) => dict.items.is_empty(),
        Expr::List(list) => list.elts.is_empty(),
        Expr::Call(call) => call.arguments.is_empty() && is_constructor_call(&call.func),
        Expr::NumberLiteral(_) => constant_text(expr).is_some_and(|value| value.contains("(0)")),
        _ => false,
    }
}

/// Whether the name of a called function suggests a constructor: `Cart()`, `dict()`.
fn is_constructor_call(function: &Expr) -> bool {
    let name = match function {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return false,
    };
    name.starts_with(char::is_uppercase) || ["dict", "list", "set", "deque", "object"].contains(&name)
}

struct OriginVisitor<'c, 'm> {
    collector: &'c VariableCollector<'m>,
    found: Origins,
}

impl OriginVisitor<'_, '_> {
    fn inspect_call(&mut self, call: &ExprCall) {
        if let Some(function) = self.collector.resolve_name(&call.func) {
            self.found.is_momentary |= is_time_or_random_call(&function);
            let of_objects = [
                "type",
                "id",
                "weakref.ref",
                "threading.get_ident",
                "threading.current_thread",
                "asyncio.current_task",
            ];
            self.found.is_object |= of_objects.contains(&function.as_str());
        }
    }
}

impl<'a> Visitor<'a> for OriginVisitor<'_, '_> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => self.found.merge(self.collector.origins_of_name(name.id.as_str())),
            Expr::Attribute(attribute) => {
                if let Some(variable) = self.collector.resolve_variable(expr) {
                    self.found.variables.insert(variable);
                }
                self.found.is_object |= attribute.attr.as_str() == "__class__";
                if is_request_attribute(attribute.attr.as_str()) {
                    let written = self.collector.names.resolve_name(expr);
                    self.found.request.insert(written.unwrap_or_else(|| attribute.attr.to_string()));
                }
            }
            Expr::Call(call) => {
                self.inspect_call(call);
                // `client.request(...)` sends a request, and is not the current one.
                if let Expr::Attribute(method) = &*call.func {
                    self.visit_expr(&method.value);
                    return self.visit_arguments(&call.arguments);
                }
            }
            _ => {}
        }
        if let Some(name) = self.collector.resolve_name(expr)
            && OF_FRAMEWORKS.contains(&name.as_str())
        {
            self.found.request.insert(name);
        }
        walk_expr(self, expr);
    }
}
