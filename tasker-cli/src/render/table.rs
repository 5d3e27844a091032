//! Columns of text.

use std::fmt::Write as _;

use super::style::{pad, Ink, Style};

/// A head and rows in aligned columns; the last column is cut at `width`.
/// Cells carry their colour, which does not count as width.
pub(crate) fn table(
    head: &[&str],
    rows: &[Vec<(String, Ink)>],
    width: usize,
    style: Style,
) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = rows
                .iter()
                .filter_map(|r| r.get(column))
                .map(|c| c.0.chars().count());
            cells.chain([title.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[(String, Ink)]| {
        let mut text = String::new();
        let mut used = 0;
        for (column, (cell, ink)) in cells.iter().enumerate() {
            let last = column + 1 == cells.len();
            let room = if last {
                width.saturating_sub(used).max(8)
            } else {
                widths[column]
            };
            let clean: String = cell
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            let shown = style.clip(&clean, room);
            let gap = if last {
                String::new()
            } else {
                pad("", widths[column] - shown.chars().count() + 2)
            };
            used += widths[column] + 2;
            text.push_str(&style.paint(*ink, &shown));
            text.push_str(&gap);
        }
        format!("{}\n", text.trim_end())
    };
    let titles: Vec<(String, Ink)> = head.iter().map(|t| ((*t).to_owned(), Ink::Dim)).collect();
    let mut text = line(&titles);
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

/// `name  value` lines; pairs with an empty value are left out.
pub(crate) fn fields(pairs: &[(&str, String)], style: Style) -> String {
    let pairs = || pairs.iter().filter(|(_, value)| !value.is_empty());
    let names = pairs()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, value) in pairs() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}  {value}",
            style.paint(Ink::Dim, &pad(name, names))
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> (String, Ink) {
        (text.to_owned(), Ink::Plain)
    }

    #[test]
    fn columns_line_up_and_the_last_one_is_cut() {
        let rows = [
            vec![cell("1"), cell("order"), cell("a reason that is long")],
            vec![cell("12345"), cell("x"), cell("")],
        ];
        assert_eq!(
            table(&["ID", "NAME", "REASON"], &rows, 24, Style::ASCII),
            "ID     NAME   REASON\n1      order  a reason ~\n12345  x\n"
        );
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let rows = [vec![cell("a\x1b[2Jb\n")]];
        assert_eq!(table(&["X"], &rows, 80, Style::ASCII), "X\na [2Jb\n");
    }

    #[test]
    fn empty_fields_are_left_out() {
        let pairs = [
            ("state", "error".to_owned()),
            ("reason", String::new()),
            ("id", "7".to_owned()),
        ];
        assert_eq!(fields(&pairs, Style::ASCII), "state  error\nid     7\n");
    }
}
