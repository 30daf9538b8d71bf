//! Hazards: patterns in Python source code that fail or misbehave in an interpreter with its own GIL. Each
//! kind has a rule with a page.

use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::hazardous_calls::{CALLS, HazardousCalls};
use super::scan::Scanner;
use crate::model::{HazardWeight, ImportKind, VariableUse};

/// A hazard in a file. The worst sorts first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileHazard {
    pub(super) weight: HazardWeight,
    pub(super) line: usize,
    pub(super) function: String,
    pub(super) rule: &'static str,
    pub(super) text: String,
    /// The variable, lock or function, if the hazard stands for all its locations in the file.
    pub(super) name: Option<String>,
    /// How functions use the variable, for a module-level variable.
    pub(super) used: Option<VariableUse>,
    /// Line and function of the other locations.
    pub(super) others: Vec<(usize, String)>,
    /// Set if an interpreter with its own GIL always refuses it: `Lazy`, or `LazyOptional` if the code
    /// catches the error.
    pub(super) refused: Option<ImportKind>,
}

/// Returns the weight of a rule's hazards: high if they fail in an interpreter with its own GIL.
pub(super) fn weight_of_rule(rule: &str) -> HazardWeight {
    let fails = [
        "daemon-thread",
        "queue-listener",
        "multiprocessing",
        "atexit-cleanup",
        "fork-or-exec",
        "main-only-module",
    ];
    if fails.contains(&rule) { HazardWeight::High } else { HazardWeight::Middle }
}

/// Modules that only the main interpreter can load, or that act on the whole process (measured:
/// `faulthandler`, `readline`, `_curses`, `_tkinter`, `_tracemalloc` are single-phase or refuse).
const MAIN_ONLY: &[&str] = &["faulthandler", "readline", "curses", "tracemalloc", "tkinter"];

/// Reports the import of a module that only suits the main interpreter.
pub(super) fn check_import(scanner: &mut Scanner<'_>, at: TextSize, name: &str) {
    let top = name.split('.').next().unwrap_or(name);
    if MAIN_ONLY.contains(&top) {
        scanner.report_hazard(
            at,
            "main-only-module",
            format!("imports {top}, which works on the whole process"),
        );
    }
}

/// Reports the hazards of a call.
pub(super) fn check_call(scanner: &mut Scanner<'_>, call: &ExprCall) {
    let Some(function) = scanner.names.resolve_name(&call.func) else { return };
    let at = call.start();
    if has_true_keyword(call, "daemon") && looks_like_thread(&function) {
        report_daemon_thread(scanner, at, format!("{function}(daemon=True)"), is_threading_class(&function));
    } else if function == "threading.Thread" && scanner.is_in_function() {
        scanner.report_hazard(
            at,
            "thread-in-request",
            "starts a thread that the interpreter's end waits for".to_owned(),
        );
    } else if let Some(object) = function.strip_suffix(".setDaemon") {
        let is_set = call.arguments.args.first().is_some_and(is_true_literal);
        let is_refused = is_set && scanner.threads.contains(object);
        report_daemon_thread(scanner, at, format!("{function}()"), is_refused);
    }
    for HazardousCalls { rule, names, does } in CALLS {
        if names.iter().any(|name| *name == function) {
            scanner.report_hazard(at, rule, format!("{function}() {does}"));
        }
    }
    if let Some(keyword) = call.arguments.find_keyword("preexec_fn")
        && !matches!(keyword.value, Expr::NoneLiteral(_))
    {
        scanner.report_hazard(at, "fork-or-exec", format!("{function}(preexec_fn=...)"));
    }
    if function == "atexit.register"
        && let Some(callback) = call.arguments.args.first()
    {
        check_atexit_callback(scanner, at, callback);
    }
}

/// Reports a callback of `atexit` that stops or joins threads.
fn check_atexit_callback(scanner: &mut Scanner<'_>, at: TextSize, callback: &Expr) {
    let Some(name) = scanner.names.resolve_name(callback) else { return };
    let ends = |called: &str| {
        let (object, method) = called.rsplit_once('.')?;
        let is_end = ["join", "stop", "shutdown", "cancel", "terminate"].contains(&method);
        (is_end && !object.ends_with("path")).then(|| called.to_owned())
    };
    let last = name.rsplit('.').next().unwrap_or(&name);
    let inside = scanner.called.calls.get(last);
    let found = ends(&name).or_else(|| inside.and_then(|calls| calls.iter().find_map(|called| ends(called))));
    if let Some(called) = found {
        let through = if called == name { String::new() } else { format!(", through {name}()") };
        scanner.report_hazard(at, "atexit-cleanup", format!("atexit calls {called}(){through}"));
    }
}

/// Reports the hazards of a statement.
pub(super) fn check_statement(scanner: &mut Scanner<'_>, stmt: &Stmt) {
    match stmt {
        Stmt::Assign(assign) => {
            track_thread_names(scanner, &assign.targets, &assign.value);
            for target in &assign.targets {
                match target {
                    Expr::Attribute(attribute)
                        if attribute.attr.as_str() == "daemon" && is_true_literal(&assign.value) =>
                    {
                        let object = scanner.names.resolve_name(&attribute.value);
                        let is_refused = object.is_some_and(|object| scanner.threads.contains(&object));
                        report_daemon_thread(
                            scanner,
                            assign.start(),
                            "sets daemon = True".to_owned(),
                            is_refused,
                        );
                    }
                    _ => {}
                }
            }
        }
        Stmt::FunctionDef(function) => {
            for decorator in &function.decorator_list {
                if scanner.names.resolve_name(&decorator.expression).as_deref() == Some("atexit.register") {
                    let name = function.name.as_str();
                    let calls = scanner.called.calls.get(name).cloned().unwrap_or_default();
                    let ends = |called: &&String| {
                        called.rsplit_once('.').is_some_and(|(_, last)| {
                            ["join", "stop", "shutdown", "cancel", "terminate"].contains(&last)
                        })
                    };
                    if let Some(called) = calls.iter().find(ends) {
                        let text = format!("atexit calls {called}(), through {name}()");
                        scanner.report_hazard(decorator.start(), "atexit-cleanup", text);
                    }
                }
            }
        }
        _ => {}
    }
}

/// Reports a daemon thread. `is_refused`: whether it is known to be of CPython's own class, which refuses it.
fn report_daemon_thread(scanner: &mut Scanner<'_>, at: TextSize, text: String, is_refused: bool) {
    match is_refused {
        true => scanner.report_refused_hazard(at, "daemon-thread", text),
        false => scanner.report_hazard(at, "daemon-thread", text),
    }
}

/// Updates the names that hold a thread, after an assignment of `value` to `targets`.
fn track_thread_names(scanner: &mut Scanner<'_>, targets: &[Expr], value: &Expr) {
    let constructor =
        if let Expr::Call(call) = value { scanner.names.resolve_name(&call.func) } else { None };
    let is_thread = constructor.is_some_and(|constructor| is_threading_class(&constructor));
    for name in targets.iter().filter_map(|target| scanner.names.resolve_name(target)) {
        match is_thread {
            true => scanner.threads.insert(name),
            false => scanner.threads.remove(&name),
        };
    }
}

/// Whether this is CPython's own class of threads. Its constructor and its `daemon` attribute raise
/// `RuntimeError` in an interpreter that does not allow daemon threads (`Lib/threading.py`).
fn is_threading_class(function: &str) -> bool {
    ["threading.Thread", "threading.Timer"].contains(&function)
}

/// Whether the name of a called function suggests a class of threads.
fn looks_like_thread(function: &str) -> bool {
    let last = function.rsplit('.').next().unwrap_or(function);
    last.ends_with("Thread") || last == "Timer" || last == "__init__"
}

fn has_true_keyword(call: &ExprCall, keyword: &str) -> bool {
    call.arguments.find_keyword(keyword).is_some_and(|keyword| is_true_literal(&keyword.value))
}

fn is_true_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::BooleanLiteral(literal) if literal.value)
}
