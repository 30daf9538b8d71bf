//! Sections that Apache keeps or skips while it reads.

/// Modules that some builds have compiled in and others load (`apache2 -l` of Debian has all of them): taken as
/// there.
const COMPILED_IN: [&str; 8] = ["core", "so", "http", "watchdog", "log_config", "logio", "version", "unixd"];

/// The modules there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Modules {
    /// `wsgi_module`, and the files that they were loaded from.
    loaded: Vec<(String, String)>,
}

impl Modules {
    /// `LoadModule`.
    pub(super) fn load(&mut self, name: &str, file: &str) {
        self.loaded.push((name.to_owned(), file.to_owned()));
    }

    /// Whether any is loaded: a part of a configuration may load none.
    pub(super) fn any(&self) -> bool {
        !self.loaded.is_empty()
    }

    /// `<IfModule>`: by the module's name, or by that of its source file. The latter is not written down: it is
    /// `mod_NAME.c`, and for those that serve connections `NAME.c`.
    pub(super) fn has(&self, named: &str) -> bool {
        let is = |module: &str| {
            let module = module.strip_suffix("_module").unwrap_or(module);
            let is_source =
                named.strip_suffix(".c").is_some_and(|source| match module.strip_prefix("mpm_") {
                    Some(kind) => source == kind,
                    None => source.strip_prefix("mod_") == Some(module),
                });
            is_source || named.strip_suffix("_module") == Some(module)
        };
        // Their source files have no prefix.
        let is_core = matches!(named, "core.c" | "http_core.c");
        is_core || COMPILED_IN.into_iter().any(is) || self.loaded.iter().any(|(name, _)| is(name))
    }
}

/// The module that a directive is of, of those that decide where requests land.
pub(super) fn module_of(directive: &str) -> Option<&'static str> {
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

/// Apache's version, as far as it is taken for granted.
const VERSION: (u32, u32) = (2, 4);

/// `<IfVersion [[!]OPERATOR] VERSION>` (mod_version): `None` where the third number, which is not known, or a
/// regular expression decides.
pub(super) fn version(words: &[String]) -> Option<bool> {
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
    let is_exact = wanted == VERSION;
    let is_newer = VERSION > wanted;
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
        let mut modules = Modules::default();
        modules.load("wsgi_module", "/x/mod_wsgi-py314.so");
        modules.load("mpm_event_module", "mod_mpm_event.so");
        for named in ["wsgi_module", "mod_wsgi.c", "event.c", "mpm_event_module", "core.c", "mod_so.c"] {
            assert!(modules.has(named), "{named}");
        }
        for named in ["mod_mpm_event.c", "ssl_module", "mod_ssl.c", "wsgi", "mod_wsgi"] {
            assert!(!modules.has(named), "{named}");
        }
    }

    #[test]
    fn versions_are_compared_as_far_as_known() {
        let of = |text: &str| version(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of(">= 2.4"), Some(true));
        assert_eq!(of("!>= 2.4"), Some(false));
        assert_eq!(of("< 2.3"), Some(false));
        assert_eq!(of(">= 2.5"), Some(false));
        assert_eq!(of(">= 2.4.30"), None);
        assert_eq!(of("~ 2.4.*"), None);
        assert_eq!(of("< 2.4"), Some(false));
    }
}
