//! What of the process code changes: the working directory, the file mode mask, the locale, environment variables. Every
//! interpreter of the process has them, and with own GILs two interpreters run at the same time.

use ruff_python_ast::{Expr, ExprCall, Operator, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::collect::Collector;
use super::context::is_setup_name;
use crate::model::Weight;

/// A change of the process.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) at: TextSize,
    pub(super) function: String,
    pub(super) rule: &'static str,
    /// What is changed: a function's name or an environment variable.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) weight: Weight,
}

/// Functions that change the process, with what they change (CPython's `Modules/posixmodule.c`, `_localemodule.c`,
/// `signalmodule.c`, `timemodule.c`, `resource.c`: each calls the function of the C library). Not here, since each
/// interpreter has its own: `socket.setdefaulttimeout`, `sys.setswitchinterval`, `threading.stack_size`,
/// `sys.set_int_max_str_digits`, `csv.field_size_limit` (measured with 3.12, 3.13 and 3.14).
const CHANGES: &[(&str, &str)] = &[
    ("os.chdir", "the working directory"),
    ("os.fchdir", "the working directory"),
    ("contextlib.chdir", "the working directory"),
    ("os.chroot", "the root directory"),
    ("os.umask", "the file mode mask"),
    ("locale.setlocale", "the locale"),
    ("time.tzset", "the time zone"),
    ("os.nice", "the priority"),
    ("os.setpriority", "the priority"),
    ("os.sched_setaffinity", "the processors"),
    ("resource.setrlimit", "the limits"),
    ("os.setuid", "the user"),
    ("os.seteuid", "the user"),
    ("os.setreuid", "the user"),
    ("os.setresuid", "the user"),
    ("os.setgid", "the group"),
    ("os.setegid", "the group"),
    ("os.setregid", "the group"),
    ("os.setresgid", "the group"),
    ("os.setgroups", "the groups"),
    ("os.initgroups", "the groups"),
    ("os.setsid", "the session"),
    ("os.setpgid", "the process group"),
    ("os.setpgrp", "the process group"),
    ("os.dup2", "the file descriptors"),
    ("os.closerange", "the file descriptors"),
    ("signal.alarm", "the timer"),
    ("signal.setitimer", "the timers"),
    ("signal.siginterrupt", "what signals interrupt"),
];

/// A call.
pub(super) fn call(collector: &mut Collector<'_>, call: &ExprCall) {
    let Some(function) = collector.resolve(&call.func) else { return };
    let at = call.start();
    let argument = |index: usize| call.arguments.args.get(index);
    match function.as_str() {
        "os.putenv" | "os.unsetenv" => variable(collector, at, argument(0), &function),
        "signal.pthread_sigmask" => {
            let text = "signal.pthread_sigmask() changes what signals reach this thread: it serves other interpreters too";
            change(collector, at, function, text.to_owned());
        }
        "syslog.openlog" | "syslog.closelog" => {
            let text = format!(
                "{function}() raises RuntimeError outside of the main interpreter: the log is the process's"
            );
            change(collector, at, function, text);
        }
        // Without a locale it only asks.
        "locale.setlocale"
            if call.arguments.find_keyword("locale").is_none()
                && argument(1).is_none_or(Expr::is_none_literal_expr) => {}
        name => {
            if let Some((_, what)) = CHANGES.iter().find(|(changing, _)| *changing == name) {
                let text = format!("{function}() changes {what} of the process: every interpreter's");
                change(collector, at, function, text);
            } else if let Some((of, method)) = name.rsplit_once('.')
                && is_environment(of)
            {
                match method {
                    "pop" | "setdefault" | "__setitem__" | "__delitem__" => {
                        variable(collector, at, argument(0), &format!("os.environ.{method}"));
                    }
                    "update" | "clear" | "popitem" => {
                        variable(collector, at, None, &format!("os.environ.{method}"));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// A statement.
pub(super) fn statement(collector: &mut Collector<'_>, stmt: &Stmt) {
    let at = stmt.start();
    match stmt {
        Stmt::Assign(assign) => {
            for target in &assign.targets {
                entry(collector, at, target, "os.environ[...] = ...");
            }
        }
        Stmt::AnnAssign(assign) if assign.value.is_some() => {
            entry(collector, at, &assign.target, "os.environ[...] = ...");
        }
        Stmt::AugAssign(assign) => {
            entry(collector, at, &assign.target, "os.environ[...] = ...");
            if assign.op == Operator::BitOr
                && collector.resolve(&assign.target).is_some_and(|name| is_environment(&name))
            {
                variable(collector, at, None, "os.environ |= ...");
            }
        }
        Stmt::Delete(delete) => {
            for target in &delete.targets {
                entry(collector, at, target, "del os.environ[...]");
            }
        }
        _ => {}
    }
}

fn is_environment(name: &str) -> bool {
    name == "os.environ" || name == "os.environb"
}

fn entry(collector: &mut Collector<'_>, at: TextSize, target: &Expr, how: &str) {
    match target {
        Expr::Tuple(all) => all.elts.iter().for_each(|each| entry(collector, at, each, how)),
        Expr::Subscript(item) if collector.resolve(&item.value).is_some_and(|name| is_environment(&name)) => {
            variable(collector, at, Some(&item.slice), how);
        }
        _ => {}
    }
}

/// A change of an environment variable. What a module does at its own level when an application starts is usual.
fn variable(collector: &mut Collector<'_>, at: TextSize, key: Option<&Expr>, how: &str) {
    let name = match key {
        Some(Expr::StringLiteral(text)) => text.value.to_str().to_owned(),
        Some(Expr::BytesLiteral(text)) => {
            let bytes: Vec<u8> = text.value.bytes().collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Some(key) => match collector.names.resolve(key) {
            Some(key) => format!("os.environ[{key}]"),
            None => how.to_owned(),
        },
        None => how.to_owned(),
    };
    let weight = if is_at_start(collector) { Weight::Low } else { Weight::High };
    let text = match (weight, how.ends_with("setdefault")) {
        (Weight::Low, true) => "is set at start, unless another application of the process has set it before",
        (Weight::Low, false) => "is changed at start: C code, child processes and later interpreters see it",
        (Weight::High | Weight::Middle, _) => {
            "is changed by functions: C code and child processes of every interpreter see it, os.environ of the others \
             does not"
        }
    };
    let function = collector.function();
    let text = format!("{name} {text}");
    collector.changes.push(Change { at, function, rule: "environment-variable", name, text, weight });
}

fn change(collector: &mut Collector<'_>, at: TextSize, name: String, text: String) {
    let weight = if is_at_start(collector) { Weight::Middle } else { Weight::High };
    let function = collector.function();
    collector.changes.push(Change { at, function, rule: "process-state", name, text, weight });
}

/// Whether code runs once, when the application is imported or set up, as far as its place and the names around tell.
fn is_at_start(collector: &Collector<'_>) -> bool {
    let function = collector.function();
    function.is_empty() || function.split('.').any(is_setup_name)
}
