//! What a child left behind, without what differs in each run.

use std::path::Path;

use super::crash::crash;
use super::protocol::{End, Event, Exception, Step};
use super::read::Evidence;
use super::record;
use super::varying::{self, Run};
use super::worker::{Attempt, Left};

/// Characters of an exception's text that are kept. The probe cuts it later (`observe.py`): numbers of another length would
/// move the end.
const TEXT: usize = 2000;

/// Bytes of what was printed that are kept, and of what is read to find them.
const PRINTED: usize = 4096;
const PRINTED_READ: u64 = 16 << 10;

/// Bytes of a stack that are kept.
const STACK: usize = 8192;

/// Everything in a child's folder. `end` is how it ended, where it has.
pub(super) fn collect(folder: &Path, end: Option<End>, run: &Run) -> Attempt {
    let (events, touched) = record::events(folder);
    let is_storm = events.iter().any(|event| matches!(event, Event::Step(_, Step::Storm)));
    let events = events.into_iter().map(|event| told(event, run)).collect();
    let printed = run.hide(&record::printed(folder, PRINTED_READ));
    let printed = if is_storm { varying::in_storm(&printed) } else { printed };
    let mut crash = crash(folder, end);
    if let Some(crash) = &mut crash {
        // Where threads crash at about the same time, another one may end the process while this one writes its stack. The
        // instruction that crashed is recorded before.
        let stack = if is_storm { String::new() } else { run.hide(&crash.stack) };
        crash.stack = first(&stack, STACK).to_owned();
    }
    let left = Left { printed: varying::end(&printed, PRINTED), crash };
    Attempt { evidence: Evidence { events, end }, left, touched }
}

/// What an event tells.
fn told(event: Event, run: &Run) -> Event {
    let all = |names: Vec<String>| names.iter().map(|name| run.hide(name)).collect();
    if let Event::Failed { interpreter, name, error } = event {
        Event::Failed { interpreter, name, error: exception(error, run) }
    } else if let Event::Error { denied, error } = event {
        Event::Error { denied: denied.map(|what| run.hide(&what)), error: exception(error, run) }
    } else if let Event::Uncaught(error) = event {
        Event::Uncaught(exception(error, run))
    } else if let Event::NativeThreads(names) = event {
        Event::NativeThreads(all(names))
    } else if let Event::ThreadsLeft(names) = event {
        Event::ThreadsLeft(all(names))
    } else {
        event
    }
}

fn exception(error: Exception, run: &Run) -> Exception {
    let text = run.hide(&error.text);
    let end = text.char_indices().nth(TEXT).map_or(text.len(), |(end, _)| end);
    Exception { text: text[..end].to_owned(), ..error }
}

fn first(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
