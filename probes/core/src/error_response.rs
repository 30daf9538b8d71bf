//! The responses that the server sends itself, without asking an application.

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

/// A response of the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorResponse {
    /// The metrics endpoint has nothing at this path.
    NoMetrics,
    /// Too many live pages are open.
    TooManyPages,
    /// A static folder has no such file.
    NotFound,
    /// A static file has no such method.
    MethodNotAllowed,
    /// No request can be served now.
    NotReady,
    /// The request is malformed; the text says why.
    BadRequest(&'static str),
    /// The body of the request arrives too slowly.
    BodyTooSlow,
    /// The body of the request could not be stored.
    BodyNotStored,
    /// The method or the transfer coding is not implemented.
    NotImplemented,
    /// The target of the request is longer than `--max-target`.
    TargetTooLong,
    /// The body of the request is larger than `--max-body`.
    BodyTooLarge,
    /// The head of the request is larger than `--max-head`, or has more lines than `--max-headers`.
    HeadTooLarge,
    /// The application's thread ended without a response, or a static file could not be read.
    NoResponse,
    /// No application group that has started serves this path.
    NoGroup,
    /// The queue of the application group is full.
    QueueFull,
    /// The application's response did not start within `--request-timeout`.
    Timeout,
}

impl ErrorResponse {
    fn status(self) -> StatusCode {
        match self {
            Self::NoMetrics | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NoResponse => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoGroup | Self::QueueFull | Self::BodyNotStored | Self::NotReady | Self::TooManyPages => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The response, with its text as the body.
    pub fn response(self) -> Response<String> {
        let mut response = Response::new(self.text());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        match self {
            // The rest of the request is not read, so the connection cannot be used for another one.
            Self::BadRequest(_)
            | Self::BodyTooLarge
            | Self::BodyTooSlow
            | Self::BodyNotStored
            | Self::HeadTooLarge
            | Self::NotImplemented
            | Self::TargetTooLong => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::QueueFull | Self::TooManyPages => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::MethodNotAllowed => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            Self::NoMetrics
            | Self::NotFound
            | Self::NotReady
            | Self::NoResponse
            | Self::NoGroup
            | Self::Timeout => {}
        }
        response
    }

    fn text(self) -> String {
        let text = match self {
            Self::BadRequest(why) => return format!("Bad Request: {why}\n"),
            Self::BodyTooSlow => "Request Timeout\n",
            Self::NotImplemented => "Not Implemented\n",
            Self::TargetTooLong => "URI Too Long\n",
            Self::TooManyPages => "Service Unavailable: too many live pages are open\n",
            Self::NoMetrics => "Not Found: /, /metrics, /metrics.json, /healthz, or /readyz\n",
            Self::NotFound => "Not Found\n",
            Self::MethodNotAllowed => "Method Not Allowed\n",
            Self::NotReady => "Not Ready\n",
            Self::BodyTooLarge => "Payload Too Large\n",
            Self::HeadTooLarge => "Request Header Fields Too Large\n",
            Self::NoResponse => "Internal Server Error\n",
            Self::NoGroup | Self::QueueFull | Self::BodyNotStored => "Service Unavailable\n",
            Self::Timeout => "Gateway Timeout\n",
        };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorResponse::{
        self, BadRequest, BodyNotStored, BodyTooLarge, BodyTooSlow, HeadTooLarge, NoGroup, NoMetrics,
        NoResponse, NotImplemented, QueueFull, TargetTooLong, Timeout,
    };

    /// Status, `Connection`, `Retry-After`, and text.
    fn parts(error: ErrorResponse) -> (u16, Option<String>, Option<String>, String) {
        let response = error.response();
        assert_eq!(response.headers()["content-type"], "text/plain");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), header("connection"), header("retry-after"), response.body().clone())
    }

    #[track_caller]
    fn check(error: ErrorResponse, status: u16, closes: bool, retry: Option<&str>, text: &str) {
        let close = closes.then(|| "close".to_owned());
        assert_eq!(parts(error), (status, close, retry.map(str::to_owned), text.to_owned()));
    }

    #[test]
    fn a_response_to_an_unread_request_closes_the_connection() {
        check(BadRequest("no Host"), 400, true, None, "Bad Request: no Host\n");
        check(BodyTooSlow, 408, true, None, "Request Timeout\n");
        check(BodyTooLarge, 413, true, None, "Payload Too Large\n");
        check(TargetTooLong, 414, true, None, "URI Too Long\n");
        check(HeadTooLarge, 431, true, None, "Request Header Fields Too Large\n");
        check(NotImplemented, 501, true, None, "Not Implemented\n");
        check(BodyNotStored, 503, true, None, "Service Unavailable\n");
    }

    #[test]
    fn other_responses_leave_the_connection_open() {
        check(NoMetrics, 404, false, None, "Not Found: /, /metrics, /metrics.json, /healthz, or /readyz\n");
        check(ErrorResponse::NotFound, 404, false, None, "Not Found\n");
        check(ErrorResponse::MethodNotAllowed, 405, false, None, "Method Not Allowed\n");
        assert_eq!(ErrorResponse::MethodNotAllowed.response().headers()["allow"], "GET, HEAD");
        check(ErrorResponse::NotReady, 503, false, None, "Not Ready\n");
        check(NoResponse, 500, false, None, "Internal Server Error\n");
        check(NoGroup, 503, false, None, "Service Unavailable\n");
        check(Timeout, 504, false, None, "Gateway Timeout\n");
    }

    #[test]
    fn a_client_of_a_full_queue_is_asked_to_come_back() {
        check(QueueFull, 503, false, Some("1"), "Service Unavailable\n");
    }
}
