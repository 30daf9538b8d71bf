//! Lays out a table for a terminal: a line for each row, and below it what does not fit into columns. Words are never
//! broken, whatever the width.

use textwrap::core::display_width;

use super::style::{TextStyle, wrap_lines};

/// Columns between two cells.
const GAP: usize = 2;
/// How far the lines below a row are indented.
const INDENT: usize = 5;

/// A column of a table.
#[derive(Clone, Debug)]
pub(super) struct Column {
    title: String,
    /// The widest text that its cells hold; wider ones stand below the row.
    limit: usize,
    /// Whether the column is left out where the table is too narrow. Its texts then stand below the rows.
    is_optional: bool,
    /// What its texts are called below a row.
    label: &'static str,
}

impl Column {
    /// A column for the subject of a row. A name that is wider than `limit` has a line of its own.
    pub(super) fn name(title: &str, limit: usize) -> Self {
        Self { title: title.to_owned(), limit, is_optional: false, label: "" }
    }

    /// A column for short words, whose title may be split at hyphens.
    pub(super) fn word(title: &str) -> Self {
        Self { title: title.to_owned(), limit: 16, is_optional: false, label: "" }
    }

    /// A column that is left out in narrow tables.
    pub(super) fn optional(title: &str, limit: usize, label: &'static str) -> Self {
        Self { title: title.to_owned(), limit, is_optional: true, label }
    }
}

/// A text in a table, and its color.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    /// An ANSI style.
    pub(super) style: anstyle::Style,
}

impl Cell {
    /// A cell without color.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: anstyle::Style::new() }
    }
}

/// A row: its cells, and lines that stand below them.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) below: Vec<String>,
}

/// Draws a table with a header.
pub(super) fn draw_grid(columns: &[Column], rows: &[Row], style: TextStyle) -> String {
    let layout = choose_layout(columns, rows, style.width);
    let mut text = layout.draw_header(columns);
    let rule = if style.is_ascii { "-" } else { "─" };
    text.push_str(&rule.repeat(layout.total().min(style.width)));
    text.push('\n');
    for row in rows {
        text.push_str(&layout.draw_row(columns, row, style));
    }
    text
}

/// Which columns a table has, and how wide they are.
#[derive(Clone, Debug)]
struct Layout {
    /// The width of each column; `None` for one that is left out.
    widths: Vec<Option<usize>>,
    is_header_split: bool,
}

/// Chooses the first layout that fits: with all columns; with split titles; without optional columns, the last one
/// first. If none fits, the narrowest one.
fn choose_layout(columns: &[Column], rows: &[Row], width: usize) -> Layout {
    let optional: Vec<usize> = (0..columns.len()).filter(|index| columns[*index].is_optional).collect();
    let mut layout = Layout { widths: Vec::new(), is_header_split: false };
    for left_out in 0..=optional.len() {
        let dropped = &optional[optional.len() - left_out..];
        for is_header_split in [false, true] {
            let measure = |(index, column): (usize, &Column)| {
                (!dropped.contains(&index)).then(|| measure_column(column, index, rows, is_header_split))
            };
            let widths = columns.iter().enumerate().map(measure).collect();
            layout = Layout { widths, is_header_split };
            if layout.total() <= width {
                return layout;
            }
        }
    }
    layout
}

/// The width of a column: that of its title and of the texts that its cells hold.
fn measure_column(column: &Column, index: usize, rows: &[Row], is_header_split: bool) -> usize {
    let title = match is_header_split {
        true => split_title(&column.title).iter().map(|part| display_width(part)).max().unwrap_or(0),
        false => display_width(&column.title),
    };
    let texts = rows.iter().filter_map(|row| row.cells.get(index)).map(|cell| display_width(&cell.text));
    texts.filter(|width| *width <= column.limit).fold(title, usize::max)
}

/// Splits a title after its hyphens into parts of at most nine columns, as far as that is possible: `free-`,
/// `threaded`.
fn split_title(title: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in title.split_inclusive('-') {
        match parts.last_mut() {
            Some(last) if display_width(last) + display_width(word) <= 9 => last.push_str(word),
            Some(_) | None => parts.push(word.to_owned()),
        }
    }
    parts
}

impl Layout {
    /// The width of the table.
    fn total(&self) -> usize {
        let shown: Vec<usize> = self.widths.iter().flatten().copied().collect();
        1 + shown.iter().sum::<usize>() + GAP * shown.len().saturating_sub(1)
    }

    fn draw_header(&self, columns: &[Column]) -> String {
        let titles: Vec<Vec<String>> = columns
            .iter()
            .map(|column| match self.is_header_split {
                true => split_title(&column.title),
                false => vec![column.title.clone()],
            })
            .collect();
        let height = titles.iter().map(Vec::len).max().unwrap_or(1);
        let line = |number: usize| {
            let cells =
                titles.iter().map(|parts| Cell::plain(parts.get(number).cloned().unwrap_or_default()));
            self.draw_line(&cells.collect::<Vec<_>>(), false)
        };
        (0..height).map(line).collect()
    }

    /// Draws a line with a cell for each column that is shown.
    fn draw_line(&self, cells: &[Cell], is_colored: bool) -> String {
        let mut line = String::from(" ");
        for (cell, width) in cells.iter().zip(&self.widths) {
            let Some(width) = width else { continue };
            let padding = width.saturating_sub(display_width(&cell.text)) + GAP;
            match is_colored {
                true => line.push_str(&format!("{}{}{:#}", cell.style, cell.text, cell.style)),
                false => line.push_str(&cell.text),
            }
            line.push_str(&" ".repeat(padding));
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    }

    fn draw_row(&self, columns: &[Column], row: &Row, style: TextStyle) -> String {
        let mut text = String::new();
        let (mut cells, mut below) = (row.cells.clone(), Vec::new());
        for (index, (column, cell)) in columns.iter().zip(&mut cells).enumerate() {
            let is_shown = self
                .widths
                .get(index)
                .is_some_and(|width| width.is_some_and(|width| display_width(&cell.text) <= width));
            if is_shown || cell.text.is_empty() {
                continue;
            }
            let whole = std::mem::take(&mut cell.text);
            if index == 0 {
                // The name has a line of its own, and the other cells follow.
                text.push_str(&format!(" {whole}\n"));
            } else if whole != "-" {
                below.push(format!("{} {whole}", column.label).trim_start().to_owned());
            }
        }
        text.push_str(&self.draw_line(&cells, style.is_colored));
        let below = (!below.is_empty()).then(|| below.join(", "));
        let lines = below.iter().chain(&row.below);
        let lines: String = lines.map(|line| format!("{}{line}\n", " ".repeat(INDENT))).collect();
        text + &wrap_lines(&lines, style.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::name("Distribution", 20),
            Column::optional("Version", 10, "version"),
            Column::optional("Declaration", 20, "declares"),
            Column::word("own-gil-copies"),
            Column::word("free-threaded"),
        ]
    }

    fn row(cells: [&str; 5], below: &[&str]) -> Row {
        let cells = cells.map(Cell::plain).to_vec();
        Row { cells, below: below.iter().map(|line| (*line).to_owned()).collect() }
    }

    fn drawn(width: usize) -> String {
        let rows = [
            row(["numpy", "2.3", "no slot 3", "blocked", "ready"], &["own-gil: refused: no slot 3"]),
            row(["a-name-that-is-far-too-long", "1.0.post1+local.build", "-", "ready", "-"], &[]),
        ];
        draw_grid(&columns(), &rows, TextStyle::plain(width))
    }

    #[test]
    fn everything_stands_in_columns_where_there_is_room() {
        let expected = "\x20Distribution  Version  Declaration  own-gil-copies  free-threaded
──────────────────────────────────────────────────────────────────
 numpy         2.3      no slot 3    blocked         ready
     own-gil: refused: no slot 3
 a-name-that-is-far-too-long
                        -            ready           -
     version 1.0.post1+local.build
";
        assert_eq!(drawn(70), expected);
    }

    #[test]
    fn titles_are_split_before_columns_are_left_out() {
        let lines: Vec<String> = drawn(56).lines().map(str::to_owned).collect();
        assert_eq!(lines[0], " Distribution  Version  Declaration  own-gil-  free-");
        assert_eq!(lines[1], "                                     copies    threaded");
        let expected = "\x20Distribution  own-gil-  free-
               copies    threaded
─────────────────────────────────
 numpy         blocked   ready
     version 2.3,
       declares no slot
       3
     own-gil: refused:
       no slot 3
 a-name-that-is-far-too-long
               ready     -
     version
       1.0.post1+local.build
";
        assert_eq!(drawn(24), expected.replace("─────────────────────────────────", &"─".repeat(24)));
    }

    #[test]
    fn color_takes_no_room() {
        let mut row = row(["numpy", "2.3", "-", "blocked", "ready"], &[]);
        row.cells[3].style = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into()));
        let style = TextStyle { width: 80, is_colored: true, is_ascii: true };
        let text = draw_grid(&columns(), &[row], style);
        assert!(text.ends_with("\u{1b}[31mblocked\u{1b}[0m         ready\n"), "{text:?}");
        assert!(text.contains("\n---"), "{text}");
    }
}
