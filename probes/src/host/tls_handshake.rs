//! The TLS handshake at the beginning of a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::{Accepted, Acceptor};
use tokio_rustls::server::{StartHandshake, TlsStream};
use wsgiaudit_probes_core::peer::Peer;

use super::client_stream::close_stream;
use super::listen_socket::ConnectionStream;
use super::server_state::ServerState;

/// The first byte of every handshake (RFC 8446, section 5.1). No HTTP request begins with it.
const HANDSHAKE: u8 = 22;

/// Size of a block that is read before the parameters of the client are known.
const BLOCK_SIZE: usize = 4096;

/// Sent to a client that speaks HTTP without TLS.
const NO_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 37\r\n\r\nBad Request: use https on this port.\n";

/// Why there is no handshake.
enum HandshakeFailure {
    /// The client has closed the connection before it said anything, as checks of a port do.
    Unused,
    /// It went wrong. The client still gets these bytes.
    Failed { why: String, answer: Vec<u8> },
}

impl From<io::Error> for HandshakeFailure {
    fn from(error: io::Error) -> Self {
        Self::Failed { why: error.to_string(), answer: Vec::new() }
    }
}

/// Does the TLS handshake of a connection. If it fails or takes longer than `--head-timeout`, closes the connection and
/// returns `None`.
pub(super) async fn accept_tls(
    server: &ServerState,
    config: &Arc<ServerConfig>,
    mut stream: Box<dyn ConnectionStream>,
    peer: &Peer,
) -> Option<Box<dyn ConnectionStream>> {
    let handshake = async {
        match read_hello(&mut stream).await {
            Ok(accepted) => finish_handshake(accepted, config, stream).await,
            Err(failure) => Err((failure, stream)),
        }
    };
    match server.prepare_connection(handshake).await? {
        Ok(Ok(stream)) => return Some(Box::new(stream)),
        Ok(Err((HandshakeFailure::Unused, _))) => {}
        Ok(Err((HandshakeFailure::Failed { why, answer }, stream))) => {
            server.record_failed_handshake(peer, &why);
            close_stream(stream, &answer).await;
        }
        Err(_) => server.record_failed_handshake(peer, "it took longer than --head-timeout"),
    }
    None
}

/// Reads what the client begins with.
async fn read_hello(stream: &mut Box<dyn ConnectionStream>) -> Result<Accepted, HandshakeFailure> {
    let mut acceptor = Acceptor::default();
    let mut block = [0; BLOCK_SIZE];
    let mut is_first = true;
    loop {
        let length = match (stream.read(&mut block).await, is_first) {
            (Ok(0) | Err(_), true) => return Err(HandshakeFailure::Unused),
            (Ok(0), false) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            (read, _) => read?,
        };
        let mut bytes = block.get(..length).unwrap_or_default();
        if is_first && bytes.first() != Some(&HANDSHAKE) {
            let why = "the client does not speak TLS".to_owned();
            return Err(HandshakeFailure::Failed { why, answer: NO_TLS.to_vec() });
        }
        is_first = false;
        while !bytes.is_empty() {
            acceptor.read_tls(&mut bytes)?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let mut answer = Vec::new();
                alert.write_all(&mut answer)?;
                return Err(HandshakeFailure::Failed { why: error.to_string(), answer });
            }
        }
    }
}

async fn finish_handshake(
    accepted: Accepted,
    config: &Arc<ServerConfig>,
    stream: Box<dyn ConnectionStream>,
) -> Result<TlsConnection, (HandshakeFailure, Box<dyn ConnectionStream>)> {
    let handshake = StartHandshake::from_parts(accepted, stream).into_stream(Arc::clone(config));
    // An alert to the client has been sent already.
    handshake.into_fallible().await.map(TlsConnection).map_err(|(error, stream)| (error.into(), stream))
}

/// A TLS connection. If the client closes it without a TLS `close_notify`, that is an ordinary end, as without TLS. This is
/// safe, since each request states its length (RFC 9112, section 9.8).
struct TlsConnection(TlsStream<Box<dyn ConnectionStream>>);

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(context, buffer) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            polled @ (Poll::Ready(_) | Poll::Pending) => polled,
        }
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
