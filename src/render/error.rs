//! Renders an error of the program: its causes on one line, and hints below it.

use super::escape::escape;

/// What a message puts in front of a hint.
const HINT: &str = "\nhint: ";

/// Renders an error with its causes, outermost first, and each hint on a line of its own. A message may end with hints,
/// each after a line end and `hint: `.
pub fn render_error(error: &anyhow::Error) -> String {
    let (mut causes, mut hints) = (Vec::new(), Vec::new());
    for message in error.chain().map(ToString::to_string) {
        let mut parts = message.split(HINT);
        causes.extend(parts.next().map(str::to_owned).filter(|cause| !cause.is_empty()));
        hints.extend(parts.map(str::to_owned));
    }
    let mut lines = vec![format!("error: {}", causes.join(": "))];
    lines.extend(hints.iter().map(|hint| format!("hint: {hint}")));
    // A parser's message may have lines of its own.
    let lines = lines.iter().flat_map(|line| line.lines());
    lines.map(|line| escape(line).into_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_stand_below_all_causes() {
        let error = anyhow::anyhow!("line 3\nof it")
            .context("cannot read a\nhint: name b\nhint: or c")
            .context("outer");
        assert_eq!(
            render_error(&error),
            "error: outer: cannot read a: line 3\nof it\nhint: name b\nhint: or c\n"
        );
        assert_eq!(render_error(&anyhow::anyhow!("\u{1b}[31m")), "error: \\u{1b}[31m\n");
    }
}
