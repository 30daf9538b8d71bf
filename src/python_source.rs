//! Parses Python sources that others have written, within bounds of size, number and depth.

#![expect(clippy::wildcard_enum_match_arm, reason = "ruff's tokens are too many to list")]

use ruff_python_ast::Stmt;
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::lexer::lex;
use ruff_python_parser::{Mode, parse_module};

/// Limit of bytes: larger files are generated tables.
pub const MAX_SIZE: u64 = 8 << 20;

/// Limit of tokens. Code has a token for each four or five bytes; each takes some 100 bytes of memory.
const MAX_TOKENS: usize = 2_500_000;

/// Limit of operators, calls and attributes that an expression chains without brackets around its parts, as
/// `1 + 1 + ...` does. The syntax tree has a level for each. CPython compiles some thousands at most.
const MAX_DEPTH: usize = 5_000;

/// The depth that every stack has room for. The parser allows 200 levels of brackets besides.
const PLAIN_DEPTH: usize = 100;

/// Bytes of stack for an expression of [`MAX_DEPTH`]. Only what is used costs memory.
const DEEP_STACK: usize = 512 << 20;

/// Parses a source, and passes its statements to `read`.
///
/// # Errors
/// Returns a message if the source is too large or too deep, or not valid Python.
pub fn parse_source<T: Send>(text: &str, read: impl FnOnce(&[Stmt]) -> T + Send) -> Result<T, String> {
    if text.len() as u64 > MAX_SIZE {
        return Err(format!("it is too large and was not read: it has more than {MAX_SIZE} bytes"));
    }
    let parse = || {
        let parsed = parse_module(text).map_err(|error| format!("it does not parse: {error}"))?;
        Ok(read(&parsed.syntax().body))
    };
    match measure_depth(text)? {
        depth if depth <= PLAIN_DEPTH => parse(),
        _ => std::thread::scope(|scope| {
            let deep = std::thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, parse);
            let deep = deep.map_err(|error| format!("it is deeply nested and was not read: {error}"))?;
            deep.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        }),
    }
}

/// Returns a bound of the depth of a source's syntax tree, apart from that of its brackets.
fn measure_depth(text: &str) -> Result<usize, String> {
    let mut lexer = lex(text, Mode::Module);
    // For each open bracket, the operators since the last separator in it.
    let mut chained = vec![0_usize];
    let (mut depth, mut deepest, mut tokens) = (0_usize, 0_usize, 0_usize);
    loop {
        let token = lexer.next_token();
        tokens += 1;
        if tokens > MAX_TOKENS {
            return Err(format!("it is too large and was not read: it has more than {MAX_TOKENS} tokens"));
        }
        match token {
            TokenKind::EndOfFile => return Ok(deepest),
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                // A call and a subscript are levels too.
                depth += 1;
                chained.last_mut().into_iter().for_each(|chained| *chained += 1);
                chained.push(0);
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace if chained.len() > 1 => {
                depth -= chained.pop().unwrap_or_default();
            }
            TokenKind::Comma | TokenKind::Colon | TokenKind::Semi | TokenKind::Newline => {
                depth -= chained.last_mut().map(std::mem::take).unwrap_or_default();
            }
            token if is_operator(token) => {
                depth += 1;
                chained.last_mut().into_iter().for_each(|chained| *chained += 1);
            }
            _ => {}
        }
        deepest = deepest.max(depth);
        if deepest > MAX_DEPTH {
            return Err(format!("it is nested too deeply and was not read: more than {MAX_DEPTH} levels"));
        }
    }
}

/// Whether a token makes a level in the syntax tree of a chain. Comparisons and `and` and `or` do not.
fn is_operator(token: TokenKind) -> bool {
    matches!(
        token,
        TokenKind::Dot
            | TokenKind::Plus
            | TokenKind::Minus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::Vbar
            | TokenKind::Amper
            | TokenKind::Percent
            | TokenKind::Tilde
            | TokenKind::CircumFlex
            | TokenKind::LeftShift
            | TokenKind::RightShift
            | TokenKind::DoubleStar
            | TokenKind::DoubleSlash
            | TokenKind::At
    )
}

#[cfg(test)]
mod tests {
    use ruff_python_ast::visitor::{Visitor, walk_expr};

    use super::*;

    /// Visits every expression, as the scanners do, with frames of some size.
    struct Counter(usize);

    impl<'a> Visitor<'a> for Counter {
        fn visit_expr(&mut self, expr: &'a ruff_python_ast::Expr) {
            let frame = std::hint::black_box([0_u8; 4096]);
            self.0 += 1 + usize::from(frame[0]);
            walk_expr(self, expr);
        }
    }

    fn count_expressions(text: &str) -> Result<usize, String> {
        parse_source(text, |body| {
            let mut counter = Counter(0);
            body.iter().for_each(|statement| counter.visit_stmt(statement));
            counter.0
        })
    }

    /// Chains of `count` levels, of every kind, and other sources of many tokens.
    fn sources(count: usize) -> Vec<String> {
        let around = |before: &str, inner: &str, after: &str| {
            format!("{}{inner}{}\n", before.repeat(count), after.repeat(count))
        };
        let mut all: Vec<String> = ["+1", ".a", "(1)", "[0]", "()", "|a", "**1", " @ a", " if a else a"]
            .iter()
            .map(|link| around("", "x = a", link))
            .collect();
        all.extend(
            [" and a", " or a", " < a", " in a", "\n+a", ";a", ",a", "\"\"", " is not a"]
                .map(|link| around("", "a", link)),
        );
        all.extend(
            [
                "-", "~", "not ", "(", "[", "{", "await ", "lambda: ", "f'{", "a[", "a(", "*", "if a:\n ",
                "a = ",
            ]
            .map(|link| around(link, "a", "")),
        );
        all.extend(
            [("(", ")"), ("[", "]"), ("{1: ", "}"), ("a(", ")"), ("(a, ", ")")]
                .map(|(before, after)| around(before, "a", after)),
        );
        all.push(format!("if a:\n b\n{}", "elif a:\n b\n".repeat(count)));
        all.push(format!("match a:\n case {}b:\n  pass\n", "b |".repeat(count)));
        all
    }

    #[test]
    fn no_source_overflows_the_stack() {
        for count in [10, 190, 4_900, 5_100, 200_000] {
            for text in sources(count) {
                let _any = count_expressions(&text);
            }
        }
        assert_eq!(count_expressions(&format!("1{}", "+1".repeat(4_900))), Ok(2 * 4_900 + 1));
        let deep = count_expressions(&format!("1{}", "+1".repeat(200_000)));
        assert_eq!(deep.unwrap_err(), "it is nested too deeply and was not read: more than 5000 levels");
    }

    #[test]
    fn long_tables_are_not_deep() {
        let table = format!("x = [{}]\n", "-1, a.b(2 + 3), {1: -2},\n".repeat(20_000));
        assert_eq!(measure_depth(&table), Ok(4));
        let lines = "x = a.b + c\n".repeat(20_000);
        assert_eq!(measure_depth(&lines), Ok(2));
        let many = count_expressions(&"a\n".repeat(1_500_000));
        assert!(many.unwrap_err().contains("tokens"));
        assert!(count_expressions(&"#".repeat((8 << 20) + 1)).unwrap_err().contains("bytes"));
        assert!(count_expressions("a b").unwrap_err().starts_with("it does not parse"));
    }
}
