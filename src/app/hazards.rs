//! What in Python source does not suit an interpreter with its own GIL. Each is a rule with a page.

use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::calls::{CALLS, Calls};
use super::scan::Scanner;
use crate::model::{VariableUse, Way, Weight};

/// A hazard in a file. Sorted, the worst comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hazard {
    pub(super) weight: Weight,
    pub(super) line: usize,
    pub(super) function: String,
    pub(super) rule: &'static str,
    pub(super) text: String,
    /// What it is about, if the row stands for all its places.
    pub(super) name: Option<String>,
    /// How functions use it, if it is a variable of the module.
    pub(super) used: Option<VariableUse>,
    /// Line and function of the other places.
    pub(super) others: Vec<(usize, String)>,
    /// Set if an interpreter with its own GIL always refuses it: `Lazy`, or `LazyOptional` if the code catches the error.
    pub(super) refused: Option<Way>,
}

/// How much what a rule of this file finds matters: of high weight is what fails in an interpreter with its own GIL.
pub(super) fn weight(rule: &str) -> Weight {
    let fails = [
        "daemon-thread",
        "queue-listener",
        "multiprocessing",
        "atexit-cleanup",
        "fork-or-exec",
        "main-only-module",
    ];
    if fails.contains(&rule) { Weight::High } else { Weight::Middle }
}

/// Modules that CPython lets nobody but the main interpreter load, or that work on the whole process
/// (measured: `faulthandler`, `readline`, `_curses`, `_tkinter`, `_tracemalloc` are single-phase or refuse).
const MAIN_ONLY: &[&str] = &["faulthandler", "readline", "curses", "tracemalloc", "tkinter"];

/// An import of this module.
pub(super) fn import(scanner: &mut Scanner<'_>, at: TextSize, name: &str) {
    let top = name.split('.').next().unwrap_or(name);
    if MAIN_ONLY.contains(&top) {
        scanner.report(at, "main-only-module", format!("imports {top}, which works on the whole process"));
    }
}

/// A call.
pub(super) fn call(scanner: &mut Scanner<'_>, call: &ExprCall) {
    let Some(function) = scanner.names.resolve(&call.func) else { return };
    let at = call.start();
    if has_true(call, "daemon") && is_thread(&function) {
        daemon_thread(scanner, at, format!("{function}(daemon=True)"), makes_thread(&function));
    } else if function == "threading.Thread" && scanner.is_in_function() {
        scanner.report(
            at,
            "thread-in-request",
            "starts a thread that the interpreter's end waits for".to_owned(),
        );
    } else if let Some(of) = function.strip_suffix(".setDaemon") {
        let is_set = call.arguments.args.first().is_some_and(is_true);
        let is_refused = is_set && scanner.threads.contains(of);
        daemon_thread(scanner, at, format!("{function}()"), is_refused);
    }
    for Calls { rule, names, does } in CALLS {
        if names.iter().any(|name| *name == function) {
            scanner.report(at, rule, format!("{function}() {does}"));
        }
    }
    if let Some(keyword) = call.arguments.find_keyword("preexec_fn")
        && !matches!(keyword.value, Expr::NoneLiteral(_))
    {
        scanner.report(at, "fork-or-exec", format!("{function}(preexec_fn=...)"));
    }
    if function == "atexit.register"
        && let Some(callback) = call.arguments.args.first()
    {
        at_exit(scanner, at, callback);
    }
}

/// What `atexit` calls back, where that ends threads.
fn at_exit(scanner: &mut Scanner<'_>, at: TextSize, callback: &Expr) {
    let Some(name) = scanner.names.resolve(callback) else { return };
    let ends = |called: &str| {
        let (of, last) = called.rsplit_once('.')?;
        let is_end = ["join", "stop", "shutdown", "cancel", "terminate"].contains(&last);
        (is_end && !of.ends_with("path")).then(|| called.to_owned())
    };
    let last = name.rsplit('.').next().unwrap_or(&name);
    let inside = scanner.called.calls.get(last);
    let found = ends(&name).or_else(|| inside.and_then(|calls| calls.iter().find_map(|called| ends(called))));
    if let Some(called) = found {
        let through = if called == name { String::new() } else { format!(", through {name}()") };
        scanner.report(at, "atexit-cleanup", format!("atexit calls {called}(){through}"));
    }
}

/// A statement.
pub(super) fn statement(scanner: &mut Scanner<'_>, stmt: &Stmt) {
    match stmt {
        Stmt::Assign(assign) => {
            remember_thread(scanner, &assign.targets, &assign.value);
            for target in &assign.targets {
                match target {
                    Expr::Attribute(attribute)
                        if attribute.attr.as_str() == "daemon" && is_true(&assign.value) =>
                    {
                        let of = scanner.names.resolve(&attribute.value);
                        let is_refused = of.is_some_and(|of| scanner.threads.contains(&of));
                        daemon_thread(scanner, assign.start(), "sets daemon = True".to_owned(), is_refused);
                    }
                    _ => {}
                }
            }
        }
        Stmt::FunctionDef(function) => {
            for decorator in &function.decorator_list {
                if scanner.names.resolve(&decorator.expression).as_deref() == Some("atexit.register") {
                    let name = function.name.as_str();
                    let calls = scanner.called.calls.get(name).cloned().unwrap_or_default();
                    let ends = |called: &&String| {
                        called.rsplit_once('.').is_some_and(|(_, last)| {
                            ["join", "stop", "shutdown", "cancel", "terminate"].contains(&last)
                        })
                    };
                    if let Some(called) = calls.iter().find(ends) {
                        let text = format!("atexit calls {called}(), through {name}()");
                        scanner.report(decorator.start(), "atexit-cleanup", text);
                    }
                }
            }
        }
        _ => {}
    }
}

/// Reports a daemon thread. `is_refused`: whether it is known to be a thread of CPython's own class.
fn daemon_thread(scanner: &mut Scanner<'_>, at: TextSize, text: String, is_refused: bool) {
    match is_refused {
        true => scanner.report_refused(at, "daemon-thread", text),
        false => scanner.report(at, "daemon-thread", text),
    }
}

/// Remembers the names that a thread is assigned to, and forgets those that something else is.
fn remember_thread(scanner: &mut Scanner<'_>, targets: &[Expr], value: &Expr) {
    let made = if let Expr::Call(call) = value { scanner.names.resolve(&call.func) } else { None };
    let is_thread = made.is_some_and(|made| makes_thread(&made));
    for name in targets.iter().filter_map(|target| scanner.names.resolve(target)) {
        match is_thread {
            true => scanner.threads.insert(name),
            false => scanner.threads.remove(&name),
        };
    }
}

/// Whether this is CPython's own class of threads: its constructor and its attribute refuse `daemon=True` where an
/// interpreter allows no such threads (`Lib/threading.py`).
fn makes_thread(function: &str) -> bool {
    ["threading.Thread", "threading.Timer"].contains(&function)
}

fn is_thread(function: &str) -> bool {
    let last = function.rsplit('.').next().unwrap_or(function);
    last.ends_with("Thread") || last == "Timer" || last == "__init__"
}

fn has_true(call: &ExprCall, keyword: &str) -> bool {
    call.arguments.find_keyword(keyword).is_some_and(|keyword| is_true(&keyword.value))
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::BooleanLiteral(literal) if literal.value)
}
