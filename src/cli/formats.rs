//! Values of the options `--format` and `--color`.

use clap::ValueEnum;

/// Output format of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For a terminal
    #[value(alias = "table")]
    Text,
    /// For a comment on a pull request
    Markdown,
    /// For machines
    Json,
}

/// Output format of commands that print a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// The text itself
    #[value(alias = "table")]
    Text,
    /// For machines
    Json,
}

/// Output format of commands that do not print a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For a terminal
    #[value(alias = "text")]
    Table,
    /// For machines
    Json,
}

/// Output format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal
    #[value(alias = "text")]
    Table,
    /// The versioned document (schema 1)
    Json,
    /// Everything about each extension module, as text
    Details,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for CI dashboards
    Junit,
    /// Markdown, for a comment on a pull request
    Markdown,
    /// Annotations for GitHub Actions, where they are also printed with the table
    Github,
    /// A self-contained HTML page with a compatibility table
    Html,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
