//! Which options a reload changes.

use crate::cli::{ServeArgs, TlsArgs};

/// Sets the options that take effect at the start only to what they were then. Returns those that had changed.
pub(super) fn keep_fixed_options(old: &ServeArgs, new: &mut ServeArgs) -> Vec<&'static str> {
    let changed = [
        ("--bind", keep_value(&old.bind, &mut new.bind)),
        ("--metrics", keep_value(&old.metrics, &mut new.metrics)),
        ("--processes", keep_value(&old.processes, &mut new.processes)),
        ("--socket-mode", keep_value(&old.socket_mode, &mut new.socket_mode)),
        ("--socket-owner", keep_value(&old.socket_owner, &mut new.socket_owner)),
        ("--umask", keep_value(&old.umask, &mut new.umask)),
        ("--chdir", keep_value(&old.chdir, &mut new.chdir)),
        ("--pid-file", keep_value(&old.pid_file, &mut new.pid_file)),
        ("--user", keep_value(&old.operation.user, &mut new.operation.user)),
        ("--group", keep_value(&old.operation.group, &mut new.operation.group)),
        ("--reload", keep_value(&old.operation.reload, &mut new.operation.reload)),
        ("--tls-certificate", keep_encryption(&old.tls, &mut new.tls)),
        ("--error-log", keep_value(&old.operation.error_log, &mut new.operation.error_log)),
    ];
    changed.into_iter().filter(|(_, has_changed)| *has_changed).map(|(option, _)| option).collect()
}

/// Keeps TLS on or off, so that no reload serves without it by mistake. Only its files may change. Returns whether it had
/// changed.
fn keep_encryption(old: &TlsArgs, new: &mut TlsArgs) -> bool {
    let has_changed = old.tls_certificate.is_some() != new.tls_certificate.is_some();
    if has_changed {
        new.clone_from(old);
    }
    has_changed
}

/// Returns whether the new value was another one.
fn keep_value<T: Clone + PartialEq>(old: &T, new: &mut T) -> bool {
    let has_changed = new != old;
    new.clone_from(old);
    has_changed
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::serve::serve_options::ServeOptions;

    #[test]
    fn an_address_stays_and_a_limit_changes() {
        let read = |line: &[&str]| {
            let line = line.iter().map(OsString::from).collect();
            ServeOptions::new(line, Vec::new(), "/".as_ref()).unwrap().read().unwrap()
        };
        let old = read(&["a", "--bind", "unix:old", "--queue", "1"]);
        let mut new = read(&["a", "--bind", "unix:new", "--umask", "077", "--queue", "2"]);
        assert_eq!(keep_fixed_options(&old, &mut new), ["--bind", "--umask"]);
        let encrypted = read(&["a", "--tls-certificate", "c", "--tls-key", "k"]);
        let mut other = read(&["a", "--tls-certificate", "d", "--tls-key", "k"]);
        assert!(keep_fixed_options(&encrypted, &mut other).is_empty());
        assert_eq!(other.tls.tls_certificate, Some("d".into()));
        let mut plain = read(&["a"]);
        assert_eq!(keep_fixed_options(&encrypted, &mut plain), ["--tls-certificate"]);
        assert_eq!(plain.tls.tls_key, Some("k".into()));
        assert_eq!((new.bind, new.umask, new.queue), (vec!["unix:old".to_owned()], None, 2));
    }
}
