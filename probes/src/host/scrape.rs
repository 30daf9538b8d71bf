//! The metrics over HTTP, on sockets of their own: `/metrics` and `/metrics.json`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::config::Listener;
use super::exchange::{Answer, Content};
use super::http::{Phase, Site, plain, reached};
use super::metrics;
use super::socket::{Socket, Stream};

/// Tells the metrics, until another process does, or this one ends.
pub(super) async fn serve(site: Arc<Site>, listener: Listener) {
    // SAFETY: the supervisor hands each descriptor to us alone.
    let Some(socket) = (unsafe { Socket::adopt(&listener) }) else { return };
    let mut phase = site.phase.subscribe();
    loop {
        let site = Arc::clone(&site);
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(tell(site, stream))),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            () = reached(&mut phase, Phase::HandedOver) => return,
        }
    }
}

async fn tell(site: Arc<Site>, stream: Box<dyn Stream>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = match request.uri().path() {
            "/metrics" => text("text/plain; version=0.0.4", metrics::prometheus(&site)),
            "/metrics.json" => text("application/json", metrics::json(&site).to_string()),
            _ => plain(StatusCode::NOT_FOUND, "Not Found: /metrics, or /metrics.json\n"),
        };
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(TokioIo::new(stream), service);
    drop(tokio::time::timeout(Duration::from_secs(300), connection).await);
}

fn text(kind: &'static str, text: String) -> Answer {
    let mut answer = Answer::new(Content::Whole(Some(text.into())));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
