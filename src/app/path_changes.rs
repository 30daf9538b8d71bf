//! Where a file changes where modules are looked for: `sys.path`, finders, a package's `__path__`.

use ruff_python_ast::{CmpOp, Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::scan::Scanner;

/// A statement that does.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) line: usize,
    pub(super) function: String,
    /// What it is, in one line.
    pub(super) text: String,
    /// The lines of which one must have run for its effect to show in `sys.path`; `None` for what never shows there.
    pub(super) lines: Option<(usize, usize)>,
}

/// Calls: `sys.path.insert(0, folder)`, `site.addsitedir(folder)`.
pub(super) fn call(scanner: &mut Scanner<'_>, call: &ExprCall) {
    let Some(function) = scanner.names.resolve(&call.func) else { return };
    if function == "site.addsitedir" {
        return add(scanner, call.range(), "sys.path", function);
    }
    let Some((object, method)) = function.rsplit_once('.') else { return };
    if is_searched(object) && ["insert", "append", "extend", "__setitem__", "__iadd__"].contains(&method) {
        add(scanner, call.range(), object, function.clone());
    }
}

/// Assignments: `sys.path = [...]`, `sys.path[:0] = [...]`, `sys.path += [...]`.
pub(super) fn statement(scanner: &mut Scanner<'_>, stmt: &Stmt) {
    let targets: Vec<&Expr> = match stmt {
        Stmt::Assign(assign) => assign.targets.iter().collect(),
        Stmt::AugAssign(assign) => vec![&assign.target],
        _ => return,
    };
    for target in targets {
        let object = match target {
            Expr::Subscript(part) => scanner.names.resolve(&part.value),
            whole => scanner.names.resolve(whole),
        };
        if let Some(object) = object.filter(|object| is_searched(object)) {
            add(scanner, stmt.range(), &object, format!("{object} = ..."));
        }
    }
}

/// Remembers the test of an `if` that only keeps a folder from being added twice: where it ran, `sys.path` tells what
/// came of it. Returns what was remembered before.
pub(super) fn enter_test(scanner: &mut Scanner<'_>, test: &Expr) -> Option<(usize, usize)> {
    let around = scanner.path_test;
    if let Expr::Compare(compare) = test
        && matches!(&*compare.ops, [CmpOp::NotIn])
        && compare.comparators.iter().any(|of| scanner.names.resolve(of).as_deref() == Some("sys.path"))
    {
        scanner.path_test = Some(lines(scanner, test.range()));
    }
    around
}

fn is_searched(object: &str) -> bool {
    ["sys.path", "sys.meta_path", "sys.path_hooks", "__path__"].contains(&object)
}

fn lines(scanner: &Scanner<'_>, range: TextRange) -> (usize, usize) {
    (scanner.line(range.start()), scanner.line(range.end()))
}

fn add(scanner: &mut Scanner<'_>, range: TextRange, object: &str, text: String) {
    if scanner.is_own {
        let own = lines(scanner, range);
        let lines = (object == "sys.path").then(|| scanner.path_test.unwrap_or(own));
        let function = scanner.function();
        scanner.found.path_changes.push(Change { line: own.0, function, text, lines });
    }
}
