//! The responses that the server sends itself, without asking an application.

use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

/// A response of the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorResponse {
    /// The metrics endpoint has nothing at this path.
    NoMetrics,
    /// The body of the request is larger than `--max-body`.
    BodyTooLarge,
    /// The head of the request is larger than `--max-head`.
    HeadTooLarge,
    /// The application's thread ended without a response.
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
            Self::NoMetrics => StatusCode::NOT_FOUND,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NoResponse => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoGroup | Self::QueueFull => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The response, with its text as the body.
    pub fn response(self) -> Response<&'static str> {
        let mut response = Response::new(self.text());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        match self {
            // The rest of the request is not read, so the connection cannot be used for another one.
            Self::BodyTooLarge | Self::HeadTooLarge => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::QueueFull => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::NoMetrics | Self::NoResponse | Self::NoGroup | Self::Timeout => {}
        }
        response
    }

    fn text(self) -> &'static str {
        match self {
            Self::NoMetrics => "Not Found: /metrics, or /metrics.json\n",
            Self::BodyTooLarge => "Payload Too Large\n",
            Self::HeadTooLarge => "Request Header Fields Too Large\n",
            Self::NoResponse => "Internal Server Error\n",
            Self::NoGroup | Self::QueueFull => "Service Unavailable\n",
            Self::Timeout => "Gateway Timeout\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorResponse::{
        self, BodyTooLarge, HeadTooLarge, NoGroup, NoMetrics, NoResponse, QueueFull, Timeout,
    };

    /// Status, `Connection`, `Retry-After`, and text.
    fn parts(error: ErrorResponse) -> (u16, Option<String>, Option<String>, &'static str) {
        let response = error.response();
        assert_eq!(response.headers()["content-type"], "text/plain");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), header("connection"), header("retry-after"), *response.body())
    }

    #[test]
    fn a_response_to_an_unread_request_closes_the_connection() {
        let close = || Some("close".to_owned());
        assert_eq!(parts(BodyTooLarge), (413, close(), None, "Payload Too Large\n"));
        assert_eq!(parts(HeadTooLarge), (431, close(), None, "Request Header Fields Too Large\n"));
    }

    #[test]
    fn other_responses_leave_the_connection_open() {
        assert_eq!(parts(NoMetrics), (404, None, None, "Not Found: /metrics, or /metrics.json\n"));
        assert_eq!(parts(NoResponse), (500, None, None, "Internal Server Error\n"));
        assert_eq!(parts(NoGroup), (503, None, None, "Service Unavailable\n"));
        assert_eq!(parts(Timeout), (504, None, None, "Gateway Timeout\n"));
    }

    #[test]
    fn a_client_of_a_full_queue_is_asked_to_come_back() {
        assert_eq!(parts(QueueFull), (503, None, Some("1".to_owned()), "Service Unavailable\n"));
    }
}
