//! Listeners: accepting connections until the process is told to stop.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use wsgiaudit_probes_core::host_config::ListenerConfig;

use super::connection::serve_connection;
use super::listen_socket::ConnectionListener;
use super::log::log_error;
use super::server_state::{ServerPhase, ServerState, wait_for_phase};
use super::source_reports::is_watched;

/// How long an open connection may still send a request after SIGTERM. It is answered, and then the connection ends.
const GRACE: Duration = Duration::from_secs(1);

/// The same, after another process has taken over: longer, since no client depends on the end of this process.
const HAND_OVER_GRACE: Duration = Duration::from_secs(5);

/// Accepts connections until the phase changes, then drains the open ones. Returns when none is left.
pub(super) async fn serve_listeners(server: Arc<ServerState>, listeners: Vec<ListenerConfig>) {
    // Every connection holds a sender, so the channel closes with the last connection.
    let (alive, mut ended) = mpsc::channel::<Infallible>(1);
    for listener in listeners {
        // SAFETY: the supervisor passed each descriptor to this process alone.
        if let Some(socket) = unsafe { ConnectionListener::from_inherited(&listener) } {
            tokio::spawn(accept_connections(Arc::clone(&server), socket, Arc::new(listener), alive.clone()));
        }
    }
    drop(alive);
    wait_for_phase(&mut server.phase.subscribe(), ServerPhase::Draining).await;
    tokio::spawn({
        let server = Arc::clone(&server);
        let grace = match *server.phase.borrow() {
            // With --reload, the next request is for the new sources.
            ServerPhase::HandedOver if is_watched() => Duration::ZERO,
            ServerPhase::HandedOver => {
                HAND_OVER_GRACE.min(Duration::from_secs_f64(server.limits.drain / 2.0))
            }
            ServerPhase::Serving | ServerPhase::Draining | ServerPhase::Closing => GRACE,
        };
        async move {
            tokio::time::sleep(grace).await;
            server.phase.send_replace(ServerPhase::Closing);
        }
    });
    ended.recv().await;
}

async fn accept_connections(
    server: Arc<ServerState>,
    socket: ConnectionListener,
    listener: Arc<ListenerConfig>,
    alive: mpsc::Sender<Infallible>,
) {
    let mut phase = server.phase.subscribe();
    loop {
        tokio::select! {
            biased;
            accepted = accept_connection(&server, &socket, &listener, &alive) => {
                if let Err(error) = accepted {
                    log_error(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            () = wait_for_phase(&mut phase, ServerPhase::Draining) => break,
        }
    }
    if listener.is_kept || *phase.borrow() == ServerPhase::HandedOver {
        // Another process accepts from the same socket, now or later.
        return;
    }
    socket.refuse_connections();
    // Connections that the kernel has already accepted still get a response.
    while let Ok(Ok(())) = tokio::time::timeout(
        Duration::from_millis(20),
        accept_connection(&server, &socket, &listener, &alive),
    )
    .await
    {}
}

async fn accept_connection(
    server: &Arc<ServerState>,
    socket: &ConnectionListener,
    listener: &Arc<ListenerConfig>,
    alive: &mpsc::Sender<Infallible>,
) -> std::io::Result<()> {
    let (stream, peer) = socket.accept().await?;
    tokio::spawn(serve_connection(Arc::clone(server), stream, peer, Arc::clone(listener), alive.clone()));
    Ok(())
}
