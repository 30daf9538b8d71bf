//! Tables as lines of text. Columns that do not fit are left out, the least important first.

use textwrap::core::display_width;

/// A column.
pub(super) struct Column {
    pub(super) title: &'static str,
    /// 0 is never left out; the largest goes first.
    pub(super) rank: u8,
    pub(super) is_text: bool,
}

impl Column {
    /// A column of figures, which are aligned to the right.
    pub(super) const fn figures(title: &'static str, rank: u8) -> Self {
        Self { title, rank, is_text: false }
    }

    /// A column of text. The last one takes the rest of the line.
    pub(super) const fn text(title: &'static str, rank: u8) -> Self {
        Self { title, rank, is_text: true }
    }
}

/// Columns between two columns of a table.
const GAP: usize = 2;

/// Lays out rows below their titles, in lines of at most `width` columns.
pub(super) fn lay_out(columns: &[Column], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let needed = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| display_width(cell));
        let title = columns.get(at).map_or(0, |column| display_width(column.title));
        cells.chain([title]).max().unwrap_or(0)
    };
    let rank = |at: usize| columns.get(at).map_or(0, |column| column.rank);
    let is_last_text =
        |at: usize| columns.get(at).is_some_and(|column| column.is_text) && at + 1 == columns.len();
    // The last text may be cut off, down to this.
    let least = |at: usize| if is_last_text(at) { needed(at).min(12) } else { needed(at) };
    while kept.iter().map(|at| least(*at) + GAP).sum::<usize>() > width + GAP {
        let Some(worst) = kept.iter().copied().max_by_key(|at| (rank(*at), *at)).filter(|at| rank(*at) > 0)
        else {
            break;
        };
        kept.retain(|at| *at != worst);
    }
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
    let mut lines = Vec::new();
    for row in std::iter::once(&titles).chain(rows) {
        let mut line = String::new();
        for at in &kept {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let (cell, wide) = (row.get(*at).map_or("", String::as_str), needed(*at));
            let padding = " ".repeat(wide.saturating_sub(display_width(cell)));
            match columns.get(*at).is_some_and(|column| column.is_text) {
                true => line += &format!("{cell}{padding}"),
                false => line += &format!("{padding}{cell}"),
            }
        }
        lines.push(cut_off(line.trim_end(), width));
    }
    lines
}

/// Cuts a line off at a width.
pub(super) fn cut_off(line: &str, width: usize) -> String {
    if display_width(line) <= width {
        return line.to_owned();
    }
    let mut cut = String::new();
    for letter in line.chars() {
        if display_width(&cut) + display_width(letter.encode_utf8(&mut [0; 4])) > width {
            break;
        }
        cut.push(letter);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::figures("pid", 0), Column::figures("memory", 1), Column::text("path", 0)];

    fn rows() -> Vec<Vec<String>> {
        [["7", "50 MB", "/a"], ["12345", "1 GB", "/a/very/long/path"]]
            .map(|row| row.map(str::to_owned).to_vec())
            .to_vec()
    }

    #[test]
    fn figures_stand_right_and_text_left() {
        let lines = lay_out(&COLUMNS, &rows(), 80);
        assert_eq!(lines, ["  pid  memory  path", "    7   50 MB  /a", "12345    1 GB  /a/very/long/path"]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_or_cut_off() {
        let lines = lay_out(&COLUMNS, &rows(), 22);
        assert_eq!(lines, ["  pid  path", "    7  /a", "12345  /a/very/long/pa"]);
        for width in 1..40 {
            assert!(
                lay_out(&COLUMNS, &rows(), width).iter().all(|line| display_width(line) <= width),
                "{width}"
            );
        }
        assert_eq!(cut_off("wide: 漢字", 8), "wide: 漢");
    }
}
