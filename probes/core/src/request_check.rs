//! Checks the head of a request beyond its syntax (RFC 9112, sections 3.2 and 6.1; RFC 9110, section 5.3).

use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::uri::{Scheme, Uri};
use http::{Method, Version};

use crate::error_response::ErrorResponse;
use crate::host_config::RequestLimits;
use crate::request_headers::head_size;

/// Headers that a request may have once only.
const SINGLE: [HeaderName; 2] = [HOST, CONTENT_TYPE];

/// Checks a request before an application group is chosen. For a target in absolute form, `Host` becomes the
/// authority of the target (RFC 9112, section 3.2.2).
///
/// # Errors
/// The response, if the request is refused.
pub fn check_request(
    (method, target, version): (&Method, &Uri, Version),
    headers: &mut HeaderMap,
    limits: &RequestLimits,
) -> Result<(), ErrorResponse> {
    check_limits(target, headers, limits)?;
    if *method == Method::CONNECT {
        return Err(ErrorResponse::NotImplemented);
    }
    check_target(method, target)?;
    for name in SINGLE {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return Err(ErrorResponse::BadRequest("Host or Content-Type is given twice"));
        }
    }
    let authority = target.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    match headers.get(HOST) {
        None if version != Version::HTTP_10 => return Err(ErrorResponse::BadRequest("no Host")),
        Some(host) if !is_host(host.as_bytes()) => {
            return Err(ErrorResponse::BadRequest("Host is malformed"));
        }
        None | Some(_) => {}
    }
    if let Some(Ok(authority)) = authority {
        if !is_host(authority.as_bytes()) {
            return Err(ErrorResponse::BadRequest("the authority of the target is malformed"));
        }
        headers.insert(HOST, authority);
    }
    match headers.get(TRANSFER_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Err(ErrorResponse::NotImplemented)
        }
        None | Some(_) => Ok(()),
    }
}

/// Replaces `Host` by the host that a trusted proxy names.
///
/// # Errors
/// The response, if it is malformed.
pub fn set_forwarded_host(headers: &mut HeaderMap, host: &str) -> Result<(), ErrorResponse> {
    match HeaderValue::from_str(host) {
        Ok(value) if is_host(host.as_bytes()) => {
            headers.insert(HOST, value);
            Ok(())
        }
        Ok(_) | Err(_) => Err(ErrorResponse::BadRequest("the host that the proxy names is malformed")),
    }
}

fn check_limits(target: &Uri, headers: &HeaderMap, limits: &RequestLimits) -> Result<(), ErrorResponse> {
    if target.path_and_query().is_some_and(|target| target.as_str().len() > limits.target_size) {
        return Err(ErrorResponse::TargetTooLong);
    }
    // The HTTP library reads until the head is complete or its buffer is full.
    match head_size(target, headers) > limits.head_size || headers.len() > limits.headers {
        true => Err(ErrorResponse::HeadTooLarge),
        false => Ok(()),
    }
}

/// Checks the form of a request target, which depends on the method.
fn check_target(method: &Method, target: &Uri) -> Result<(), ErrorResponse> {
    let is_allowed = match (target.scheme(), target.authority()) {
        (Some(scheme), Some(_)) => [Scheme::HTTP, Scheme::HTTPS].contains(scheme),
        // The authority form is for CONNECT alone.
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => {
            target.path().starts_with('/') || (target.path() == "*" && *method == Method::OPTIONS)
        }
    };
    is_allowed.then_some(()).ok_or(ErrorResponse::BadRequest("the method cannot have such a target"))
}

/// Whether a text is `uri-host [":" port]` (RFC 9110, section 7.2; RFC 3986, section 3.2.2). It may be empty.
fn is_host(text: &[u8]) -> bool {
    let is_address_byte = |byte: &u8| byte.is_ascii_hexdigit() || b":.vV".contains(byte);
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    let (is_valid, rest) = match text.strip_prefix(b"[") {
        Some(text) => {
            let end = text.iter().position(|byte| *byte == b']').unwrap_or(0);
            let (address, rest) = text.split_at(end);
            (end > 0 && address.iter().all(is_address_byte), rest.get(1..).unwrap_or_default())
        }
        None => {
            let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            (name.iter().all(is_name_byte), rest)
        }
    };
    is_valid
        && (rest.is_empty()
            || rest.strip_prefix(b":").is_some_and(|port| port.iter().all(u8::is_ascii_digit)))
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderName, HeaderValue};
    use http::{Method, Uri, Version};

    use super::{check_request, is_host, set_forwarded_host};
    use crate::error_response::ErrorResponse;
    use crate::host_config::RequestLimits;

    fn limits() -> RequestLimits {
        RequestLimits { head_size: 1000, target_size: 100, headers: 5, ..RequestLimits::default() }
    }

    /// The refusal of a request with these headers, and its Host after the check.
    fn check(
        method: &Method,
        target: &str,
        pairs: &[(&str, &str)],
    ) -> (Option<ErrorResponse>, Option<String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        let target: Uri = target.parse().unwrap();
        let refused = check_request((method, &target, Version::HTTP_11), &mut headers, &limits()).err();
        (refused, headers.get("host").map(|host| host.to_str().unwrap().to_owned()))
    }

    fn status(target: &str, pairs: &[(&str, &str)]) -> Option<u16> {
        check(&Method::GET, target, pairs).0.map(|error| error.response().status().as_u16())
    }

    #[test]
    fn a_request_has_one_valid_host() {
        assert_eq!(status("/", &[("host", "a.example:80")]), None);
        assert_eq!(status("/", &[]), Some(400));
        assert_eq!(status("/", &[("host", "a"), ("host", "a")]), Some(400));
        assert_eq!(status("/", &[("host", "a b")]), Some(400));
        let mut none = HeaderMap::new();
        let old = (&Method::GET, &Uri::from_static("/"), Version::HTTP_10);
        assert_eq!(check_request(old, &mut none, &limits()), Ok(()));
    }

    #[test]
    fn hosts() {
        for host in ["", "a", "a_b.example", "192.0.2.1:8000", "[::1]", "[::1]:80", "xn--a.example:", "%61"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in
            ["a/b", "a b", "user@a", "a:b", "a:1:2", "[::1", "[]", "[::1]a", "a?b", "a#b", "\u{e9}", "a\"b"]
        {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn the_authority_of_a_target_replaces_the_host() {
        let (refused, host) = check(&Method::GET, "http://b.example:81/x", &[("host", "a.example")]);
        assert_eq!((refused, host.as_deref()), (None, Some("b.example:81")));
        assert_eq!(status("http://user@b/x", &[("host", "a")]), Some(400));
        assert_eq!(status("http://b/x", &[]), Some(400));
    }

    #[test]
    fn the_host_that_a_proxy_names_replaces_the_host() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a"));
        assert_eq!(set_forwarded_host(&mut headers, "b.example:81"), Ok(()));
        assert_eq!(headers.get_all("host").iter().collect::<Vec<_>>(), ["b.example:81"]);
        assert!(set_forwarded_host(&mut headers, "a/b").is_err());
        assert_eq!(headers["host"], "b.example:81");
    }

    #[test]
    fn a_target_has_the_form_of_its_method() {
        let host = [("host", "a")];
        assert_eq!(status("ftp://a/x", &host), Some(400));
        assert_eq!(status("a:443", &host), Some(400));
        assert_eq!(status("*", &host), Some(400));
        assert_eq!(check(&Method::OPTIONS, "*", &host).0, None);
        assert_eq!(check(&Method::CONNECT, "a:443", &host).0, Some(ErrorResponse::NotImplemented));
    }

    #[test]
    fn a_request_is_limited_in_every_direction() {
        let host = ("host", "a");
        assert_eq!(status(&format!("/{}", "x".repeat(100)), &[host]), Some(414));
        assert_eq!(status("/", &[host, ("x-a", &"x".repeat(1000))]), Some(431));
        let many: Vec<_> = (0..5).map(|_| ("x-a", "")).chain([host]).collect();
        assert_eq!(status("/", &many), Some(431));
    }

    #[test]
    fn what_cannot_be_decoded_or_stands_twice_is_refused() {
        let host = ("host", "a");
        assert_eq!(status("/", &[host, ("transfer-encoding", "gzip, chunked")]), Some(501));
        assert_eq!(status("/", &[host, ("transfer-encoding", "Chunked")]), None);
        assert_eq!(status("/", &[host, ("content-type", "a/b"), ("content-type", "a/b")]), Some(400));
    }
}
