//! What the functions around a change tell of when it runs.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, Stmt};

/// What the functions around a change tell of when it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    /// Whether it runs when modules are imported and an application is set up: in a decorator, at the definition of a class,
    /// in a function that the module calls at its level or whose name says so.
    pub(super) is_setup: bool,
    /// Whether it runs when an object is made.
    pub(super) makes_object: bool,
    /// Whether the function's name says that it sets something, or wraps other code.
    pub(super) is_setting: bool,
    /// Whether the function warns or logs.
    pub(super) warns: bool,
}

/// What one function tells.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Names that it returns.
    pub(super) returned: BTreeSet<String>,
    /// Functions and classes that it defines.
    pub(super) defined: BTreeSet<String>,
    pub(super) warns: bool,
}

impl Facts {
    pub(super) fn of(body: &[Stmt]) -> Self {
        let mut facts = Self::default();
        body.iter().for_each(|stmt| facts.visit_stmt(stmt));
        facts
    }
}

impl<'a> Visitor<'a> for Facts {
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

/// Whether a function of this name runs when an application is set up, as far as its name tells.
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
    begins_with(name, &first) || ["configure", "setup", "register"].contains(&last)
}

/// Whether a name begins with one of these words: `register_view` and `registerView` do with `register`, `registers` does not.
fn begins_with(name: &str, words: &[&str]) -> bool {
    let is_end = |rest: &str| rest.chars().next().is_none_or(|next| next == '_' || next.is_uppercase());
    words.iter().any(|word| {
        let begin = name.get(..word.len()).filter(|begin| begin.eq_ignore_ascii_case(word));
        begin.is_some() && name.get(word.len()..).is_some_and(is_end)
    })
}

/// Whether a function of this name sets something, wraps other code, or runs where a process forks or ends: what a library
/// offers for its application to call.
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
    begins_with(name, &whole) || name.split('_').any(|word| any.contains(&word))
}

/// Whether a parameter of this name holds a class or a function: these belong to one interpreter anyhow. In a library so do
/// those of modules, threads and tasks; an application may call its customers' orders tasks.
pub(super) fn is_definition(parameter: &str, is_own: bool) -> bool {
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
