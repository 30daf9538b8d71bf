//! Conditions whose result is known before a server runs the file: the platform's, and what only tools ask.

use ruff_python_ast::{BoolOp, CmpOp, Expr, Stmt, StmtIf, UnaryOp};

/// `sys.platform` and `os.name` where the audit runs (documentation of `sys.platform`).
const PLATFORM: &str = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
const OS_NAME: &str = "posix";
const SYSTEM: &str = if cfg!(target_os = "macos") { "Darwin" } else { "Linux" };

/// What a condition comes to in a server; `None` where that is not known.
pub(super) fn known(test: &Expr) -> Option<bool> {
    match test {
        Expr::Name(name) if name.id.as_str() == "TYPE_CHECKING" => Some(false),
        Expr::Attribute(attribute) if attribute.attr.as_str() == "TYPE_CHECKING" => Some(false),
        Expr::BooleanLiteral(literal) => Some(literal.value),
        Expr::UnaryOp(operation) if operation.op == UnaryOp::Not => Some(!known(&operation.operand)?),
        Expr::BoolOp(operation) => {
            let decides = operation.op == BoolOp::Or;
            let mut values = operation.values.iter().map(known);
            match values.clone().any(|value| value == Some(decides)) {
                true => Some(decides),
                false => values.all(|value| value.is_some()).then_some(!decides),
            }
        }
        Expr::Compare(compare) => {
            let ([op], [other]) = (&*compare.ops, &*compare.comparators) else { return None };
            let value = value(&compare.left)?;
            match op {
                CmpOp::Eq => value.is(text(other)?),
                CmpOp::NotEq => Some(!value.is(text(other)?)?),
                CmpOp::In => value.is_one_of(other),
                CmpOp::NotIn => Some(!value.is_one_of(other)?),
                _ => None,
            }
        }
        Expr::Call(call) => {
            let Expr::Attribute(method) = &*call.func else { return None };
            let value = value(&method.value)?;
            let [prefix] = &*call.arguments.args else { return None };
            let is_asked = method.attr.as_str() == "startswith" && call.arguments.keywords.is_empty();
            Some(value.0.filter(|_| is_asked)?.starts_with(text(prefix)?))
        }
        _ => None,
    }
}

/// The branches of an `if` that may run in a server.
pub(super) fn may_run(branch: &StmtIf) -> impl Iterator<Item = Branch<'_>> {
    branches(branch).into_iter().filter(|branch| branch.runs != Runs::Never)
}

/// A branch of an `if`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch<'a> {
    /// Its condition; `None` for `else`.
    pub(super) test: Option<&'a Expr>,
    pub(super) body: &'a [Stmt],
    pub(super) runs: Runs,
}

/// Whether a branch runs in a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    Never,
    Perhaps,
    Always,
}

/// The branches of an `if`, up to the one after which no other can run.
pub(super) fn branches(branch: &StmtIf) -> Vec<Branch<'_>> {
    let first = (Some(&*branch.test), &*branch.body);
    let others = branch.elif_else_clauses.iter().map(|clause| (clause.test.as_ref(), &*clause.body));
    let mut all: Vec<Branch<'_>> = Vec::new();
    for (test, body) in std::iter::once(first).chain(others) {
        let value = test.map_or(Some(true), known);
        let is_first = all.iter().all(|before| before.runs == Runs::Never);
        let runs = match value {
            Some(false) => Runs::Never,
            Some(true) if is_first => Runs::Always,
            Some(true) | None => Runs::Perhaps,
        };
        all.push(Branch { test, body, runs });
        if value == Some(true) {
            break;
        }
    }
    all
}

/// The value of an expression whose values in a server are known. `None` inside: anything but `__main__`.
struct Value(Option<&'static str>);

impl Value {
    fn is(&self, other: &str) -> Option<bool> {
        match self.0 {
            Some(value) => Some(value == other),
            None => (other == "__main__").then_some(false),
        }
    }

    fn is_one_of(&self, all: &Expr) -> Option<bool> {
        let elements = match all {
            Expr::Tuple(tuple) => &tuple.elts,
            Expr::List(list) => &list.elts,
            Expr::Set(set) => &set.elts,
            _ => return None,
        };
        let each: Option<Vec<bool>> = elements.iter().map(|each| self.is(text(each)?)).collect();
        Some(each?.contains(&true))
    }
}

fn value(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::Name(name) => (name.id.as_str() == "__name__").then_some(Value(None)),
        Expr::Attribute(attribute) => {
            let Expr::Name(module) = &*attribute.value else { return None };
            match (module.id.as_str(), attribute.attr.as_str()) {
                ("sys", "platform") => Some(Value(Some(PLATFORM))),
                ("os", "name") => Some(Value(Some(OS_NAME))),
                _ => None,
            }
        }
        Expr::Call(call) if call.arguments.is_empty() => {
            let Expr::Attribute(attribute) = &*call.func else { return None };
            let is_platform = matches!(&*attribute.value, Expr::Name(name) if name.id.as_str() == "platform");
            (is_platform && attribute.attr.as_str() == "system").then_some(Value(Some(SYSTEM)))
        }
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    if let Expr::StringLiteral(literal) = expr { Some(literal.value.to_str()) } else { None }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::known;

    #[test]
    fn conditions_of_the_platform_and_of_tools_are_known() {
        for (test, expected) in [
            ("TYPE_CHECKING", Some(false)),
            ("typing.TYPE_CHECKING", Some(false)),
            ("not TYPE_CHECKING", Some(true)),
            ("__name__ == '__main__'", Some(false)),
            ("__name__ != '__main__'", Some(true)),
            ("sys.platform == 'win32'", Some(false)),
            ("sys.platform != 'win32'", Some(true)),
            ("sys.platform == 'linux'", Some(true)),
            ("sys.platform.startswith('win')", Some(false)),
            ("sys.platform.startswith('lin')", Some(true)),
            ("sys.platform in ('win32', 'cygwin')", Some(false)),
            ("sys.platform not in ['win32']", Some(true)),
            ("os.name == 'nt'", Some(false)),
            ("platform.system() == 'Windows'", Some(false)),
            ("os.name == 'nt' or debug", None),
            ("os.name == 'nt' and debug", Some(false)),
            ("os.name == 'posix' or debug", Some(true)),
            ("debug", None),
            ("sys.platform == wanted", None),
            ("sys.platform in wanted", None),
            ("sys.platform.startswith(wanted)", None),
            ("__name__ == wanted", None),
            ("__name__ == 'shop'", None),
            ("__name__ in ('__main__', 'shop')", None),
        ] {
            let parsed = ruff_python_parser::parse_expression(test).unwrap();
            assert_eq!(known(parsed.expr()), expected, "{test}");
        }
    }
}
