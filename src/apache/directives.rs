//! mod_wsgi's directives and their options, each with the versions that know it. From the sources of 4.5.24, 4.6.0, 4.6.8, 4.7.1,
//! 4.8.0, 4.9.0 to 4.9.4, 5.0.0, 5.0.2, 6.0.0 to 6.0.6, 6.1.0 and 6.1.1 (the command tables, and `wsgi_add_daemon_process`). A new
//! directive or option is one line here.

use super::release::Release;

/// Something that mod_wsgi knows by name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// Where a directive may stand; of an option, nothing.
    pub(super) scope: Scope,
    pub(super) takes: Takes,
    /// The first version with it.
    pub(super) since: Release,
    /// The first version without it, and what to do then.
    pub(super) until: Option<(Release, &'static str)>,
}

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// At the top level only.
    Global,
    /// There, and in `<WSGIInterpreterOptions>`.
    Interpreter,
    /// In servers and virtual hosts.
    Server,
    /// There, and in sections.
    Section,
    /// There, and in a `.htaccess` with `AllowOverride FileInfo`.
    FileInfo,
    /// In sections, and in a `.htaccess` with `AllowOverride AuthConfig`.
    AuthConfig,
}

/// What may follow a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    /// `On` or `Off`.
    Flag,
    /// One of these words, in any case.
    OneOf(&'static [&'static str]),
    /// Any single word.
    Word,
    /// A path that begins with a slash.
    Absolute,
    /// More than 0 seconds, to the end of the word.
    Seconds,
    /// A whole number as C's `atoi` reads it: at least the first, less than the second.
    Number(i64, i64),
    /// 0, or a number of at least this many bytes.
    Bytes(i64),
    /// An octal number.
    Octal,
    /// `random`, or a number of 32 bits.
    HashSeed,
    /// Words.
    Words,
    /// Words, each an address or a network.
    Addresses,
    /// So many words, then options of this table.
    Options(usize, &'static [Known]),
    /// `unix:PATH [interval=SECONDS]`.
    Telemetry,
    /// At least 0 seconds, as C's `atof` reads it.
    Threshold,
    /// Flags of `WSGITelemetryOptions`.
    TelemetryFlags,
}

const fn known(name: &'static str, scope: Scope, takes: Takes) -> Known {
    Known { name, scope, takes, since: Release::OLDEST, until: None }
}

const fn option(name: &'static str, takes: Takes) -> Known {
    known(name, Scope::Global, takes)
}

impl Known {
    const fn since(self, major: u32, minor: u32, patch: u32) -> Self {
        Self { since: Release(major, minor, patch), ..self }
    }

    const fn until(self, major: u32, minor: u32, patch: u32, instead: &'static str) -> Self {
        Self { until: Some((Release(major, minor, patch), instead)), ..self }
    }
}

const GONE: &str = "delete it";
const NEW_RELIC: &str = "delete it: the agent is started by the script itself, or by newrelic-admin";
const MUTEXES: &[&str] = &["default", "flock", "fcntl", "sysvsem", "posixsem", "pthread"];
const NO_MORE: i64 = i64::MAX;

/// Directives, as `Apache -L` lists them; the section `<WSGIInterpreterOptions>` too.
pub(super) const DIRECTIVES: &[Known] = &[
    known("WSGIScriptAlias", Scope::Server, Takes::Options(2, OF_ALIASES)),
    known("WSGIScriptAliasMatch", Scope::Server, Takes::Options(2, OF_ALIASES)),
    known("WSGIDaemonProcess", Scope::Server, Takes::Options(1, OF_DAEMONS)),
    known("WSGISocketPrefix", Scope::Global, Takes::Word),
    known("WSGISocketRotation", Scope::Global, Takes::Flag).since(4, 6, 0),
    known("WSGIAcceptMutex", Scope::Global, Takes::OneOf(MUTEXES)),
    known("WSGILazyInitialization", Scope::Global, Takes::Flag).until(6, 0, 0, GONE),
    known("WSGIVerboseDebugging", Scope::Global, Takes::Flag),
    known("WSGIPy3kWarningFlag", Scope::Global, Takes::Flag).until(6, 0, 0, GONE),
    known("WSGIDontWriteBytecode", Scope::Global, Takes::Flag),
    known("WSGIPythonWarnings", Scope::Global, Takes::Word),
    known("WSGIPythonOptimize", Scope::Global, Takes::Word),
    known("WSGIPythonHome", Scope::Global, Takes::Word),
    known("WSGIPythonPath", Scope::Interpreter, Takes::Word),
    known("WSGIPythonEggs", Scope::Global, Takes::Word),
    known("WSGIPythonHashSeed", Scope::Global, Takes::HashSeed),
    known("WSGISwitchInterval", Scope::Interpreter, Takes::Seconds).since(6, 0, 0),
    known("WSGIDestroyInterpreter", Scope::Global, Takes::Flag).since(4, 9, 1),
    known("WSGIPerInterpreterGIL", Scope::Interpreter, Takes::Flag).since(6, 0, 0),
    known("WSGIFreeThreading", Scope::Interpreter, Takes::Flag).since(6, 0, 0),
    known("<WSGIInterpreterOptions", Scope::Global, Takes::Words).since(6, 0, 0),
    known("WSGIRestrictEmbedded", Scope::Global, Takes::Flag),
    known("WSGIRestrictStdin", Scope::Interpreter, Takes::Flag),
    known("WSGIRestrictStdout", Scope::Interpreter, Takes::Flag),
    known("WSGIRestrictSignal", Scope::Interpreter, Takes::Flag),
    known("WSGICaseSensitivity", Scope::Global, Takes::Flag),
    known("WSGIRestrictProcess", Scope::Section, Takes::Words),
    known("WSGIProcessGroup", Scope::Section, Takes::Word),
    known("WSGIApplicationGroup", Scope::Section, Takes::Word),
    known("WSGICallableObject", Scope::FileInfo, Takes::Word),
    known("WSGIImportScript", Scope::Server, Takes::Options(1, OF_IMPORTS)),
    known("WSGIDispatchScript", Scope::Section, Takes::Options(1, OF_SCRIPTS)),
    known("WSGIPassApacheRequest", Scope::Section, Takes::Flag),
    known("WSGIPassAuthorization", Scope::FileInfo, Takes::Flag),
    known("WSGIScriptReloading", Scope::FileInfo, Takes::Flag),
    known("WSGIErrorOverride", Scope::FileInfo, Takes::Flag),
    known("WSGIChunkedRequest", Scope::FileInfo, Takes::Flag),
    known("WSGIMapHEADToGET", Scope::FileInfo, Takes::OneOf(&["Off", "On", "Auto"])),
    known("WSGIIgnoreActivity", Scope::FileInfo, Takes::Flag),
    known("WSGITrustedProxyHeaders", Scope::FileInfo, Takes::Words),
    known("WSGITrustedProxies", Scope::FileInfo, Takes::Addresses),
    known("WSGIEnableSendfile", Scope::FileInfo, Takes::Flag),
    known("WSGIAccessScript", Scope::AuthConfig, Takes::Options(1, OF_SCRIPTS)),
    known("WSGIAuthUserScript", Scope::AuthConfig, Takes::Options(1, OF_SCRIPTS)),
    known("WSGIAuthGroupScript", Scope::AuthConfig, Takes::Options(1, OF_SCRIPTS)),
    known("WSGIUserAuthoritative", Scope::AuthConfig, Takes::Flag).until(6, 0, 0, GONE),
    known("WSGIGroupAuthoritative", Scope::AuthConfig, Takes::Flag),
    known("WSGIHandlerScript", Scope::Section, Takes::Options(2, OF_HANDLERS)),
    known("WSGIServerMetrics", Scope::Global, Takes::Flag),
    known("WSGINewRelicConfigFile", Scope::Global, Takes::Word).until(6, 0, 0, NEW_RELIC),
    known("WSGINewRelicEnvironment", Scope::Global, Takes::Word).until(6, 0, 0, NEW_RELIC),
    known("WSGITelemetryService", Scope::Global, Takes::Telemetry).since(6, 0, 0),
    known("WSGISlowRequests", Scope::Global, Takes::Threshold).since(6, 0, 0),
    known("WSGITelemetryOptions", Scope::Global, Takes::TelemetryFlags).since(6, 0, 0),
];

const OF_ALIASES: &[Known] = &[
    option("process-group", Takes::Word),
    option("application-group", Takes::Word),
    option("callable-object", Takes::Word),
    option("pass-authorization", Takes::Flag),
];

const OF_IMPORTS: &[Known] =
    &[option("process-group", Takes::Word), option("application-group", Takes::Word)];

const OF_SCRIPTS: &[Known] = &[option("application-group", Takes::Word)];

const OF_HANDLERS: &[Known] = &[
    option("process-group", Takes::Word),
    option("application-group", Takes::Word),
    option("pass-authorization", Takes::Flag),
];

/// Of these an empty value is taken too.
pub(super) const MAY_BE_EMPTY: [&str; 9] = [
    "supplementary-groups",
    "lang",
    "locale",
    "python-home",
    "python-path",
    "python-eggs",
    "display-name",
    "newrelic-config-file",
    "newrelic-environment",
];

/// Options of `WSGIDaemonProcess` that decide what is said here; a variable in another one touches nothing.
pub(super) const DECIDING: [&str; 7] =
    ["python-home", "python-path", "home", "switch-interval", "queue-timeout", "request-timeout", "threads"];

const OF_DAEMONS: &[Known] = &[
    option("user", Takes::Word),
    option("group", Takes::Word),
    option("supplementary-groups", Takes::Word),
    option("processes", Takes::Number(1, NO_MORE)),
    option("threads", Takes::Number(0, 0xfffe)),
    option("umask", Takes::Octal),
    option("chroot", Takes::Absolute),
    option("home", Takes::Absolute),
    option("lang", Takes::Word),
    option("locale", Takes::Word),
    option("python-home", Takes::Word),
    option("python-path", Takes::Word),
    option("python-eggs", Takes::Word),
    option("switch-interval", Takes::Seconds).since(6, 0, 0),
    option("stack-size", Takes::Number(1, NO_MORE)),
    option("maximum-requests", Takes::Number(0, NO_MORE)),
    option("startup-timeout", Takes::Number(0, NO_MORE)),
    option("shutdown-timeout", Takes::Number(0, NO_MORE)),
    option("deadlock-timeout", Takes::Number(0, NO_MORE)),
    option("inactivity-timeout", Takes::Number(0, NO_MORE)),
    option("request-timeout", Takes::Number(0, NO_MORE)),
    option("interrupt-timeout", Takes::Number(0, NO_MORE)).since(6, 0, 0),
    option("graceful-timeout", Takes::Number(0, NO_MORE)),
    option("eviction-timeout", Takes::Number(0, NO_MORE)),
    option("restart-interval", Takes::Number(0, NO_MORE)),
    option("connect-timeout", Takes::Number(0, NO_MORE)),
    option("socket-timeout", Takes::Number(0, NO_MORE)),
    option("queue-timeout", Takes::Number(0, NO_MORE)),
    option("listen-backlog", Takes::Number(0, NO_MORE)),
    option("display-name", Takes::Word),
    option("send-buffer-size", Takes::Bytes(512)),
    option("receive-buffer-size", Takes::Bytes(512)),
    option("header-buffer-size", Takes::Bytes(8192)),
    option("response-buffer-size", Takes::Bytes(65536)),
    option("response-socket-timeout", Takes::Number(0, NO_MORE)),
    option("response-flush-delay", Takes::Number(0, NO_MORE)).since(6, 0, 2),
    option("socket-user", Takes::Word),
    option("script-user", Takes::Word),
    option("script-group", Takes::Word),
    option("cpu-time-limit", Takes::Number(0, NO_MORE)),
    option("cpu-priority", Takes::Number(i64::MIN, NO_MORE)),
    option("memory-limit", Takes::Number(0, NO_MORE)),
    option("virtual-memory-limit", Takes::Number(0, NO_MORE)),
    option("server-metrics", Takes::Flag),
    option("newrelic-config-file", Takes::Word).until(6, 0, 0, NEW_RELIC),
    option("newrelic-environment", Takes::Word).until(6, 0, 0, NEW_RELIC),
];

/// A directive by its name, in any case.
pub(super) fn directive(name: &str) -> Option<&'static Known> {
    DIRECTIVES.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}
