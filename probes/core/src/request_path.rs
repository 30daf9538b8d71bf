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

    /// The decoded bytes: `PATH_INFO`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
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

    /// Returns what the longest matching prefix leads to.
    pub fn find_route(&self, path: &RequestPath) -> Option<&T> {
        self.0.iter().find(|(prefix, _)| path.has_prefix(prefix)).map(|(_, target)| target)
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestPath, RouteTable};

    #[test]
    fn a_path_is_decoded_and_invalid_escapes_are_kept() {
        let decoded = |path| RequestPath::decode(path).as_bytes().to_vec();
        assert_eq!(decoded("/a%20b%2Fc+d"), b"/a b/c+d");
        assert_eq!(decoded("/%c3%A9%ff"), b"/\xc3\xa9\xff");
        assert_eq!(decoded("/50%/%g0/%2"), b"/50%/%g0/%2");
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let routes = ["", "/shop", "/shop/admin/", "/a b"].map(|prefix| (prefix.to_owned(), prefix));
        let routes = RouteTable::new(routes.to_vec());
        let found = |path| *routes.find_route(&RequestPath::decode(path)).unwrap();
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
    fn without_an_empty_prefix_a_path_may_have_no_route() {
        let routes = RouteTable::new(vec![("/".to_owned(), 1), ("/shop".to_owned(), 2)]);
        assert_eq!(routes.find_route(&RequestPath::decode("/shop/x")), Some(&2));
        assert_eq!(routes.find_route(&RequestPath::decode("/other")), Some(&1));
        assert_eq!(routes.find_route(&RequestPath::decode("*")), None);
    }
}
