//! Imports by function call: `importlib.import_module("name")`, and calls with a name that is only known at
//! run time.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged;

use super::imports::resolve_relative;
use super::scanner::Scanner;

/// Calls that import what files, metadata or computed arguments name: never followed.
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

/// Calls that import the dotted name in their first argument: a module, or an attribute of one.
const BY_DOTTED_NAME: [&str; 5] = [
    "werkzeug.utils.import_string",
    "django.utils.module_loading.import_string",
    "django.utils.module_loading.autodiscover_modules",
    "pkgutil.resolve_name",
    "lazy_loader.load",
];

/// Records what a call imports, or that its import cannot be followed.
pub(super) fn scan_import_call(scanner: &mut Scanner<'_>, call: &ExprCall) {
    let Some(function) = scanner.names.resolve_name(&call.func) else { return };
    let first = call.arguments.args.first();
    match function.as_str() {
        "importlib.import_module" | "__import__" | "builtins.__import__" => {
            match resolve_literal_import(scanner, call, first) {
                Some(name) => scanner.record_import(call.start(), name, false),
                None => report_computed_name(scanner, call, &function),
            }
        }
        "exec" | "builtins.exec" if !matches!(first, Some(Expr::StringLiteral(_))) => {
            scanner.report_not_followed(call.start(), "exec() of computed code".to_owned());
        }
        "lazy_loader.attach" => scan_lazy_loader_attach(scanner, call),
        name if BY_DOTTED_NAME.contains(&name) => match first {
            Some(Expr::StringLiteral(text)) => {
                let name = text.value.to_str().replace(':', ".");
                scanner.record_lazy_import(call.start(), name, true);
            }
            Some(_) | None => report_computed_name(scanner, call, &function),
        },
        name if NEVER_FOLLOWED.contains(&name) => {
            scanner.report_not_followed(call.start(), format!("{function}()"))
        }
        _ => {}
    }
}

fn report_computed_name(scanner: &mut Scanner<'_>, call: &ExprCall, function: &str) {
    scanner.report_not_followed(call.start(), format!("{function}() with a computed name"));
}

/// Returns the absolute name that `import_module(first, package)` imports, if it is a string literal.
fn resolve_literal_import(scanner: &Scanner<'_>, call: &ExprCall, first: Option<&Expr>) -> Option<String> {
    let Some(Expr::StringLiteral(text)) = first else { return None };
    let package = call.arguments.find_keyword("package").map(|keyword| &keyword.value);
    let package = match package.or_else(|| call.arguments.args.get(1)) {
        Some(Expr::StringLiteral(text)) => text.value.to_str(),
        Some(_) | None => scanner.package,
    };
    let name = text.value.to_str();
    let bare = name.trim_start_matches('.');
    resolve_relative(bare, u32::try_from(name.len() - bare.len()).unwrap_or(0), package)
}

/// Records `lazy_loader.attach(__name__, ["core"], {"shelf": ["Shelf"]})`: submodules imported on first use.
fn scan_lazy_loader_attach(scanner: &mut Scanner<'_>, call: &ExprCall) {
    let argument = |name: &str, index: usize| {
        let keyword = call.arguments.find_keyword(name).map(|keyword| &keyword.value);
        keyword.or_else(|| call.arguments.args.get(index))
    };
    let submodules = match argument("submodules", 1) {
        None | Some(Expr::NoneLiteral(_)) => Some(Vec::new()),
        Some(Expr::List(list)) => string_literals(list.elts.iter()),
        Some(Expr::Tuple(tuple)) => string_literals(tuple.elts.iter()),
        Some(Expr::Set(set)) => string_literals(set.elts.iter()),
        Some(_) => None,
    };
    let attributes = match argument("submod_attrs", 2) {
        None | Some(Expr::NoneLiteral(_)) => Some(Vec::new()),
        Some(Expr::Dict(dict)) => dict.items.iter().map(|item| string_literal(item.key.as_ref()?)).collect(),
        Some(_) => None,
    };
    let Some((submodules, attributes)) = submodules.zip(attributes) else {
        return report_computed_name(scanner, call, "lazy_loader.attach");
    };
    for submodule in submodules.into_iter().chain(attributes) {
        if let Some(name) = resolve_relative(&submodule, 1, scanner.package) {
            scanner.record_lazy_import(call.start(), name, false);
        }
    }
}

fn string_literals<'e>(elements: impl Iterator<Item = &'e Expr>) -> Option<Vec<String>> {
    elements.map(string_literal).collect()
}

fn string_literal(expr: &Expr) -> Option<String> {
    if let Expr::StringLiteral(literal) = expr { Some(literal.value.to_str().to_owned()) } else { None }
}
