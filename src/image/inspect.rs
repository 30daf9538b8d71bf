//! Evaluates the init function of a shared object and builds the module's [`BinaryFacts`].

use std::collections::BTreeSet;
use std::rc::Rc;

use super::address_space::AddressSpace;
use super::byte_source::ByteSource;
use super::dependency_resolver::DependencyResolver;
use super::eval::{CallingConvention, Ending, Evaluation, MachineState, PathInterpreter};
use super::file_names::init_function_suffix;
use super::hazards::find_hazards;
use super::load_image::load_image;
use super::memory::Image;
use super::module_definition::{ModuleDefinition, read_definition, read_exported_slots};
use super::references::ScanCache;
use super::safety::{Safety, check_safety};
use crate::model::{BinaryFacts, Doubt, InitKind, TargetPython};

/// Determines what the extension module in `source` declares.
///
/// `stem` is the last part of the module's dotted name, which names the init function. `target` is the Python
/// that decides tests of `Py_Version`. `resolver` finds the other shared objects that the module depends on.
pub fn inspect_source(
    source: Rc<dyn ByteSource>,
    stem: &str,
    target: Option<TargetPython>,
    resolver: &dyn DependencyResolver,
) -> BinaryFacts {
    let image = match load_image(source) {
        Ok(image) => image,
        Err(reason) => return BinaryFacts::undetermined(reason),
    };
    let entry = InitFunction::find(&image, stem, target);
    let space = AddressSpace::new(image, resolver);
    let mut facts = match entry {
        Some(entry) => {
            let facts = entry.determine_facts(&space, target);
            BinaryFacts { hazards: find_hazards(&space.root_image(), &facts), ..facts }
        }
        None => match InitFunction::find_in_libraries(&space, stem, target) {
            Some(name) => {
                let doubt = format!("{name} is in a library that it needs");
                BinaryFacts { init_function: Some(name), ..BinaryFacts::undetermined(doubt) }
            }
            None => BinaryFacts {
                init_function: None,
                initialisation: InitKind::None,
                m_size: None,
                slots: None,
                hazards: Vec::new(),
                doubts: Vec::new(),
            },
        },
    };
    facts.doubts.sort();
    facts.doubts.dedup();
    facts
}

/// Limit of evaluations. Memory that other code may change is treated as unknown, and the evaluation is
/// repeated.
const MAX_RUNS: usize = 6;

/// The function that the import system calls to create the module.
struct InitFunction {
    name: String,
    address: u64,
    /// Whether it is `PyModExport_x`, which returns slots, rather than `PyInit_x`.
    export: bool,
}

/// What one path through the init function returns.
#[derive(Clone, Debug, PartialEq, Eq)]
enum InitResult {
    Single(Option<i64>),
    Multi(ModuleDefinition),
    Export(ModuleDefinition),
    Untold(String),
}

/// The names of the init function for which CPython looks, in this order, and whether each returns slots.
fn init_function_names(stem: &str, target: Option<TargetPython>) -> Vec<(String, bool)> {
    let exports = target.is_none_or(|target| target.version >= (3, 15));
    let prefixes =
        [("PyModExport", true), ("PyInit", false)].into_iter().filter(|(_, export)| exports || !export);
    let suffix = init_function_suffix(stem);
    prefixes.filter_map(|(prefix, export)| Some((format!("{prefix}{}", suffix.as_ref()?), export))).collect()
}

impl InitFunction {
    /// Finds the exported init function. Since 3.15 `PyModExport_x` takes precedence over `PyInit_x` (PEP
    /// 793).
    fn find(image: &Image, stem: &str, target: Option<TargetPython>) -> Option<Self> {
        init_function_names(stem, target)
            .into_iter()
            .find_map(|(name, export)| image.find_export(&name).map(|address| Self { name, address, export }))
    }

    /// The name of the init function if a library has it that the file needs: `dlsym` searches these too.
    fn find_in_libraries(
        space: &AddressSpace<'_>,
        stem: &str,
        target: Option<TargetPython>,
    ) -> Option<String> {
        let mut names = init_function_names(stem, target).into_iter();
        names.find_map(|(name, _)| space.is_in_libraries(&name).then_some(name))
    }

    fn determine_facts(&self, space: &AddressSpace<'_>, target: Option<TargetPython>) -> BinaryFacts {
        let (mut distrusted, mut scan_cache) = (BTreeSet::new(), ScanCache::default());
        for _ in 0..MAX_RUNS {
            let image = space.root_image();
            let evaluation =
                Evaluation::new(space, CallingConvention::for_kind(image.kind), target, distrusted.clone());
            if space.is_single_phase_only() && !self.export {
                evaluation.limit_effort();
            }
            let paths = PathInterpreter::new(&evaluation);
            let state = paths.run_constructors(&image.constructors);
            let found = match paths.find_endings(self.address, state) {
                Ok(endings) => self.merge_paths(&evaluation, &endings),
                Err(_) => InitResult::Untold("the init function is too complex to be evaluated".to_owned()),
            };
            let addresses = match &found {
                InitResult::Multi(read) | InitResult::Export(read) => &read.addresses,
                InitResult::Single(_) | InitResult::Untold(_) => return self.build_facts(space, found),
            };
            match check_safety(&evaluation, addresses, &mut scan_cache) {
                Safety::Safe => return self.build_facts(space, found),
                Safety::Unsafe(reason) => return self.build_facts(space, InitResult::Untold(reason)),
                Safety::Depends(words) => distrusted.extend(words),
            }
        }
        self.build_facts(
            space,
            InitResult::Untold("it depends on memory that other code may change".to_owned()),
        )
    }

    /// Combines the results of all paths: every path that returns a module must return the same one.
    fn merge_paths(&self, evaluation: &Evaluation<'_>, endings: &[(Ending, MachineState)]) -> InitResult {
        let mut found: Option<InitResult> = None;
        for (ending, state) in endings {
            let next = self.classify_path(evaluation, ending, state);
            match (&found, next) {
                (_, next @ InitResult::Untold(_)) => return next,
                (None, next) => found = Some(next),
                (Some(before), next) if *before == next => {}
                (Some(_), _) => {
                    let deciders = endings.iter().flat_map(|(_, state)| evaluation.list_deciders(state));
                    let deciders: BTreeSet<String> = deciders.collect();
                    let deciders: Vec<String> = deciders.into_iter().collect();
                    return InitResult::Untold(format!("it depends on {}", deciders.join(", ")));
                }
            }
        }
        found
            .unwrap_or_else(|| InitResult::Untold("no path of the init function returns a module".to_owned()))
    }

    fn classify_path(
        &self,
        evaluation: &Evaluation<'_>,
        ending: &Ending,
        state: &MachineState,
    ) -> InitResult {
        match ending {
            Ending::Module(size) => InitResult::Single(*size),
            Ending::Address(address) if self.export => read_exported_slots(evaluation, state, *address)
                .map_or_else(InitResult::Untold, InitResult::Export),
            Ending::Address(address) if self.has_escaped(evaluation, state, *address) => InitResult::Untold(
                "its definition or slots are passed to code that was not analyzed".to_owned(),
            ),
            Ending::Address(_) if state.wrote_to_unknown => {
                InitResult::Untold("it writes to an address that could not be determined".to_owned())
            }
            Ending::Address(address) if state.definitions.contains(address) => {
                read_definition(evaluation, state, *address)
                    .map_or_else(InitResult::Untold, InitResult::Multi)
            }
            Ending::Address(_) => {
                InitResult::Untold("it returns neither a module nor a module definition".to_owned())
            }
            Ending::Untold(Some(function)) => {
                InitResult::Untold(format!("it returns the result of {function}"))
            }
            Ending::Untold(None) => InitResult::Untold("its return value could not be determined".to_owned()),
        }
    }

    /// Whether the definition or its slots were passed to code that was not interpreted.
    fn has_escaped(&self, evaluation: &Evaluation<'_>, state: &MachineState, address: u64) -> bool {
        let read = if self.export { read_exported_slots } else { read_definition };
        let Ok(read) = read(evaluation, state, address) else { return false };
        let definition = read.addresses.definition.clone();
        let slots = read.addresses.slots.iter().map(|start| *start..start + 16);
        slots.chain(definition).any(|range| state.escaped.iter().any(|given| range.contains(given)))
    }

    /// Builds the facts from the result.
    ///
    /// If evaluation failed, the import tables still determine the kind of initialization when only one of
    /// the two C API functions is imported, by the module or by the library that it delegates to (mypyc's
    /// groups).
    fn build_facts(&self, space: &AddressSpace<'_>, found: InitResult) -> BinaryFacts {
        let (multi, single) =
            (space.imports_symbol("PyModuleDef_Init"), space.imports_symbol("PyModule_Create2"));
        let by_imports = match (self.export, multi, single) {
            (true, _, _) => InitKind::ModExport,
            (false, true, false) => InitKind::MultiPhase,
            (false, false, true) => InitKind::SinglePhase,
            (false, true, true) | (false, false, false) => InitKind::Undetermined,
        };
        let (initialisation, m_size, slots, doubt) = match found {
            InitResult::Single(size) => (InitKind::SinglePhase, size, Some(Vec::new()), None),
            InitResult::Multi(read) => (InitKind::MultiPhase, Some(read.m_size), Some(read.slots), None),
            InitResult::Export(read) => (InitKind::ModExport, Some(read.m_size), Some(read.slots), None),
            InitResult::Untold(_) if by_imports == InitKind::SinglePhase => {
                (by_imports, None, Some(Vec::new()), None)
            }
            InitResult::Untold(doubt) => (by_imports, None, None, Some(Doubt(doubt))),
        };
        BinaryFacts {
            init_function: Some(self.name.clone()),
            initialisation,
            m_size,
            slots,
            hazards: Vec::new(),
            doubts: doubt.into_iter().collect(),
        }
    }
}
