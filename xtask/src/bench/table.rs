//! Markdown tables.

use std::fmt;

use anyhow::{Context, Result};

/// Rows of cells. The first row is the head.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Table(Vec<Vec<String>>);

/// Parses the tables in these lines, in order.
pub(super) fn all(lines: &[String]) -> Vec<Table> {
    let blocks = lines.split(|line| !line.starts_with('|')).filter(|block| !block.is_empty());
    blocks.map(|block| Table(block.iter().filter(|line| !is_rule(line)).map(|line| cells(line)).collect())).collect()
}

fn is_rule(line: &str) -> bool {
    line.chars().all(|letter| "|-: ".contains(letter))
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

impl Table {
    /// The first cell of each row but the head, and the number that another cell begins with.
    pub(super) fn column(&self, name: &str) -> Result<Vec<(&str, f64)>> {
        let (head, rows) = self.0.split_first().context("an empty table")?;
        let place = head.iter().position(|cell| cell == name).with_context(|| format!("no column `{name}`"))?;
        let entry = |row: &'_ Vec<String>| -> Option<f64> { row.get(place)?.split(' ').next()?.parse().ok() };
        let named = |row| entry(row).with_context(|| format!("no number in the column `{name}` of {row:?}"));
        rows.iter().map(|row| Ok((row.first().context("an empty row")?.as_str(), named(row)?))).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, row) in self.0.iter().enumerate() {
            writeln!(f, "| {} |", row.join(" | "))?;
            if number == 0 {
                writeln!(f, "|{}", "---|".repeat(row.len()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_between_other_lines_and_written_as_they_were() {
        let text = "Benchmarking\n| row | median |\n|---|---|\n| a b | 12 ns |\n| c | 3.5 ns |\n\n| x |\n|---|\n";
        let tables = all(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(tables.len(), 2);
        assert_eq!(tables[0].to_string(), "| row | median |\n|---|---|\n| a b | 12 ns |\n| c | 3.5 ns |\n");
        assert_eq!(tables[0].column("median").unwrap(), [("a b", 12.0), ("c", 3.5)]);
        assert!(tables[0].column("ratio").unwrap_err().to_string().contains("`ratio`"));
        assert!(tables[0].column("row").unwrap_err().to_string().contains("no number"));
    }
}
