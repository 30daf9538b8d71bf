//! Renders a comparison of two reports.

use std::fmt::Write;

use super::answer::format_distribution_count;
use super::escape::escape_and_truncate;
use super::markdown::encode_as_code;
use crate::diff::{Comparison, Direction, ModeComparison, RootCauseChange, SubjectChange, VerdictChange};
use crate::model::{Mode, Verdict};
use crate::report::v1::Python;

/// Maximum number of lines in a section. The rest is counted.
const MAX_LINES: usize = 100;

/// Renders a comparison for a terminal.
pub fn render_text(comparison: &Comparison) -> String {
    ComparisonFormat { heading: "", after_heading: ":", after_answer: "", string: escape_and_truncate }
        .render_comparison(comparison)
}

/// Renders a comparison as Markdown, for a comment on a pull request.
pub fn render_markdown(comparison: &Comparison) -> String {
    ComparisonFormat { heading: "### ", after_heading: "\n", after_answer: "\n", string: encode_as_code }
        .render_comparison(comparison)
}

/// How headings and untrusted strings are written in an output format.
struct ComparisonFormat {
    heading: &'static str,
    after_heading: &'static str,
    after_answer: &'static str,
    string: fn(&str, usize) -> String,
}

impl ComparisonFormat {
    fn render_comparison(&self, comparison: &Comparison) -> String {
        let mut text = String::new();
        if comparison.old != comparison.new {
            let python = |python: &Option<Python>| match python {
                Some(python) => (self.string)(&format!("{} ({})", python.python, python.abi), 80),
                None => "none".to_owned(),
            };
            let _ = writeln!(text, "Python {} -> {}\n", python(&comparison.old), python(&comparison.new));
        }
        for (direction, title) in [
            (Direction::Worse, "Worse"),
            (Direction::Better, "Better"),
            (Direction::Other, "Otherwise changed"),
        ] {
            let Comparison { applications, exercises, modules, distributions, .. } = comparison;
            let all = applications.iter().chain(exercises).chain(modules).chain(distributions);
            let lines =
                all.filter(|each| each.overall_direction() == direction).map(|each| self.render_change(each));
            text += &self.render_section(title, lines.collect());
        }
        let roots = |all: &[RootCauseChange]| all.iter().map(|root| self.render_root_cause(root)).collect();
        text += &self.render_section("New root causes", roots(&comparison.new_roots));
        text += &self.render_section("Root causes gone", roots(&comparison.gone_roots));
        let trouble = comparison.new_trouble.iter().map(|each| format!("- {}\n", (self.string)(each, 300)));
        text += &self.render_section("Incomplete, and was not before", trouble.collect());
        for (mode, sum) in &comparison.modes {
            let _ = writeln!(text, "{}{}", describe_totals(*mode, sum), self.after_answer);
        }
        text
    }

    fn render_section(&self, title: &str, lines: Vec<String>) -> String {
        if lines.is_empty() {
            return String::new();
        }
        let mut text = format!("{}{title}{}\n", self.heading, self.after_heading);
        text.extend(lines.iter().take(MAX_LINES).map(String::as_str));
        if lines.len() > MAX_LINES {
            let _ = writeln!(text, "- and {} more: --format json has all", lines.len() - MAX_LINES);
        }
        text + "\n"
    }

    /// Renders `- numpy 2.4.0 -> 2.5.5`, and below it a line for each mode.
    fn render_change(&self, change: &SubjectChange) -> String {
        let version = |version: &String| (self.string)(version, 40);
        let versions = match (&change.from, &change.to) {
            (Some(from), Some(to)) if from == to => version(to),
            (Some(from), Some(to)) => format!("{} -> {}", version(from), version(to)),
            (None, Some(to)) => format!("{} (new)", version(to)),
            (Some(from), None) => format!("{} (removed)", version(from)),
            (None, None) => String::new(),
        };
        let name = change.name.as_deref().map(|name| (self.string)(name, 80));
        let name = name.unwrap_or_else(|| "(no distribution)".to_owned());
        let mut text = format!("- {name} {versions}").trim_end().to_owned() + "\n";
        if change.to.is_some() {
            for (mode, step) in &change.modes {
                let _ = writeln!(text, "  - {mode}: {}", self.describe_step(step));
            }
        }
        text
    }

    /// Describes the change in a mode: `ready -> blocked: needs ...`.
    fn describe_step(&self, step: &VerdictChange) -> String {
        let name = |verdict: Option<Verdict>| verdict.map_or("not tried", Verdict::name);
        let verdicts = match (step.from, step.to) {
            (from, to) if from == to => format!("{} as before", name(to)),
            (None, to) => name(to).to_owned(),
            (from, to) => format!("{} -> {}", name(from), name(to)),
        };
        let shown = |reason: &str| (self.string)(reason, 300);
        let reasons = match (step.from_reason.as_str(), step.to_reason.as_str()) {
            ("", "") => String::new(),
            (was, "") => format!(" (was: {})", shown(was)),
            (was, is) if was != is && !was.is_empty() && step.from == step.to => {
                format!(": {} (was: {})", shown(is), shown(was))
            }
            (_, is) => format!(": {}", shown(is)),
        };
        let modules = match step.worse_modules.as_slice() {
            [] => String::new(),
            modules => format!("; worse in it: {}", shown(&modules.join(", "))),
        };
        verdicts + &reasons + &modules
    }

    fn render_root_cause(&self, root: &RootCauseChange) -> String {
        let owner = root.distribution.as_deref().map(|name| (self.string)(name, 80));
        let owner = owner.unwrap_or_else(|| "the standard library, or no distribution".to_owned());
        let (module, what) = ((self.string)(&root.module, 100), (self.string)(&root.what, 200));
        let blocks = match root.blocks {
            0 => String::new(),
            count => format!(" (blocks {count} more)"),
        };
        format!("- {}: {owner}: {module}: {what}{blocks}\n", root.mode)
    }
}

/// Summarizes the changes in one mode.
fn describe_totals(mode: Mode, sum: &ModeComparison) -> String {
    let now = format_distribution_count(sum.in_the_way_now);
    if sum.from.is_none() {
        return format!("{mode}: {now} in the way; the earlier report did not ask, so all of it is new.");
    }
    let worse = if sum.worse == 0 { "nothing".to_owned() } else { format_distribution_count(sum.worse) };
    format!(
        "{mode}: {worse} got worse, {} better; {now} in the way, {} before.",
        sum.better, sum.in_the_way_before
    )
}
