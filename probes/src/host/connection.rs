//! One connection: serves its requests, and counts and logs those that the HTTP library refuses.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::mpsc;
use wsgiaudit_probes_core::host_config::ListenerConfig;
use wsgiaudit_probes_core::peer::Peer;

use super::client_stream::{ClientStream, ConnectionState};
use super::dispatch::handle_request;
use super::listen_socket::ConnectionStream;
use super::proxied_client::read_client;
use super::server_state::{ServerPhase, ServerState, wait_for_phase};
use super::tls_handshake::accept_tls;

/// Number of header lines for which the HTTP library needs no allocation.
const USUAL_HEADERS: usize = 100;

/// Serves a connection until it ends. `alive` is held until its socket is closed.
pub(super) async fn serve_connection(
    server: Arc<ServerState>,
    mut stream: Box<dyn ConnectionStream>,
    peer: Peer,
    listener: Arc<ListenerConfig>,
    alive: mpsc::Sender<Infallible>,
) {
    let Some(mut peer) = read_client(&server, &mut stream, peer).await else { return };
    if let Some(config) = &server.tls {
        let Some(accepted) = accept_tls(&server, config, stream, &peer).await else { return };
        stream = accepted;
        peer.scheme = "https";
    }
    let mut phase = server.phase.subscribe();
    let state = ConnectionState::new(server.buffer_size());
    let service = service_fn(|request| {
        let (server, listener, peer, state) = (&server, &listener, &peer, &state);
        async move {
            state.take_request();
            server.open.fetch_add(1, Ordering::Relaxed);
            let open = OpenRequestGuard(server);
            let response = handle_request(server, listener, peer, state, request).await;
            drop(open);
            Ok::<_, Infallible>(response)
        }
    });
    // Write timeout for clients that stop reading the response.
    let stall = Duration::from_secs_f64(server.limits.stall);
    let stream = ClientStream::new(stream, stall, Arc::clone(&state), alive);
    let connection = build_protocol(&server).serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = wait_for_phase(&mut phase, ServerPhase::Closing) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        note_refusal(&server, &peer, &state, &error);
    }
}

fn build_protocol(server: &ServerState) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // A client that has sent everything may close its half of the connection and wait for the response.
        .half_close(true)
        .header_read_timeout(Duration::from_secs_f64(server.limits.head))
        .max_buf_size(server.buffer_size());
    if server.limits.headers > USUAL_HEADERS {
        builder.max_headers(server.limits.headers);
    }
    builder
}

/// Counts and logs a request that the HTTP library has refused.
fn note_refusal(server: &ServerState, peer: &Peer, state: &ConnectionState, error: &hyper::Error) {
    let status = if error.is_parse_too_large() {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else if error.is_parse() {
        StatusCode::BAD_REQUEST
    } else if error.is_timeout() && state.is_inside_head() {
        state.refuse_slow_head();
        StatusCode::REQUEST_TIMEOUT
    } else {
        return;
    };
    server.record_refusal(peer, &state.refused_line(), status);
}

/// Counts a request as open until dropped.
struct OpenRequestGuard<'a>(&'a ServerState);

impl Drop for OpenRequestGuard<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
