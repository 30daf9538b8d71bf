//! Acceptances: verdicts that a project tolerates, each with a reason and an expiry date.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};

use crate::model::Mode;
use crate::report::normalize_name;
use crate::report::v1::Judged;

/// An entry of `[[tool.wsgiaudit.accept]]`: a verdict that does not fail the audit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Acceptance {
    /// The distribution or, with `--app`, the application whose verdict is accepted.
    pub distribution: String,
    /// If set, only in this mode.
    pub mode: Option<Mode>,
    /// If set, only for this rule.
    pub rule: Option<String>,
    /// If set, only if this module is the root cause.
    pub module: Option<String>,
    /// Why the verdict is accepted; not empty.
    #[serde(deserialize_with = "deserialize_reason")]
    pub reason: String,
    /// The last day (UTC) on which it is accepted.
    #[serde(deserialize_with = "deserialize_date")]
    pub expires: Date,
}

impl Acceptance {
    /// Whether the acceptance applies to this verdict.
    pub(super) fn applies_to(&self, name: Option<&str>, mode: Mode, judged: &Judged) -> bool {
        let cause = judged.cause.as_ref();
        let is_same = |wanted: &Option<String>, found: Option<&String>| match wanted {
            Some(wanted) => found == Some(wanted),
            None => true,
        };
        name.map(normalize_name) == Some(normalize_name(&self.distribution))
            && self.mode.is_none_or(|wanted| wanted == mode)
            && is_same(&self.rule, cause.map(|cause| &cause.rule))
            && is_same(&self.module, cause.map(|cause| &cause.module))
    }

    /// Whether the acceptance has expired by this day.
    pub(super) fn is_expired(&self, today: Date) -> bool {
        self.expires < today
    }
}

fn deserialize_reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.trim().is_empty() {
        true => Err(serde::de::Error::custom("say why it is accepted")),
        false => Ok(text),
    }
}

/// Deserializes a TOML date, or a string `YYYY-MM-DD`.
fn deserialize_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TomlDate {
        Toml(toml::value::Datetime),
        Text(String),
    }
    let text = match TomlDate::deserialize(deserializer)? {
        TomlDate::Toml(date) => date.to_string(),
        TomlDate::Text(text) => text,
    };
    text.parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is not a date: write YYYY-MM-DD")))
}
