//! Parses the part of JSONPath that selects exactly one value: `$.cart.items[0]['id']`.

use super::request::JsonPathStep;

/// Parses a path; `None` if it is invalid or may select several values.
pub(super) fn parse_json_path(path: &str) -> Option<Vec<JsonPathStep>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, after) = after.split_at(end);
            if key.is_empty() || key.contains(['*', '?', '(', '@', ',', ':']) {
                return None;
            }
            steps.push(JsonPathStep::Key(key.to_owned()));
            rest = after;
        } else {
            let inside = rest.strip_prefix('[')?;
            let quoted = inside.strip_prefix(['\'', '"']).and_then(|text| {
                let quote = inside.chars().next()?;
                let (key, after) = text.split_once(quote)?;
                Some((JsonPathStep::Key(key.to_owned()), after.strip_prefix(']')?))
            });
            let numbered = || {
                let (number, after) = inside.split_once(']')?;
                Some((JsonPathStep::Index(number.parse().ok()?), after))
            };
            let (step, after) = quoted.or_else(numbered)?;
            steps.push(step);
            rest = after;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_one_value() {
        let key = |name: &str| JsonPathStep::Key(name.to_owned());
        assert_eq!(parse_json_path("$"), Some(Vec::new()));
        assert_eq!(parse_json_path("$.token"), Some(vec![key("token")]));
        assert_eq!(
            parse_json_path("$.cart[0]['the id'].x"),
            Some(vec![key("cart"), JsonPathStep::Index(0), key("the id"), key("x")])
        );
        for other in ["token", "$..token", "$.items[*]", "$.items[-1]", "$[", "$.items[?(@.a)]", "/a/b"] {
            assert_eq!(parse_json_path(other), None, "{other}");
        }
    }
}
