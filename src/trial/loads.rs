//! The loads of a trial, put together from its record, each failed one with the load that it failed because of.

use std::collections::BTreeSet;
use std::path::Path;

use super::protocol::{Behind, Event, Exception};
use crate::image::Missing;
use crate::model::{Load, PythonError, Running};

/// Every load, in order. `in_control` names what the control could load: nothing else is missed here.
pub(super) fn loads(events: &[Event], in_control: &BTreeSet<String>) -> Vec<Load> {
    let mut loads: Vec<Load> = Vec::new();
    // What an init function has raised in the main interpreter, until the load that runs it has failed.
    let mut uncaught: Option<&Exception> = None;
    for event in events {
        match event {
            Event::Loading { interpreter, name, path, chain } => {
                let chain = whole_chain(&loads, interpreter, chain);
                loads.push(begun(interpreter, name, path, chain));
                uncaught = None;
            }
            Event::GilEnabled { interpreter, name } => {
                if let Some(load) = open(&mut loads, interpreter, name) {
                    load.enables_gil = true;
                }
            }
            Event::Declared { interpreter, name, definition } => {
                if let Some(load) = open(&mut loads, interpreter, name) {
                    let slots = definition.slots.clone();
                    load.declared = Some(Running { m_size: definition.m_size, slots });
                }
            }
            Event::Loaded { interpreter, name } => {
                if let Some(load) = open(&mut loads, interpreter, name) {
                    load.result = Some(Ok(()));
                }
            }
            Event::Uncaught(error) => uncaught = Some(error),
            Event::Failed { interpreter, name, error } => {
                let hidden = uncaught.take().filter(|_| error.text == RAISED_IN_MAIN);
                failed(&mut loads, in_control, (interpreter, name), hidden.unwrap_or(error));
            }
            Event::Step(..)
            | Event::Importing(_)
            | Event::Error { .. }
            | Event::Answered(_)
            | Event::Held { .. }
            | Event::Turn(_)
            | Event::Touched(_)
            | Event::Standard(_)
            | Event::LeftInMain(_)
            | Event::NativeThreads(_)
            | Event::DescriptorsLost(_)
            | Event::ThreadsLeft(_)
            | Event::Shared { .. }
            | Event::Kept { .. }
            | Event::Broken(_)
            | Event::Confined
            | Event::Done => {}
        }
    }
    loads
}

/// What CPython raises where an init function has raised in the main interpreter, which it runs for another one
/// (3.13, `Python/import.c`). It prints the exception itself.
const RAISED_IN_MAIN: &str = "failed to import from subinterpreter due to exception";

fn begun(interpreter: &str, name: &str, path: &str, chain: Vec<String>) -> Load {
    Load {
        interpreter: interpreter.to_owned(),
        name: name.to_owned(),
        path: path.to_owned(),
        chain,
        enables_gil: false,
        declared: None,
        behind: None,
        raised_in: None,
        result: None,
    }
}

/// The modules being imported. What the main interpreter imports in the middle of another one's load is part of that.
fn whole_chain(loads: &[Load], interpreter: &str, chain: &[String]) -> Vec<String> {
    let outer = loads.iter().rev().find(|load| load.result.is_none());
    let outer = outer.filter(|load| interpreter == "main" && load.interpreter != "main");
    let before = outer.into_iter().flat_map(|load| load.chain.iter().chain([&load.name]));
    before.chain(chain).cloned().collect()
}

/// The last load of this name.
fn open<'a>(loads: &'a mut [Load], interpreter: &str, name: &str) -> Option<&'a mut Load> {
    loads.iter_mut().rev().find(|load| load.interpreter == interpreter && load.name == name)
}

fn failed(
    loads: &mut [Load],
    in_control: &BTreeSet<String>,
    (interpreter, name): (&str, &str),
    error: &Exception,
) {
    let is_it = |load: &Load| load.interpreter == interpreter && load.name == name;
    let Some(place) = loads.iter().rposition(is_it) else { return };
    let (before, rest) = loads.split_at_mut(place);
    let Some((load, within)) = rest.split_first_mut() else { return };
    let missed = |other: &&Load| is_failure(other) && in_control.contains(&other.name);
    let behind = named(&error.behind, in_control)
        .or_else(|| owner(before.iter().filter(missed), &error.text))
        .or_else(|| mentioned(within.iter().filter(missed), &error.text));
    let chain = load.chain.iter().cloned().chain([name.to_owned()]).collect();
    let told = PythonError { chain, ..python_error(error) };
    load.behind = behind.filter(|other| other != name);
    load.raised_in = error.raised_in.clone().filter(|module| module != name);
    load.result = Some(Err(told));
}

/// The nearest failed load that an exception comes from: what the control could load, else one that the exception is
/// or was raised from. That something was tried before, which the control cannot load either, says nothing.
pub(super) fn named(behind: &[Behind], in_control: &BTreeSet<String>) -> Option<String> {
    let is_missed = |each: &&Behind| in_control.contains(&each.name);
    let nearest = behind.iter().find(is_missed).or_else(|| behind.iter().find(|each| !each.is_handled));
    nearest.map(|each| each.name.clone())
}

/// The load, failed before, of the package that has what the loader misses.
fn owner<'l>(failed: impl Iterator<Item = &'l Load>, message: &str) -> Option<String> {
    let missing = Missing::read(message)?;
    let top = |load: &Load| load.name.split('.').next().unwrap_or_default().to_owned();
    let mut failed = failed.collect::<Vec<_>>().into_iter().rev();
    failed.find(|load| missing.is_brought_by(Path::new(&load.path), &top(load))).map(|load| load.name.clone())
}

/// The failed load, in the middle of this one, that failed with the same words, or whose package the message names: C code
/// has dropped its exception and raised its own (`import_array` of numpy does).
fn mentioned<'l>(mut failed: impl Iterator<Item = &'l Load>, message: &str) -> Option<String> {
    let is_word = |top: &str| {
        let mut words = message.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.any(|word| word == top)
    };
    let says_the_same = |load: &Load| matches!(&load.result, Some(Err(error)) if !message.is_empty() && error.text == message);
    failed
        .find(|load| says_the_same(load) || load.name.split('.').next().is_some_and(is_word))
        .map(|load| load.name.clone())
}

fn is_failure(load: &Load) -> bool {
    matches!(load.result, Some(Err(_)))
}

pub(super) fn python_error(exception: &Exception) -> PythonError {
    PythonError { kind: exception.kind.clone(), text: exception.text.clone(), chain: exception.chain.clone() }
}
