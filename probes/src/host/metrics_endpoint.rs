//! HTTP endpoint of the metrics, on its own sockets: the live page, `/metrics` and `/metrics.json`; and `/healthz` and
//! `/readyz`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use wsgiaudit_probes_core::error_response::ErrorResponse;
use wsgiaudit_probes_core::host_config::ListenerConfig;
use wsgiaudit_probes_core::metrics::{build_json, render_prometheus};

use super::dispatch::to_response;
use super::listen_socket::{ConnectionListener, ConnectionStream};
use super::live_page::compose_page;
use super::metrics;
use super::request_exchange::{ResponseBody, WsgiResponse};
use super::server_state::{ServerPhase, ServerState, wait_for_phase};

/// Serves the metrics until another process takes over or this one ends.
pub(super) async fn serve_metrics(server: Arc<ServerState>, listener: ListenerConfig) {
    // SAFETY: the supervisor passed each descriptor to this process alone.
    let Some(socket) = (unsafe { ConnectionListener::from_inherited(&listener) }) else { return };
    let mut phase = server.phase.subscribe();
    loop {
        let server = Arc::clone(&server);
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(serve_metrics_connection(server, stream))),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            () = wait_for_phase(&mut phase, ServerPhase::HandedOver) => return,
        }
    }
}

async fn serve_metrics_connection(server: Arc<ServerState>, stream: Box<dyn ConnectionStream>) {
    let service = service_fn(|request: Request<Incoming>| {
        let read_metrics = || (metrics::read_groups(&server), metrics::read_process(&server));
        let response = match request.uri().path() {
            "/metrics" => {
                let (groups, process) = read_metrics();
                metrics_response("text/plain; version=0.0.4", render_prometheus(&groups, &process))
            }
            "/metrics.json" => {
                let (groups, process) = read_metrics();
                let slow = server.telemetry.as_ref().map(|telemetry| telemetry.slow_log.to_json());
                let json = build_json(&groups, &process, &slow.unwrap_or_else(|| json!([])));
                metrics_response("application/json", json.to_string())
            }
            "/" => page_response(),
            "/live" => live_response(&server),
            "/healthz" => metrics_response("text/plain", "alive\n".to_owned()),
            "/readyz" if server.is_ready() => metrics_response("text/plain", "ready\n".to_owned()),
            "/readyz" => to_response(ErrorResponse::NotReady),
            _ => to_response(ErrorResponse::NoMetrics),
        };
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(TokioIo::new(stream), service);
    drop(tokio::time::timeout(Duration::from_secs(300), connection).await);
}

/// The live page.
fn page_response() -> WsgiResponse {
    let (page, policy) = compose_page();
    let mut response = metrics_response("text/html; charset=utf-8", page.clone());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The event stream of the live page.
fn live_response(server: &Arc<ServerState>) -> WsgiResponse {
    let Some(feed) = &server.live else { return to_response(ErrorResponse::NoMetrics) };
    let mut phase = server.phase.subscribe();
    let handover = async move { wait_for_phase(&mut phase, ServerPhase::HandedOver).await };
    let Some(receiver) = feed.subscribe(handover) else { return to_response(ErrorResponse::TooManyPages) };
    let mut response = WsgiResponse::new(ResponseBody::Pieces { receiver, left: None });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that buffer would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn metrics_response(kind: &'static str, text: String) -> WsgiResponse {
    let mut response = WsgiResponse::new(ResponseBody::Whole(Some(text.into())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
