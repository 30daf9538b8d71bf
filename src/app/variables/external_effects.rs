//! Calls with an effect outside of the interpreter: on files, sockets or processes.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextSize};

use crate::app::import_aliases::ImportAliases;

/// Functions of a file by unqualified name, each with its first call that has an external effect.
pub(super) type ExternalEffects = BTreeMap<String, String>;

/// Finds the functions of a file that have an external effect.
pub(super) fn find_external_effects(body: &[Stmt], names: &ImportAliases) -> ExternalEffects {
    let mut functions = ExternalFunctionVisitor { names, found: ExternalEffects::new() };
    body.iter().for_each(|stmt| functions.visit_stmt(stmt));
    functions.found
}

/// Returns the called function if it changes something outside of the interpreter: in the process or outside
/// of it.
fn external_effect_of_call(names: &ImportAliases, call: &ExprCall) -> Option<String> {
    if let Some(function) = names.resolve_name(&call.func) {
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
            "" | "io" | "builtins" => last == "open" && opens_for_writing(call),
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
fn opens_for_writing(call: &ExprCall) -> bool {
    let mode = call.arguments.find_keyword("mode").map(|keyword| &keyword.value);
    match mode.or_else(|| call.arguments.args.get(1)) {
        Some(Expr::StringLiteral(mode)) => mode.value.to_str().contains(['w', 'a', 'x', '+']),
        Some(_) => true,
        None => false,
    }
}

/// Collects the calls with an external effect in a piece of code.
pub(super) struct ExternalCallVisitor<'n> {
    names: &'n ImportAliases,
    through: Option<&'n ExternalEffects>,
    found: BTreeSet<(TextSize, String)>,
}

impl<'n> ExternalCallVisitor<'n> {
    pub(super) fn new(names: &'n ImportAliases, through: Option<&'n ExternalEffects>) -> Self {
        Self { names, through, found: BTreeSet::new() }
    }

    pub(super) fn first_call(self) -> Option<String> {
        self.found.into_iter().next().map(|(_, called)| called)
    }
}

impl<'a> Visitor<'a> for ExternalCallVisitor<'_> {
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
            if let Some(called) = external_effect_of_call(self.names, call).or(own) {
                self.found.insert((call.start(), called));
            }
        }
        walk_expr(self, expr);
    }
}

struct ExternalFunctionVisitor<'n> {
    names: &'n ImportAliases,
    found: ExternalEffects,
}

impl<'a> Visitor<'a> for ExternalFunctionVisitor<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(function) = stmt {
            let mut calls = ExternalCallVisitor::new(self.names, None);
            function.body.iter().for_each(|stmt| calls.visit_stmt(stmt));
            if let Some(called) = calls.first_call() {
                self.found.entry(function.name.to_string()).or_insert(called);
            }
        }
        walk_stmt(self, stmt);
    }
}
