//! Evaluates conditions whose result is known statically: platform checks, `TYPE_CHECKING` and `__name__`.

use ruff_python_ast::{BoolOp, CmpOp, Expr, Stmt, StmtIf, UnaryOp};

/// `sys.platform` and `os.name` where the audit runs (documentation of `sys.platform`).
const PLATFORM: &str = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
const OS_NAME: &str = "posix";
const SYSTEM: &str = if cfg!(target_os = "macos") { "Darwin" } else { "Linux" };

/// Returns the value of a condition in a file that a server imports; `None` if it is not known.
pub(super) fn evaluate_condition(test: &Expr) -> Option<bool> {
    match test {
        Expr::Name(name) if name.id.as_str() == "TYPE_CHECKING" => Some(false),
        Expr::Attribute(attribute) if attribute.attr.as_str() == "TYPE_CHECKING" => Some(false),
        Expr::BooleanLiteral(literal) => Some(literal.value),
        Expr::UnaryOp(operation) if operation.op == UnaryOp::Not => {
            Some(!evaluate_condition(&operation.operand)?)
        }
        Expr::BoolOp(operation) => {
            let decides = operation.op == BoolOp::Or;
            let mut values = operation.values.iter().map(evaluate_condition);
            match values.clone().any(|value| value == Some(decides)) {
                true => Some(decides),
                false => values.all(|value| value.is_some()).then_some(!decides),
            }
        }
        Expr::Compare(compare) => {
            let ([op], [other]) = (&*compare.ops, &*compare.comparators) else { return None };
            let value = evaluate_operand(&compare.left)?;
            match op {
                CmpOp::Eq => value.is_equal_to(string_literal(other)?),
                CmpOp::NotEq => Some(!value.is_equal_to(string_literal(other)?)?),
                CmpOp::In => value.is_one_of(other),
                CmpOp::NotIn => Some(!value.is_one_of(other)?),
                _ => None,
            }
        }
        Expr::Call(call) => {
            let Expr::Attribute(method) = &*call.func else { return None };
            let value = evaluate_operand(&method.value)?;
            let [prefix] = &*call.arguments.args else { return None };
            let is_asked = method.attr.as_str() == "startswith" && call.arguments.keywords.is_empty();
            Some(value.0.filter(|_| is_asked)?.starts_with(string_literal(prefix)?))
        }
        _ => None,
    }
}

/// Returns the branches of an `if` that may run in a server.
pub(super) fn reachable_branches(branch: &StmtIf) -> impl Iterator<Item = EvaluatedBranch<'_>> {
    branches_of_if(branch).into_iter().filter(|branch| branch.runs != Reachability::Never)
}

/// A branch of an `if`.
#[derive(Clone, Copy, Debug)]
pub(super) struct EvaluatedBranch<'a> {
    /// Its condition; `None` for `else`.
    pub(super) test: Option<&'a Expr>,
    pub(super) body: &'a [Stmt],
    pub(super) runs: Reachability,
}

/// Whether a branch runs in a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reachability {
    Never,
    Perhaps,
    Always,
}

/// Returns the branches of an `if`, up to the first whose condition is always true.
pub(super) fn branches_of_if(branch: &StmtIf) -> Vec<EvaluatedBranch<'_>> {
    let first = (Some(&*branch.test), &*branch.body);
    let others = branch.elif_else_clauses.iter().map(|clause| (clause.test.as_ref(), &*clause.body));
    let mut all: Vec<EvaluatedBranch<'_>> = Vec::new();
    for (test, body) in std::iter::once(first).chain(others) {
        let value = test.map_or(Some(true), evaluate_condition);
        let is_first = all.iter().all(|before| before.runs == Reachability::Never);
        let runs = match value {
            Some(false) => Reachability::Never,
            Some(true) if is_first => Reachability::Always,
            Some(true) | None => Reachability::Perhaps,
        };
        all.push(EvaluatedBranch { test, body, runs });
        if value == Some(true) {
            break;
        }
    }
    all
}

/// What is known of an expression's value in a server: the exact string, or (`None`) that it is not
/// `__main__`.
struct KnownValue(Option<&'static str>);

impl KnownValue {
    fn is_equal_to(&self, other: &str) -> Option<bool> {
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
        let each: Option<Vec<bool>> =
            elements.iter().map(|each| self.is_equal_to(string_literal(each)?)).collect();
        Some(each?.contains(&true))
    }
}

fn evaluate_operand(expr: &Expr) -> Option<KnownValue> {
    match expr {
        Expr::Name(name) => (name.id.as_str() == "__name__").then_some(KnownValue(None)),
        Expr::Attribute(attribute) => {
            let Expr::Name(module) = &*attribute.value else { return None };
            match (module.id.as_str(), attribute.attr.as_str()) {
                ("sys", "platform") => Some(KnownValue(Some(PLATFORM))),
                ("os", "name") => Some(KnownValue(Some(OS_NAME))),
                _ => None,
            }
        }
        Expr::Call(call) if call.arguments.is_empty() => {
            let Expr::Attribute(attribute) = &*call.func else { return None };
            let is_platform = matches!(&*attribute.value, Expr::Name(name) if name.id.as_str() == "platform");
            (is_platform && attribute.attr.as_str() == "system").then_some(KnownValue(Some(SYSTEM)))
        }
        _ => None,
    }
}

fn string_literal(expr: &Expr) -> Option<&str> {
    if let Expr::StringLiteral(literal) = expr { Some(literal.value.to_str()) } else { None }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::evaluate_condition;

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
            assert_eq!(evaluate_condition(parsed.expr()), expected, "{test}");
        }
    }
}
