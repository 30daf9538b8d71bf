//! HTTP/1.1: sockets, connections, and requests on their way to a group.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_io_timeout::TimeoutStream;

use super::config::{Limits, Listener};
use super::environ::decoded;
use super::exchange::{Answer, Content, Exchange, Job};
use super::group::Group;
use super::log::say;
use super::peer::{Peer, Proxies};
use super::record::{self, Record, Recorded};
use super::socket::{Socket, Stream};

/// Where the process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Accepting.
    Serving,
    /// Not accepting; answers close their connections.
    Draining,
    /// The same, and another process accepts from the same sockets.
    HandedOver,
    /// Connections without a request close.
    Closing,
}

/// How long a connection that is open already may still bring a request after SIGTERM.
const GRACE: Duration = Duration::from_millis(300);

/// What all connections share.
pub(super) struct Site {
    /// Prefixes, longest first, with their groups; `None` for a group that did not start.
    pub(super) routes: Vec<(String, Option<Arc<Group>>)>,
    pub(super) limits: Limits,
    pub(super) phase: watch::Sender<Phase>,
    /// Requests that wait for an answer.
    pub(super) open: AtomicU64,
    /// Requests so far.
    pub(super) count: AtomicU64,
    /// Every group that started.
    pub(super) groups: Vec<Arc<Group>>,
    /// Where lines of the access log go.
    pub(super) log: Option<record::Log>,
    /// Who may say for whom it asks.
    pub(super) proxies: Proxies,
    pub(super) started: Instant,
    /// Whether this process has asked to be replaced.
    pub(super) is_done: AtomicBool,
}

impl Site {
    /// The group of a path, by the longest prefix that ends at one of its parts.
    fn group(&self, path: &str) -> Option<&Arc<Group>> {
        let path = decoded(path);
        let fits = |prefix: &str| {
            let rest = path.strip_prefix(prefix.trim_end_matches('/').as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        self.routes.iter().find(|(prefix, _)| prefix.is_empty() || fits(prefix))?.1.as_ref()
    }

    /// Asks the supervisor, once, for a process in this one's place.
    fn replace(&self, why: &str) {
        if !self.is_done.swap(true, Ordering::Relaxed) {
            say(&format!("{why}: another process takes over"));
            // SAFETY: the supervisor is our parent: we end with it (`PR_SET_PDEATHSIG`).
            unsafe { libc::kill(libc::getppid(), libc::SIGHUP) };
        }
    }
}

/// Serves the listeners until the phase changes, then what is open. Returns when nothing is left.
pub(super) async fn serve(site: Arc<Site>, listeners: Vec<Listener>) {
    // Every connection holds a sender: the channel ends with the last of them.
    let (alive, mut ended) = mpsc::channel::<Infallible>(1);
    for listener in listeners {
        // SAFETY: the supervisor hands each descriptor to us alone.
        if let Some(socket) = unsafe { Socket::adopt(&listener) } {
            tokio::spawn(accept(Arc::clone(&site), socket, Arc::new(listener), alive.clone()));
        }
    }
    drop(alive);
    reached(&mut site.phase.subscribe(), Phase::Draining).await;
    tokio::spawn({
        let site = Arc::clone(&site);
        async move {
            tokio::time::sleep(GRACE).await;
            site.phase.send_replace(Phase::Closing);
        }
    });
    ended.recv().await;
}

pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    drop(phase.wait_for(|phase| *phase >= wanted).await);
}

async fn accept(site: Arc<Site>, socket: Socket, listener: Arc<Listener>, alive: mpsc::Sender<Infallible>) {
    let mut phase = site.phase.subscribe();
    loop {
        tokio::select! {
            biased;
            accepted = accept_one(&site, &socket, &listener, &alive) => {
                if let Err(error) = accepted {
                    say(&format!("a connection cannot be accepted: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            () = reached(&mut phase, Phase::Draining) => break,
        }
    }
    if *phase.borrow() == Phase::HandedOver {
        // Another process accepts from the same socket.
        return;
    }
    socket.refuse();
    // What the kernel has accepted for us already was promised an answer.
    while let Ok(Ok(())) =
        tokio::time::timeout(Duration::from_millis(20), accept_one(&site, &socket, &listener, &alive)).await
    {
    }
}

async fn accept_one(
    site: &Arc<Site>,
    socket: &Socket,
    listener: &Arc<Listener>,
    alive: &mpsc::Sender<Infallible>,
) -> std::io::Result<()> {
    let (stream, peer) = socket.accept().await?;
    spawn(site, stream, peer, listener, alive);
    Ok(())
}

fn spawn(
    site: &Arc<Site>,
    stream: Box<dyn Stream>,
    peer: Peer,
    listener: &Arc<Listener>,
    alive: &mpsc::Sender<Infallible>,
) {
    let (site, listener, alive) = (Arc::clone(site), Arc::clone(listener), alive.clone());
    tokio::spawn(async move {
        let mut phase = site.phase.subscribe();
        // Whether a request is on its way: such a connection is not cut short.
        let busy = AtomicBool::new(false);
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs_f64(site.limits.head))
            .max_buf_size(site.limits.head_size.max(8192));
        let service = service_fn(|request| {
            let (site, listener, peer, busy) = (&site, &listener, &peer, &busy);
            async move {
                busy.store(true, Ordering::Relaxed);
                site.open.fetch_add(1, Ordering::Relaxed);
                let open = Open(site);
                let answer = answer(site, listener, peer, request).await;
                drop(open);
                busy.store(false, Ordering::Relaxed);
                Ok::<_, Infallible>(answer)
            }
        });
        // A client that takes nothing of an answer for so long has gone.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(Duration::from_secs_f64(site.limits.stall)));
        let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service);
        tokio::pin!(connection);
        let closing = tokio::select! {
            _ = connection.as_mut() => false,
            () = reached(&mut phase, Phase::Closing) => true,
        };
        if closing {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
        drop(alive);
    });
}

/// Counts a request for as long as it is open, however that ends.
struct Open<'a>(&'a Site);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer(
    site: &Site,
    listener: &Arc<Listener>,
    peer: &Peer,
    request: Request<Incoming>,
) -> hyper::Response<Recorded> {
    let (head, body) = request.into_parts();
    let peer = site.proxies.behind(peer, &head.headers);
    let mut record = Record::new(&peer, &head, site.log.as_ref());
    let mut answer = hand_over(site, listener, peer, head, body, &mut record).await;
    if *site.phase.borrow() >= Phase::Draining {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    record.follow(answer)
}

async fn hand_over(
    site: &Site,
    listener: &Arc<Listener>,
    peer: Peer,
    head: Parts,
    body: Incoming,
    record: &mut Record,
) -> Answer {
    let count = site.count.fetch_add(1, Ordering::Relaxed) + 1;
    if site.limits.requests.is_some_and(|most| count >= most) {
        site.replace(&format!("{count} requests"));
    }
    if size(&head) > site.limits.head_size {
        return closing(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large\n");
    }
    let Some(group) = site.group(head.uri.path()) else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n");
    };
    record.meter = Some(Arc::clone(&group.meter));
    let has_body = !body.is_end_stream();
    if body.size_hint().exact().is_some_and(|length| length > site.limits.body_size) {
        return closing(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large\n");
    }
    let Some(place) = group.place() else { return full(group) };
    let (exchange, response) = Exchange::new(
        Handle::current(),
        has_body.then_some(body),
        site.limits.body_size,
        Duration::from_secs_f64(site.limits.stall),
    );
    let what = format!("{} {}", head.method, head.uri.path());
    let job = Job {
        began: record.began,
        head,
        has_body,
        peer,
        listener: Arc::clone(listener),
        exchange: Arc::new(exchange),
        place,
    };
    if group.take(job) { wait(site, group, &what, response).await } else { full(group) }
}

fn full(group: &Group) -> Answer {
    group.meter.refused.fetch_add(1, Ordering::Relaxed);
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// The application's answer, or that it takes too long: nothing can stop the thread that works on it, so the
/// process is to be replaced.
async fn wait(site: &Site, group: &Group, what: &str, response: oneshot::Receiver<Answer>) -> Answer {
    let answer = match site.limits.request {
        None => Ok(response.await),
        Some(seconds) => tokio::time::timeout(Duration::from_secs_f64(seconds), response).await,
    };
    match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n"),
        Err(_) => {
            group.meter.late.fetch_add(1, Ordering::Relaxed);
            site.replace(&format!("group {}: {what:?} took longer than --request-timeout", group.name));
            plain(StatusCode::GATEWAY_TIMEOUT, "Gateway Timeout\n")
        }
    }
}

/// Bytes of a request's head, without what separates them. hyper reads on until it has it all, or its buffer is full.
fn size(head: &Parts) -> usize {
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    head.uri.path_and_query().map_or(0, |target| target.as_str().len()) + headers.sum::<usize>()
}

/// Ends the connection: what else the client sends of the request is not read.
fn closing(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = plain(status, text);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

pub(super) fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Answer::new(Content::text(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
