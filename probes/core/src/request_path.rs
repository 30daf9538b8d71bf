//! The path of a request, and the routes that it is compared with.

use std::cmp::Reverse;

use percent_encoding::percent_decode_str;

/// The path of a request, percent-decoded: bytes, since it need not be UTF-8. Invalid escapes stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath(Vec<u8>);

impl RequestPath {
    /// Decodes the path of a request target.
    pub fn decode(path: &str) -> Self {
        Self(percent_decode_str(path).collect())
    }

    /// Splits the path at a mount that matches it: `SCRIPT_NAME` and `PATH_INFO` (PEP 3333), as Apache divides
    /// them for a `WSGIScriptAlias`. The path of `OPTIONS *` is empty.
    pub fn split_at_mount(&self, mount: &str) -> (&[u8], &[u8]) {
        if self.0 == b"*" {
            return (b"", b"");
        }
        self.0.split_at_checked(mount.trim_end_matches('/').len()).unwrap_or((b"", &self.0))
    }

    /// Whether this prefix matches whole segments of the path. An empty prefix matches every path.
    fn has_prefix(&self, prefix: &str) -> bool {
        let rest = self.0.strip_prefix(prefix.trim_end_matches('/').as_bytes());
        prefix.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// Path prefixes, each with what it leads to.
#[derive(Clone, Debug)]
pub struct RouteTable<T>(Vec<(String, T)>);

impl<T> RouteTable<T> {
    /// Makes a table of these prefixes, in any order.
    pub fn new(mut routes: Vec<(String, T)>) -> Self {
        routes.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
        Self(routes)
    }

    /// Returns the longest matching prefix and what it leads to.
    pub fn find_route(&self, path: &RequestPath) -> Option<(&str, &T)> {
        let found = self.0.iter().find(|(prefix, _)| path.has_prefix(prefix));
        found.map(|(prefix, target)| (prefix.as_str(), target))
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestPath, RouteTable};

    #[test]
    fn a_path_is_decoded_and_invalid_escapes_are_kept() {
        let decoded = |path| RequestPath::decode(path).0;
        assert_eq!(decoded("/a%20b%2Fc+d"), b"/a b/c+d");
        assert_eq!(decoded("/%c3%A9%ff"), b"/\xc3\xa9\xff");
        assert_eq!(decoded("/50%/%g0/%2"), b"/50%/%g0/%2");
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let routes = ["", "/shop", "/shop/admin/", "/a b"].map(|prefix| (prefix.to_owned(), prefix));
        let routes = RouteTable::new(routes.to_vec());
        let found = |path| *routes.find_route(&RequestPath::decode(path)).unwrap().1;
        assert_eq!(found("/shop"), "/shop");
        assert_eq!(found("/shop/"), "/shop");
        assert_eq!(found("/shopping"), "");
        assert_eq!(found("/shop/admin"), "/shop/admin/");
        assert_eq!(found("/shop/admin/x"), "/shop/admin/");
        assert_eq!(found("/shop/administer"), "/shop");
        assert_eq!(found("/%73hop"), "/shop");
        assert_eq!(found("/a%20b/c"), "/a b");
        assert_eq!(found("*"), "");
    }

    #[test]
    fn a_mount_is_the_script_and_the_rest_is_the_path() {
        let split = |path, mount| {
            let path = RequestPath::decode(path);
            let (script, rest) = path.split_at_mount(mount);
            (String::from_utf8(script.to_vec()).unwrap(), String::from_utf8(rest.to_vec()).unwrap())
        };
        for (path, mount, script, rest) in [
            ("/x", "", "", "/x"),
            ("/x", "/", "", "/x"),
            ("/old/x", "/old", "/old", "/x"),
            ("/old/x", "/old/", "/old", "/x"),
            ("/old", "/old", "/old", ""),
            ("/old/", "/old", "/old", "/"),
            ("/%6fld//x", "/old", "/old", "//x"),
            ("*", "", "", ""),
        ] {
            assert_eq!(split(path, mount), (script.to_owned(), rest.to_owned()), "{path} {mount}");
        }
    }

    #[test]
    fn without_an_empty_prefix_a_path_may_have_no_route() {
        let routes = RouteTable::new(vec![("/".to_owned(), 1), ("/shop".to_owned(), 2)]);
        assert_eq!(routes.find_route(&RequestPath::decode("/shop/x")), Some(("/shop", &2)));
        assert_eq!(routes.find_route(&RequestPath::decode("/other")), Some(("/", &1)));
        assert_eq!(routes.find_route(&RequestPath::decode("*")), None);
    }
}
