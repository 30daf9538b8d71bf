//! The functions that a shared object exports for an extension module (PEP 489, PEP 793;
//! `Python/importdl.c` and `Python/dynload_shlib.c`).

/// CPython cuts the encoded name of a module in the name of a function after this many bytes.
const MAX_NAME: usize = 200;

/// What follows the last dot of a module's name.
pub fn last_part(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// The names of the functions of one module.
#[derive(Debug, PartialEq, Eq)]
pub struct ExportFunctions {
    /// `PyInit_x`, or `PyInitU_x` for a name outside ASCII.
    pub init: String,
    /// `PyModExport_x`, or `PyModExportU_x` (3.15+).
    pub export: String,
}

impl ExportFunctions {
    /// The functions of a module whose last part of the name is `encoded`: in ASCII or Punycode, with `_` for
    /// `-`.
    pub fn of_encoded_name(encoded: &str, is_ascii: bool) -> Self {
        let unicode = if is_ascii { "" } else { "U" };
        let name = |kind: &str| format!("{kind}{unicode}_{encoded}");
        Self { init: name("PyInit"), export: name("PyModExport") }
    }

    /// The text of CPython's `ImportError` for a shared object without them.
    pub fn describe_missing(&self, knows_export: bool) -> String {
        let Self { init, export } = self;
        let functions = if knows_export { format!("{export} or {init}") } else { init.clone() };
        format!("dynamic module does not define module export function ({functions})")
    }
}

/// The symbol that CPython looks up for a function: a long name is cut.
pub fn symbol_of_function(function: &str) -> &str {
    let prefix = function.find('_').map_or(0, |at| at + 1);
    function.get(..prefix + MAX_NAME).unwrap_or(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_names() {
        assert_eq!([last_part("a.b.c"), last_part("a"), last_part("a.")], ["c", "a", ""]);
        let plain = ExportFunctions::of_encoded_name("spam", true);
        assert_eq!((plain.init.as_str(), plain.export.as_str()), ("PyInit_spam", "PyModExport_spam"));
        let punycode = ExportFunctions::of_encoded_name("zkouka_naten_evcb9bxs", false);
        assert_eq!(punycode.init, "PyInitU_zkouka_naten_evcb9bxs");
        assert_eq!(punycode.export, "PyModExportU_zkouka_naten_evcb9bxs");
    }

    #[test]
    fn the_error_names_what_this_version_looks_for() {
        let functions = ExportFunctions::of_encoded_name("x", true);
        let begin = "dynamic module does not define module export function";
        assert_eq!(functions.describe_missing(false), format!("{begin} (PyInit_x)"));
        assert_eq!(functions.describe_missing(true), format!("{begin} (PyModExport_x or PyInit_x)"));
    }

    #[test]
    fn long_names_are_cut() {
        let function = format!("PyInitU_{}", "n".repeat(300));
        assert_eq!(symbol_of_function(&function).len(), "PyInitU_".len() + 200);
        assert_eq!(symbol_of_function("PyInit_x"), "PyInit_x");
    }
}
