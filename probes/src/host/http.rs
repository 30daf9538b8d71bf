//! HTTP/1.1: sockets, connections, and dispatch of requests to application groups.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_io_timeout::TimeoutStream;
use wsgiaudit_probes_core::error_response::ErrorResponse;
use wsgiaudit_probes_core::host_config::{ListenerConfig, RequestLimits};
use wsgiaudit_probes_core::peer::{Peer, TrustedProxies};
use wsgiaudit_probes_core::request_headers::head_size;
use wsgiaudit_probes_core::request_path::{RequestPath, RouteTable};

use super::access_log::{self, RequestTracker, TrackedBody};
use super::application_group::ApplicationGroup;
use super::listen_socket::{ConnectionListener, ConnectionStream};
use super::log::log_message;
use super::request_exchange::{Exchange, RequestJob, ResponseBody, WsgiResponse};

/// Lifecycle phase of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerPhase {
    /// Accepts connections.
    Serving,
    /// Accepts no connections; responses close theirs.
    Draining,
    /// As `Draining`, while another process accepts from the same sockets.
    HandedOver,
    /// Idle connections are closed.
    Closing,
}

/// How long an open connection may still send a request after SIGTERM.
const GRACE: Duration = Duration::from_millis(300);

/// State shared by all connections.
pub(super) struct ServerState {
    /// Path prefixes and their groups; `None` for a group that failed to start.
    pub(super) routes: RouteTable<Option<Arc<ApplicationGroup>>>,
    pub(super) limits: RequestLimits,
    pub(super) phase: watch::Sender<ServerPhase>,
    /// Number of requests waiting for a response.
    pub(super) open: AtomicU64,
    /// Number of requests so far.
    pub(super) count: AtomicU64,
    /// All groups that started.
    pub(super) groups: Vec<Arc<ApplicationGroup>>,
    /// The access log, if enabled.
    pub(super) log: Option<access_log::AccessLog>,
    /// Proxies whose `X-Forwarded-*` headers are trusted.
    pub(super) proxies: TrustedProxies,
    pub(super) started: Instant,
    /// Whether this process has asked to be replaced.
    pub(super) is_done: AtomicBool,
}

impl ServerState {
    /// Asks the supervisor, once, to replace this process.
    fn request_replacement(&self, why: &str) {
        if !self.is_done.swap(true, Ordering::Relaxed) {
            log_message(&format!("{why}: asking for a replacement process"));
            // SAFETY: the parent is the supervisor: this process dies with it (`PR_SET_PDEATHSIG`).
            unsafe { libc::kill(libc::getppid(), libc::SIGHUP) };
        }
    }
}

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
        async move {
            tokio::time::sleep(GRACE).await;
            server.phase.send_replace(ServerPhase::Closing);
        }
    });
    ended.recv().await;
}

pub(super) async fn wait_for_phase(phase: &mut watch::Receiver<ServerPhase>, wanted: ServerPhase) {
    drop(phase.wait_for(|phase| *phase >= wanted).await);
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
                    log_message(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            () = wait_for_phase(&mut phase, ServerPhase::Draining) => break,
        }
    }
    if *phase.borrow() == ServerPhase::HandedOver {
        // Another process accepts from the same socket.
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
    spawn_connection(server, stream, peer, listener, alive);
    Ok(())
}

fn spawn_connection(
    server: &Arc<ServerState>,
    stream: Box<dyn ConnectionStream>,
    peer: Peer,
    listener: &Arc<ListenerConfig>,
    alive: &mpsc::Sender<Infallible>,
) {
    let (server, listener, alive) = (Arc::clone(server), Arc::clone(listener), alive.clone());
    tokio::spawn(async move {
        let mut phase = server.phase.subscribe();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs_f64(server.limits.head))
            .max_buf_size(server.limits.head_size.max(8192));
        let service = service_fn(|request| {
            let (server, listener, peer) = (&server, &listener, &peer);
            async move {
                server.open.fetch_add(1, Ordering::Relaxed);
                let open = OpenRequestGuard(server);
                let response = handle_request(server, listener, peer, request).await;
                drop(open);
                Ok::<_, Infallible>(response)
            }
        });
        // Write timeout for clients that stop reading the response.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(Duration::from_secs_f64(server.limits.stall)));
        let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service);
        tokio::pin!(connection);
        let closing = tokio::select! {
            _ = connection.as_mut() => false,
            () = wait_for_phase(&mut phase, ServerPhase::Closing) => true,
        };
        if closing {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
        drop(alive);
    });
}

/// Counts a request as open until dropped.
struct OpenRequestGuard<'a>(&'a ServerState);

impl Drop for OpenRequestGuard<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn handle_request(
    server: &ServerState,
    listener: &Arc<ListenerConfig>,
    peer: &Peer,
    request: Request<Incoming>,
) -> hyper::Response<TrackedBody> {
    let (head, body) = request.into_parts();
    let peer = server.proxies.resolve_client(peer, &head.headers);
    let mut tracker = RequestTracker::new(&peer, &head, server.log.as_ref());
    let mut response = dispatch_request(server, listener, peer, head, body, &mut tracker).await;
    if *server.phase.borrow() >= ServerPhase::Draining {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    tracker.track_response(response)
}

async fn dispatch_request(
    server: &ServerState,
    listener: &Arc<ListenerConfig>,
    peer: Peer,
    head: Parts,
    body: Incoming,
    tracker: &mut RequestTracker,
) -> WsgiResponse {
    let count = server.count.fetch_add(1, Ordering::Relaxed) + 1;
    if server.limits.requests.is_some_and(|most| count >= most) {
        server.request_replacement(&format!("{count} requests"));
    }
    // hyper reads until the head is complete or its buffer is full.
    if head_size(&head.uri, &head.headers) > server.limits.head_size {
        return to_response(ErrorResponse::HeadTooLarge);
    }
    let path = RequestPath::decode(head.uri.path());
    let Some(Some(group)) = server.routes.find_route(&path) else {
        return to_response(ErrorResponse::NoGroup);
    };
    tracker.meter = Some(Arc::clone(&group.meter));
    let has_body = !body.is_end_stream();
    if body.size_hint().exact().is_some_and(|length| length > server.limits.body_size) {
        return to_response(ErrorResponse::BodyTooLarge);
    }
    let Some(permit) = group.try_reserve() else { return queue_full_response(group) };
    let (exchange, response) = Exchange::new(
        Handle::current(),
        has_body.then_some(body),
        server.limits.body_size,
        Duration::from_secs_f64(server.limits.stall),
    );
    let what = format!("{} {}", head.method, head.uri.path());
    let job = RequestJob {
        began: tracker.began,
        head,
        path,
        has_body,
        peer,
        listener: Arc::clone(listener),
        exchange: Arc::new(exchange),
        permit,
    };
    if group.enqueue_job(job) {
        await_response(server, group, &what, response).await
    } else {
        queue_full_response(group)
    }
}

fn queue_full_response(group: &ApplicationGroup) -> WsgiResponse {
    group.meter.refused.fetch_add(1, Ordering::Relaxed);
    to_response(ErrorResponse::QueueFull)
}

/// Waits for the application's response. After `--request-timeout` it responds with 504 and asks for a
/// replacement of the process, since the thread that runs the application cannot be stopped.
async fn await_response(
    server: &ServerState,
    group: &ApplicationGroup,
    what: &str,
    response: oneshot::Receiver<WsgiResponse>,
) -> WsgiResponse {
    let response = match server.limits.request {
        None => Ok(response.await),
        Some(seconds) => tokio::time::timeout(Duration::from_secs_f64(seconds), response).await,
    };
    match response {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => to_response(ErrorResponse::NoResponse),
        Err(_) => {
            group.meter.late.fetch_add(1, Ordering::Relaxed);
            server.request_replacement(&format!(
                "group {}: {what:?} took longer than --request-timeout",
                group.name
            ));
            to_response(ErrorResponse::Timeout)
        }
    }
}

/// Converts a response of the server itself to hyper's form.
pub(super) fn to_response(error: ErrorResponse) -> WsgiResponse {
    error.response().map(ResponseBody::from_static_text)
}
