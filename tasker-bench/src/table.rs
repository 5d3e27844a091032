//! Tables in Markdown whose columns stand below each other, so that they can be read in
//! a terminal too.

use std::fmt;

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A head and rows of as many cells.
pub(crate) struct Table {
    head: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<H: Into<String>>(head: impl IntoIterator<Item = (H, Align)>) -> Self {
        Self {
            head: head
                .into_iter()
                .map(|(name, align)| (name.into(), align))
                .collect(),
            rows: Vec::new(),
        }
    }

    /// A bar in a cell would end it, and so would the end of a line.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let clean = |cell: String| cell.replace('|', "\\|").replace('\n', " ");
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells
            .chain([&self.head[column].0])
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            .max(3)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.head.len()).map(|n| self.width(n)).collect();
        let names: Vec<String> = self.head.iter().map(|(name, _)| name.clone()).collect();
        let rule: Vec<String> = self
            .head
            .iter()
            .zip(&widths)
            .map(|((_, align), &width)| match align {
                Align::Left => "-".repeat(width),
                Align::Right => format!("{}:", "-".repeat(width - 1)),
            })
            .collect();
        for row in [names, rule].iter().chain(&self.rows) {
            for ((cell, (_, align)), &width) in row.iter().zip(&self.head).zip(&widths) {
                match align {
                    Align::Left => write!(f, "| {cell:<width$} ")?,
                    Align::Right => write!(f, "| {cell:>width$} ")?,
                }
            }
            f.write_str("|\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_their_heads() {
        let mut table = Table::new([("run", Align::Left), ("×", Align::Right)]);
        table.row(["a|b".to_owned(), "0.25".to_owned()]);
        table.row([String::new(), "1".to_owned()]);
        let expected = "\
| run  |    × |
| ---- | ---: |
| a\\|b | 0.25 |
|      |    1 |
";
        assert_eq!(table.to_string(), expected);
    }
}
