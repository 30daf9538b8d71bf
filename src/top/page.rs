//! The lines of text that show a snapshot, on a terminal of any width.

use wsgiaudit_probes_core::figures::snapshot::{Figures, ProcessRow, Snapshot, WorkerRow};

use super::table_lines::{Column, cut_off, lay_out};
use super::units::{format_bytes, format_clock, format_number, format_share, format_time};
use crate::render::escape::escape_and_truncate;
use crate::render::style::{TextStyle, to_ascii, wrap_lines};

/// Rows of a table that may grow with the traffic.
const MOST_ROWS: usize = 20;

/// Characters of a name or a path.
const MOST_LETTERS: usize = 160;

/// What a line is, for its color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Heading,
    Plain,
    /// The titles of a table.
    Dim,
    /// A finding.
    Alarm,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageLine {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// Composes the page. `source` is what it shows.
pub(super) fn compose_page(snapshot: &Snapshot, source: &str, style: TextStyle) -> Vec<PageLine> {
    let mut page = Page { lines: Vec::new(), style };
    page.push(Tone::Heading, &format!("wsgiaudit top  {}", clean(source)));
    page.add_findings(snapshot);
    page.add_totals(snapshot);
    page.add_processes(&snapshot.processes);
    page.add_interpreters(&snapshot.processes);
    page.add_workers(&snapshot.processes);
    page.add_slow_requests(snapshot);
    page.add_events(snapshot);
    page.lines
}

/// The page as text.
pub(super) fn render_text(lines: &[PageLine]) -> String {
    lines.iter().map(|line| format!("{}\n", line.text)).collect()
}

struct Page {
    lines: Vec<PageLine>,
    style: TextStyle,
}

impl Page {
    /// Adds a line, which is cut off at the width.
    fn push(&mut self, tone: Tone, text: &str) {
        let text = if self.style.is_ascii { to_ascii(text) } else { text.to_owned() };
        self.lines.push(PageLine { text: cut_off(&text, self.style.width), tone });
    }

    /// Adds a text, wrapped into lines.
    fn push_wrapped(&mut self, tone: Tone, text: &str) {
        let text = if self.style.is_ascii { to_ascii(text) } else { text.to_owned() };
        for line in wrap_lines(&text, self.style.width).lines() {
            self.push(tone, line);
        }
    }

    fn add_heading(&mut self, title: &str) {
        self.push(Tone::Plain, "");
        self.push(Tone::Heading, title);
    }

    /// Adds a table below a heading, unless it has no rows.
    fn add_table(&mut self, title: &str, columns: &[Column], rows: &[Vec<String>]) {
        if rows.is_empty() {
            return;
        }
        self.add_heading(title);
        let (shown, width) = (rows.get(..rows.len().min(MOST_ROWS)).unwrap_or_default(), self.style.width);
        for (number, line) in lay_out(columns, shown, width).iter().enumerate() {
            self.push(if number == 0 { Tone::Dim } else { Tone::Plain }, line);
        }
        if rows.len() > shown.len() {
            self.push(Tone::Dim, &format!("and {} more", rows.len() - shown.len()));
        }
    }

    fn add_findings(&mut self, snapshot: &Snapshot) {
        if snapshot.findings.is_empty() {
            let is_unjudged = snapshot
                .processes
                .iter()
                .any(|process| process.figures.requests > 0 && process.figures.busy.is_none());
            let text = match (snapshot.received, is_unjudged) {
                (0, _) => "Nothing has arrived yet.",
                (_, true) => {
                    "Nothing was found, but how busy the threads are is not known: most rules need that."
                }
                (_, false) => "Nothing was found.",
            };
            self.push_wrapped(Tone::Plain, text);
            return;
        }
        for finding in snapshot.findings.iter().take(MOST_ROWS) {
            let (rule, subject) = (finding.rule, clean(&finding.subject));
            self.push_wrapped(Tone::Alarm, &format!("{rule}: {subject}: {}", finding.message));
            self.push_wrapped(Tone::Plain, &format!("  What to do: {}", finding.advice));
        }
        if let Some(more) = snapshot.findings.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
            self.push(Tone::Dim, &format!("and {more} more"));
        }
        self.push_wrapped(Tone::Dim, "`wsgiaudit explain RULE` says how it is found, and more.");
    }

    fn add_totals(&mut self, snapshot: &Snapshot) {
        let serving = || snapshot.processes.iter().filter(|process| process.state == "serving");
        let throughput: f64 = serving().map(|process| process.figures.throughput).sum();
        let threads =
            serving().filter_map(|process| process.figures.threads).fold(0_u64, u64::saturating_add);
        let used: f64 = serving()
            .filter_map(|process| Some(process.figures.busy? * process.figures.threads? as f64))
            .sum();
        let cpu: f64 = serving().filter_map(|process| process.cpu).sum();
        let memory = serving().filter_map(|process| process.memory).fold(0_u64, u64::saturating_add);
        let mut answers = [0_u64; 5];
        for process in serving() {
            for (sum, count) in answers.iter_mut().zip(process.answers) {
                *sum = sum.saturating_add(count);
            }
        }
        let share = (threads > 0).then(|| used / threads as f64);
        self.push(Tone::Plain, "");
        self.push(
            Tone::Plain,
            &format!(
                "Throughput  {} requests/s   CPU {cpu:.2}   memory {}   processes {}",
                format_number(throughput),
                format_bytes(Some(memory)),
                serving().count()
            ),
        );
        let bar = self.draw_bar(share.unwrap_or(0.0));
        self.push(Tone::Plain, &format!("Capacity    {bar} {} of {threads} threads", format_share(share)));
        let shown = (1..).zip(answers).map(|(class, count)| format!("{class}xx {count}"));
        self.push(Tone::Plain, &format!("Responses   {}", shown.collect::<Vec<_>>().join("   ")));
        self.push(
            Tone::Dim,
            &format!(
                "Datagrams   {} received, {} missing, {} damaged{}",
                snapshot.received,
                snapshot.missing,
                snapshot.damaged,
                snapshot.last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default()
            ),
        );
    }

    fn draw_bar(&self, share: f64) -> String {
        let wide = (self.style.width / 4).clamp(10, 40);
        let filled = ((share.clamp(0.0, 1.0) * wide as f64).round() as usize).min(wide);
        let (full, empty) = if self.style.is_ascii { ("#", ".") } else { ("█", "░") };
        format!("{}{}", full.repeat(filled), empty.repeat(wide - filled))
    }

    fn add_processes(&mut self, processes: &[ProcessRow]) {
        const COLUMNS: [Column; 14] = [
            Column::figures("pid", 0),
            Column::text("state", 2),
            Column::figures("req/s", 0),
            Column::figures("busy", 0),
            Column::figures("CPU", 1),
            Column::figures("memory", 3),
            Column::figures("threads", 5),
            Column::figures("p50", 0),
            Column::figures("p95", 2),
            Column::figures("p99", 4),
            Column::figures("queue", 3),
            Column::figures("GIL wait", 1),
            Column::text("Python", 7),
            Column::text("group", 6),
        ];
        let row = |process: &ProcessRow| {
            let figures = &process.figures;
            vec![
                format_pid(process.pid),
                process.state.to_owned(),
                format_number(figures.throughput),
                format_share(figures.busy),
                process.cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.2}")),
                format_bytes(process.memory),
                format!(
                    "{}/{}",
                    process.threads_active.map_or_else(|| "-".to_owned(), |count| count.to_string()),
                    figures.threads.map_or_else(|| "-".to_owned(), |count| count.to_string())
                ),
                format_time(figures.response.p50),
                format_time(figures.response.p95),
                format_time(figures.response.p99),
                format_time(figures.queue.mean),
                format_time(figures.gil_wait.mean),
                clean(&process.python),
                clean(&process.group),
            ]
        };
        self.add_table("Processes", &COLUMNS, &processes.iter().map(row).collect::<Vec<_>>());
    }

    fn add_interpreters(&mut self, processes: &[ProcessRow]) {
        const COLUMNS: [Column; 9] = [
            Column::figures("pid", 1),
            Column::text("interpreter", 0),
            Column::figures("req/s", 0),
            Column::figures("busy", 0),
            Column::figures("app p50", 2),
            Column::figures("app p95", 3),
            Column::figures("GIL wait", 0),
            Column::figures("GIL p95", 2),
            Column::figures("switch", 4),
        ];
        let row = |pid: u32, name: &str, figures: &Figures| {
            vec![
                format_pid(pid),
                escape_and_truncate(name, 40),
                format_number(figures.throughput),
                format_share(figures.busy),
                format_time(figures.application.p50),
                format_time(figures.application.p95),
                format_time(figures.gil_wait.mean),
                format_time(figures.gil_wait.p95),
                format_time(figures.switch_interval),
            ]
        };
        let rows: Vec<Vec<String>> = processes
            .iter()
            .flat_map(|process| process.interpreters.iter().map(move |each| (process.pid, each)))
            .map(|(pid, each)| row(pid, &each.name, &each.figures))
            .collect();
        self.add_table("Interpreters", &COLUMNS, &rows);
    }

    fn add_workers(&mut self, processes: &[ProcessRow]) {
        const COLUMNS: [Column; 4] = [
            Column::figures("pid", 0),
            Column::figures("current", 1),
            Column::figures("longest", 2),
            Column::text("busy, a letter for each thread", 0),
        ];
        let longest = |workers: &[WorkerRow], time: fn(&WorkerRow) -> f64| {
            let longest = workers.iter().map(time).fold(0.0, f64::max);
            format_time((longest > 0.0).then_some(longest))
        };
        let rows: Vec<Vec<String>> = processes
            .iter()
            .filter(|process| !process.workers.is_empty())
            .map(|process| {
                let workers = &process.workers;
                let drawn = workers.iter().map(|worker| self.draw_level(worker.busy)).collect();
                let elapsed = longest(workers, |worker| worker.elapsed);
                vec![format_pid(process.pid), elapsed, longest(workers, |worker| worker.longest), drawn]
            })
            .collect();
        self.add_table("Threads", &COLUMNS, &rows);
    }

    fn draw_level(&self, share: f64) -> char {
        let levels: [char; 8] = match self.style.is_ascii {
            true => ['_', '.', ':', '-', '=', '+', '*', '#'],
            false => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        };
        let at = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
        levels.get(at).copied().unwrap_or(' ')
    }

    fn add_slow_requests(&mut self, snapshot: &Snapshot) {
        const COLUMNS: [Column; 8] = [
            Column::figures("pid", 1),
            Column::figures("took", 0),
            Column::text("status", 0),
            Column::figures("queue", 3),
            Column::figures("app", 2),
            Column::figures("GIL wait", 1),
            Column::text("method", 4),
            Column::text("path", 0),
        ];
        let rows: Vec<Vec<String>> = snapshot
            .slow_requests
            .iter()
            .map(|slow| {
                vec![
                    format_pid(slow.pid),
                    format_time(Some(slow.duration)),
                    if slow.is_complete { slow.status.to_string() } else { "running".to_owned() },
                    format_time(Some(slow.queue)),
                    format_time(Some(slow.application)),
                    format_time(Some(slow.gil_wait)),
                    clean(&slow.method),
                    clean(&slow.path),
                ]
            })
            .collect();
        self.add_table("Slow requests", &COLUMNS, &rows);
    }

    fn add_events(&mut self, snapshot: &Snapshot) {
        const COLUMNS: [Column; 7] = [
            Column::text("UTC", 1),
            Column::figures("pid", 0),
            Column::text("event", 0),
            Column::figures("uptime", 3),
            Column::figures("requests", 2),
            Column::figures("cut off", 4),
            Column::text("reason", 0),
        ];
        let count = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
        let rows: Vec<Vec<String>> = snapshot
            .events
            .iter()
            .map(|event| {
                vec![
                    format_clock(event.time),
                    format_pid(event.pid),
                    event.event.to_owned(),
                    event.uptime.map_or_else(String::new, |uptime| format_time(Some(uptime))),
                    count(event.requests),
                    count(event.cut_off),
                    clean(&event.reason),
                ]
            })
            .collect();
        self.add_table("Starts and ends", &COLUMNS, &rows);
    }
}

/// Text of a stranger, which must not control the terminal.
fn clean(text: &str) -> String {
    escape_and_truncate(text, MOST_LETTERS)
}

fn format_pid(pid: u32) -> String {
    if pid == 0 { "-".to_owned() } else { pid.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use textwrap::core::display_width;
    use wsgiaudit_probes_core::telemetry::datagram::{Datagram, Kind, field};

    use wsgiaudit_probes_core::figures::fleet::Fleet;

    use super::super::test_datagrams::{add_phase, request_datagram};
    use super::*;

    fn page(width: usize, is_ascii: bool) -> String {
        let mut fleet = Fleet::default();
        let mut waiting = request_datagram(4321, 1000, 0.9);
        add_phase(&mut waiting, 5, 0.0004, 0, 1000);
        waiting.add_text(field::INTERPRETER_NAME, "shop/1 \u{1b}[31m漢");
        let mut slow = Datagram::new(Kind::SlowRequest, 4321, 2, 0.0);
        slow.add_number(field::SLOW_DURATION, 2.5);
        slow.add_text(field::SLOW_METHOD, "GET");
        slow.add_text(field::SLOW_PATH, &"/long".repeat(100));
        let mut stopped = Datagram::new(Kind::ProcessStopped, 99, 2, 3_661.0);
        stopped.add_text(field::STOP_REASON, "maximum_requests");
        for datagram in [waiting, slow, stopped] {
            fleet.take_datagram(&datagram.encode(), Duration::ZERO);
        }
        let style = TextStyle { is_ascii, ..TextStyle::plain(width) };
        render_text(&compose_page(&Snapshot::of_fleet(&fleet), "unix:/run/a.sock", style))
    }

    #[test]
    fn a_page_fits_its_terminal() {
        for width in [20, 40, 60, 80, 120, 200] {
            for is_ascii in [true, false] {
                let text = page(width, is_ascii);
                assert!(text.lines().all(|line| display_width(line) <= width), "{width}:\n{text}");
                assert!(!is_ascii || text.is_ascii(), "{text}");
                assert!(!text.contains('\u{1b}'), "{text}");
            }
        }
    }

    #[test]
    fn a_page_says_what_was_found_and_shows_the_figures() {
        let text = page(120, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "wsgiaudit top  unix:/run/a.sock");
        assert!(lines[1].starts_with("saturated: process 4321: threads are busy 90 %"), "{text}");
        for part in [
            "gil-bound: process 4321, interpreter shop/1",
            "Throughput  1000 requests/s",
            "90 % of 2 threads",
            "2xx 1000",
            "Slow requests",
            "running",
            "maximum_requests",
            "01:01:01",
        ] {
            assert!(text.contains(part), "no {part}\n{text}");
        }
        let text = page(60, true);
        for part in ["4321", "1000", "90 %", "0.40 ms", "stopped"] {
            assert!(text.contains(part), "no {part}\n{text}");
        }
    }

    proptest! {
        #[test]
        fn no_datagram_breaks_the_page(
            changes in vec((any::<Index>(), any::<u8>()), 0..20),
            size in any::<Index>(),
            noise in vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = request_datagram(7, 100, 0.5).encode();
            for (at, byte) in changes {
                *at.get_mut(&mut bytes) = byte;
            }
            let mut fleet = Fleet::default();
            fleet.take_datagram(&bytes, Duration::ZERO);
            fleet.take_datagram(&bytes[..size.index(bytes.len())], Duration::ZERO);
            fleet.take_datagram(&[&bytes[..24], &noise].concat(), Duration::ZERO);
            fleet.pass_time(Duration::from_secs(5));
            let snapshot = Snapshot::of_fleet(&fleet);
            let text = render_text(&compose_page(&snapshot, "a", TextStyle::plain(80)));
            prop_assert!(text.lines().all(|line| display_width(line) <= 80));
            prop_assert!(serde_json::to_string(&snapshot).is_ok());
        }
    }

    #[test]
    fn every_finding_has_a_rule() {
        use wsgiaudit_probes_core::figures::finding_rule::FindingRule;
        for rule in FindingRule::ALL {
            let page = crate::model::Rule::find_by_id(rule.id()).unwrap_or_else(|| panic!("no {rule:?}"));
            assert!(!page.section("How it is found").is_empty(), "{rule:?}");
        }
    }

    #[test]
    fn without_processes_there_are_no_tables() {
        let snapshot = Snapshot::of_fleet(&Fleet::default());
        let text = render_text(&compose_page(&snapshot, "a", TextStyle::plain(80)));
        assert!(text.contains("Nothing has arrived yet.") && !text.contains("Processes\n"), "{text}");
    }
}
