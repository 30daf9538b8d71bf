//! From a file's bytes to its [`Facts`].

use std::collections::BTreeSet;
use std::rc::Rc;

use super::eval::{Convention, Ending, Evaluator, State};
use super::hazards::hazards;
use super::library::Library;
use super::memory::Image;
use super::moduledef::{Definition, definition, exported};
use super::references::Scanned;
use super::safety::{Safety, check};
use super::source::Source;
use super::world::{World, load};
use crate::model::{Doubt, Facts, Initialisation, Target};

/// Reads what the extension module in `source` declares. `stem` is the last part of its dotted name, which
/// names the init function; `target` decides tests of `Py_Version`.
pub fn inspect(source: Rc<dyn Source>, stem: &str, target: Option<Target>, library: &dyn Library) -> Facts {
    let image = match load(source) {
        Ok(image) => image,
        Err(reason) => return Facts::undetermined(reason),
    };
    let entry = Entry::of(&image, stem, target);
    let world = World::new(image, library);
    let mut facts = match entry {
        Some(entry) => {
            let facts = entry.facts(&world, target);
            Facts { hazards: hazards(&world.root(), &facts), ..facts }
        }
        None => Facts {
            init_function: None,
            initialisation: Initialisation::None,
            m_size: None,
            slots: None,
            hazards: Vec::new(),
            doubts: Vec::new(),
        },
    };
    facts.doubts.sort();
    facts.doubts.dedup();
    facts
}

/// Memory that turns out not to be reliable is taken as unknown, and all is done again.
const MOST_RUNS: usize = 6;

/// The function that the import system calls.
struct Entry {
    name: String,
    address: u64,
    /// `PyModExport_`, which returns slots.
    export: bool,
}

/// What one path comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Single(Option<i64>),
    Multi(Definition),
    Export(Definition),
    Untold(String),
}

impl Entry {
    /// `PyModExport_` wins over `PyInit_` since 3.15 (PEP 793); non-ASCII names are in punycode (PEP 489).
    fn of(image: &Image, stem: &str, target: Option<Target>) -> Option<Self> {
        let (infix, stem) = if stem.is_ascii() {
            ("_", stem.to_owned())
        } else {
            ("U_", super::punycode::encode(stem)?.replace('-', "_"))
        };
        let find = |prefix: &str, export| {
            let name = format!("{prefix}{infix}{stem}");
            image.export(&name).map(|address| Self { name, address, export })
        };
        let exports = target.is_none_or(|target| target.version >= (3, 15));
        exports.then(|| find("PyModExport", true)).flatten().or_else(|| find("PyInit", false))
    }

    fn facts(&self, world: &World<'_>, target: Option<Target>) -> Facts {
        let (mut distrusted, mut scanned) = (BTreeSet::new(), Scanned::default());
        for _ in 0..MOST_RUNS {
            let image = world.root();
            let evaluator = Evaluator::new(world, Convention::of(image.kind), target, distrusted.clone());
            if world.single_phase_only() && !self.export {
                evaluator.relax();
            }
            let state = evaluator.constructed(&image.constructors);
            let found = match evaluator.endings(self.address, state) {
                Ok(endings) => self.agree(&evaluator, &endings),
                Err(_) => Found::Untold("the init function was not followed to its end".to_owned()),
            };
            match check(&evaluator, &found, &mut scanned) {
                Safety::Safe => return self.summary(world, found),
                Safety::Unsafe(reason) => return self.summary(world, Found::Untold(reason)),
                Safety::Depends(words) => distrusted.extend(words),
            }
        }
        self.summary(world, Found::Untold("it depends on memory that other code may change".to_owned()))
    }

    /// All paths that return something must return the same.
    fn agree(&self, evaluator: &Evaluator<'_>, endings: &[(Ending, State)]) -> Found {
        let mut found: Option<Found> = None;
        for (ending, state) in endings {
            let next = self.found(evaluator, ending, state);
            match (&found, next) {
                (_, next @ Found::Untold(_)) => return next,
                (None, next) => found = Some(next),
                (Some(before), next) if *before == next => {}
                (Some(_), _) => {
                    let deciders = endings.iter().flat_map(|(_, state)| evaluator.deciders(state));
                    let deciders: BTreeSet<String> = deciders.collect();
                    let deciders: Vec<String> = deciders.into_iter().collect();
                    return Found::Untold(format!("it depends on the result of {}", deciders.join(", ")));
                }
            }
        }
        found.unwrap_or_else(|| Found::Untold("no path of the init function returns a module".to_owned()))
    }

    fn found(&self, evaluator: &Evaluator<'_>, ending: &Ending, state: &State) -> Found {
        match ending {
            Ending::Module(size) => Found::Single(*size),
            Ending::Address(address) if self.export => {
                exported(evaluator, state, *address).map_or_else(Found::Untold, Found::Export)
            }
            Ending::Address(address) if self.escaped(evaluator, state, *address) => {
                Found::Untold("its definition or slots are handed to code that is not followed".to_owned())
            }
            Ending::Address(_) if state.astray => {
                Found::Untold("it writes to a place that the file does not tell".to_owned())
            }
            Ending::Address(address) if state.definitions.contains(address) => {
                definition(evaluator, state, *address).map_or_else(Found::Untold, Found::Multi)
            }
            Ending::Address(_) => {
                Found::Untold("it returns what is neither a module nor a definition".to_owned())
            }
            Ending::Untold(Some(function)) => Found::Untold(format!("it returns the result of {function}")),
            Ending::Untold(None) => Found::Untold("what it returns was lost on the way".to_owned()),
        }
    }

    /// Whether the definition or its slots were given away before the function returned.
    fn escaped(&self, evaluator: &Evaluator<'_>, state: &State, address: u64) -> bool {
        let read = if self.export { exported } else { definition };
        let Ok(read) = read(evaluator, state, address) else { return false };
        let definition = read.places.definition.clone();
        let slots = read.places.slots.iter().map(|start| *start..start + 16);
        slots.chain(definition).any(|range| state.escaped.iter().any(|given| range.contains(given)))
    }

    /// The import tables alone tell the kind where only one of the two functions is imported, by the module
    /// or by the library that it hands over to (mypyc's groups).
    fn summary(&self, world: &World<'_>, found: Found) -> Facts {
        let (multi, single) = (world.imported("PyModuleDef_Init"), world.imported("PyModule_Create2"));
        let by_imports = match (self.export, multi, single) {
            (true, _, _) => Initialisation::ModExport,
            (false, true, false) => Initialisation::MultiPhase,
            (false, false, true) => Initialisation::SinglePhase,
            (false, true, true) | (false, false, false) => Initialisation::Undetermined,
        };
        let (initialisation, m_size, slots, doubt) = match found {
            Found::Single(size) => (Initialisation::SinglePhase, size, Some(Vec::new()), None),
            Found::Multi(read) => (Initialisation::MultiPhase, Some(read.m_size), Some(read.slots), None),
            Found::Export(read) => (Initialisation::ModExport, Some(read.m_size), Some(read.slots), None),
            Found::Untold(_) if by_imports == Initialisation::SinglePhase => {
                (by_imports, None, Some(Vec::new()), None)
            }
            Found::Untold(doubt) => (by_imports, None, None, Some(Doubt(doubt))),
        };
        Facts {
            init_function: Some(self.name.clone()),
            initialisation,
            m_size,
            slots,
            hazards: Vec::new(),
            doubts: doubt.into_iter().collect(),
        }
    }
}
