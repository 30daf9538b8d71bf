//! TEMPORARY until branch `image` lands.
use crate::model::*;
use object::{Object, ObjectSymbol};
/// Temp.
pub fn inspect_file(path: &std::path::Path, stem: &str, _target: Option<Target>) -> Facts {
    let Ok(bytes) = std::fs::read(path) else { return Facts::undetermined("unreadable") };
    let Ok(file) = object::File::parse(&*bytes) else { return Facts::undetermined("not an object") };
    let want = format!("PyInit_{stem}");
    let mut facts = Facts::undetermined("stub");
    let has = file.dynamic_symbols().any(|s| s.name() == Ok(&want) && s.is_definition());
    if !has {
        facts.initialisation = Initialisation::None;
        return facts;
    }
    facts.init_function = Some(want);
    let imports = |n: &str| file.dynamic_symbols().any(|s| s.name() == Ok(n) && s.is_undefined());
    facts.initialisation = if imports("PyModuleDef_Init") {
        Initialisation::MultiPhase
    } else if imports("PyModule_Create2") {
        Initialisation::SinglePhase
    } else {
        Initialisation::Undetermined
    };
    facts
}
