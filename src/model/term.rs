//! The words of reports that are no rules: verdicts, modes, and what modules declare. `wsgiaudit explain` prints them.

use super::{Mode, Verdict};

/// The book's page with the tables of modes and verdicts.
const INTRODUCTION: &str = include_str!("../../docs/introduction.md");
/// The other words, a section each.
const PAGES: &str = include_str!("terms.md");

/// A word of reports, and its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The word: `blocked`, `own-gil`, `slot-3`.
    pub name: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// What it is, in a word.
    pub kind: &'static str,
}

/// Words with a section in `terms.md`.
const WORDS: [Term; 7] = [
    Term {
        name: "slot-3",
        aliases: &["slot 3", "no slot 3", "Py_mod_multiple_interpreters"],
        kind: "declaration",
    },
    Term { name: "slot-4", aliases: &["slot 4", "no slot 4", "Py_mod_gil"], kind: "declaration" },
    Term { name: "single-phase", aliases: &["single-phase initialisation"], kind: "kind of initialization" },
    Term { name: "multi-phase", aliases: &["multi-phase initialisation"], kind: "kind of initialization" },
    Term { name: "m_size", aliases: &[], kind: "declaration" },
    Term { name: "control", aliases: &[], kind: "trial" },
    Term { name: "root-cause", aliases: &["root cause"], kind: "module" },
];

impl Term {
    /// Returns all words.
    pub fn all() -> Vec<Self> {
        let verdicts = Verdict::ALL.map(|verdict| Self {
            name: verdict.name(),
            aliases: if verdict == Verdict::NotApplicable { &["n/a"] } else { &[] },
            kind: "verdict",
        });
        let modes = Mode::ALL.map(|mode| Self { name: mode.name(), aliases: &[], kind: "mode" });
        verdicts.into_iter().chain(modes).chain(WORDS).collect()
    }

    /// Renders its page, as Markdown.
    pub fn page(&self) -> String {
        match self.kind {
            "verdict" | "mode" => render_row(self.name, self.kind),
            _ => {
                let mut sections = PAGES.split("\n# ").map(|section| section.trim_start_matches("# "));
                let found = sections.find_map(|section| section.strip_prefix(self.name)?.strip_prefix('\n'));
                format!("# {}\n\n{}\n", self.name, found.unwrap_or_default().trim())
            }
        }
    }
}

/// Renders a row of a table of the introduction as a page.
fn render_row(name: &str, kind: &str) -> String {
    let cells =
        |line: &'static str| line.trim().trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
    let mut lines = INTRODUCTION.lines().skip_while(|line| !line.starts_with(&format!("| {kind} |")));
    let titles = lines.next().map(cells).unwrap_or_default();
    let row = lines
        .take_while(|line| line.starts_with('|'))
        .find(|line| line.starts_with(&format!("| `{name}` |")));
    let text = match row.map(cells) {
        Some(row) => {
            let each = titles.iter().zip(&row).skip(1);
            each.map(|(title, cell)| format!("- {title}: {cell}\n")).collect()
        }
        // The one verdict that is no row, but a sentence below the table.
        None => {
            INTRODUCTION.split("\n\n").find(|text| text.starts_with("`n/a`")).unwrap_or_default().to_owned()
                + "\n"
        }
    };
    format!("# {name}\n\nA {kind}.\n\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_page() {
        for term in Term::all() {
            let page = term.page();
            let text = page.strip_prefix(&format!("# {}\n\n", term.name)).unwrap();
            assert!(text.trim_end().len() > 50 && text.ends_with('\n'), "{page}");
            let is_about_another = term.name != "not-applicable" && text.contains("`n/a`");
            assert!(!is_about_another, "the introduction has no row for {}: {page}", term.name);
        }
        assert_eq!(WORDS.len(), PAGES.matches("\n# ").count() + 1);
    }

    #[test]
    fn a_mode_is_explained_by_its_row() {
        let own = Term::all().into_iter().find(|term| term.name == "own-gil").unwrap();
        assert_eq!(
            own.page(),
            "# own-gil\n\nA mode.\n\n- interpreter: a sub-interpreter with its own GIL\n\
             - in mod_wsgi: `WSGIPerInterpreterGIL On`\n"
        );
    }
}
