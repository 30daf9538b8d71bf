//! Reads the requests of the load: from an `.http` file, from an access log, or the default.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::access_log::parse_access_log;
use super::load_request::{LoadRequest, to_load_request};
use crate::audit::RequestList;
use crate::regular_file;

/// Size limit of an access log in bytes.
const MAX_LOG_SIZE: u64 = 256 << 20;

/// The requests of the load.
#[derive(Clone, Debug)]
pub struct RequestSource {
    /// The requests, sent one after the other, and then from the beginning.
    pub(super) requests: Vec<LoadRequest>,
    /// Where they come from, for the reader.
    pub(super) description: String,
    /// What is not sent, and why.
    pub(super) left_out: Vec<String>,
}

impl RequestSource {
    /// The default: `GET /`.
    pub(super) fn root_path() -> Self {
        Self {
            requests: vec![LoadRequest::without_body("GET", "/")],
            description: "GET /".to_owned(),
            left_out: Vec::new(),
        }
    }

    /// Reads an `.http` file. `variables` are the environment variables that `--env` gives.
    ///
    /// # Errors
    /// When it cannot be read, is invalid, or has no request that can be sent by itself.
    pub(super) fn from_http_file(file: &Path, variables: &BTreeMap<String, String>) -> Result<Self> {
        let names: Vec<String> = variables.keys().cloned().collect();
        let list = RequestList::from_file(file, &names)?;
        let shown = file.display();
        let mut left_out: Vec<String> = list.notes.iter().map(|note| format!("{shown}: {note}")).collect();
        let mut requests = Vec::new();
        for request in &list.requests {
            match to_load_request(request, variables, |path| list.body_file(path)) {
                Ok(request) => requests.push(request),
                Err(why) => left_out.push(format!("{} {}: {why}", request.method, request.target)),
            }
        }
        if requests.is_empty() {
            let why = left_out.join("; ");
            bail!("{shown} has no request that can be sent by itself: {why}\nhint: write one as GET /path");
        }
        let description = match requests.len() {
            1 => format!("1 request of {shown}"),
            count => format!("{count} requests of {shown}"),
        };
        Ok(Self { requests, description, left_out })
    }

    /// Reads an access log.
    ///
    /// # Errors
    /// When it cannot be read, or has no request that can be sent again.
    pub(super) fn from_access_log(file: &Path) -> Result<Self> {
        let shown = file.display();
        let bytes =
            regular_file::read_named(file, MAX_LOG_SIZE).with_context(|| format!("cannot read {shown}"))?;
        let found = parse_access_log(&String::from_utf8_lossy(&bytes));
        let left_out = found.describe_left_out();
        if found.requests.is_empty() {
            let why = if left_out.is_empty() { "it is empty".to_owned() } else { left_out.join("; ") };
            bail!(
                "{shown} has no request to replay: {why}\n\
                 hint: the common or combined format of Apache and nginx, with GET or HEAD requests"
            );
        }
        let description = format!("{} requests of {shown}", found.requests.len());
        Ok(Self { requests: found.requests, description, left_out })
    }
}
