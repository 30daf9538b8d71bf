//! mod_wsgi's directives and their options, with the versions that support each. Compiled from the command
//! tables and `wsgi_add_daemon_process` of 4.5.24, 4.6.0, 4.6.8, 4.7.1, 4.8.0, 4.9.0 to 4.9.4, 5.0.0, 5.0.2,
//! 6.0.0 to 6.0.6, 6.1.0 and 6.1.1. To support a new directive or option, add a line here.

use super::mod_wsgi_version::ModWsgiVersion;

/// A directive, or an option of a directive.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirectiveSpec {
    pub(super) name: &'static str,
    /// The contexts that allow a directive; unused for an option.
    pub(super) scope: DirectiveScope,
    pub(super) takes: ArgumentSpec,
    /// The first version that has it.
    pub(super) since: ModWsgiVersion,
    /// The first version that no longer has it, and what to do instead.
    pub(super) until: Option<(ModWsgiVersion, &'static str)>,
}

/// The contexts that allow a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirectiveScope {
    /// Only outside sections.
    Global,
    /// Outside sections and in `<WSGIInterpreterOptions>`.
    Interpreter,
    /// In servers and virtual hosts.
    Server,
    /// In servers, virtual hosts and sections.
    Section,
    /// In all of these, and in a `.htaccess` with `AllowOverride FileInfo`.
    FileInfo,
    /// In sections, and in a `.htaccess` with `AllowOverride AuthConfig`.
    AuthConfig,
}

/// The arguments of a directive, or the value of an option.
#[derive(Clone, Copy, Debug)]
pub(super) enum ArgumentSpec {
    /// `On` or `Off`.
    Flag,
    /// One of these words, ignoring case.
    OneOf(&'static [&'static str]),
    /// Any single word.
    Word,
    /// An absolute path.
    Absolute,
    /// A number of seconds greater than 0.
    Seconds,
    /// An integer as C's `atoi` reads it: at least the first bound, less than the second.
    Number(i64, i64),
    /// 0, or at least this many bytes.
    Bytes(i64),
    /// An octal number.
    Octal,
    /// `random`, or an unsigned 32-bit number.
    HashSeed,
    /// Any number of words.
    Words,
    /// Words, each an IP address or a network.
    Addresses,
    /// This many words, then options of this table.
    Options(usize, &'static [DirectiveSpec]),
    /// `unix:PATH [interval=SECONDS]`.
    Telemetry,
    /// A number of seconds of at least 0, as C's `atof` reads it.
    Threshold,
    /// Flags of `WSGITelemetryOptions`.
    TelemetryFlags,
}

const fn define_directive(name: &'static str, scope: DirectiveScope, takes: ArgumentSpec) -> DirectiveSpec {
    DirectiveSpec { name, scope, takes, since: ModWsgiVersion::OLDEST, until: None }
}

const fn define_option(name: &'static str, takes: ArgumentSpec) -> DirectiveSpec {
    define_directive(name, DirectiveScope::Global, takes)
}

impl DirectiveSpec {
    const fn since(self, major: u32, minor: u32, patch: u32) -> Self {
        Self { since: ModWsgiVersion(major, minor, patch), ..self }
    }

    const fn until(self, major: u32, minor: u32, patch: u32, instead: &'static str) -> Self {
        Self { until: Some((ModWsgiVersion(major, minor, patch), instead)), ..self }
    }
}

const DELETE_IT: &str = "delete it";
const REMOVE_NEW_RELIC: &str = "delete it: the agent is started by the script itself, or by newrelic-admin";
const MUTEXES: &[&str] = &["default", "flock", "fcntl", "sysvsem", "posixsem", "pthread"];
const NO_LIMIT: i64 = i64::MAX;

/// The directives that `httpd -L` lists, and the section `<WSGIInterpreterOptions>`.
pub(super) const DIRECTIVES: &[DirectiveSpec] = &[
    define_directive("WSGIScriptAlias", DirectiveScope::Server, ArgumentSpec::Options(2, ALIAS_OPTIONS)),
    define_directive("WSGIScriptAliasMatch", DirectiveScope::Server, ArgumentSpec::Options(2, ALIAS_OPTIONS)),
    define_directive("WSGIDaemonProcess", DirectiveScope::Server, ArgumentSpec::Options(1, DAEMON_OPTIONS)),
    define_directive("WSGISocketPrefix", DirectiveScope::Global, ArgumentSpec::Word),
    define_directive("WSGISocketRotation", DirectiveScope::Global, ArgumentSpec::Flag).since(4, 6, 0),
    define_directive("WSGIAcceptMutex", DirectiveScope::Global, ArgumentSpec::OneOf(MUTEXES)),
    define_directive("WSGILazyInitialization", DirectiveScope::Global, ArgumentSpec::Flag)
        .until(6, 0, 0, DELETE_IT),
    define_directive("WSGIVerboseDebugging", DirectiveScope::Global, ArgumentSpec::Flag),
    define_directive("WSGIPy3kWarningFlag", DirectiveScope::Global, ArgumentSpec::Flag)
        .until(6, 0, 0, DELETE_IT),
    define_directive("WSGIDontWriteBytecode", DirectiveScope::Global, ArgumentSpec::Flag),
    define_directive("WSGIPythonWarnings", DirectiveScope::Global, ArgumentSpec::Word),
    define_directive("WSGIPythonOptimize", DirectiveScope::Global, ArgumentSpec::Word),
    define_directive("WSGIPythonHome", DirectiveScope::Global, ArgumentSpec::Word),
    define_directive("WSGIPythonPath", DirectiveScope::Interpreter, ArgumentSpec::Word),
    define_directive("WSGIPythonEggs", DirectiveScope::Global, ArgumentSpec::Word),
    define_directive("WSGIPythonHashSeed", DirectiveScope::Global, ArgumentSpec::HashSeed),
    define_directive("WSGISwitchInterval", DirectiveScope::Interpreter, ArgumentSpec::Seconds).since(6, 0, 0),
    define_directive("WSGIDestroyInterpreter", DirectiveScope::Global, ArgumentSpec::Flag).since(4, 9, 1),
    define_directive("WSGIPerInterpreterGIL", DirectiveScope::Interpreter, ArgumentSpec::Flag).since(6, 0, 0),
    define_directive("WSGIFreeThreading", DirectiveScope::Interpreter, ArgumentSpec::Flag).since(6, 0, 0),
    define_directive("<WSGIInterpreterOptions", DirectiveScope::Global, ArgumentSpec::Words).since(6, 0, 0),
    define_directive("WSGIRestrictEmbedded", DirectiveScope::Global, ArgumentSpec::Flag),
    define_directive("WSGIRestrictStdin", DirectiveScope::Interpreter, ArgumentSpec::Flag),
    define_directive("WSGIRestrictStdout", DirectiveScope::Interpreter, ArgumentSpec::Flag),
    define_directive("WSGIRestrictSignal", DirectiveScope::Interpreter, ArgumentSpec::Flag),
    define_directive("WSGICaseSensitivity", DirectiveScope::Global, ArgumentSpec::Flag),
    define_directive("WSGIRestrictProcess", DirectiveScope::Section, ArgumentSpec::Words),
    define_directive("WSGIProcessGroup", DirectiveScope::Section, ArgumentSpec::Word),
    define_directive("WSGIApplicationGroup", DirectiveScope::Section, ArgumentSpec::Word),
    define_directive("WSGICallableObject", DirectiveScope::FileInfo, ArgumentSpec::Word),
    define_directive("WSGIImportScript", DirectiveScope::Server, ArgumentSpec::Options(1, IMPORT_OPTIONS)),
    define_directive("WSGIDispatchScript", DirectiveScope::Section, ArgumentSpec::Options(1, SCRIPT_OPTIONS)),
    define_directive("WSGIPassApacheRequest", DirectiveScope::Section, ArgumentSpec::Flag),
    define_directive("WSGIPassAuthorization", DirectiveScope::FileInfo, ArgumentSpec::Flag),
    define_directive("WSGIScriptReloading", DirectiveScope::FileInfo, ArgumentSpec::Flag),
    define_directive("WSGIErrorOverride", DirectiveScope::FileInfo, ArgumentSpec::Flag),
    define_directive("WSGIChunkedRequest", DirectiveScope::FileInfo, ArgumentSpec::Flag),
    define_directive(
        "WSGIMapHEADToGET",
        DirectiveScope::FileInfo,
        ArgumentSpec::OneOf(&["Off", "On", "Auto"]),
    ),
    define_directive("WSGIIgnoreActivity", DirectiveScope::FileInfo, ArgumentSpec::Flag),
    define_directive("WSGITrustedProxyHeaders", DirectiveScope::FileInfo, ArgumentSpec::Words),
    define_directive("WSGITrustedProxies", DirectiveScope::FileInfo, ArgumentSpec::Addresses),
    define_directive("WSGIEnableSendfile", DirectiveScope::FileInfo, ArgumentSpec::Flag),
    define_directive(
        "WSGIAccessScript",
        DirectiveScope::AuthConfig,
        ArgumentSpec::Options(1, SCRIPT_OPTIONS),
    ),
    define_directive(
        "WSGIAuthUserScript",
        DirectiveScope::AuthConfig,
        ArgumentSpec::Options(1, SCRIPT_OPTIONS),
    ),
    define_directive(
        "WSGIAuthGroupScript",
        DirectiveScope::AuthConfig,
        ArgumentSpec::Options(1, SCRIPT_OPTIONS),
    ),
    define_directive("WSGIUserAuthoritative", DirectiveScope::AuthConfig, ArgumentSpec::Flag)
        .until(6, 0, 0, DELETE_IT),
    define_directive("WSGIGroupAuthoritative", DirectiveScope::AuthConfig, ArgumentSpec::Flag),
    define_directive("WSGIHandlerScript", DirectiveScope::Section, ArgumentSpec::Options(2, HANDLER_OPTIONS)),
    define_directive("WSGIServerMetrics", DirectiveScope::Global, ArgumentSpec::Flag),
    define_directive("WSGINewRelicConfigFile", DirectiveScope::Global, ArgumentSpec::Word).until(
        6,
        0,
        0,
        REMOVE_NEW_RELIC,
    ),
    define_directive("WSGINewRelicEnvironment", DirectiveScope::Global, ArgumentSpec::Word).until(
        6,
        0,
        0,
        REMOVE_NEW_RELIC,
    ),
    define_directive("WSGITelemetryService", DirectiveScope::Global, ArgumentSpec::Telemetry).since(6, 0, 0),
    define_directive("WSGISlowRequests", DirectiveScope::Global, ArgumentSpec::Threshold).since(6, 0, 0),
    define_directive("WSGITelemetryOptions", DirectiveScope::Global, ArgumentSpec::TelemetryFlags)
        .since(6, 0, 0),
];

const ALIAS_OPTIONS: &[DirectiveSpec] = &[
    define_option("process-group", ArgumentSpec::Word),
    define_option("application-group", ArgumentSpec::Word),
    define_option("callable-object", ArgumentSpec::Word),
    define_option("pass-authorization", ArgumentSpec::Flag),
];

const IMPORT_OPTIONS: &[DirectiveSpec] = &[
    define_option("process-group", ArgumentSpec::Word),
    define_option("application-group", ArgumentSpec::Word),
];

const SCRIPT_OPTIONS: &[DirectiveSpec] = &[define_option("application-group", ArgumentSpec::Word)];

const HANDLER_OPTIONS: &[DirectiveSpec] = &[
    define_option("process-group", ArgumentSpec::Word),
    define_option("application-group", ArgumentSpec::Word),
    define_option("pass-authorization", ArgumentSpec::Flag),
];

/// Options that accept an empty value.
pub(super) const EMPTY_VALUE_OPTIONS: [&str; 9] = [
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

/// Options of `WSGIDaemonProcess` that affect the result. An undefined variable in any other option does not
/// matter.
pub(super) const RELEVANT_DAEMON_OPTIONS: [&str; 7] =
    ["python-home", "python-path", "home", "switch-interval", "queue-timeout", "request-timeout", "threads"];

const DAEMON_OPTIONS: &[DirectiveSpec] = &[
    define_option("user", ArgumentSpec::Word),
    define_option("group", ArgumentSpec::Word),
    define_option("supplementary-groups", ArgumentSpec::Word),
    define_option("processes", ArgumentSpec::Number(1, NO_LIMIT)),
    define_option("threads", ArgumentSpec::Number(0, 0xfffe)),
    define_option("umask", ArgumentSpec::Octal),
    define_option("chroot", ArgumentSpec::Absolute),
    define_option("home", ArgumentSpec::Absolute),
    define_option("lang", ArgumentSpec::Word),
    define_option("locale", ArgumentSpec::Word),
    define_option("python-home", ArgumentSpec::Word),
    define_option("python-path", ArgumentSpec::Word),
    define_option("python-eggs", ArgumentSpec::Word),
    define_option("switch-interval", ArgumentSpec::Seconds).since(6, 0, 0),
    define_option("stack-size", ArgumentSpec::Number(1, NO_LIMIT)),
    define_option("maximum-requests", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("startup-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("shutdown-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("deadlock-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("inactivity-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("request-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("interrupt-timeout", ArgumentSpec::Number(0, NO_LIMIT)).since(6, 0, 0),
    define_option("graceful-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("eviction-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("restart-interval", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("connect-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("socket-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("queue-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("listen-backlog", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("display-name", ArgumentSpec::Word),
    define_option("send-buffer-size", ArgumentSpec::Bytes(512)),
    define_option("receive-buffer-size", ArgumentSpec::Bytes(512)),
    define_option("header-buffer-size", ArgumentSpec::Bytes(8192)),
    define_option("response-buffer-size", ArgumentSpec::Bytes(65536)),
    define_option("response-socket-timeout", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("response-flush-delay", ArgumentSpec::Number(0, NO_LIMIT)).since(6, 0, 2),
    define_option("socket-user", ArgumentSpec::Word),
    define_option("script-user", ArgumentSpec::Word),
    define_option("script-group", ArgumentSpec::Word),
    define_option("cpu-time-limit", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("cpu-priority", ArgumentSpec::Number(i64::MIN, NO_LIMIT)),
    define_option("memory-limit", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("virtual-memory-limit", ArgumentSpec::Number(0, NO_LIMIT)),
    define_option("server-metrics", ArgumentSpec::Flag),
    define_option("newrelic-config-file", ArgumentSpec::Word).until(6, 0, 0, REMOVE_NEW_RELIC),
    define_option("newrelic-environment", ArgumentSpec::Word).until(6, 0, 0, REMOVE_NEW_RELIC),
];

/// Returns the directive with this name, ignoring case.
pub(super) fn find_directive(name: &str) -> Option<&'static DirectiveSpec> {
    DIRECTIVES.iter().find(|spec| spec.name.eq_ignore_ascii_case(name))
}
