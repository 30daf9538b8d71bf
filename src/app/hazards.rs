//! Hazards: patterns in Python source code that fail or misbehave in an interpreter with its own GIL. Each
//! kind has a rule with a page.

use ruff_python_ast::{Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextSize};

use super::hazardous_calls::{CALLS, HazardousCalls};
use super::scanner::Scanner;
use crate::model::RuleId;

/// Modules that only the main interpreter can load, or that act on the whole process (measured:
/// `faulthandler`, `readline`, `_curses`, `_tkinter`, `_tracemalloc` are single-phase or refuse).
const MAIN_ONLY: &[&str] = &["faulthandler", "readline", "curses", "tracemalloc", "tkinter"];

/// Reports the import of a module that only suits the main interpreter.
pub(super) fn check_import(scanner: &mut Scanner<'_>, at: TextSize, name: &str) {
    let top = name.split('.').next().unwrap_or(name);
    if MAIN_ONLY.contains(&top) {
        scanner.report_hazard(
            at,
            RuleId::MainOnlyModule,
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
            RuleId::ThreadInRequest,
            "starts a thread that the interpreter's end waits for".to_owned(),
        );
    } else if let Some(object) = function.strip_suffix(".setDaemon") {
        let is_set = call.arguments.args.first().is_some_and(is_true_literal);
        let is_refused = is_set && scanner.threads.contains(object);
        report_daemon_thread(scanner, at, format!("{function}()"), is_refused);
    }
    for HazardousCalls { rule, names, does } in CALLS {
        if names.iter().any(|name| *name == function) {
            scanner.report_hazard(at, *rule, format!("{function}() {does}"));
        }
    }
    if let Some(keyword) = call.arguments.find_keyword("preexec_fn")
        && !matches!(keyword.value, Expr::NoneLiteral(_))
    {
        scanner.report_hazard(at, RuleId::ForkOrExec, format!("{function}(preexec_fn=...)"));
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
        scanner.report_hazard(at, RuleId::AtexitCleanup, format!("atexit calls {called}(){through}"));
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
                        scanner.report_hazard(decorator.start(), RuleId::AtexitCleanup, text);
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
        true => scanner.report_refused_hazard(at, RuleId::DaemonThread, text),
        false => scanner.report_hazard(at, RuleId::DaemonThread, text),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::scan::scan_source;
    use crate::app::scanner::FileContext;
    use crate::model::{HazardWeight, ImportKind};

    /// The rule, the weight and whether an interpreter with its own GIL always refuses it, for each hazard.
    fn found(source: &str) -> Vec<(RuleId, HazardWeight, Option<ImportKind>)> {
        let context = FileContext { package: "", is_own: true, has_lazy_modules: false };
        let hazards = scan_source(source, context).unwrap().hazards;
        hazards.into_iter().map(|hazard| (hazard.rule, hazard.weight, hazard.refused)).collect()
    }

    fn rules(source: &str) -> Vec<RuleId> {
        found(source).into_iter().map(|(rule, ..)| rule).collect()
    }

    #[test]
    fn each_pattern_is_reported_by_its_rule() {
        let atexit = "import atexit, w\ndef end():\n    w.thread.join()\n";
        for (source, rule) in [
            ("import threading as t\nt.Timer(1, f).start()\n", RuleId::TimerThread),
            ("from logging.handlers import QueueListener\nQueueListener(q).start()\n", RuleId::QueueListener),
            ("import faulthandler\n", RuleId::MainOnlyModule),
            ("from curses.ascii import alt\n", RuleId::MainOnlyModule),
            ("import tkinter.ttk as ttk\n", RuleId::MainOnlyModule),
            ("import multiprocessing as m\nm.Pool(2)\n", RuleId::Multiprocessing),
            ("import threading\ndef f():\n    threading.Thread(target=g)\n", RuleId::ThreadInRequest),
            ("from concurrent.futures import ThreadPoolExecutor as P\nP()\n", RuleId::ThreadPool),
            ("import os\nos.fork()\n", RuleId::ForkOrExec),
            ("import subprocess as s\ns.run(a, preexec_fn=f)\n", RuleId::ForkOrExec),
            ("import signal\nsignal.signal(2, f)\n", RuleId::SignalHandler),
            ("import ctypes\nctypes.CDLL(name)\n", RuleId::CtypesLoad),
            ("import threading\nthreading.Thread(daemon=True)\n", RuleId::DaemonThread),
            ("import w\nw.WorkerThread(daemon=True)\n", RuleId::DaemonThread),
            ("t.setDaemon(True)\n", RuleId::DaemonThread),
            ("t.daemon = True\n", RuleId::DaemonThread),
            ("import atexit, w\natexit.register(w.pool.shutdown)\n", RuleId::AtexitCleanup),
            (&format!("{atexit}atexit.register(end)\n"), RuleId::AtexitCleanup),
            ("import atexit, w\n@atexit.register\ndef end():\n    w.pool.stop()\n", RuleId::AtexitCleanup),
            ("import os\nos.environ['A'] = 'b'\n", RuleId::EnvironmentVariable),
            ("import os\nos.umask(0)\n", RuleId::ProcessState),
            (
                "hits = 0\ndef f():\n    global hits\n    hits += 1\n    return hits\n",
                RuleId::ProcessWideGlobal,
            ),
            (
                "a = {}\ndef f(x):\n    if x not in a:\n        a[x] = x.lower()\n    return a[x]\n",
                RuleId::PerInterpreterCache,
            ),
        ] {
            assert_eq!(rules(source), [rule], "{source}");
        }
    }

    #[test]
    fn similar_code_is_no_hazard() {
        for source in [
            "import json, curse\n",
            "import threading\nthreading.Thread(target=g)\n",
            "import threading\nthreading.Thread(daemon=False)\n",
            "import w\nw.Worker(daemon=True)\n",
            "t.daemon = False\n",
            "t.other = True\n",
            "import subprocess as s\ns.run(a, preexec_fn=None)\n",
            "import atexit, w\natexit.register(w.path.join)\n",
            "import atexit, w\natexit.register(w.pool.close)\n",
            "import atexit, w\ndef end():\n    w.pool.close()\natexit.register(end)\n",
            "import w\n@w.register\ndef end():\n    w.pool.stop()\n",
        ] {
            assert_eq!(rules(source), [], "{source}");
        }
    }

    #[test]
    fn what_fails_with_an_own_gil_weighs_more() {
        for (source, weight) in [
            ("import tkinter\n", HazardWeight::High),
            ("from logging.handlers import QueueListener\nQueueListener(q)\n", HazardWeight::High),
            ("import threading\nthreading.Timer(1, f)\n", HazardWeight::Middle),
            ("import signal\nsignal.signal(2, f)\n", HazardWeight::Middle),
        ] {
            assert_eq!(found(source)[0].1, weight, "{source}");
        }
    }

    #[test]
    fn only_cpythons_own_threads_are_known_to_be_refused() {
        let (lazy, optional) = (Some(ImportKind::Lazy), Some(ImportKind::LazyOptional));
        for (statements, refused) in [
            ("threading.Thread(daemon=True)", lazy),
            ("threading.Timer(1, f, daemon=True)", lazy),
            ("WorkerThread(daemon=True)", None),
            ("t = threading.Thread(); t.daemon = True", lazy),
            ("t = threading.Thread(); t.setDaemon(True)", lazy),
            ("t = threading.Thread(); t = x(); t.daemon = True", None),
            ("t = x(); t.daemon = True", None),
        ] {
            let wrapped = format!("import threading\ndef f():\n    {statements}\n");
            let first =
                |source: &str| found(source).into_iter().find(|(rule, ..)| *rule == RuleId::DaemonThread);
            assert_eq!(first(&wrapped).unwrap().2, refused, "{statements}");
            let tolerant = format!(
                "import threading\ndef f():\n    try:\n        {statements}\n    except RuntimeError:\n        pass\n"
            );
            assert_eq!(first(&tolerant).unwrap().2, refused.and(optional), "{statements}");
            let at_import = format!("import threading\n{statements}\n");
            assert_eq!(first(&at_import).unwrap().2, None, "{statements}");
        }
    }
}
