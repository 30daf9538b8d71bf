//! Dispatch of requests to application groups.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use wsgiaudit_probes_core::error_response::ErrorResponse;
use wsgiaudit_probes_core::host_config::ListenerConfig;
use wsgiaudit_probes_core::peer::Peer;
use wsgiaudit_probes_core::request_check::{check_request, set_forwarded_host};
use wsgiaudit_probes_core::request_path::RequestPath;
use wsgiaudit_probes_core::telemetry::lifecycle::StopReason;
use wsgiaudit_probes_core::telemetry::request_trace::{RequestIdentity, RequestTrace};

use super::access_log::{RequestTracker, TrackedBody};
use super::application_group::ApplicationGroup;
use super::client_stream::ConnectionState;
use super::request_body::{ReceivedBody, RequestBody, receive_body};
use super::request_exchange::{Exchange, RequestJob, ResponseBody, WsgiResponse};
use super::server_state::{ServerPhase, ServerState};
use super::static_files::serve_file;

/// How often a request in a queue checks whether all threads are stuck.
const STUCK_INTERVAL: Duration = Duration::from_millis(200);

/// Answers a request.
pub(super) async fn handle_request(
    server: &ServerState,
    listener: &Arc<ListenerConfig>,
    peer: &Peer,
    connection: &Arc<ConnectionState>,
    request: Request<Incoming>,
) -> hyper::Response<TrackedBody> {
    let (head, body) = request.into_parts();
    let peer = server.proxies.resolve_client(peer, &head.headers);
    let mut tracker = RequestTracker::new(&peer, &head, server.log.as_ref(), connection);
    if let Some(telemetry) = &server.telemetry {
        let trace = telemetry.begin_request(|| identify_request(&peer, &head));
        tracker.telemetry = Some((Arc::clone(telemetry), trace));
    }
    let has_body = !body.is_end_stream();
    let dispatched = dispatch_request(server, listener, peer, head, body, &mut tracker).await;
    let mut response = match dispatched {
        Ok(response) if !tracker.is_static => response,
        answered => {
            let mut response = answered.unwrap_or_else(to_response);
            if has_body {
                // Its body may not have been read.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    };
    if tracker.meter.is_none() && !tracker.is_static {
        server.rejected.fetch_add(1, Ordering::Relaxed);
    }
    if *server.phase.borrow() >= ServerPhase::Draining {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    tracker.track_response(response)
}

/// What a request asks for, for slow requests.
fn identify_request(peer: &Peer, head: &Parts) -> RequestIdentity {
    RequestIdentity {
        method: head.method.clone(),
        uri: head.uri.clone(),
        version: head.version,
        host: head.headers.get(HOST).cloned(),
        scheme: peer.scheme,
        peer: peer.address.clone(),
    }
}

async fn dispatch_request(
    server: &ServerState,
    listener: &Arc<ListenerConfig>,
    peer: Peer,
    mut head: Parts,
    body: Incoming,
    tracker: &mut RequestTracker,
) -> Result<WsgiResponse, ErrorResponse> {
    let count = server.count.fetch_add(1, Ordering::Relaxed) + 1;
    if server.most_requests.is_some_and(|most| count >= most) {
        server.request_replacement(StopReason::MaximumRequests, format_args!("{count} requests"));
    }
    check_request((&head.method, &head.uri, head.version), &mut head.headers, &server.limits)?;
    if let Some(host) = &peer.host {
        set_forwarded_host(&mut head.headers, host)?;
    }
    let path = RequestPath::decode(head.uri.path());
    if let Some((prefix, folder)) = server.static_folders.find_route(&path) {
        tracker.is_static = true;
        return serve_file(folder, prefix, &path, (&head.method, &head.headers)).await;
    }
    let Some((prefix, Some(group))) = server.routes.find_route(&path) else {
        return Err(ErrorResponse::NoGroup);
    };
    tracker.meter = Some(Arc::clone(&group.meter));
    let trace = tracker.telemetry.as_ref().map(|(_, trace)| Arc::clone(trace));
    if body.size_hint().exact().is_some_and(|length| length > server.limits.body_size) {
        return Err(ErrorResponse::BodyTooLarge);
    }
    if group.is_full() {
        return Err(refuse_for_full_queue(group));
    }
    let body = match body.is_end_stream() {
        true => RequestBody::Memory(Bytes::new()),
        false => receive_whole_body(server, &mut head, body, trace.as_deref()).await?,
    };
    let Some(permit) = group.try_reserve() else { return Err(refuse_for_full_queue(group)) };
    let is_head = head.method == Method::HEAD;
    let stall = Duration::from_secs_f64(server.limits.stall);
    let (exchange, response) = Exchange::new(Handle::current(), body, is_head, stall, trace);
    let exchange = Arc::new(exchange);
    let request = (head.method.clone(), head.uri.clone());
    let job = RequestJob {
        queued: Instant::now(),
        head,
        mount: if group.is_mounted { prefix.to_owned() } else { String::new() },
        path,
        peer,
        listener: Arc::clone(listener),
        exchange: Arc::clone(&exchange),
        permit,
    };
    if group.enqueue_job(job) {
        await_response(server, group, &request, &exchange, response).await
    } else {
        Err(refuse_for_full_queue(group))
    }
}

/// Receives a body. One that came in chunks gets the Content-Length that it has turned out to have (RFC 9112,
/// section 7.1.3).
async fn receive_whole_body(
    server: &ServerState,
    head: &mut Parts,
    body: Incoming,
    trace: Option<&RequestTrace>,
) -> Result<RequestBody, ErrorResponse> {
    let began = Instant::now();
    let ReceivedBody { body, size, pieces } = receive_body(body, &server.limits).await?;
    if let Some(trace) = trace {
        trace.set_input(began.elapsed(), size, pieces);
    }
    if head.headers.remove(TRANSFER_ENCODING).is_some() {
        head.headers.insert(CONTENT_LENGTH, size.into());
    }
    Ok(body)
}

fn refuse_for_full_queue(group: &ApplicationGroup) -> ErrorResponse {
    group.meter.refused.fetch_add(1, Ordering::Relaxed);
    ErrorResponse::QueueFull
}

/// Waits for the application's response. If `--request-timeout` has passed since a thread took the request, asks
/// for a replacement of the process, since the thread that runs the application cannot be stopped.
async fn await_response(
    server: &ServerState,
    group: &ApplicationGroup,
    (method, target): &(Method, Uri),
    exchange: &Exchange,
    response: oneshot::Receiver<WsgiResponse>,
) -> Result<WsgiResponse, ErrorResponse> {
    let Some(seconds) = server.limits.request else {
        return response.await.map_err(|_| ErrorResponse::NoResponse);
    };
    let timeout = async {
        while tokio::time::timeout(STUCK_INTERVAL, exchange.wait_until_taken()).await.is_err() {
            if group.is_stuck() {
                return refuse_for_full_queue(group);
            }
        }
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        ErrorResponse::Timeout
    };
    let error = tokio::select! {
        biased;
        response = response => return response.map_err(|_| ErrorResponse::NoResponse),
        error = timeout => error,
    };
    if error == ErrorResponse::Timeout {
        if exchange.mark_late() {
            group.meter.stuck.fetch_add(1, Ordering::Relaxed);
        }
        group.meter.late.fetch_add(1, Ordering::Relaxed);
        let what = format!("{method} {}", target.path());
        server.request_replacement(
            StopReason::RequestTimeout,
            format_args!("group {}: {what:?} took longer than --request-timeout", group.name),
        );
    }
    Err(error)
}

/// Converts a response of the server itself to hyper's form.
pub(super) fn to_response(error: ErrorResponse) -> WsgiResponse {
    error.response().map(ResponseBody::from_text)
}
