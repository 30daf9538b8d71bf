//! Lists the configurations that are worth trying: what the audit allows, within the given cores and memory. Pure
//! functions.

use super::configuration::ServerConfiguration;
use super::load::MOST_OPEN;
use crate::model::Mode;

/// Switch intervals that are tried besides CPython's own, in seconds.
const SHORT_INTERVALS: [f64; 2] = [0.001, 0.0001];

/// What bounds the configurations.
#[derive(Clone, Copy, Debug)]
pub(super) struct CandidateLimits {
    /// Number of processor cores: no more interpreters than this run Python at the same time.
    pub(super) cores: usize,
    /// Most threads of an interpreter.
    pub(super) threads: usize,
    /// Memory for all processes, in bytes.
    pub(super) memory: u64,
    /// What a process with one interpreter takes, in bytes.
    pub(super) process_memory: u64,
}

impl CandidateLimits {
    /// How many processes have room.
    fn most_processes(&self) -> usize {
        let room = self.memory.checked_div(self.process_memory).unwrap_or(u64::MAX);
        usize::try_from(room).unwrap_or(usize::MAX)
    }
}

/// Lists configurations for the allowed modes, the simplest first, with CPython's own switch interval. Numbers of processes,
/// interpreters and threads are powers of two, and the bound itself.
pub(super) fn list_candidates(allowed: &[Mode], limits: &CandidateLimits) -> Vec<ServerConfiguration> {
    let mut all = Vec::new();
    for mode in useful_modes(allowed) {
        for processes in list_numbers(limits.cores.min(limits.most_processes())) {
            for interpreters in list_interpreters(mode, processes, limits.cores, allowed) {
                for threads in list_numbers(limits.threads) {
                    let configuration =
                        ServerConfiguration { mode, processes, interpreters, threads, switch_interval: None };
                    if is_useful(&configuration, limits) && configuration.all_threads() <= MOST_OPEN {
                        all.push(configuration);
                    }
                }
            }
        }
    }
    all.sort_by_key(ServerConfiguration::simplicity);
    all
}

/// Leaves out modes in which nothing can be faster than in a simpler one that is allowed.
fn useful_modes(allowed: &[Mode]) -> Vec<Mode> {
    let is_allowed = |mode| allowed.contains(&mode);
    let is_useful = |mode: &Mode| match mode {
        Mode::Main | Mode::OwnGil | Mode::FreeThreaded => true,
        // On one GIL, as in the main interpreter.
        Mode::SharedGil => !is_allowed(Mode::Main),
        // The same as `own-gil`, with more memory.
        Mode::OwnGilCopies => !is_allowed(Mode::OwnGil),
        // `serve` has no groups of a free-threaded build.
        Mode::FreeThreadedGroup => false,
    };
    Mode::ALL.into_iter().filter(|mode| is_allowed(*mode)).filter(is_useful).collect()
}

/// Numbers of interpreters of a process. One interpreter with its own GIL does what the main interpreter does.
fn list_interpreters(mode: Mode, processes: usize, cores: usize, allowed: &[Mode]) -> Vec<usize> {
    match mode {
        Mode::OwnGil | Mode::OwnGilCopies => {
            let first =
                if allowed.contains(&Mode::Main) || allowed.contains(&Mode::SharedGil) { 2 } else { 1 };
            let numbers = list_numbers(cores / processes.max(1));
            numbers.into_iter().filter(|number| *number >= first).collect()
        }
        Mode::Main | Mode::SharedGil | Mode::FreeThreaded | Mode::FreeThreadedGroup => vec![1],
    }
}

/// Whether a configuration can be better than a smaller one. Without a GIL, the threads of a process use the cores.
fn is_useful(configuration: &ServerConfiguration, limits: &CandidateLimits) -> bool {
    match configuration.mode {
        Mode::FreeThreaded => configuration.processes == 1 || limits.cores == 1,
        Mode::Main | Mode::SharedGil | Mode::OwnGil | Mode::OwnGilCopies | Mode::FreeThreadedGroup => true,
    }
}

/// Lists the configurations with shorter switch intervals of one that has several threads on a GIL. They need an own GIL:
/// elsewhere the interval would apply to the whole process, and `serve` refuses it.
pub(super) fn list_interval_variants(
    configuration: &ServerConfiguration,
    allowed: &[Mode],
) -> Vec<ServerConfiguration> {
    let mode = match configuration.mode {
        Mode::OwnGil | Mode::OwnGilCopies => Some(configuration.mode),
        Mode::Main | Mode::SharedGil => allowed.contains(&Mode::OwnGil).then_some(Mode::OwnGil),
        Mode::FreeThreaded | Mode::FreeThreadedGroup => None,
    };
    let Some(mode) = mode.filter(|_| configuration.threads > 1) else { return Vec::new() };
    let variant = |interval| ServerConfiguration { mode, switch_interval: Some(interval), ..*configuration };
    SHORT_INTERVALS.map(variant).to_vec()
}

/// Describes what is left out on purpose, for the modes that are allowed.
pub(super) fn describe_left_out(allowed: &[Mode], limits: &CandidateLimits) -> Vec<String> {
    let mut all = Vec::new();
    let useful = useful_modes(allowed);
    for mode in allowed.iter().filter(|mode| !useful.contains(mode)) {
        all.push(match mode {
            Mode::OwnGilCopies => "own-gil-copies: own-gil does the same with less memory".to_owned(),
            Mode::FreeThreadedGroup => "free-threaded-group: serve has no such groups".to_owned(),
            Mode::Main | Mode::SharedGil | Mode::OwnGil | Mode::FreeThreaded => {
                format!("{mode}: its interpreters share one GIL, as the threads of the main interpreter do")
            }
        });
    }
    all.push(format!("threads beyond {} in an interpreter (--max-threads)", limits.threads));
    all.push(format!("interpreters beyond {} at the same time (--cores)", limits.cores));
    if limits.cores.saturating_mul(limits.threads) > MOST_OPEN {
        all.push(format!(
            "more than {MOST_OPEN} threads in all: the generator of load has no more requests under way"
        ));
    }
    if limits.most_processes() < limits.cores {
        all.push(format!("processes beyond {}: they would not fit into --memory", limits.most_processes()));
    }
    if !allowed.contains(&Mode::OwnGil) && !allowed.contains(&Mode::OwnGilCopies) {
        all.push("other switch intervals: they need interpreters with an own GIL".to_owned());
    }
    all
}

/// Powers of two up to `most`, and `most` itself.
fn list_numbers(most: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = std::iter::successors(Some(1_usize), |number| number.checked_mul(2))
        .take_while(|n| *n <= most)
        .collect();
    if most > 0 && numbers.last() != Some(&most) {
        numbers.push(most);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CandidateLimits =
        CandidateLimits { cores: 2, threads: 4, memory: 1000, process_memory: 100 };

    fn shapes(allowed: &[Mode], limits: CandidateLimits) -> Vec<String> {
        let all = list_candidates(allowed, &limits);
        let shape = |each: &ServerConfiguration| {
            format!("{} {}x{}x{}", each.mode, each.processes, each.interpreters, each.threads)
        };
        all.iter().map(shape).collect()
    }

    #[test]
    fn candidates_are_within_cores_and_threads() {
        let expected = [
            "main 1x1x1",
            "main 1x1x2",
            "main 1x1x4",
            "main 2x1x1",
            "main 2x1x2",
            "main 2x1x4",
            "own-gil 1x2x1",
            "own-gil 1x2x2",
            "own-gil 1x2x4",
        ];
        assert_eq!(shapes(&[Mode::Main, Mode::SharedGil, Mode::OwnGil], LIMITS), expected);
        let six = shapes(&[Mode::OwnGil], CandidateLimits { cores: 6, threads: 1, ..LIMITS });
        let expected = [
            "own-gil 1x1x1",
            "own-gil 1x2x1",
            "own-gil 2x1x1",
            "own-gil 2x2x1",
            "own-gil 4x1x1",
            "own-gil 1x4x1",
            "own-gil 1x6x1",
        ];
        for shape in expected {
            assert!(six.contains(&shape.to_owned()), "{shape}: {six:?}");
        }
        assert!(six.iter().all(|shape| !shape.contains("4x2x")), "{six:?}");
    }

    #[test]
    fn what_the_audit_does_not_allow_is_not_listed() {
        assert_eq!(shapes(&[], LIMITS), <[String; 0]>::default());
        let shared = shapes(&[Mode::SharedGil], LIMITS);
        assert!(
            shared.iter().all(|shape| shape.starts_with("shared-gil ")) && shared.len() == 6,
            "{shared:?}"
        );
        let copies = shapes(&[Mode::Main, Mode::OwnGilCopies], LIMITS);
        assert!(copies.contains(&"own-gil-copies 1x2x1".to_owned()), "{copies:?}");
        let plain = shapes(&[Mode::Main, Mode::OwnGil, Mode::OwnGilCopies], LIMITS);
        assert!(plain.iter().all(|shape| !shape.contains("copies")), "{plain:?}");
        let free = shapes(&[Mode::FreeThreaded, Mode::FreeThreadedGroup], LIMITS);
        assert_eq!(free, ["free-threaded 1x1x1", "free-threaded 1x1x2", "free-threaded 1x1x4"]);
    }

    #[test]
    fn processes_have_room_in_memory() {
        let small = CandidateLimits { memory: 150, ..LIMITS };
        let found = shapes(&[Mode::Main], small);
        assert_eq!(found, ["main 1x1x1", "main 1x1x2", "main 1x1x4"]);
        assert!(
            describe_left_out(&[Mode::Main], &small).iter().any(|line| line.contains("processes beyond 1:"))
        );
        assert!(shapes(&[Mode::Main], CandidateLimits { memory: 50, ..LIMITS }).is_empty());
    }

    #[test]
    fn intervals_are_varied_where_threads_share_an_own_gil() {
        let main = ServerConfiguration { threads: 2, ..ServerConfiguration::simplest_of(Mode::Main) };
        let variants = list_interval_variants(&main, &[Mode::Main, Mode::OwnGil]);
        assert_eq!(variants.len(), 2);
        assert!(variants.iter().all(|each| each.mode == Mode::OwnGil && each.threads == 2), "{variants:?}");
        assert!(list_interval_variants(&main, &[Mode::Main]).is_empty());
        let single = ServerConfiguration::simplest_of(Mode::OwnGil);
        assert!(list_interval_variants(&single, &[Mode::OwnGil]).is_empty());
    }
}
