//! Connections to the server under load: HTTP/1.1 over its Unix socket, with hyper. The generator of load knows only the
//! traits.

use std::path::PathBuf;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::load_request::LoadRequest;

/// Requests for which a connection is used. A proxy's connections come and go: with few that last, the kernel may leave most
/// of them to one of several processes.
const USES: usize = 20;

/// Makes connections.
pub(super) trait Connector {
    /// A connection.
    type Connection: Connection;

    /// Connects.
    ///
    /// # Errors
    /// A message if there is no connection.
    async fn connect(&self) -> Result<Self::Connection, String>;
}

/// A connection, for one request after the other.
pub(super) trait Connection {
    /// Sends a request and reads the whole answer. Returns its status.
    ///
    /// # Errors
    /// A message if there is no whole answer.
    async fn exchange(&mut self, request: &LoadRequest) -> Result<u16, String>;

    /// Whether it can be used again.
    fn is_reusable(&self) -> bool;
}

/// Connects to a Unix socket.
#[derive(Clone, Debug)]
pub(super) struct UnixConnector(pub(super) PathBuf);

impl Connector for UnixConnector {
    type Connection = HttpConnection;

    async fn connect(&self) -> Result<HttpConnection, String> {
        let stream = UnixStream::connect(&self.0).await;
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("cannot connect: {error}"))?;
        // Its errors are those of the exchanges.
        tokio::task::spawn_local(async { drop(connection.await) });
        Ok(HttpConnection { sender, uses: 0 })
    }
}

/// A connection for HTTP/1.1.
#[derive(Debug)]
pub(super) struct HttpConnection {
    sender: SendRequest<Full<Bytes>>,
    uses: usize,
}

impl HttpConnection {
    /// Sends a request and returns the status and the body.
    ///
    /// # Errors
    /// A message if there is no whole answer.
    pub(super) async fn fetch(&mut self, request: &LoadRequest) -> Result<(u16, Vec<u8>), String> {
        self.uses += 1;
        let request = build_request(request)?;
        self.sender.ready().await.map_err(|error| format!("the connection was closed: {error}"))?;
        let answer = self.sender.send_request(request).await;
        let answer = answer.map_err(|error| format!("no answer: {error}"))?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
        Ok((status, body.to_bytes().to_vec()))
    }
}

impl Connection for HttpConnection {
    async fn exchange(&mut self, request: &LoadRequest) -> Result<u16, String> {
        self.fetch(request).await.map(|(status, _)| status)
    }

    fn is_reusable(&self) -> bool {
        self.uses < USES && !self.sender.is_closed()
    }
}

/// Builds the request that is sent.
///
/// # Errors
/// A message if it is not valid in HTTP.
pub(super) fn build_request(request: &LoadRequest) -> Result<Request<Full<Bytes>>, String> {
    let invalid = |what: &str| format!("{}: {what} is not valid in HTTP", request.describe());
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("the method"))?;
    let uri: Uri = request.target.parse().map_err(|_| invalid("the path"))?;
    let mut built = Request::new(Full::new(Bytes::from(request.body.clone())));
    (*built.method_mut(), *built.uri_mut()) = (method, uri);
    let headers = built.headers_mut();
    for (name, value) in &request.headers {
        // hyper writes these as the body and the connection need them.
        if ["connection", "content-length", "transfer-encoding"].contains(&name.to_lowercase().as_str()) {
            continue;
        }
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid(name))?;
        let name: HeaderName = name.parse().map_err(|_| invalid(name))?;
        headers.append(name, value);
    }
    headers.entry(HOST).or_insert(HeaderValue::from_static("localhost"));
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_a_host_and_its_own_headers() {
        let mut request = LoadRequest::without_body("GET", "/a?b");
        let host = |request: &LoadRequest| build_request(request).unwrap().headers()[HOST].clone();
        assert_eq!(host(&request), "localhost");
        request.headers = vec![("Host".into(), "shop.example".into()), ("Content-Length".into(), "9".into())];
        assert_eq!(host(&request), "shop.example");
        assert!(!build_request(&request).unwrap().headers().contains_key("content-length"));
    }

    #[test]
    fn what_http_does_not_allow_is_named() {
        let said = |request: &LoadRequest| build_request(request).unwrap_err();
        assert_eq!(
            said(&LoadRequest::without_body("GET", "/a b")),
            "GET /a b: the path is not valid in HTTP"
        );
        let mut request = LoadRequest::without_body("GET", "/");
        request.headers = vec![("A b".into(), "c".into())];
        assert_eq!(said(&request), "GET /: A b is not valid in HTTP");
    }
}
