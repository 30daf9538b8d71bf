//! Collects what a child left behind, and normalizes what varies between runs.

use std::path::Path;

use wsgiaudit_probes_core::protocol::{Exception, ProcessExit, ProtocolPhase, TrialEvent};

use super::attempt::Attempt;
use super::crash::read_crash;
use super::normalize::{self, RunInfo, normalize_text};
use super::record::{self, SplitRecord};
use crate::model::CrashLocation;

/// Maximum characters of an exception's text. The probe's limit (`observe.py`) is higher, since numbers of
/// different lengths would move the cut.
const MAX_TEXT_CHARACTERS: usize = 2000;

/// Maximum bytes kept of the output, and bytes read to find its last lines.
const MAX_OUTPUT_BYTES: usize = 4096;
const OUTPUT_BYTES_READ: u64 = 16 << 10;

/// Maximum bytes kept of a stack.
const MAX_STACK_BYTES: usize = 8192;

/// Reads a child's record and all files in its folder. `end` is how the child ended, if it has.
pub(super) fn collect_attempt(
    record: &[u8],
    folder: &Path,
    end: Option<ProcessExit>,
    run: &RunInfo,
) -> Attempt {
    let SplitRecord { events, touched, compiled } = record::split_record(record);
    let is_storm =
        events.iter().any(|event| event.phase().is_some_and(|(_, phase)| phase == ProtocolPhase::Storm));
    let events = events.into_iter().map(|event| normalize_event(event, run)).collect();
    let printed = normalize_text(run, &record::read_output(folder, OUTPUT_BYTES_READ));
    let printed = if is_storm { normalize::sort_unique_lines(&printed) } else { printed };
    let mut crash = read_crash(folder, end);
    if let Some(crash) = &mut crash {
        crash.site =
            crash.site.take().map(|site| CrashLocation { object: run.shown_object(site.object), ..site });
        // In a stress test, another thread may end the process while this one writes its stack. The
        // instruction that crashed is recorded before that.
        let stack = if is_storm { String::new() } else { normalize_text(run, &name_observer(&crash.stack)) };
        crash.stack = truncate_text(&stack, MAX_STACK_BYTES).to_owned();
    }
    Attempt {
        events,
        end,
        printed: normalize::last_lines(&printed, MAX_OUTPUT_BYTES),
        crash,
        touched,
        compiled,
    }
}

/// Gives the probes' own Python code its name in a stack: in a trial its file name is `<stdin>`, as for the program of the process.
fn name_observer(stack: &str) -> String {
    stack.replace("File \"<stdin>\", line ", "File \"<wsgiaudit>\", line ")
}

/// Normalizes the texts in an event.
fn normalize_event(event: TrialEvent, run: &RunInfo) -> TrialEvent {
    let all = |names: Vec<String>| names.iter().map(|name| normalize_text(run, name)).collect();
    if let TrialEvent::Failed { interpreter, name, error } = event {
        TrialEvent::Failed { interpreter, name, error: normalize_exception(error, run) }
    } else if let TrialEvent::Error { denied, error } = event {
        TrialEvent::Error {
            denied: denied.map(|what| normalize_text(run, &what)),
            error: normalize_exception(error, run),
        }
    } else if let TrialEvent::Uncaught(error) = event {
        TrialEvent::Uncaught(normalize_exception(error, run))
    } else if let TrialEvent::NativeThreads(names) = event {
        TrialEvent::NativeThreads(all(names))
    } else if let TrialEvent::ThreadsLeft(names) = event {
        TrialEvent::ThreadsLeft(all(names))
    } else {
        event
    }
}

/// Normalizes the text of an exception, and shortens it.
fn normalize_exception(error: Exception, run: &RunInfo) -> Exception {
    let text = normalize_text(run, &error.text);
    let end = text.char_indices().nth(MAX_TEXT_CHARACTERS).map_or(text.len(), |(end, _)| end);
    Exception { text: text[..end].to_owned(), ..error }
}

/// The first `most` bytes of a text, at most, cut between characters.
fn truncate_text(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
