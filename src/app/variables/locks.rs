//! Module-level locks that functions hold around effects outside of the interpreter: files, sockets,
//! processes.
//!
//! Each interpreter has its own copy of such a lock, so it does not exclude the others. A lock that only
//! guards objects of its own interpreter works in each of them and is not reported.

use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{Expr, ExprCall, StmtWith};
use ruff_text_size::{Ranged, TextSize};

use super::accesses::HeldLock;
use super::collector::VariableCollector;
use super::external_effects::ExternalCallVisitor;

/// Records `with LOCK:` around an external effect.
pub(super) fn check_with_statement(collector: &mut VariableCollector<'_>, block: &StmtWith) {
    for item in &block.items {
        let Some(lock) = resolve_lock(collector, &item.context_expr) else { continue };
        let mut calls = ExternalCallVisitor::new(collector.names, Some(collector.external_effects));
        block.body.iter().for_each(|stmt| calls.visit_stmt(stmt));
        if let Some(called) = calls.first_call() {
            record_held_lock(collector, block.start(), lock, called);
        }
    }
}

/// Records `LOCK.acquire()` in a function with an external effect. How long the lock is held is not analyzed.
pub(super) fn check_acquire_call(collector: &mut VariableCollector<'_>, call: &ExprCall) {
    if let Expr::Attribute(method) = &*call.func
        && method.attr.as_str() == "acquire"
        && let Some(lock) = resolve_lock(collector, &method.value)
        && let Some(called) = collector.external_effect_of_function()
    {
        record_held_lock(collector, call.start(), lock, called);
    }
}

fn resolve_lock(collector: &VariableCollector<'_>, expr: &Expr) -> Option<String> {
    collector.resolve_variable(expr).filter(|name| collector.module.locks.contains_key(name))
}

fn record_held_lock(collector: &mut VariableCollector<'_>, at: TextSize, lock: String, called: String) {
    if collector.is_in_function() {
        let function = collector.enclosing_function();
        collector.held_locks.push(HeldLock { at, function, lock, called });
    }
}
