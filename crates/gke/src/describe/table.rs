//! Columns as Go's tabwriter sets them, which is how `kubectl` aligns what it prints.

/// Lines of cells; a column is as wide as its widest cell among neighbouring lines that have it.
#[derive(Default)]
pub(super) struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    /// A line without columns, which ends the columns above it.
    pub(super) fn line(&mut self, level: usize, text: &str) {
        self.lines
            .push(vec![format!("{}{text}", "  ".repeat(level))]);
    }

    /// A label and a value; a value of several lines continues in the second column.
    pub(super) fn row(&mut self, level: usize, label: &str, value: &str) {
        self.cells(&[&format!("{}{label}", "  ".repeat(level)), value]);
    }

    /// A label and several values below each other, or `<none>`.
    pub(super) fn texts(&mut self, label: &str, values: &[String]) {
        if values.is_empty() {
            return self.row(0, label, "<none>");
        }
        for (index, value) in values.iter().enumerate() {
            self.row(0, if index == 0 { label } else { "" }, value);
        }
    }

    /// A line of cells.
    pub(super) fn cells(&mut self, cells: &[&str]) {
        self.lines
            .push(cells.iter().map(|cell| (*cell).to_owned()).collect());
    }

    /// The text, with two blanks between columns.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for (index, line) in self.lines.iter().enumerate() {
            for (column, cell) in line.iter().enumerate() {
                text.push_str(cell);
                if column + 1 < line.len() {
                    let width = self.width(index, column);
                    text.push_str(&" ".repeat(width - cell.chars().count() + 2));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }

    /// The widest cell of a column among the lines around one that all have the column.
    fn width(&self, line: usize, column: usize) -> usize {
        let cell =
            |line: &Vec<String>| (line.len() > column + 1).then(|| line[column].chars().count());
        let before = self.lines[..line].iter().rev().map_while(cell);
        let after = self.lines[line..].iter().map_while(cell);
        before.chain(after).max().unwrap_or(0)
    }
}
