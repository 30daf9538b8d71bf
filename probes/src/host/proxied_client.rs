//! The client of a connection that begins with a PROXY protocol header.

use std::io;

use hyper::StatusCode;
use tokio::io::AsyncReadExt;
use wsgiaudit_probes_core::peer::Peer;
use wsgiaudit_probes_core::proxy_protocol::{ProxyHeaderState, ProxyProtocolError, read_proxy_header};

use super::client_stream::close_stream;
use super::listen_socket::ConnectionStream;
use super::server_state::ServerState;

/// Sent to a proxy whose header is refused.
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Why there is no client.
enum HeaderFailure {
    Refused(ProxyProtocolError),
    Closed,
}

impl From<ProxyProtocolError> for HeaderFailure {
    fn from(error: ProxyProtocolError) -> Self {
        Self::Refused(error)
    }
}

impl From<io::Error> for HeaderFailure {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Returns the client of a connection: the peer or, if `--proxy-protocol` is on and the peer is a trusted proxy, whom the
/// proxy names. `None` if the proxy names nobody in time: the connection is to be closed then.
pub(super) async fn read_client(
    server: &ServerState,
    stream: &mut Box<dyn ConnectionStream>,
    peer: Peer,
) -> Option<Peer> {
    if !server.has_proxy_protocol || !server.proxies.is_trusted(&peer.address) {
        return Some(peer);
    }
    match server.prepare_connection(read_header(stream)).await? {
        Ok(Ok(client)) => Some(client.unwrap_or(peer)),
        Ok(Err(HeaderFailure::Refused(error))) => {
            server.record_refusal(&peer, &error.to_string(), StatusCode::BAD_REQUEST);
            close_stream(stream, REFUSAL).await;
            None
        }
        Ok(Err(HeaderFailure::Closed)) | Err(_) => None,
    }
}

/// Reads a header and nothing after it.
async fn read_header(stream: &mut Box<dyn ConnectionStream>) -> Result<Option<Peer>, HeaderFailure> {
    let mut bytes = Vec::new();
    loop {
        match read_proxy_header(&bytes)? {
            ProxyHeaderState::Complete(client) => return Ok(client),
            ProxyHeaderState::Incomplete(missing) => {
                let begin = bytes.len();
                bytes.resize(begin + missing, 0);
                // What has arrived is checked at once: a peer that sends something else is not waited for.
                let length = stream.read(bytes.get_mut(begin..).unwrap_or_default()).await?;
                if length == 0 {
                    return Err(HeaderFailure::Closed);
                }
                bytes.truncate(begin + length);
            }
        }
    }
}
