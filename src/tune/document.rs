//! The result of `tune`, as it is stored: schema 1. Fields are added, never changed or removed. Times are in seconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::configuration::ServerConfiguration;
use super::decision::Sureness;
use crate::report::v1::Tool;

/// The result of `wsgiaudit tune`. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuneDocument {
    /// The schema's number: 1.
    pub schema: u8,
    /// What wrote it.
    pub tool: Tool,
    /// The application: `shop.wsgi:application`.
    pub application: String,
    /// The folder of its environment.
    pub environment: String,
    /// Number of processor cores that the server could use. The generator of load uses the same ones.
    pub cores: usize,
    /// Memory that all processes may take, in bytes.
    pub memory_limit: u64,
    /// What was sent.
    pub load: TuneLoad,
    /// The response time to keep, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TuneTarget>,
    /// All configurations that were tried, the simplest first.
    pub configurations: Vec<TunedConfiguration>,
    /// The recommendation; absent if no configuration can be recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<Recommendation>,
    /// What was not tried, and why, a sentence each.
    pub not_tried: Vec<String>,
    /// Notes for the reader, in sentences.
    pub notes: Vec<String>,
    /// Whether it was interrupted: the result is that of the rounds so far.
    pub interrupted: bool,
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuneLoad {
    /// Where the requests come from.
    pub requests: String,
    /// The average rate of the requests whose response times are in `response`, per second. Absent if no round came so
    /// far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Whether the rate was given. Otherwise it is 70 % of what the best configuration carried in the first round.
    pub rate_was_given: bool,
    /// Number of rounds, without the first.
    pub rounds: usize,
    /// How long each load lasted.
    pub duration: f64,
}

/// A response time to keep.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuneTarget {
    /// The share of requests that must keep it, e.g. 0.95.
    pub quantile: f64,
    /// The time.
    pub time: f64,
}

/// A configuration with its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TunedConfiguration {
    /// The configuration.
    pub configuration: ServerConfiguration,
    /// The same in words.
    pub name: String,
    /// What became of it.
    pub standing: Standing,
    /// Why, if it was dropped or failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Number of rounds that the figures come from; 0 if they come from the short first round.
    pub rounds: usize,
    /// The median of the rounds: requests that were carried in a minute at most or, with a given rate, answered.
    pub requests_per_minute: Option<f64>,
    /// The same for each round, in order.
    pub requests_per_minute_by_round: Vec<f64>,
    /// Response times at the rate of `load`, from when each request was to be sent. Absent if it was dropped before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<TimeSummary>,
    /// Time that the application took, waits inside of it included (metrics of `serve`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_time: Option<TimeSummary>,
    /// Time that the server waited for a GIL before a request (metrics of `serve`). Waits inside the application are not
    /// seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gil_wait: Option<TimeSummary>,
    /// Numbers of these waits in the buckets of `serve`.
    pub gil_wait_buckets: Vec<u64>,
    /// Processor cores that all its processes kept busy on average.
    pub cpu_cores: Option<f64>,
    /// Resident memory of all its processes in bytes. What processes share counts in each of them.
    pub memory: Option<u64>,
    /// Number of failed requests: a status of 500 or more, or no whole answer.
    pub failures: u64,
    /// Number of requests without an answer when an open load had ended and half of its time had passed again.
    pub unanswered: u64,
}

/// What became of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is recommended.
    Recommended,
    /// It does not differ from the best beyond noise.
    Equal,
    /// It is worse beyond noise.
    Worse,
    /// It does not keep the target.
    MissesTarget,
    /// It was not measured further: `reason`.
    Dropped,
    /// It must not be used: `reason`.
    Failed,
}

/// A summary of times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeSummary {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// 95 % are at most this.
    pub p95: f64,
    /// 99 % are at most this.
    pub p99: f64,
}

/// What to use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// The configuration.
    pub configuration: ServerConfiguration,
    /// The same in words.
    pub name: String,
    /// Why, in two sentences.
    pub reasons: String,
    /// How sure it is.
    pub sureness: Sureness,
    /// Simpler configurations that are worse by little.
    pub close: Vec<CloseConfiguration>,
    /// What to write for each server.
    pub settings: Vec<ServerSettings>,
}

/// A configuration that came close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloseConfiguration {
    /// The configuration.
    pub configuration: ServerConfiguration,
    /// The same in words.
    pub name: String,
    /// How it compares, as an interval at about 95 %: `2 to 9 % less`.
    pub difference: String,
}

/// What to write for a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSettings {
    /// The server, or its file.
    pub server: String,
    /// The command or the lines; absent if the server cannot do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether it was measured, or why it cannot be done.
    pub note: String,
}
