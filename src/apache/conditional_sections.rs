//! Sections that Apache evaluates while it reads the configuration: `<IfModule>` and `<IfVersion>`.

/// Modules that some builds compile in and others load (Debian's `apache2 -l` lists all of them); assumed
/// present.
const COMPILED_IN: [&str; 8] = ["core", "so", "http", "watchdog", "log_config", "logio", "version", "unixd"];

/// The modules that are loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadedModules {
    /// Module name (such as `wsgi_module`) and file of each `LoadModule`.
    loaded: Vec<(String, String)>,
}

impl LoadedModules {
    /// Adds a `LoadModule`.
    pub(super) fn add_module(&mut self, name: &str, file: &str) {
        self.loaded.push((name.to_owned(), file.to_owned()));
    }

    /// Whether any module is loaded. An excerpt of a configuration may load none.
    pub(super) fn has_any_module(&self) -> bool {
        !self.loaded.is_empty()
    }

    /// Evaluates `<IfModule>`, which takes the module's name or that of its source file. The configuration
    /// does not contain the source file's name: it is `mod_NAME.c`, or `NAME.c` for multi-processing modules.
    pub(super) fn has_module(&self, named: &str) -> bool {
        let is = |module: &str| {
            let module = module.strip_suffix("_module").unwrap_or(module);
            let is_source =
                named.strip_suffix(".c").is_some_and(|source| match module.strip_prefix("mpm_") {
                    Some(kind) => source == kind,
                    None => source.strip_prefix("mod_") == Some(module),
                });
            is_source || named.strip_suffix("_module") == Some(module)
        };
        // The core modules' source files have no `mod_` prefix.
        let is_core = matches!(named, "core.c" | "http_core.c");
        is_core || COMPILED_IN.into_iter().any(is) || self.loaded.iter().any(|(name, _)| is(name))
    }
}

/// Returns the httpd module that defines a directive; `None` if the directive does not affect which
/// interpreter serves a request.
pub(super) fn module_of_directive(directive: &str) -> Option<&'static str> {
    const MODULES: [(&str, &[&str]); 8] = [
        ("alias", &["alias", "aliasmatch", "scriptalias", "scriptaliasmatch", "redirect", "redirectmatch"]),
        (
            "rewrite",
            &["rewriteengine", "rewritecond", "rewriterule", "rewriteoptions", "rewritebase", "rewritemap"],
        ),
        ("env", &["setenv", "passenv", "unsetenv"]),
        ("setenvif", &["setenvif", "setenvifnocase", "browsermatch", "browsermatchnocase"]),
        ("mime", &["addhandler", "addtype", "removehandler"]),
        ("authz_core", &["require"]),
        ("access_compat", &["order", "allow", "deny", "satisfy"]),
        ("proxy", &["proxypass", "proxypassmatch"]),
    ];
    MODULES.iter().find(|(_, directives)| directives.contains(&directive)).map(|(module, _)| *module)
}

/// The assumed Apache version.
const APACHE_VERSION: (u32, u32) = (2, 4);

/// Evaluates `<IfVersion [[!]OPERATOR] VERSION>` (mod_version). Returns `None` if the result depends on the
/// patch level, which is unknown, or on a regular expression.
pub(super) fn evaluate_version(words: &[String]) -> Option<bool> {
    let (operator, wanted) = match words {
        [wanted] => ("=", wanted.as_str()),
        [operator, wanted] => (operator.as_str(), wanted.as_str()),
        _ => return None,
    };
    let (is_negated, operator) = match operator.strip_prefix('!') {
        Some(operator) => (true, operator),
        None => (false, operator),
    };
    let numbers: Result<Vec<u32>, _> = wanted.split('.').map(str::parse).collect();
    let numbers = numbers.ok()?;
    let wanted = (*numbers.first()?, numbers.get(1).copied().unwrap_or(0));
    let is_exact = wanted == APACHE_VERSION;
    let is_newer = APACHE_VERSION > wanted;
    let has_patch = numbers.len() > 2 && numbers.get(2) != Some(&0);
    let held = match operator {
        "=" | "==" if is_exact => None,
        "=" | "==" => Some(false),
        ">" if is_exact => None,
        ">" => Some(is_newer),
        ">=" if is_exact && has_patch => None,
        ">=" => Some(is_newer || is_exact),
        "<" if is_exact && has_patch => None,
        "<" => Some(!is_newer && !is_exact),
        "<=" if is_exact => None,
        "<=" => Some(!is_newer),
        _ => None,
    };
    held.map(|held| held != is_negated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_known_by_name_and_by_source() {
        let mut modules = LoadedModules::default();
        modules.add_module("wsgi_module", "/x/mod_wsgi-py314.so");
        modules.add_module("mpm_event_module", "mod_mpm_event.so");
        for named in ["wsgi_module", "mod_wsgi.c", "event.c", "mpm_event_module", "core.c", "mod_so.c"] {
            assert!(modules.has_module(named), "{named}");
        }
        for named in ["mod_mpm_event.c", "ssl_module", "mod_ssl.c", "wsgi", "mod_wsgi"] {
            assert!(!modules.has_module(named), "{named}");
        }
    }

    #[test]
    fn versions_are_compared_as_far_as_known() {
        let of = |text: &str| evaluate_version(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of(">= 2.4"), Some(true));
        assert_eq!(of("!>= 2.4"), Some(false));
        assert_eq!(of("< 2.3"), Some(false));
        assert_eq!(of(">= 2.5"), Some(false));
        assert_eq!(of(">= 2.4.30"), None);
        assert_eq!(of("~ 2.4.*"), None);
        assert_eq!(of("< 2.4"), Some(false));
    }

    #[test]
    fn each_operator_has_bounds() {
        for (text, expected) in [
            ("2.4", None),
            ("2.2", Some(false)),
            ("= 2.4", None),
            ("== 2.5", Some(false)),
            ("!= 2.5", Some(true)),
            ("> 2.4", None),
            ("> 2.3", Some(true)),
            ("> 2.5", Some(false)),
            (">= 2", Some(true)),
            (">= 2.4.0", Some(true)),
            (">= 2.3.99", Some(true)),
            ("< 2.4.0", Some(false)),
            ("< 2.4.30", None),
            ("< 2.5", Some(true)),
            ("< 2.3.30", Some(false)),
            ("<= 2.4", None),
            ("<= 2.3", Some(false)),
            ("<= 2.5", Some(true)),
            ("!<= 2.5", Some(false)),
            ("> x", None),
            ("> 2.4 x", None),
        ] {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            assert_eq!(evaluate_version(&words), expected, "{text}");
        }
    }

    #[test]
    fn a_directive_belongs_to_a_module() {
        for (directive, module) in [
            ("redirect", Some("alias")),
            ("rewriterule", Some("rewrite")),
            ("setenv", Some("env")),
            ("require", Some("authz_core")),
            ("servername", None),
        ] {
            assert_eq!(module_of_directive(directive), module, "{directive}");
        }
        let mut modules = LoadedModules::default();
        assert!(!modules.has_any_module());
        modules.add_module("x_module", "x.so");
        assert!(modules.has_any_module());
    }
}
