//! What may stand in the way, for a reason and until a day.

use jiff::civil::Date;
use serde::{Deserialize, Deserializer};

use crate::model::Mode;
use crate::report::normalised;
use crate::report::v1::Judged;

/// `[[tool.wsgiaudit.accept]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Accepted {
    /// Whose verdict is accepted: a distribution's or, with --app, an application's.
    pub distribution: String,
    /// Only in this mode.
    pub mode: Option<Mode>,
    /// Only for this rule.
    pub rule: Option<String>,
    /// Only where this module is at the root.
    pub module: Option<String>,
    /// Why.
    #[serde(deserialize_with = "not_empty")]
    pub reason: String,
    /// The last day (UTC) on which it is accepted.
    #[serde(deserialize_with = "date")]
    pub expires: Date,
}

impl Accepted {
    /// Whether it speaks of this verdict.
    pub(super) fn is_about(&self, name: Option<&str>, mode: Mode, judged: &Judged) -> bool {
        let cause = judged.cause.as_ref();
        let is_same = |wanted: &Option<String>, found: Option<&String>| match wanted {
            Some(wanted) => found == Some(wanted),
            None => true,
        };
        name.map(normalised) == Some(normalised(&self.distribution))
            && self.mode.is_none_or(|wanted| wanted == mode)
            && is_same(&self.rule, cause.map(|cause| &cause.rule))
            && is_same(&self.module, cause.map(|cause| &cause.module))
    }

    /// Whether it is over on this day.
    pub(super) fn is_expired(&self, today: Date) -> bool {
        self.expires < today
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.trim().is_empty() {
        true => Err(serde::de::Error::custom("say why it is accepted")),
        false => Ok(text),
    }
}

/// A TOML date, or a string `YYYY-MM-DD`.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Toml(toml::value::Datetime),
        Text(String),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Toml(date) => date.to_string(),
        Written::Text(text) => text,
    };
    text.parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is no date: write YYYY-MM-DD")))
}
