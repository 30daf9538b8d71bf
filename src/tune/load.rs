//! Generates load on a server.
//!
//! An *open* load sends each request at a time that is set before, whether or not earlier ones are answered, and counts its
//! time from then. So a server that stalls is charged with the requests that would have come meanwhile (the answer to
//! *coordinated omission*). A *closed* load keeps a number of requests under way, and shows how many a server can answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use super::load_outcome::LoadOutcome;
use super::load_request::LoadRequest;
use super::transport::{Connection, Connector};

/// Most requests that are sent at the same time; further ones wait, and their time runs. `serve` queues 256.
pub(super) const MOST_OPEN: usize = 200;
/// Time after which a request has failed.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// How often a stop is looked for.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// How load is generated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LoadKind {
    /// Requests at times that are set before: so many a second on average, at random (a Poisson process), the same times for
    /// the same seed.
    Open {
        /// Requests per second.
        rate: f64,
        /// The seed of the times.
        seed: u64,
    },
    /// So many requests under way at any time.
    Closed {
        /// Number of requests.
        open: usize,
    },
}

/// Sends requests, one after the other and then from the beginning, for this time. `None` if `is_stopped` became true.
///
/// # Errors
/// If the system has no thread, or no event queue.
pub(super) fn generate_load<C: Connector + 'static>(
    connector: C,
    requests: &Rc<[LoadRequest]>,
    kind: LoadKind,
    duration: Duration,
    is_stopped: &dyn Fn() -> bool,
) -> std::io::Result<Option<LoadOutcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let state = Rc::new(LoadState {
        connector,
        requests: Rc::clone(requests),
        outcome: RefCell::new(LoadOutcome::default()),
        idle: RefCell::default(),
        slots: Semaphore::new(MOST_OPEN),
    });
    let tasks = LocalSet::new();
    let (began, cpu) = (Instant::now(), thread_cpu_time());
    let finished = tasks.block_on(&runtime, async {
        let load = async {
            match kind {
                LoadKind::Open { rate, seed } => run_open(&state, rate, seed, duration).await,
                LoadKind::Closed { open } => run_closed(&state, open, duration).await,
            }
        };
        tokio::select! {
            result = load => result.map(|()| true),
            () = wait_for_stop(is_stopped) => Ok(false),
        }
    })?;
    let mut outcome = state.outcome.take();
    outcome.generator_cpu =
        thread_cpu_time().saturating_sub(cpu).as_secs_f64() / began.elapsed().as_secs_f64().max(1e-9);
    Ok(finished.then_some(outcome))
}

/// What the requests share.
struct LoadState<C: Connector> {
    connector: C,
    requests: Rc<[LoadRequest]>,
    outcome: RefCell<LoadOutcome>,
    /// Connections that no request uses.
    idle: RefCell<Vec<C::Connection>>,
    slots: Semaphore,
}

impl<C: Connector> LoadState<C> {
    /// Sends the request with this number. Returns the status, or why there is no answer.
    async fn exchange(&self, number: usize) -> Result<u16, String> {
        let Some(request) = self.requests.get(number % self.requests.len().max(1)) else {
            return Err("there is no request".to_owned());
        };
        let exchange = async {
            // The server may have closed some of them since.
            self.idle.borrow_mut().retain(Connection::is_reusable);
            let idle = self.idle.borrow_mut().pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => self.connector.connect().await?,
            };
            let status = connection.exchange(request).await?;
            if connection.is_reusable() {
                self.idle.borrow_mut().push(connection);
            }
            Ok(status)
        };
        let result = timeout(ANSWER_TIME, exchange).await;
        result.unwrap_or_else(|_| Err(format!("no answer in {} s", ANSWER_TIME.as_secs())))
    }

    /// Names the request with this number.
    fn describe(&self, number: usize) -> String {
        self.requests.get(number % self.requests.len().max(1)).map(LoadRequest::describe).unwrap_or_default()
    }
}

/// Sends requests at random times, and waits for the answers for half as long again.
async fn run_open<C: Connector + 'static>(
    state: &Rc<LoadState<C>>,
    rate: f64,
    seed: u64,
    duration: Duration,
) -> std::io::Result<()> {
    let arrivals = draw_arrivals(rate, seed, duration);
    let (sender, mut receiver) = unbounded_channel();
    let start = Instant::now();
    let clock = Arc::clone(&arrivals);
    // Tokio's timers are exact to a millisecond only.
    std::thread::Builder::new().spawn(move || run_clock(start, &clock, &sender))?;
    // Requests without an answer, each with the time at which it was to be sent.
    let waiting: Rc<RefCell<BTreeMap<usize, Instant>>> = Rc::default();
    let mut tasks = JoinSet::new();
    dispatch_requests(state, start, &arrivals, &mut receiver, &waiting, &mut tasks).await;
    let grace = (duration / 2).max(Duration::from_secs(1));
    let _ = timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.abort_all();
    let mut outcome = state.outcome.borrow_mut();
    for intended in waiting.borrow().values() {
        outcome.add_unanswered(intended.elapsed());
    }
    outcome.window = duration;
    Ok(())
}

/// Starts a task for each request when its time has come.
async fn dispatch_requests<C: Connector + 'static>(
    state: &Rc<LoadState<C>>,
    start: Instant,
    arrivals: &[Duration],
    receiver: &mut UnboundedReceiver<usize>,
    waiting: &Rc<RefCell<BTreeMap<usize, Instant>>>,
    tasks: &mut JoinSet<()>,
) {
    while let Some(number) = receiver.recv().await {
        let intended = start + arrivals.get(number).copied().unwrap_or_default();
        waiting.borrow_mut().insert(number, intended);
        state.outcome.borrow_mut().add_sent(intended.elapsed());
        let (state, waiting) = (Rc::clone(state), Rc::clone(waiting));
        tasks.spawn_local(async move {
            let Ok(_slot) = state.slots.acquire().await else { return };
            let result = state.exchange(number).await;
            waiting.borrow_mut().remove(&number);
            state.outcome.borrow_mut().add_result(intended.elapsed(), &result, || state.describe(number));
        });
    }
}

/// Draws the times of a Poisson process, from its start.
fn draw_arrivals(rate: f64, seed: u64, duration: Duration) -> Arc<[Duration]> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut at = 0.0;
    let mut arrivals = Vec::new();
    loop {
        at -= (1.0 - random.f64()).ln() / rate;
        if at >= duration.as_secs_f64() {
            return arrivals.into();
        }
        arrivals.push(Duration::from_secs_f64(at));
    }
}

/// Sends the number of each arrival when its time has come. Ends with the receiver.
fn run_clock(start: Instant, arrivals: &[Duration], sender: &UnboundedSender<usize>) {
    for (number, at) in arrivals.iter().enumerate() {
        std::thread::sleep((start + *at).saturating_duration_since(Instant::now()));
        if sender.send(number).is_err() {
            return;
        }
    }
}

/// Keeps requests under way until the time is over, and then waits for the last ones, which count only if they fail.
async fn run_closed<C: Connector + 'static>(
    state: &Rc<LoadState<C>>,
    open: usize,
    duration: Duration,
) -> std::io::Result<()> {
    let start = Instant::now();
    let next = Rc::new(RefCell::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..open.clamp(1, MOST_OPEN) {
        let (state, next) = (Rc::clone(state), Rc::clone(&next));
        tasks.spawn_local(async move {
            while start.elapsed() < duration {
                let number = next.replace_with(|number| *number + 1);
                let sent = Instant::now();
                let result = state.exchange(number).await;
                if start.elapsed() <= duration || !matches!(result, Ok(..500)) {
                    let mut outcome = state.outcome.borrow_mut();
                    outcome.add_sent(Duration::ZERO);
                    outcome.add_result(sent.elapsed(), &result, || state.describe(number));
                }
                if result.is_err() {
                    // A server that refuses every connection must not make this a busy loop.
                    sleep(Duration::from_millis(10)).await;
                }
            }
        });
    }
    let limit = duration + ANSWER_TIME + Duration::from_secs(1);
    let _ = timeout(limit, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.abort_all();
    state.outcome.borrow_mut().window = duration;
    Ok(())
}

async fn wait_for_stop(is_stopped: &dyn Fn() -> bool) {
    while !is_stopped() {
        sleep(STOP_CHECK).await;
    }
}

/// The processor time of this thread.
fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that works on one request at a time, each for `takes`, and stalls once from `stall.0` until `stall.1`.
    #[derive(Clone)]
    struct ScriptedServer {
        began: Instant,
        takes: Duration,
        stall: (Duration, Duration),
        status: u16,
    }

    impl ScriptedServer {
        fn answering(takes: u64, stall: (u64, u64), status: u16) -> Self {
            let stall = (Duration::from_millis(stall.0), Duration::from_millis(stall.1));
            Self { began: Instant::now(), takes: Duration::from_millis(takes), stall, status }
        }
    }

    impl Connector for ScriptedServer {
        type Connection = Self;

        async fn connect(&self) -> Result<Self, String> {
            match self.status {
                0 => Err("nobody is there".to_owned()),
                _ => Ok(self.clone()),
            }
        }
    }

    impl Connection for ScriptedServer {
        async fn exchange(&mut self, _request: &LoadRequest) -> Result<u16, String> {
            let since = self.began.elapsed();
            if since >= self.stall.0 && since < self.stall.1 {
                sleep(self.stall.1 - since).await;
            }
            sleep(self.takes).await;
            Ok(self.status)
        }

        fn is_reusable(&self) -> bool {
            true
        }
    }

    fn run(server: ScriptedServer, kind: LoadKind, millis: u64) -> LoadOutcome {
        let requests: Rc<[LoadRequest]> = Rc::from([LoadRequest::without_body("GET", "/")]);
        let load = generate_load(server, &requests, kind, Duration::from_millis(millis), &|| false);
        load.unwrap().unwrap()
    }

    #[test]
    fn a_stall_is_charged_with_the_requests_that_come_meanwhile() {
        // Of one second the server stalls for 300 ms.
        let server = || ScriptedServer::answering(1, (300, 600), 200);
        let open = run(server(), LoadKind::Open { rate: 500.0, seed: 1 }, 1000);
        // A third of the requests wait, the first of them for 300 ms, the others evenly for less.
        let p = |share| open.latencies.quantile(share).unwrap();
        assert!((0.2..0.4).contains(&p(0.99)), "{}", p(0.99));
        assert!((0.1..0.3).contains(&p(0.85)), "{}", p(0.85));
        assert!(p(0.5) < 0.1, "{}", p(0.5));
        // A closed load of one request sends none while it waits: it sees the stall once.
        let closed = run(server(), LoadKind::Closed { open: 1 }, 1000);
        let seen = closed.latencies.quantile(0.95).unwrap();
        assert!(seen < 0.1, "{seen}");
    }

    #[test]
    fn arrivals_are_the_same_for_a_seed_and_as_many_as_the_rate_says() {
        let second = Duration::from_secs(10);
        let arrivals = draw_arrivals(100.0, 7, second);
        assert_eq!(arrivals, draw_arrivals(100.0, 7, second));
        assert_ne!(arrivals, draw_arrivals(100.0, 8, second));
        assert!((900..1100).contains(&arrivals.len()), "{}", arrivals.len());
        assert!(arrivals.iter().is_sorted() && arrivals.iter().all(|at| *at < second));
    }

    #[test]
    fn failed_answers_are_counted_with_an_example() {
        let failing = run(ScriptedServer::answering(1, (0, 0), 503), LoadKind::Closed { open: 2 }, 100);
        assert!(failing.failures > 0 && failing.failures == failing.sent, "{failing:?}");
        assert_eq!(failing.failure.as_deref(), Some("GET /: status 503"));
        let absent = run(ScriptedServer::answering(1, (0, 0), 0), LoadKind::Closed { open: 2 }, 100);
        assert_eq!(absent.failure.as_deref(), Some("GET /: nobody is there"));
    }

    #[test]
    fn a_server_that_is_too_slow_leaves_requests_unanswered() {
        let slow = ScriptedServer::answering(5000, (0, 0), 200);
        let outcome = run(slow, LoadKind::Open { rate: 50.0, seed: 1 }, 200);
        assert!(outcome.unanswered > 0 && outcome.unanswered == outcome.sent, "{outcome:?}");
        assert!(outcome.latencies.quantile(0.5).unwrap() > 0.9);
    }

    #[test]
    fn a_stop_ends_the_load() {
        let requests: Rc<[LoadRequest]> = Rc::from([LoadRequest::without_body("GET", "/")]);
        let server = ScriptedServer::answering(1, (0, 0), 200);
        let (began, kind) = (Instant::now(), LoadKind::Closed { open: 1 });
        let ended = generate_load(server, &requests, kind, Duration::from_secs(60), &|| true).unwrap();
        assert!(ended.is_none() && began.elapsed() < Duration::from_secs(5));
    }
}
