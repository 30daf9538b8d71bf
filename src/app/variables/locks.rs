//! Locks at a module's level that functions hold around what other interpreters and processes have too.
//!
//! A lock that only guards what its own interpreter has does that in each of them, and is not told of.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, Stmt, StmtWith};
use ruff_text_size::{Ranged, TextSize};

use super::collect::Collector;
use crate::app::names::Names;

/// A place where a lock is held around something outside.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) at: TextSize,
    pub(super) function: String,
    /// The lock's name.
    pub(super) lock: String,
    /// What is called while it is held.
    pub(super) called: String,
}

/// Functions of a file by their last name, each with what it calls that changes something outside.
pub(super) type Outside = BTreeMap<String, String>;

/// Finds them.
pub(super) fn outside(body: &[Stmt], names: &Names) -> Outside {
    let mut functions = Functions { names, found: Outside::new() };
    body.iter().for_each(|stmt| functions.visit_stmt(stmt));
    functions.found
}

/// `with LOCK:`.
pub(super) fn with(collector: &mut Collector<'_>, block: &StmtWith) {
    for item in &block.items {
        let Some(lock) = lock(collector, &item.context_expr) else { continue };
        let mut calls = Calls::new(collector.names, Some(collector.outside_of));
        block.body.iter().for_each(|stmt| calls.visit_stmt(stmt));
        if let Some(called) = calls.first() {
            hold(collector, block.start(), lock, called);
        }
    }
}

/// `LOCK.acquire()`: until when it is held is not followed; that the function touches something outside is told.
pub(super) fn call(collector: &mut Collector<'_>, call: &ExprCall) {
    if let Expr::Attribute(method) = &*call.func
        && method.attr.as_str() == "acquire"
        && let Some(lock) = lock(collector, &method.value)
        && let Some(called) = collector.outside_around()
    {
        hold(collector, call.start(), lock, called);
    }
}

fn lock(collector: &Collector<'_>, expr: &Expr) -> Option<String> {
    collector.variable(expr).filter(|name| collector.level.locks.contains_key(name))
}

fn hold(collector: &mut Collector<'_>, at: TextSize, lock: String, called: String) {
    if collector.is_in_function() {
        let function = collector.function();
        collector.held.push(Held { at, function, lock, called });
    }
}

/// Whether a call changes something that the process has outside of the interpreter, or what lies outside of the process.
fn is_outside(names: &Names, call: &ExprCall) -> Option<String> {
    if let Some(function) = names.resolve(&call.func) {
        let (module, last) = function.rsplit_once('.').unwrap_or(("", &function));
        let of_os = [
            "open",
            "write",
            "rename",
            "renames",
            "replace",
            "remove",
            "unlink",
            "mkdir",
            "makedirs",
            "rmdir",
            "removedirs",
            "link",
            "symlink",
            "truncate",
            "ftruncate",
            "chmod",
            "chown",
            "utime",
            "system",
            "popen",
            "posix_spawn",
            "kill",
            "killpg",
            "chdir",
            "fchdir",
            "umask",
            "putenv",
            "unsetenv",
            "lockf",
            "sendfile",
        ];
        let is_it = match module {
            "os" => of_os.contains(&last),
            "subprocess" => ["run", "Popen", "call", "check_call", "check_output"].contains(&last),
            "shutil" => !["which", "get_terminal_size", "disk_usage"].contains(&last),
            "socket" => ["socket", "create_connection", "create_server"].contains(&last),
            "fcntl" | "msvcrt" => true,
            "sqlite3" | "dbm" => ["connect", "open"].contains(&last),
            "urllib.request" => last == "urlopen",
            "" | "io" | "builtins" => last == "open" && writes(call),
            _ => false,
        };
        if is_it {
            return Some(function);
        }
    }
    let Expr::Attribute(method) = &*call.func else { return None };
    let name = method.attr.as_str();
    let of_paths = ["write_text", "write_bytes", "unlink", "touch", "mkdir", "rmdir", "sendall"];
    of_paths.contains(&name).then(|| name.to_owned())
}

/// Whether a call of `open` may change the file.
fn writes(call: &ExprCall) -> bool {
    let mode = call.arguments.find_keyword("mode").map(|keyword| &keyword.value);
    match mode.or_else(|| call.arguments.args.get(1)) {
        Some(Expr::StringLiteral(mode)) => mode.value.to_str().contains(['w', 'a', 'x', '+']),
        Some(_) => true,
        None => false,
    }
}

/// Calls in a piece of code that change something outside.
pub(super) struct Calls<'n> {
    names: &'n Names,
    through: Option<&'n Outside>,
    found: BTreeSet<(TextSize, String)>,
}

impl<'n> Calls<'n> {
    pub(super) fn new(names: &'n Names, through: Option<&'n Outside>) -> Self {
        Self { names, through, found: BTreeSet::new() }
    }

    pub(super) fn first(self) -> Option<String> {
        self.found.into_iter().next().map(|(_, called)| called)
    }
}

impl<'a> Visitor<'a> for Calls<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if !matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            walk_stmt(self, stmt);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            let last = match &*call.func {
                Expr::Name(name) => Some(name.id.as_str()),
                Expr::Attribute(of) if matches!(&*of.value, Expr::Name(name) if ["self", "cls"].contains(&name.id.as_str())) => {
                    Some(of.attr.as_str())
                }
                _ => None,
            };
            let own = last.and_then(|last| Some(format!("{last}() -> {}", self.through?.get(last)?)));
            if let Some(called) = is_outside(self.names, call).or(own) {
                self.found.insert((call.start(), called));
            }
        }
        walk_expr(self, expr);
    }
}

struct Functions<'n> {
    names: &'n Names,
    found: Outside,
}

impl<'a> Visitor<'a> for Functions<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(function) = stmt {
            let mut calls = Calls::new(self.names, None);
            function.body.iter().for_each(|stmt| calls.visit_stmt(stmt));
            if let Some(called) = calls.first() {
                self.found.entry(function.name.to_string()).or_insert(called);
            }
        }
        walk_stmt(self, stmt);
    }
}
