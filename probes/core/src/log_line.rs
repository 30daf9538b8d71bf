//! A line of the error log, for the supervisor and for the host.

use std::fmt::Write;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How important a message is, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Something failed: a request, a process, a log file.
    Error,
    /// Something is not as it should be, and the server goes on.
    Warning,
    /// What the server does.
    Info,
}

impl LogLevel {
    /// All levels.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Info];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// Returns the level with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// The form of the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Time, level and process number before each message.
    Text,
    /// A JSON object in each line.
    Json,
}

/// What is logged, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSettings {
    /// The least important level that is logged.
    pub level: LogLevel,
    /// The form.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// The supervisor.
    Supervisor,
    /// A host process.
    Server,
    /// The application: an exception that it raised, or what it wrote to its standard error.
    Application,
}

impl LogSource {
    /// All sources.
    pub const ALL: [Self; 3] = [Self::Supervisor, Self::Server, Self::Application];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Server => "server",
            Self::Application => "application",
        }
    }

    /// Returns the source with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// A message for the error log.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// Who says it.
    pub source: LogSource,
    /// How important it is.
    pub level: LogLevel,
    /// The process that says it.
    pub pid: u32,
    /// The message.
    pub message: &'a str,
    /// The traceback of a Python exception.
    pub traceback: Option<&'a str>,
}

impl LogLine<'_> {
    /// Formats the line, with the line feed at its end; `None` if it is not important enough. What an application says
    /// is always important enough.
    pub fn format_line(&self, settings: LogSettings, now: SystemTime) -> Option<String> {
        if self.level > settings.level && self.source != LogSource::Application {
            return None;
        }
        let time = Timestamp::try_from(now).unwrap_or_default();
        Some(match settings.format {
            LogFormat::Text => self.format_text(time),
            LogFormat::Json => self.format_json(time),
        })
    }

    fn format_text(&self, time: Timestamp) -> String {
        let mut text = format!("{time:.3} {} wsgiaudit[{}]: {}", self.level.name(), self.pid, self.message);
        if let Some(part) = self.traceback {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{}", part.trim_end());
        }
        text.push('\n');
        text
    }

    fn format_json(&self, time: Timestamp) -> String {
        let mut object = Map::new();
        object.insert("time".to_owned(), format!("{time:.3}").into());
        object.insert("level".to_owned(), self.level.name().into());
        object.insert("pid".to_owned(), self.pid.into());
        object.insert("source".to_owned(), self.source.name().into());
        object.insert("message".to_owned(), self.message.into());
        if let Some(part) = self.traceback {
            object.insert("traceback".to_owned(), part.trim_end().into());
        }
        format!("{}\n", Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{LogFormat, LogLevel, LogLine, LogSettings, LogSource};

    const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"a\"\nValueError: b\n";

    fn format_line(settings: LogSettings, source: LogSource, level: LogLevel) -> Option<String> {
        let traceback = (source == LogSource::Application).then_some(TRACEBACK);
        let line = LogLine { source, level, pid: 7, message: "it \"is\"\nso", traceback };
        line.format_line(settings, SystemTime::UNIX_EPOCH + Duration::from_millis(1_500))
    }

    #[test]
    fn a_line_of_text_has_time_level_and_process() {
        let text = LogSettings::default();
        assert_eq!(
            format_line(text, LogSource::Server, LogLevel::Warning).unwrap(),
            "1970-01-01T00:00:01.500Z warning wsgiaudit[7]: it \"is\"\nso\n"
        );
        assert_eq!(
            format_line(text, LogSource::Application, LogLevel::Error).unwrap(),
            format!("1970-01-01T00:00:01.500Z error wsgiaudit[7]: it \"is\"\nso\n{TRACEBACK}")
        );
    }

    #[test]
    fn a_line_of_json_is_one_line() {
        let json = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
        let line = format_line(json, LogSource::Application, LogLevel::Error).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            object,
            serde_json::json!({
                "time": "1970-01-01T00:00:01.500Z", "level": "error", "pid": 7, "source": "application",
                "message": "it \"is\"\nso", "traceback": TRACEBACK.trim_end(),
            })
        );
    }

    #[test]
    fn what_is_less_important_is_left_out_unless_the_application_says_it() {
        for level in LogLevel::ALL {
            let settings = LogSettings { level, ..LogSettings::default() };
            for said in LogLevel::ALL {
                let is_logged = format_line(settings, LogSource::Supervisor, said).is_some();
                assert_eq!(is_logged, said <= level, "{said:?} at {level:?}");
                assert!(format_line(settings, LogSource::Application, said).is_some());
            }
            assert_eq!(LogLevel::from_name(level.name()), Some(level));
        }
        for source in LogSource::ALL {
            assert_eq!(LogSource::from_name(source.name()), Some(source));
        }
    }
}
