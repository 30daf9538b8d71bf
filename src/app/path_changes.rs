//! Statements that change the module search path: `sys.path`, finders, a package's `__path__`.

use ruff_python_ast::{CmpOp, Expr, ExprCall, Stmt};
use ruff_text_size::{Ranged, TextRange};

use super::scanner::{Scanner, SearchPathChange};

/// Records calls: `sys.path.insert(0, folder)`, `site.addsitedir(folder)`.
pub(super) fn scan_call(scanner: &mut Scanner<'_>, call: &ExprCall) {
    let Some(function) = scanner.names.resolve_name(&call.func) else { return };
    if function == "site.addsitedir" {
        return record_change(scanner, call.range(), "sys.path", function);
    }
    let Some((object, method)) = function.rsplit_once('.') else { return };
    if is_search_path(object) && ["insert", "append", "extend", "__setitem__", "__iadd__"].contains(&method) {
        record_change(scanner, call.range(), object, function.clone());
    }
}

/// Records assignments: `sys.path = [...]`, `sys.path[:0] = [...]`, `sys.path += [...]`.
pub(super) fn scan_statement(scanner: &mut Scanner<'_>, stmt: &Stmt) {
    let targets: Vec<&Expr> = match stmt {
        Stmt::Assign(assign) => assign.targets.iter().collect(),
        Stmt::AugAssign(assign) => vec![&assign.target],
        _ => return,
    };
    for target in targets {
        let object = match target {
            Expr::Subscript(part) => scanner.names.resolve_name(&part.value),
            whole => scanner.names.resolve_name(whole),
        };
        if let Some(object) = object.filter(|object| is_search_path(object)) {
            record_change(scanner, stmt.range(), &object, format!("{object} = ..."));
        }
    }
}

/// Remembers the condition of `if folder not in sys.path:`, which only keeps a folder from being added twice.
/// Once it has run, `sys.path` has the folder, whether the body ran or not. Returns the condition remembered
/// before.
pub(super) fn enter_test(scanner: &mut Scanner<'_>, test: &Expr) -> Option<(usize, usize)> {
    let outer_test = scanner.path_test;
    if let Expr::Compare(compare) = test
        && matches!(&*compare.ops, [CmpOp::NotIn])
        && compare.comparators.iter().any(|of| scanner.names.resolve_name(of).as_deref() == Some("sys.path"))
    {
        scanner.path_test = Some(line_range(scanner, test.range()));
    }
    outer_test
}

fn is_search_path(object: &str) -> bool {
    ["sys.path", "sys.meta_path", "sys.path_hooks", "__path__"].contains(&object)
}

fn line_range(scanner: &Scanner<'_>, range: TextRange) -> (usize, usize) {
    (scanner.line_at(range.start()), scanner.line_at(range.end()))
}

fn record_change(scanner: &mut Scanner<'_>, range: TextRange, object: &str, text: String) {
    if scanner.is_own {
        let own = line_range(scanner, range);
        let lines = (object == "sys.path").then(|| scanner.path_test.unwrap_or(own));
        let function = scanner.enclosing_function();
        scanner.found.path_changes.push(SearchPathChange { line: own.0, function, text, lines });
    }
}
