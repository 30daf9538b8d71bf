//! What it means: the arguments made definite. Read anew at each SIGHUP.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::listen::Bound;
use super::protocol::{Application, Config, Group, Guard, Limits, Mode};
use super::{rules, settings};
use crate::cli::{Hosted, ServeArgs};
use crate::venv::{locate, meant};

/// The environment's python.
///
/// # Errors
/// When there is no environment, or it has no python.
pub(super) fn python(args: &ServeArgs) -> Result<PathBuf> {
    let environment = meant(args.environment.as_deref()).context(
        "no environment named, VIRTUAL_ENV is not set, and there is no ./.venv\nhint: --environment PATH",
    )?;
    let located = locate(&environment)?;
    located.python.map_err(anyhow::Error::msg)
}

/// The host's configuration but for its `ready`, and what the operator should know of it.
///
/// # Errors
/// When the arguments contradict each other.
pub(super) fn config(
    args: &ServeArgs,
    bound: &[Bound],
    metrics: &[Bound],
    guard: Option<Guard>,
    is_free_threaded: bool,
) -> Result<(Config, Vec<String>)> {
    let mut groups = match &args.config {
        Some(file) => settings::read(file, &args.application, args.queue)?,
        None => vec![only(args)?],
    };
    let notes = rules::apply(&mut groups, is_free_threaded)?;
    let folders = match args.path.is_empty() {
        true => vec![PathBuf::from(".")],
        false => args.path.clone(),
    };
    let path = folders
        .iter()
        .map(|folder| Ok(std::path::absolute(folder)?.to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    let config = Config {
        listeners: bound.iter().map(Bound::listener).collect(),
        metrics: metrics.iter().map(Bound::listener).collect(),
        proxies: args.proxy.clone(),
        access_log: args.access_log.as_deref().map(absolute).transpose()?,
        ready: -1,
        path,
        groups,
        limits: Limits {
            drain: args.drain,
            head: args.head_timeout,
            stall: args.stall_timeout,
            request: args.request_timeout,
            requests: args.max_requests,
            head_size: 64 << 10,
            body_size: args.max_body,
        },
        guard,
        http_threads: args.http_threads.get(),
    };
    Ok((config, notes))
}

/// `-` stays.
fn absolute(file: &Path) -> Result<String> {
    Ok(match file.as_os_str() == "-" {
        true => "-".to_owned(),
        false => std::path::absolute(file)?.to_string_lossy().into_owned(),
    })
}

/// The group of a command line without `--config`.
fn only(args: &ServeArgs) -> Result<Group> {
    let interpreters = args.interpreters.get();
    let mode = match args.mode {
        Some(Hosted::Main) => Mode::Main,
        Some(Hosted::SharedGil) => Mode::SharedGil,
        Some(Hosted::OwnGil) => Mode::OwnGil,
        Some(Hosted::FreeThreaded) => Mode::FreeThreaded,
        None if interpreters > 1 => Mode::OwnGil,
        None => Mode::Main,
    };
    Ok(Group {
        name: "default".to_owned(),
        mode,
        interpreters,
        threads: args.threads.get(),
        queue: args.queue,
        application: Application::parse(&args.application)?,
        routes: vec![String::new()],
        switch_interval: None,
    })
}
