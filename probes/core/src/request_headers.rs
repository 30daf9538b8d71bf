//! The headers of a request as WSGI wants them (PEP 3333, CGI's variables), and their size.

use http::header::{COOKIE, HeaderMap, HeaderName};
use http::uri::Uri;

/// Whether the application may see a header: not if its name has an underscore, which would be
/// indistinguishable from a hyphen, and not `Proxy`, which would become `HTTP_PROXY` (CVE-2016-5385).
pub fn is_for_application(name: &HeaderName) -> bool {
    !name.as_str().contains('_') && name.as_str() != "proxy"
}

/// Converts `accept-encoding` to `HTTP_ACCEPT_ENCODING`.
pub fn cgi_variable_name(name: &HeaderName) -> Vec<u8> {
    let letters = name.as_str().bytes().map(|letter| match letter {
        b'-' => b'_',
        letter => letter.to_ascii_uppercase(),
    });
    b"HTTP_".iter().copied().chain(letters).collect()
}

/// Joins all values of a header: cookies with `; ` (RFC 6265), others with a comma (RFC 9110).
pub fn join_values(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let separator: &[u8] = if *name == COOKIE { b"; " } else { b"," };
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    values.join(separator)
}

/// Size of a request head in bytes, without separators: the target, and the names and values of the headers.
pub fn head_size(target: &Uri, headers: &HeaderMap) -> usize {
    let sizes = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    target.path_and_query().map_or(0, |target| target.as_str().len()) + sizes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, HeaderMap, HeaderName, HeaderValue};
    use http::uri::Uri;

    use super::{cgi_variable_name, head_size, is_for_application, join_values};

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_header_is_named_as_in_cgi() {
        assert_eq!(cgi_variable_name(&ACCEPT_ENCODING), b"HTTP_ACCEPT_ENCODING");
        assert_eq!(cgi_variable_name(&HeaderName::from_static("x-a2_b")), b"HTTP_X_A2_B");
    }

    #[test]
    fn headers_that_could_forge_a_variable_are_hidden() {
        let hidden = ["x_forwarded-for", "a_b", "proxy"].map(HeaderName::from_static);
        assert!(!hidden.iter().any(is_for_application));
        let shown = ["x-forwarded-for", "proxy-x", "host"].map(HeaderName::from_static);
        assert!(shown.iter().all(is_for_application));
    }

    #[test]
    fn values_of_one_header_are_joined() {
        let headers = headers(&[(ACCEPT, "a/b"), (COOKIE, "x=1"), (ACCEPT, "c/d"), (COOKIE, "y=2")]);
        assert_eq!(join_values(&headers, &ACCEPT), b"a/b,c/d");
        assert_eq!(join_values(&headers, &COOKIE), b"x=1; y=2");
        assert_eq!(join_values(&headers, &ACCEPT_ENCODING), b"");
    }

    #[test]
    fn the_size_counts_target_names_and_values() {
        let headers = headers(&[(ACCEPT, "a/b"), (COOKIE, "x=1"), (COOKIE, "y=22")]);
        let size = (6 + 3) + (6 + 3) + (6 + 4);
        assert_eq!(head_size(&Uri::from_static("/path?query"), &headers), "/path?query".len() + size);
        assert_eq!(head_size(&Uri::from_static("http://example.org/"), &headers), 1 + size);
    }
}
