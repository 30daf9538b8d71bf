//! What the enclosing functions show of when a write runs.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, Stmt};

/// What the enclosing functions show of when a write runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WriteContext {
    /// Whether it runs when modules are imported or the application is set up: in a decorator, in the
    /// definition of a class, in a function that is called at module level or whose name says so.
    pub(super) is_setup: bool,
    /// Whether it runs when an object is constructed.
    pub(super) makes_object: bool,
    /// Whether the function's name says that it sets something, or wraps other code.
    pub(super) is_setting: bool,
    /// Whether the function warns or logs.
    pub(super) warns: bool,
}

/// What the body of one function shows.
#[derive(Debug, Default)]
pub(super) struct FunctionFacts {
    /// Names that the function returns.
    pub(super) returned: BTreeSet<String>,
    /// Functions and classes that the function defines.
    pub(super) defined: BTreeSet<String>,
    pub(super) warns: bool,
}

impl FunctionFacts {
    pub(super) fn from_body(body: &[Stmt]) -> Self {
        let mut facts = Self::default();
        body.iter().for_each(|stmt| facts.visit_stmt(stmt));
        facts
    }
}

impl<'a> Visitor<'a> for FunctionFacts {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                self.defined.insert(function.name.to_string());
            }
            Stmt::ClassDef(class) => {
                self.defined.insert(class.name.to_string());
            }
            Stmt::Return(returned) => {
                if let Some(Expr::Name(name)) = returned.value.as_deref() {
                    self.returned.insert(name.id.to_string());
                }
                walk_stmt(self, stmt);
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            let last = match &*call.func {
                Expr::Name(name) => name.id.as_str(),
                Expr::Attribute(attribute) => attribute.attr.as_str(),
                _ => "",
            };
            self.warns |= ["warn", "warning", "warn_explicit", "warn_deprecated"].contains(&last);
        }
        walk_expr(self, expr);
    }
}

/// Whether the name of a function suggests that it runs when an application is set up.
pub(super) fn is_setup_name(name: &str) -> bool {
    if name.starts_with("__") && name.ends_with("__") {
        return ["__init_subclass__", "__set_name__"].contains(&name);
    }
    let name = name.trim_start_matches('_');
    let first = [
        "main",
        "ready",
        "includeme",
        "register",
        "unregister",
        "deregister",
        "install",
        "uninstall",
        "setup",
        "configure",
        "config",
        "init",
        "initialize",
        "initialise",
        "bootstrap",
        "patch",
        "monkeypatch",
        "unpatch",
        "inject",
        "autodiscover",
        "discover",
        "define",
        "declare",
    ];
    // `pytest_configure`.
    let last = name.rsplit('_').next().unwrap_or(name);
    starts_with_word(name, &first) || ["configure", "setup", "register"].contains(&last)
}

/// Whether a name begins with one of these words: `register_view` and `registerView` begin with `register`,
/// `registers` does not.
fn starts_with_word(name: &str, words: &[&str]) -> bool {
    let is_end = |rest: &str| rest.chars().next().is_none_or(|next| next == '_' || next.is_uppercase());
    words.iter().any(|word| {
        let begin = name.get(..word.len()).filter(|begin| begin.eq_ignore_ascii_case(word));
        begin.is_some() && name.get(word.len()..).is_some_and(is_end)
    })
}

/// Whether the name of a function suggests a setter, a wrapper of other code, or a hook at fork or exit:
/// functions that a library offers for its application to call.
pub(super) fn is_setter_name(name: &str) -> bool {
    let whole = [
        "set",
        "override",
        "add",
        "update",
        "load",
        "use",
        "enable",
        "disable",
        "reset",
        "wrap",
        "unwrap",
        "instrument",
        "patch",
    ];
    let any = ["fork", "exit", "wrap", "unwrap", "instrument", "patch", "hook", "hooks", "set", "configure"];
    let name = name.trim_start_matches('_');
    starts_with_word(name, &whole) || name.split('_').any(|word| any.contains(&word))
}

/// Whether the name of a parameter suggests a class or a function, which belong to one interpreter anyway. In
/// a library that includes modules, threads and tasks; in an application, a task may be a customer's.
pub(super) fn is_definition_parameter(parameter: &str, is_own: bool) -> bool {
    let names = [
        "cls",
        "klass",
        "class_",
        "type_",
        "typ",
        "func",
        "fn",
        "f",
        "fun",
        "function",
        "callable",
        "wrapped",
        "plugin",
        "codec",
        "converter",
        "adapter",
        "factory",
        "listener",
        "receiver",
        "hook",
        "hooks",
        "cb",
    ];
    let of_libraries = [
        "method",
        "meth",
        "module",
        "mod",
        "backend",
        "processor",
        "loader",
        "provider",
        "loop",
        "frame",
        "gl",
        "code",
        "coro",
        "future",
        "fut",
        "hub",
    ];
    // `handler_`, `greenlet_id`.
    let has = |words: &[&str]| parameter.split('_').any(|word| words.contains(&word));
    names.contains(&parameter)
        || has(&["callback", "handler"])
        || !is_own && (of_libraries.contains(&parameter) || has(&["greenlet", "thread", "task", "consumer"]))
}
