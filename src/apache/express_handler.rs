//! The handler script that mod_wsgi-express generates (6.1.1, `express/cli.py`). It contains the name of the
//! application that it serves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ruff_python_ast::{Expr, Stmt};

use super::ConfigurationSource;
use crate::python_source::parse_source;

/// Returns the file and the callable of the application behind a generated handler script; `None` if
/// mod_wsgi-express did not generate the script.
pub(super) fn find_express_application(
    script: &Path,
    source: &dyn ConfigurationSource,
) -> Option<Result<(PathBuf, String), String>> {
    let text = source.read_text(script).ok()?;
    if !text.contains("ApplicationHandler(entry_point") {
        return None;
    }
    let constants = parse_source(&text, find_constants).ok()?;
    let constant = |name: &str| constants.get(name).cloned().unwrap_or_default();
    let (entry, kind) = (constant("entry_point"), constant("application_type"));
    let folder = PathBuf::from(constant("working_directory"));
    let file = match kind.as_str() {
        "script" => Some(folder.join(&entry)),
        "module" => {
            let path = folder.join(entry.replace('.', "/"));
            [path.with_extension("py"), path.join("__init__.py")].into_iter().find(|path| source.exists(path))
        }
        _ => None,
    };
    let named = script.display();
    Some(file.map(|file| (file, constant("callable_object"))).ok_or_else(|| {
        format!("the application of {named} ({kind} {entry}) was not found: name it with --app")
    }))
}

/// Returns the names that are assigned a string.
fn find_constants(body: &[Stmt]) -> BTreeMap<String, String> {
    let mut constants = BTreeMap::new();
    for statement in body {
        if let Stmt::Assign(assigned) = statement
            && let [Expr::Name(name)] = &assigned.targets[..]
            && let Expr::StringLiteral(value) = &*assigned.value
        {
            constants.insert(name.id.to_string(), value.value.to_str().to_owned());
        }
    }
    constants
}
