//! Changes of process-wide state: the working directory, the file mode mask, the locale, environment
//! variables. All interpreters of the process share it, and with their own GILs two of them run at the same
//! time.

use ruff_python_ast::{Expr, ExprCall, Operator, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::accesses::ProcessChange;
use super::collector::VariableCollector;
use super::write_context::is_setup_name;
use crate::model::{HazardWeight, RuleId};

/// Functions that change the process, with what they change (CPython's `Modules/posixmodule.c`,
/// `_localemodule.c`, `signalmodule.c`, `timemodule.c`, `resource.c`: each calls the function of the C
/// library). Not here, since each interpreter has its own: `socket.setdefaulttimeout`,
/// `sys.setswitchinterval`, `threading.stack_size`, `sys.set_int_max_str_digits`, `csv.field_size_limit`
/// (measured with 3.12, 3.13 and 3.14).
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

/// Records what a call changes.
pub(super) fn check_call(collector: &mut VariableCollector<'_>, call: &ExprCall) {
    let Some(function) = collector.resolve_name(&call.func) else { return };
    let at = call.start();
    let argument = |index: usize| call.arguments.args.get(index);
    match function.as_str() {
        "os.putenv" | "os.unsetenv" => record_environment_change(collector, at, argument(0), &function),
        "signal.pthread_sigmask" => {
            let text = "signal.pthread_sigmask() changes which signals reach this thread, which serves other \
                        interpreters too";
            record_process_change(collector, at, function, text.to_owned());
        }
        "syslog.openlog" | "syslog.closelog" => {
            let text = format!(
                "{function}() raises RuntimeError outside of the main interpreter: the log belongs to the process"
            );
            record_process_change(collector, at, function, text);
        }
        // Without a locale, `setlocale` only queries.
        "locale.setlocale"
            if call.arguments.find_keyword("locale").is_none()
                && argument(1).is_none_or(Expr::is_none_literal_expr) => {}
        name => {
            if let Some((_, what)) = CHANGES.iter().find(|(changing, _)| *changing == name) {
                let text = format!("{function}() changes {what} of the process, for every interpreter");
                record_process_change(collector, at, function, text);
            } else if let Some((of, method)) = name.rsplit_once('.')
                && is_os_environ(of)
            {
                match method {
                    "pop" | "setdefault" | "__setitem__" | "__delitem__" => {
                        record_environment_change(
                            collector,
                            at,
                            argument(0),
                            &format!("os.environ.{method}"),
                        );
                    }
                    "update" | "clear" | "popitem" => {
                        record_environment_change(collector, at, None, &format!("os.environ.{method}"));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Records what a statement changes.
pub(super) fn check_statement(collector: &mut VariableCollector<'_>, stmt: &Stmt) {
    let at = stmt.start();
    match stmt {
        Stmt::Assign(assign) => {
            for target in &assign.targets {
                check_environ_target(collector, at, target, "os.environ[...] = ...");
            }
        }
        Stmt::AnnAssign(assign) if assign.value.is_some() => {
            check_environ_target(collector, at, &assign.target, "os.environ[...] = ...");
        }
        Stmt::AugAssign(assign) => {
            check_environ_target(collector, at, &assign.target, "os.environ[...] = ...");
            if assign.op == Operator::BitOr
                && collector.resolve_name(&assign.target).is_some_and(|name| is_os_environ(&name))
            {
                record_environment_change(collector, at, None, "os.environ |= ...");
            }
        }
        Stmt::Delete(delete) => {
            for target in &delete.targets {
                check_environ_target(collector, at, target, "del os.environ[...]");
            }
        }
        _ => {}
    }
}

fn is_os_environ(name: &str) -> bool {
    name == "os.environ" || name == "os.environb"
}

fn check_environ_target(collector: &mut VariableCollector<'_>, at: TextSize, target: &Expr, how: &str) {
    match target {
        Expr::Tuple(all) => all.elts.iter().for_each(|each| check_environ_target(collector, at, each, how)),
        Expr::Subscript(item)
            if collector.resolve_name(&item.value).is_some_and(|name| is_os_environ(&name)) =>
        {
            record_environment_change(collector, at, Some(&item.slice), how);
        }
        _ => {}
    }
}

/// Records a change of an environment variable. It weighs little where it runs at startup, which is usual.
fn record_environment_change(
    collector: &mut VariableCollector<'_>,
    at: TextSize,
    key: Option<&Expr>,
    how: &str,
) {
    let name = match key {
        Some(Expr::StringLiteral(text)) => text.value.to_str().to_owned(),
        Some(Expr::BytesLiteral(text)) => {
            let bytes: Vec<u8> = text.value.bytes().collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Some(key) => match collector.names.resolve_name(key) {
            Some(key) => format!("os.environ[{key}]"),
            None => how.to_owned(),
        },
        None => how.to_owned(),
    };
    let weight = if runs_at_startup(collector) { HazardWeight::Low } else { HazardWeight::High };
    let text = match (weight, how.ends_with("setdefault")) {
        (HazardWeight::Low, true) => {
            "is set at start, unless another application of the process has set it before"
        }
        (HazardWeight::Low, false) => {
            "is changed at start: C code, child processes and later interpreters see it"
        }
        (HazardWeight::High | HazardWeight::Middle, _) => {
            "is changed by functions: C code and child processes of every interpreter see it, os.environ of the others \
             does not"
        }
    };
    let function = collector.enclosing_function();
    let text = format!("{name} {text}");
    collector.changes.push(ProcessChange {
        at,
        function,
        rule: RuleId::EnvironmentVariable,
        name,
        text,
        weight,
    });
}

fn record_process_change(collector: &mut VariableCollector<'_>, at: TextSize, name: String, text: String) {
    let weight = if runs_at_startup(collector) { HazardWeight::Middle } else { HazardWeight::High };
    let function = collector.enclosing_function();
    collector.changes.push(ProcessChange { at, function, rule: RuleId::ProcessState, name, text, weight });
}

/// Whether the code runs once, when the application is imported or set up, judged by the names of enclosing
/// functions.
fn runs_at_startup(collector: &VariableCollector<'_>) -> bool {
    let function = collector.enclosing_function();
    function.is_empty() || function.split('.').any(is_setup_name)
}
