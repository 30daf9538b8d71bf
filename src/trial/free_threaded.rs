//! The trials of a free-threaded build with the GIL forced off, as mod_wsgi does under `WSGIFreeThreading On`,
//! and, with the GIL as CPython decides, which modules switch it on: CPython says so for the first one in a
//! process only, so each is created in a process of its own.

use std::collections::BTreeSet;

use super::control::trial_in;
use super::desk::Desk;
use super::protocol::{Event, Interpreters};
use super::read::read;
use super::schedule::{Listener, Subject, Trials, Trying, groups, in_parallel, in_sub_interpreters};
use crate::model::{Mode, NotRun, Outcome, Place, ReasonId, Trial};

/// What mod_wsgi sets `enable_gil` to under `WSGIFreeThreading On`.
const GIL_OFF: &[&str] = &["-X", "gil=0"];

/// The same build as if it had a GIL.
const GIL_ON: &[&str] = &["-X", "gil=1"];

/// Tries every subject; `control` has the answers of this build's main interpreter.
pub fn run_free_threaded(
    trying: &Trying<'_>,
    subjects: &[Subject],
    control: &Trials,
    listener: &dyn Listener,
) -> Trials {
    let files: Vec<&Subject> = subjects.iter().filter(|subject| subject.file.is_some()).collect();
    listener.wanted_too(2 * subjects.len() + files.len());
    let mut trials = in_parallel(trying, &[], &files, |desk, subject| {
        listener.begins(&subject.name, Mode::Main);
        let found = enables_gil(desk, subject, control);
        listener.answered(1);
        found
    });
    let off = Trying { options: GIL_OFF, ..*trying };
    let groups = groups(subjects.iter());
    let wanted = [Interpreters::Storm, Interpreters::FreeThreadedGroup].map(|place| (place, groups.clone()));
    trials.extend(Trials::of_all(in_sub_interpreters(&off, wanted, control, listener)));
    let refusing = needs_gil(&Trying { options: GIL_ON, ..*trying }, subjects, control);
    trials.extend(refusing);
    let failed: Vec<&Trial> = trials.of(Mode::FreeThreaded).filter(|trial| is_failure(trial)).collect();
    let placed = by_one_thread(&off, &failed);
    trials.extend(placed);
    let only_by_several: Vec<&Trial> =
        trials.of(Mode::FreeThreaded).filter(|trial| is_of_several(trial)).collect();
    let told_apart = with_gil(&Trying { options: GIL_ON, ..*trying }, &only_by_several);
    trials.extend(told_apart);
    trials
}

/// What this build's control cannot import, and can with the GIL on: how it fails is how it fails without.
fn needs_gil(on: &Trying<'_>, subjects: &[Subject], control: &Trials) -> Trials {
    let in_control =
        |subject: &Subject| control.get(&subject.name, Mode::Main).filter(|trial| is_failure(trial));
    let failing: Vec<_> =
        subjects.iter().filter_map(|subject| Some((subject, in_control(subject)?))).collect();
    in_parallel(on, &[], &failing, |desk, (subject, failure)| {
        let imported = super::control::imports(desk, subject, None);
        let fails = imported.map(|_| Trial { mode: Mode::FreeThreaded, ..(*failure).clone() });
        fails.into_iter().collect()
    })
}

fn is_failure(trial: &Trial) -> bool {
    match trial.outcome {
        Outcome::Refused { .. }
        | Outcome::Raised { .. }
        | Outcome::Crashed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::LosesDescriptors { .. }
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. } => true,
        Outcome::Imported | Outcome::NotRun(_) => false,
    }
}

fn is_of_several(trial: &Trial) -> bool {
    match trial.outcome {
        Outcome::Refused { place, .. }
        | Outcome::Raised { place, .. }
        | Outcome::Crashed { place, .. }
        | Outcome::LosesDescriptors { place, .. }
        | Outcome::TimedOut { place, .. } => place == Place::Storm,
        Outcome::Imported | Outcome::LeftThreads { .. } | Outcome::Shares { .. } | Outcome::NotRun(_) => {
            false
        }
    }
}

/// Creates one module alone. What the control has seen of it counts where this gives no answer.
fn enables_gil(desk: &mut Desk<'_>, subject: &Subject, control: &Trials) -> Trials {
    let mut found = Trials::default();
    let in_control = control.of(Mode::Main).flat_map(|trial| trial.loads.iter());
    if in_control.into_iter().any(|load| load.name == subject.name && load.enables_gil) {
        found.add_enables_gil(&subject.name, true);
        return found;
    }
    let Ok(attempt) = desk.attempt(Interpreters::Created, &[], &subject.name) else { return found };
    let events = &attempt.evidence.events;
    let switched: Vec<&String> = events
        .iter()
        .filter_map(|event| if let Event::GilEnabled { name, .. } = event { Some(name) } else { None })
        .collect();
    let is_created = events.last() == Some(&Event::Done)
        && events.iter().any(|event| matches!(event, Event::Loading { name, .. } if *name == subject.name))
        && !events.iter().any(|event| matches!(event, Event::Failed { .. }));
    match switched.as_slice() {
        [] if is_created => found.add_enables_gil(&subject.name, false),
        [name] if **name == subject.name => found.add_enables_gil(&subject.name, true),
        // It loads others while it is created, and one of them did it; or it was not created.
        _ => {}
    }
    found
}

/// Tries again, in one thread, what failed when several imported and used it at the same time: what passes then
/// fails because of the others, and what does not is evidence that no other thread has blurred.
fn by_one_thread(off: &Trying<'_>, failed: &[&Trial]) -> Trials {
    in_parallel(off, &[], failed, |desk, storm| {
        let Some(alone) = again(desk, Interpreters::Main, storm) else { return Trials::default() };
        let trial = match alone.outcome {
            Outcome::Imported => {
                Trial { outcome: at_the_same_time(storm.outcome.clone()), ..(**storm).clone() }
            }
            Outcome::Refused { .. }
            | Outcome::Raised { .. }
            | Outcome::Crashed { .. }
            | Outcome::TimedOut { .. }
            | Outcome::LosesDescriptors { .. }
            | Outcome::LeftThreads { .. }
            | Outcome::Shares { .. }
            | Outcome::NotRun(_) => alone,
        };
        [trial].into_iter().collect()
    })
}

/// What several threads cannot do at the same time with the GIL on either says nothing about free threading.
fn with_gil(on: &Trying<'_>, storms: &[&Trial]) -> Trials {
    in_parallel(on, &[], storms, |desk, storm| {
        let same = again(desk, Interpreters::Storm, storm);
        let fails_too = same.filter(is_failure).map(|same| Trial {
            outcome: Outcome::NotRun(NotRun::Because(
                ReasonId::FailsWithGil,
                "fails when threads import and use it at the same time, with the GIL on too".to_owned(),
            )),
            ..same
        });
        fails_too.into_iter().collect()
    })
}

fn again(desk: &mut Desk<'_>, place: Interpreters, storm: &Trial) -> Option<Trial> {
    let subject = Subject::name(storm.subject.clone());
    let attempt = desk.attempt(place, storm.after.as_deref().as_slice(), &subject.name).ok()?;
    let in_control: BTreeSet<String> = storm.loads.iter().map(|load| load.name.clone()).collect();
    let reading = read(Mode::FreeThreaded, &attempt.evidence, &in_control);
    let trial = trial_in(Mode::FreeThreaded, &subject, reading, attempt.left);
    Some(Trial { after: storm.after.clone(), ..trial })
}

fn at_the_same_time(outcome: Outcome) -> Outcome {
    let place = Place::Storm;
    match outcome {
        Outcome::Refused { by, module, error, .. } => Outcome::Refused { by, module, place, error },
        Outcome::Raised { error, suspect, .. } => Outcome::Raised { place, error, suspect },
        Outcome::Crashed { how, loading, .. } => Outcome::Crashed { how, place, loading },
        Outcome::TimedOut { loading, .. } => Outcome::TimedOut { place, loading },
        Outcome::LosesDescriptors { loading, .. } => Outcome::LosesDescriptors { place, loading },
        other @ (Outcome::Imported
        | Outcome::LeftThreads { .. }
        | Outcome::Shares { .. }
        | Outcome::NotRun(_)) => other,
    }
}
