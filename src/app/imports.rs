//! The imports of a file: which modules, where, and whether they must succeed.

use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtImport, StmtImportFrom, StmtTry};

use crate::model::ImportKind;

/// An import in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The absolute dotted name.
    pub(super) name: String,
    /// Whether the last part may be an attribute instead of a module: `from a import b`.
    pub(super) is_from: bool,
    pub(super) line: usize,
    /// The enclosing function; empty at module level.
    pub(super) function: String,
    pub(super) way: ImportKind,
    /// Whether a condition, a loop or the failure of another import decides whether it runs.
    pub(super) is_conditional: bool,
    /// Whether the name is a string literal, and no import statement.
    pub(super) is_named: bool,
}

/// Returns the names of an `import` statement.
pub(super) fn imported_names(import: &StmtImport) -> Vec<String> {
    import.names.iter().map(|alias| alias.name.to_string()).collect()
}

/// Returns the absolute module of a `from` statement in a package, and the names it imports from there.
/// `None` if a relative import goes beyond the top-level package.
pub(super) fn resolve_from_import(import: &StmtImportFrom, package: &str) -> Option<(String, Vec<String>)> {
    let written = import.module.as_ref().map(|module| module.to_string()).unwrap_or_default();
    let base = resolve_relative(&written, import.level, package)?;
    let names = import.names.iter().filter(|alias| alias.name.as_str() != "*");
    Some((base, names.map(|alias| alias.name.to_string()).collect()))
}

/// Resolves a name with `level` leading dots in a package.
pub(super) fn resolve_relative(name: &str, level: u32, package: &str) -> Option<String> {
    if level == 0 {
        return Some(name.to_owned()).filter(|name| !name.is_empty());
    }
    let mut parts: Vec<&str> = package.split('.').filter(|part| !part.is_empty()).collect();
    for _ in 1..level {
        parts.pop()?;
    }
    parts.extend(name.split('.').filter(|part| !part.is_empty()));
    (!parts.is_empty()).then(|| parts.join("."))
}

/// Returns the names in a module's `__lazy_modules__` (PEP 810), as far as they are string literals.
pub(super) fn lazy_modules(body: &[Stmt]) -> Vec<String> {
    let named = body.iter().filter_map(|stmt| {
        let (target, value) = match stmt {
            Stmt::Assign(assign) => (assign.targets.first()?, &*assign.value),
            Stmt::AnnAssign(assign) => (&*assign.target, assign.value.as_deref()?),
            _ => return None,
        };
        let is_it = matches!(target, Expr::Name(name) if name.id.as_str() == "__lazy_modules__");
        let elements = match value {
            Expr::List(list) => &list.elts,
            Expr::Tuple(tuple) => &tuple.elts,
            Expr::Set(set) => &set.elts,
            _ => return None,
        };
        is_it.then_some(elements)
    });
    let texts = named.flatten().filter_map(|each| {
        if let Expr::StringLiteral(text) = each { Some(text.value.to_str().to_owned()) } else { None }
    });
    texts.collect()
}

/// Whether a `try` statement catches one of these exceptions, or all.
pub(super) fn catches_any(stmt: &StmtTry, exceptions: &[&str]) -> bool {
    let is_taken = |expr: &Expr| {
        let name = match expr {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return false,
        };
        exceptions.contains(&name) || ["Exception", "BaseException"].contains(&name)
    };
    stmt.handlers.iter().any(|ExceptHandler::ExceptHandler(handler)| match handler.type_.as_deref() {
        None => true,
        Some(Expr::Tuple(all)) => all.elts.iter().any(is_taken),
        Some(expr) => is_taken(expr),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_names_are_resolved() {
        assert_eq!(resolve_relative("b", 1, "a").as_deref(), Some("a.b"));
        assert_eq!(resolve_relative("", 2, "a.b").as_deref(), Some("a"));
        assert_eq!(resolve_relative("x", 4, "a.b"), None);
    }
}
