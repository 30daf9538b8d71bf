//! The environment that Apache is started with, as far as files beside the configuration define it: Debian's
//! `envvars`, and the `apachectl` that mod_wsgi-express generates. Both are shell scripts; only simple
//! assignments are read.

use std::collections::BTreeMap;
use std::path::Path;

use super::ConfigurationSource;

/// Limit of bytes of a value. Values that contain each other grow exponentially.
const MAX_VALUE: usize = 64 << 10;

/// Environment variables, and names defined with `-D`.
#[derive(Clone, Debug, Default)]
pub(super) struct LaunchEnvironment {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) definitions: Vec<String>,
}

impl LaunchEnvironment {
    /// Reads the files beside a configuration.
    pub(super) fn read_beside(file: &Path, source: &dyn ConfigurationSource) -> Self {
        let Some(folder) = file.parent() else { return Self::default() };
        let text = |name: &str| source.read_text(&folder.join(name)).unwrap_or_default();
        let mut launch = Self::default();
        let control = text("apachectl");
        let is_for_this = control.split_whitespace().any(|word| Path::new(word.trim_matches('"')) == file);
        if is_for_this {
            launch.read_assignments(&control, folder);
            let arguments = launch.variables.get("HTTPD_ARGS").cloned().unwrap_or_default();
            let names = arguments.split_whitespace().filter_map(|word| word.strip_prefix("-D"));
            launch.definitions = names.map(str::to_owned).collect();
        }
        launch.read_assignments(&text("envvars"), folder);
        launch
    }

    /// Reads `NAME=VALUE` and `export NAME=VALUE`. The only `if` that is evaluated is Debian's test of the
    /// folder's name.
    fn read_assignments(&mut self, text: &str, folder: &Path) {
        let mut is_open: Vec<bool> = Vec::new();
        let suffix = folder.file_name().and_then(|name| name.to_str()?.strip_prefix("apache2"));
        let suffix = suffix.filter(|suffix| suffix.starts_with('-'));
        for line in text.lines().map(str::trim) {
            if let Some(condition) = line.strip_prefix("if ") {
                let is_known = condition.contains("APACHE_CONFDIR##/etc/apache2-");
                is_open.push(is_known && suffix.is_some());
            } else if line == "else" {
                if let Some(last) = is_open.last_mut() {
                    *last = !*last && suffix.is_none();
                }
            } else if line == "fi" {
                is_open.pop();
            } else if is_open.iter().all(|is_taken| *is_taken) {
                let assigned = line.strip_prefix("export ").unwrap_or(line).split_once('=');
                let is_name = |name: &str| {
                    !name.is_empty()
                        && name.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
                };
                let Some((name, value)) = assigned.filter(|(name, _)| is_name(name)) else { continue };
                match self.expand_value(value.trim(), suffix) {
                    Some(value) => self.variables.insert(name.to_owned(), value),
                    None => self.variables.remove(name),
                };
            }
        }
    }

    /// Removes the quotes of a value and expands variables; `None` if the value needs more of a shell.
    fn expand_value(&self, value: &str, suffix: Option<&str>) -> Option<String> {
        let quoted = |quote: char| value.strip_prefix(quote)?.split_once(quote).map(|(inside, _)| inside);
        if let Some(literal) = quoted('\'') {
            return Some(literal.to_owned());
        }
        let value = quoted('"').or_else(|| value.split_whitespace().next()).unwrap_or_default();
        let (mut text, mut rest) = (String::new(), value);
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            let (name, tail) = match after.strip_prefix('{') {
                Some(inside) => inside.split_once('}')?,
                None => {
                    let end = after.find(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
                    after.split_at(end.unwrap_or(after.len()))
                }
            };
            let (name, default) = match name.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (name, None),
            };
            let known = self.variables.get(name).filter(|value| !value.is_empty() || default.is_none());
            match (known, default, name) {
                (Some(known), _, _) => text.push_str(known),
                (None, Some(default), _) => text.push_str(&self.expand_value(default, suffix)?),
                // Debian's default is the main instance, which has no suffix.
                (None, None, "SUFFIX") => text.push_str(suffix.unwrap_or_default()),
                (None, None, "APACHE_CONFDIR") => text.push_str("/etc/apache2"),
                (None, None, _) => return None,
            }
            if text.len() > MAX_VALUE {
                return None;
            }
            rest = tail;
        }
        text.push_str(rest);
        (!text.contains('`')).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_envvars_are_read() {
        let mut launch = LaunchEnvironment::default();
        let text = "unset HOME\nif [ \"${APACHE_CONFDIR##/etc/apache2-}\" != \"${APACHE_CONFDIR}\" ] ; then\n\
                    \tSUFFIX=\"-${APACHE_CONFDIR##/etc/apache2-}\"\nelse\n\tSUFFIX=\nfi\n\
                    export APACHE_RUN_USER=www-data\nexport APACHE_RUN_DIR=/var/run/apache2$SUFFIX\n\
                    export APACHE_LOG_DIR=${LOGS:-/var/log/apache2}$SUFFIX\nexport ODD=`id -u`\n#export NO=1\n\
                    if test -f x; then\nexport OTHER=1\nfi\nexport WSGI_GROUP='d $x'\n";
        launch.read_assignments(text, Path::new("/etc/apache2"));
        let value = |name: &str| launch.variables.get(name).map(String::as_str);
        assert_eq!(value("APACHE_RUN_USER"), Some("www-data"));
        assert_eq!(value("APACHE_RUN_DIR"), Some("/var/run/apache2"));
        assert_eq!(value("APACHE_LOG_DIR"), Some("/var/log/apache2"));
        assert_eq!(value("WSGI_GROUP"), Some("d $x"));
        assert_eq!((value("ODD"), value("NO"), value("OTHER")), (None, None, None));
    }
}
