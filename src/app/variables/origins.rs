//! What a value derives from: what the function was given, the variable itself, the moment.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, ExprCall};

use super::collect::Collector;
use super::level::constant;

/// What a value derives from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origins {
    /// Parameters of the functions around, except `self` and `cls`.
    pub(super) given: BTreeSet<String>,
    /// What of it stands for a user or a request, as it is written: `user_id`, `flask.request`.
    pub(super) request: BTreeSet<String>,
    /// Whether it differs from one computation to the next: the time, a random number.
    pub(super) is_momentary: bool,
    /// Variables of the module that it is computed from.
    pub(super) variables: BTreeSet<String>,
    /// Variables of the module that it was read from, and not changed since.
    pub(super) fetched: BTreeSet<String>,
    /// Variables of the module that it counts on: `HITS + 1`.
    pub(super) counted: BTreeSet<String>,
    /// Whether it is, or stands for, an object of the interpreter: a type, a thread, an `id()`.
    pub(super) is_object: bool,
    /// Whether it is new, empty and made of nothing: `{}`, `Cart()`.
    pub(super) is_fresh: bool,
}

impl Origins {
    /// Those of what a parameter of this name is given; not for `self` and `cls`.
    pub(super) fn of_parameter(name: &str) -> Self {
        let request = if is_of_request(name) { BTreeSet::from([name.to_owned()]) } else { BTreeSet::new() };
        Self { given: BTreeSet::from([name.to_owned()]), request, ..Self::default() }
    }

    pub(super) fn of_variable(name: String) -> Self {
        Self { fetched: BTreeSet::from([name]), ..Self::default() }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.given.extend(other.given);
        self.request.extend(other.request);
        self.is_momentary |= other.is_momentary;
        self.variables.extend(other.variables);
        self.fetched.extend(other.fetched);
        self.counted.extend(other.counted);
        self.is_object |= other.is_object;
        self.is_fresh |= other.is_fresh;
    }

    /// Those of what is counted on it.
    pub(super) fn counted(self) -> Self {
        let mut computed = self.computed();
        computed.counted.extend(computed.variables.iter().cloned());
        computed
    }

    /// Those of something that is computed from it.
    fn computed(mut self) -> Self {
        self.variables.append(&mut self.fetched);
        self.is_fresh = false;
        self
    }
}

/// Names that stand for a user or a request: `user_id`, `request`.
fn is_of_request(name: &str) -> bool {
    let parts = [
        "request", "req", "session", "user", "username", "uid", "userid", "visitor", "tenant", "customer",
        "account", "cookie", "cookies", "remote", "environ", "email", "login", "sid", "cart", "basket",
    ];
    let name = name.to_lowercase();
    let addresses = ["ip", "client_ip", "user_ip", "ip_addr", "ip_address"];
    addresses.contains(&name.as_str()) || name.split('_').any(|part| parts.contains(&part))
}

/// Attributes that stand for a user or a request on whatever they are read: `self.request`.
fn is_attribute_of_request(name: &str) -> bool {
    ["request", "user", "remote_addr", "session_id", "user_id", "username"].contains(&name)
}

/// The request and the session that frameworks give to every function.
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

/// Calls whose result differs each time.
fn is_of_moment(function: &str) -> bool {
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

/// Those of an expression where the collector stands.
pub(super) fn of(collector: &Collector<'_>, expr: &Expr) -> Origins {
    if let Some(variable) = fetched(collector, expr) {
        return Origins::of_variable(variable);
    }
    let both = |all: &[&Expr]| {
        let mut origins = Origins::default();
        all.iter().for_each(|each| origins.join(of(collector, each)));
        origins
    };
    match expr {
        Expr::Name(name) => collector.origins_of_name(name.id.as_str()),
        Expr::If(choice) => both(&[&choice.body, &choice.orelse]),
        Expr::Tuple(tuple) if !tuple.elts.is_empty() => both(&tuple.elts.iter().collect::<Vec<_>>()),
        Expr::BoolOp(operation) => both(&operation.values.iter().collect::<Vec<_>>()),
        Expr::Named(named) => of(collector, &named.value),
        Expr::Await(awaited) => of(collector, &awaited.value),
        Expr::Starred(starred) => of(collector, &starred.value),
        _ => {
            let mut gather = Gather { collector, found: Origins::default() };
            gather.visit_expr(expr);
            let found = match expr {
                Expr::BinOp(_) => gather.found.counted(),
                _ => gather.found.computed(),
            };
            Origins { is_fresh: found.given.is_empty() && is_fresh(expr), ..found }
        }
    }
}

/// The variable that an expression only reads: `CACHE`, `CACHE[key]`, `CACHE.get(key)`.
fn fetched(collector: &Collector<'_>, expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(_) | Expr::Attribute(_) => collector.variable(expr),
        Expr::Subscript(item) => collector.variable(&item.value),
        Expr::Call(call) => {
            let Expr::Attribute(method) = &*call.func else { return None };
            let reads = ["get", "pop", "setdefault", "popitem", "popleft", "get_nowait"];
            reads.contains(&method.attr.as_str()).then(|| collector.variable(&method.value)).flatten()
        }
        _ => None,
    }
}

/// Whether a value is new, empty and made of nothing.
fn is_fresh(expr: &Expr) -> bool {
    match expr {
        Expr::Dict(dict) => dict.items.is_empty(),
        Expr::List(list) => list.elts.is_empty(),
        Expr::Call(call) => call.arguments.is_empty() && makes_object(&call.func),
        Expr::NumberLiteral(_) => constant(expr).is_some_and(|value| value.contains("(0)")),
        _ => false,
    }
}

/// Whether a call makes an object, as far as its name tells: `Cart()`, `dict()`.
fn makes_object(function: &Expr) -> bool {
    let name = match function {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return false,
    };
    name.starts_with(char::is_uppercase) || ["dict", "list", "set", "deque", "object"].contains(&name)
}

struct Gather<'c, 'm> {
    collector: &'c Collector<'m>,
    found: Origins,
}

impl Gather<'_, '_> {
    fn call(&mut self, call: &ExprCall) {
        if let Some(function) = self.collector.resolve(&call.func) {
            self.found.is_momentary |= is_of_moment(&function);
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

impl<'a> Visitor<'a> for Gather<'_, '_> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => self.found.join(self.collector.origins_of_name(name.id.as_str())),
            Expr::Attribute(attribute) => {
                if let Some(variable) = self.collector.variable(expr) {
                    self.found.variables.insert(variable);
                }
                self.found.is_object |= attribute.attr.as_str() == "__class__";
                if is_attribute_of_request(attribute.attr.as_str()) {
                    let written = self.collector.names.resolve(expr);
                    self.found.request.insert(written.unwrap_or_else(|| attribute.attr.to_string()));
                }
            }
            Expr::Call(call) => {
                self.call(call);
                // `client.request(...)` makes a request, and is none.
                if let Expr::Attribute(method) = &*call.func {
                    self.visit_expr(&method.value);
                    return self.visit_arguments(&call.arguments);
                }
            }
            _ => {}
        }
        if let Some(name) = self.collector.resolve(expr)
            && OF_FRAMEWORKS.contains(&name.as_str())
        {
            self.found.request.insert(name);
        }
        walk_expr(self, expr);
    }
}
