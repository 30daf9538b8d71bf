//! Describes objects that two interpreters share, or that C code retains, and names the module at fault.

use std::path::Path;

use wsgiaudit_probes_core::protocol::{RetainedObject, SharedPyObject};

use crate::image::symbol_at_address;
use crate::model::{ModuleLoad, SharedPythonObject};

/// Describes an object that two interpreters share.
///
/// Its module is the one whose file contains it, else the one whose name its path begins with.
pub(super) fn to_shared_object(object: &SharedPyObject, loads: &[ModuleLoad]) -> SharedPythonObject {
    let leads = |way: &str, name: &str| {
        way.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ', '[']))
    };
    let by_file = loads.iter().find(|load| Some(&load.path) == object.file.as_ref());
    let by_name =
        || loads.iter().filter(|load| leads(&object.second, &load.name)).max_by_key(|load| load.name.len());
    SharedPythonObject {
        kind: object.kind.clone(),
        is_type: object.is_type,
        is_static: object.file.is_some(),
        module: by_file.or_else(by_name).map(|load| load.name.clone()),
        ways: [object.first.clone(), object.second.clone()],
    }
}

/// Describes an object that only C code references.
///
/// Its module is the one whose data, or whose library's data, retains it. For an object on the C heap, it is
/// the one whose code used it.
pub(super) fn to_retained_object(object: &RetainedObject, loads: &[ModuleLoad]) -> SharedPythonObject {
    let path = Path::new(&object.file);
    let module = loads.iter().find(|load| load.path == object.file).map(|load| load.name.clone());
    let file = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let whose = module.clone().unwrap_or_else(file);
    let what = match (symbol_at_address(path, object.offset), object.is_on_heap) {
        (Some(name), false) => format!("C static {name} of {whose}"),
        (None, false) => format!("C data of {whose} at {:#x}", object.offset),
        (Some(name), true) => format!("C heap, used by {name} of {whose}"),
        (None, true) => format!("C heap, used by {whose}"),
    };
    let way = format!("{what} -> {}", object.kind);
    SharedPythonObject {
        kind: object.kind.clone(),
        is_type: object.is_type,
        is_static: false,
        module,
        ways: [way.clone(), way],
    }
}
