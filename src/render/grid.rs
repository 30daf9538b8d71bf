//! Lays out a table for a terminal: a line for each row, and below it what does not fit into columns. Words are never
//! broken, whatever the width.

use comfy_table::{Cell, ContentArrangement, Table, TableStyle};
use textwrap::core::display_width;

use super::style::{TextStyle, wrap_lines};

/// Columns beside the text of a cell.
const PADDING: usize = 2;
/// How far the lines below a row are indented.
const INDENT: usize = 5;

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
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
    pub fn name(title: &str, limit: usize) -> Self {
        Self { title: title.to_owned(), limit, is_optional: false, label: "" }
    }

    /// A column for short words, whose title may be split at hyphens.
    pub fn word(title: &str) -> Self {
        Self { title: title.to_owned(), limit: 16, is_optional: false, label: "" }
    }

    /// A column that is left out in narrow tables.
    pub fn optional(title: &str, limit: usize, label: &'static str) -> Self {
        Self { title: title.to_owned(), limit, is_optional: true, label }
    }
}

/// A row: its cells, and lines that stand below them.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its cells.
    pub cells: Vec<Cell>,
    /// The lines below it.
    pub below: Vec<String>,
}

/// Draws a table with a header.
pub fn draw_grid(columns: &[Column], rows: &[Row], style: TextStyle) -> String {
    let layout = choose_layout(columns, rows, style.width);
    let rows: Vec<FittedRow> = rows.iter().map(|row| layout.fit_row(columns, row)).collect();
    let mut lines = layout.draw_table(columns, &rows, style).into_iter();
    let header: Vec<String> = lines.by_ref().take(layout.header_height(columns)).collect();
    let rule = if style.is_ascii { "-" } else { "─" };
    let mut text = header.concat() + &rule.repeat(layout.total().min(style.width)) + "\n";
    for (row, line) in rows.iter().zip(lines) {
        let below: String = row.below.iter().map(|line| format!("{}{line}\n", " ".repeat(INDENT))).collect();
        let name = row.long_name.as_ref().map(|name| format!(" {name}\n")).unwrap_or_default();
        text.push_str(&(name + &line + &wrap_lines(&below, style.width)));
    }
    text
}

/// A row with only the texts that its columns hold.
struct FittedRow {
    /// The name, if it is wider than its column: it has a line of its own, before the others.
    long_name: Option<String>,
    cells: Vec<Cell>,
    below: Vec<String>,
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
    let texts = rows.iter().filter_map(|row| row.cells.get(index)).map(|cell| display_width(&cell.content()));
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
    /// The width of the table, without the space at the end of lines.
    fn total(&self) -> usize {
        let shown = self.widths.iter().flatten().map(|width| width + PADDING);
        shown.sum::<usize>().saturating_sub(1)
    }

    /// The lines of each title.
    fn titles(&self, columns: &[Column]) -> Vec<Vec<String>> {
        let title = |column: &Column| match self.is_header_split {
            true => split_title(&column.title),
            false => vec![column.title.clone()],
        };
        columns.iter().map(title).collect()
    }

    fn header_height(&self, columns: &[Column]) -> usize {
        self.titles(columns).iter().map(Vec::len).max().unwrap_or(1)
    }

    /// Draws the lines of the header, and one line for each row, each with its end.
    fn draw_table(&self, columns: &[Column], rows: &[FittedRow], style: TextStyle) -> Vec<String> {
        let mut table = Table::new();
        table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled);
        match style.is_colored {
            true => table.enforce_styling().style_text_only(),
            false => drop(table.force_no_tty()),
        }
        let titles = self.titles(columns).into_iter().map(|lines| Cell::new(lines.join("\n")));
        table.set_header(self.keep_shown(titles));
        for row in rows {
            table.add_row(self.keep_shown(row.cells.iter().cloned()));
        }
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// Keeps the cells of the columns that are shown.
    fn keep_shown(&self, cells: impl Iterator<Item = Cell>) -> Vec<Cell> {
        cells.zip(&self.widths).filter(|(_, width)| width.is_some()).map(|(cell, _)| cell).collect()
    }

    /// Moves texts that are wider than their columns, or whose columns are not shown, below the row.
    fn fit_row(&self, columns: &[Column], row: &Row) -> FittedRow {
        let mut fitted = FittedRow { long_name: None, cells: row.cells.clone(), below: Vec::new() };
        for (index, (column, cell)) in columns.iter().zip(&mut fitted.cells).enumerate() {
            let text = cell.content();
            let width = self.widths.get(index).copied().flatten();
            if text.is_empty() || width.is_some_and(|width| display_width(&text) <= width) {
                continue;
            }
            *cell = Cell::new("");
            if index == 0 {
                fitted.long_name = Some(text);
            } else if text != "-" {
                fitted.below.push(format!("{} {text}", column.label).trim_start().to_owned());
            }
        }
        if !fitted.below.is_empty() {
            fitted.below = vec![fitted.below.join(", ")];
        }
        fitted.below.extend(row.below.iter().cloned());
        fitted
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
        let cells = cells.map(Cell::new).to_vec();
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
        row.cells[3] = Cell::new("blocked").fg(comfy_table::Color::Red);
        let style = TextStyle { width: 80, is_colored: true, is_ascii: true };
        let text = draw_grid(&columns(), &[row], style);
        let last = text.lines().last().unwrap();
        let mut parts = last.split("\u{1b}[");
        let first = parts.next().unwrap().to_owned();
        let plain = parts.fold(first, |text, part| text + part.split_once('m').unwrap().1);
        assert_eq!(plain, " numpy         2.3      -            blocked         ready");
        assert!(last.contains("\u{1b}[") && last.ends_with("m         ready"), "{last:?}");
        assert!(text.contains("\n---"), "{text}");
    }
}
