//! Builds the host's configuration from the command line and `serve.toml`. Both are evaluated again at each
//! SIGHUP.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use wsgiaudit_probes_core::access_log_line::AccessLogFormat;
use wsgiaudit_probes_core::host_config::{
    GroupConfig, GuardConfig, HostConfig, InterpreterMode, RequestLimits, StaticFolder, TelemetryConfig,
};
use wsgiaudit_probes_core::peer::{ProxyHeader, TrustedProxies};

use super::application::parse_application;
use super::error_log::read_log_settings;
use super::listening_socket::ListeningSocket;
use super::{mod_wsgi_rules, serve_settings};
use crate::cli::{AccessLogForm, ServeArgs, ServeMode, StaticPrefix, TrustedHeader};
use crate::venv::{choose_environment, locate_environment, suggest_environment};

/// What stands before an environment's path on the command line.
const OPTION: &str = "--environment";

/// Returns the path of the environment's python.
///
/// # Errors
/// If there is no environment, or it has no python.
pub(super) fn find_python(args: &ServeArgs) -> Result<PathBuf> {
    let Some(environment) = choose_environment(args.environment.as_deref(), OPTION)? else {
        bail!(
            "no environment named, VIRTUAL_ENV is not set, and there is no ./.venv\nhint: {}",
            suggest_environment(OPTION)
        );
    };
    let located = locate_environment(&environment)?;
    located.python.map_err(|why| {
        anyhow::anyhow!(
            "{} has no usable Python: {why}\nhint: create the environment again",
            environment.display()
        )
    })
}

/// Returns the host's configuration, without the descriptors that it inherits besides its sockets, and notes for the operator.
///
/// # Errors
/// If the arguments contradict each other.
pub(super) fn build_host_config(
    args: &ServeArgs,
    bound: &[ListeningSocket],
    metrics: &[ListeningSocket],
    guard: Option<GuardConfig>,
    is_free_threaded: bool,
) -> Result<(HostConfig, Vec<String>)> {
    let mut groups = match &args.config {
        Some(file) => serve_settings::read_groups(file, &args.application, args.queue)?,
        None => vec![default_group(args)?],
    };
    for group in &mut groups {
        group.processes = args.processes.get();
        group.reads_stacks = args.telemetry.slow_requests.is_some();
    }
    let notes = mod_wsgi_rules::apply_mod_wsgi_rules(&mut groups, is_free_threaded)?;
    let path = find_import_folders(args)?;
    let proxy_headers: Vec<ProxyHeader> =
        args.proxy_header.iter().map(|header| read_header(*header)).collect();
    if let Err(bad) = TrustedProxies::parse(&args.proxy, &proxy_headers) {
        bail!("--proxy {bad}: not an IP address\nhint: ADDRESS, ADDRESS/BITS, or unix");
    }
    let config = HostConfig {
        listeners: bound.iter().map(|socket| socket.to_listener(args.tls.tls_key.is_some())).collect(),
        metrics: metrics.iter().map(|socket| socket.to_listener(false)).collect(),
        tls: None,
        reload: args.operation.reload,
        proxies: args.proxy.clone(),
        proxy_headers,
        proxy_protocol: args.operation.proxy_protocol,
        access_log_format: match args.access_log_format {
            AccessLogForm::Combined => AccessLogFormat::Combined,
            AccessLogForm::Json => AccessLogFormat::Json,
        },
        access_log: args.access_log.as_deref().map(access_log_path).transpose()?,
        log: read_log_settings(&args.operation),
        error_log: args.operation.error_log.as_deref().map(absolute_path).transpose()?,
        inherited: Vec::new(),
        static_folders: find_static_folders(&args.operation.static_folders)?,
        ready: -1,
        path,
        groups,
        limits: build_limits(args),
        guard,
        copies: None,
        http_threads: args.http_threads.get(),
        telemetry: build_telemetry(args)?,
        live: None,
    };
    Ok((config, notes))
}

/// Returns the folders to import from, in front of the environment's own, as absolute paths.
///
/// # Errors
/// If there is no working folder.
pub(super) fn find_import_folders(args: &ServeArgs) -> Result<Vec<String>> {
    let folders = match args.path.is_empty() {
        true => vec![PathBuf::from(".")],
        false => args.path.clone(),
    };
    folders.iter().map(|folder| absolute_path(folder)).collect()
}

fn build_telemetry(args: &ServeArgs) -> Result<Option<TelemetryConfig>> {
    let path = args.telemetry.telemetry.as_deref().map(absolute_path).transpose()?;
    if path.is_none() && args.metrics.is_empty() {
        return Ok(None);
    }
    Ok(Some(TelemetryConfig {
        path,
        interval: args.telemetry.telemetry_interval,
        slow_requests: args.telemetry.slow_requests,
        group: args.application.clone(),
    }))
}

fn build_limits(args: &ServeArgs) -> RequestLimits {
    RequestLimits {
        drain: args.drain,
        head: args.head_timeout,
        stall: args.stall_timeout,
        body: args.body_timeout,
        body_rate: args.body_rate,
        request: args.request_timeout,
        requests: args.max_requests,
        requests_jitter: args.max_requests_jitter,
        memory: args.max_memory,
        lifetime: args.max_lifetime,
        head_size: args.max_head,
        target_size: args.max_target,
        headers: args.max_headers,
        body_size: args.max_body,
        body_memory: args.body_memory,
    }
}

fn read_header(header: TrustedHeader) -> ProxyHeader {
    match header {
        TrustedHeader::XForwardedFor => ProxyHeader::XForwardedFor,
        TrustedHeader::XForwardedProto => ProxyHeader::XForwardedProto,
        TrustedHeader::XForwardedHost => ProxyHeader::XForwardedHost,
        TrustedHeader::XForwardedPrefix => ProxyHeader::XForwardedPrefix,
        TrustedHeader::Forwarded => ProxyHeader::Forwarded,
    }
}

/// Returns the folders of static files.
fn find_static_folders(named: &[StaticPrefix]) -> Result<Vec<StaticFolder>> {
    let mut found: Vec<StaticFolder> = Vec::new();
    for StaticPrefix { prefix, folder } in named {
        if !folder.is_dir() {
            bail!("--static {prefix}={}: it is no folder that can be read", folder.display());
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        if found.iter().any(|other| other.prefix == prefix) {
            bail!("--static names {prefix}/ twice");
        }
        found.push(StaticFolder { prefix, folder: absolute_path(folder)? });
    }
    Ok(found)
}

/// Returns the path of an access log: absolute, except for `-`, which stands for standard output.
fn access_log_path(file: &Path) -> Result<String> {
    if file.as_os_str() == "-" { Ok("-".to_owned()) } else { absolute_path(file) }
}

fn absolute_path(file: &Path) -> Result<String> {
    Ok(std::path::absolute(file)?.to_string_lossy().into_owned())
}

/// Returns the only group of a command line without `--config`.
fn default_group(args: &ServeArgs) -> Result<GroupConfig> {
    let interpreters = args.interpreters.get();
    let mode = match args.mode {
        Some(ServeMode::Main) => InterpreterMode::Main,
        Some(ServeMode::SharedGil) => InterpreterMode::SharedGil,
        Some(ServeMode::OwnGil) => InterpreterMode::OwnGil,
        Some(ServeMode::OwnGilCopies) => InterpreterMode::OwnGilCopies,
        Some(ServeMode::FreeThreaded) => InterpreterMode::FreeThreaded,
        None if args.copies => InterpreterMode::OwnGilCopies,
        None if interpreters > 1 => InterpreterMode::OwnGil,
        None => InterpreterMode::Main,
    };
    Ok(GroupConfig {
        name: "default".to_owned(),
        mode,
        interpreters,
        threads: args.threads.get(),
        queue: args.queue,
        application: parse_application(&args.application)?,
        routes: vec![String::new()],
        is_mounted: true,
        processes: 1,
        switch_interval: None,
        reads_stacks: false,
    })
}
