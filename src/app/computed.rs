//! Imports by call: of a name that is written down, or that only running the file tells.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged;

use super::imports::relative;
use super::scan::Scanner;

/// Calls that import what their arguments, files or metadata name.
const NEVER_FOLLOWED: [&str; 8] = [
    "importlib.metadata.entry_points",
    "importlib_metadata.entry_points",
    "pkg_resources.iter_entry_points",
    "runpy.run_path",
    "runpy.run_module",
    "importlib.util.spec_from_file_location",
    "lazy_loader.attach_stub",
    "importlib.machinery.SourceFileLoader",
];

/// Calls that import the dotted name of their first argument, or what it names in a module.
const BY_DOTTED_NAME: [&str; 5] = [
    "werkzeug.utils.import_string",
    "django.utils.module_loading.import_string",
    "django.utils.module_loading.autodiscover_modules",
    "pkgutil.resolve_name",
    "lazy_loader.load",
];

/// A call.
pub(super) fn call(scanner: &mut Scanner<'_>, call: &ExprCall) {
    let Some(function) = scanner.names.resolve(&call.func) else { return };
    let first = call.arguments.args.first();
    match function.as_str() {
        "importlib.import_module" | "__import__" | "builtins.__import__" => {
            match imported(scanner, call, first) {
                Some(name) => scanner.import(call.start(), name, false),
                None => computed(scanner, call, &function),
            }
        }
        "exec" | "builtins.exec" if !matches!(first, Some(Expr::StringLiteral(_))) => {
            scanner.not_followed(call.start(), "exec() of what is computed".to_owned());
        }
        "lazy_loader.attach" => attach(scanner, call),
        name if BY_DOTTED_NAME.contains(&name) => match first {
            Some(Expr::StringLiteral(text)) => {
                let name = text.value.to_str().replace(':', ".");
                scanner.import_lazily(call.start(), name, true);
            }
            Some(_) | None => computed(scanner, call, &function),
        },
        name if NEVER_FOLLOWED.contains(&name) => scanner.not_followed(call.start(), format!("{function}()")),
        _ => {}
    }
}

fn computed(scanner: &mut Scanner<'_>, call: &ExprCall, function: &str) {
    scanner.not_followed(call.start(), format!("{function}() of a name that is computed"));
}

/// The name that `import_module(first, package)` imports, where it is written down.
fn imported(scanner: &Scanner<'_>, call: &ExprCall, first: Option<&Expr>) -> Option<String> {
    let Some(Expr::StringLiteral(text)) = first else { return None };
    let package = call.arguments.find_keyword("package").map(|keyword| &keyword.value);
    let package = match package.or_else(|| call.arguments.args.get(1)) {
        Some(Expr::StringLiteral(text)) => text.value.to_str(),
        Some(_) | None => scanner.package,
    };
    let name = text.value.to_str();
    let bare = name.trim_start_matches('.');
    relative(bare, u32::try_from(name.len() - bare.len()).unwrap_or(0), package)
}

/// `attach(__name__, ["core"], {"shelf": ["Shelf"]})`: submodules that are imported where they are used.
fn attach(scanner: &mut Scanner<'_>, call: &ExprCall) {
    let argument = |name: &str, index: usize| {
        let keyword = call.arguments.find_keyword(name).map(|keyword| &keyword.value);
        keyword.or_else(|| call.arguments.args.get(index))
    };
    let submodules = match argument("submodules", 1) {
        None | Some(Expr::NoneLiteral(_)) => Some(Vec::new()),
        Some(Expr::List(list)) => texts(list.elts.iter()),
        Some(Expr::Tuple(tuple)) => texts(tuple.elts.iter()),
        Some(Expr::Set(set)) => texts(set.elts.iter()),
        Some(_) => None,
    };
    let attributes = match argument("submod_attrs", 2) {
        None | Some(Expr::NoneLiteral(_)) => Some(Vec::new()),
        Some(Expr::Dict(dict)) => dict.items.iter().map(|item| text(item.key.as_ref()?)).collect(),
        Some(_) => None,
    };
    let Some((submodules, attributes)) = submodules.zip(attributes) else {
        return computed(scanner, call, "lazy_loader.attach");
    };
    for submodule in submodules.into_iter().chain(attributes) {
        if let Some(name) = relative(&submodule, 1, scanner.package) {
            scanner.import_lazily(call.start(), name, false);
        }
    }
}

fn texts<'e>(elements: impl Iterator<Item = &'e Expr>) -> Option<Vec<String>> {
    elements.map(text).collect()
}

fn text(expr: &Expr) -> Option<String> {
    if let Expr::StringLiteral(literal) = expr { Some(literal.value.to_str().to_owned()) } else { None }
}
