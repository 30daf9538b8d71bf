//! What matters in a file beside its declaration, each with what shows it.

use std::collections::BTreeSet;

use super::memory::Image;
use super::static_types::readied;
use crate::model::{Declared, Facts, Hazard, HazardKind, Initialisation};

/// Zero-filled memory that every linker makes: `completed.0` of the compiler's start-up code, aligned.
const LINKERS_OWN: u64 = 64;
/// So many names in one line of evidence.
const MOST_NAMES: usize = 4;

/// All hazards of a module, sorted. `facts` is what it declares. No hazard is no proof that there is none.
pub(super) fn hazards(image: &Image, facts: &Facts) -> Vec<Hazard> {
    let found = [
        (HazardKind::GilStateApi, gil_state(image)),
        (HazardKind::StaticType, static_types(image)),
        (HazardKind::StateFindModule, find_module(image)),
        (HazardKind::GlobalState, global_state(facts)),
        (HazardKind::OwnInterpreterGuard, own_guard(image, facts)),
        (HazardKind::WritableGlobals, writable_globals(image, facts)),
    ];
    let found = found.into_iter().filter_map(|(kind, evidence)| Some(Hazard { kind, evidence: evidence? }));
    let mut found: Vec<_> = found.collect();
    found.sort();
    found
}

fn listed(names: &BTreeSet<String>) -> String {
    let shown = names.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// These functions know one interpreter a thread, the main one (`Doc/c-api/init.rst`, PEP 788).
fn gil_state(image: &Image) -> Option<String> {
    let names = image.imports.iter().filter(|import| import.name.starts_with("PyGILState_"));
    let names: BTreeSet<String> = names.map(|import| import.name.clone()).collect();
    (!names.is_empty()).then(|| format!("imports {}", listed(&names)))
}

fn static_types(image: &Image) -> Option<String> {
    let names = readied(image);
    (!names.is_empty()).then(|| format!("calls PyType_Ready on static types: {}", listed(&names)))
}

fn find_module(image: &Image) -> Option<String> {
    image.imports("PyState_FindModule").then(|| "imports PyState_FindModule".to_owned())
}

fn global_state(facts: &Facts) -> Option<String> {
    (facts.m_size == Some(-1)).then(|| "m_size is -1".to_owned())
}

/// Only a declaration that was decided can lack slot 3 = 2.
fn own_guard(image: &Image, facts: &Facts) -> Option<String> {
    let lacks = match (facts.initialisation, facts.multiple_interpreters()) {
        (Initialisation::None | Initialisation::Undetermined, _) | (_, Declared::Undetermined) => false,
        (_, Declared::Absent) => true,
        (_, Declared::Value(value)) => value != 2,
    };
    (lacks && image.imports("PyInterpreterState_GetID")).then(|| {
        "imports PyInterpreterState_GetID without slot 3 = 2: nearly all such modules refuse every second \
         interpreter by themselves, mod_wsgi's ordinary sub-interpreters too"
            .to_owned()
    })
}

/// Memory that starts as zeroes holds no tables: what is there is written at run time, by all interpreters.
fn writable_globals(image: &Image, facts: &Facts) -> Option<String> {
    if facts.multiple_interpreters() != Declared::Value(2) {
        return None;
    }
    let segments = image.segments.iter().filter(|segment| segment.writable);
    let size: u64 = segments.map(|segment| segment.size.saturating_sub(segment.file_size)).sum();
    (size > LINKERS_OWN).then(|| {
        format!("declares slot 3 = 2 and has {size} bytes of zero-filled writable memory (a hint, no proof)")
    })
}
