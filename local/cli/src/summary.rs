//! The readable end of a run: states, placements, estimated cost.

use std::fmt::Write as _;

use cloud::usage::{PlacementRow, total};
use gatherer::figures;
use placement::pricing::Prices;
use serde_json::Value;

use crate::style;
use crate::timeline::StateRow;

/// The table of states.
pub fn states(rows: &[StateRow]) -> String {
    let cells = rows.iter().map(|row| {
        vec![
            row.name.clone(),
            row.kind.clone(),
            row.entered.to_string(),
            (row.entered - row.exited).to_string(),
            row.retries.to_string(),
            milliseconds(row.total_ms),
            milliseconds(row.longest_ms),
        ]
    });
    table(
        &[
            "state", "type", "entered", "not left", "retries", "total", "longest",
        ],
        cells.collect(),
    )
}

/// The table of placements with its sum.
pub fn costs(rows: &[PlacementRow], prices: &Prices) -> String {
    let cells = rows.iter().map(|row| {
        vec![
            row.placement.to_string(),
            row.name.clone(),
            row.count.to_string(),
            milliseconds(row.seconds * 1e3),
            row.usd
                .map_or_else(|| "too large".to_owned(), |usd| format!("{usd:.6}")),
        ]
    });
    let mut text = table(
        &["placement", "name", "runs", "time here", "USD on AWS"],
        cells.collect(),
    );
    let sum = total(rows);
    let _ = writeln!(
        text,
        "estimated cost on AWS: {sum:.6} USD (prices of {}, times of this machine)",
        prices.as_of
    );
    text
}

/// Cost on AWS and time here, for the end of a sentence.
pub fn spent(rows: &[PlacementRow], seconds: f64) -> String {
    format!(
        "{} on AWS, {} here",
        figures::usd(total(rows)),
        figures::duration(seconds * 1e6)
    )
}

/// A value on one line, or on as many as a screen has room for.
pub fn shortened(value: &Value) -> String {
    const LINES: usize = 24;
    const ONE_LINE: usize = 160;
    let short = value.to_string();
    if short.chars().count() <= ONE_LINE {
        return short;
    }
    let whole = format!("{value:#}");
    if whole.lines().count() <= LINES {
        return whole;
    }
    let some: Vec<&str> = whole.lines().take(LINES).collect();
    format!("{}\n… the rest is in the history", some.join("\n"))
}

fn milliseconds(ms: f64) -> String {
    if ms < 1_000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.2} s", ms / 1_000.0)
    }
}

/// Columns as wide as their widest cell; the first two to the left, numbers to the right.
pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    for (index, row) in std::iter::once(&head).chain(&rows).enumerate() {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column < 2 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        let line = if index == 0 {
            style::bold(line)
        } else {
            line.to_owned()
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_owned(), "bb".to_owned(), "3".to_owned()]];
        assert_eq!(
            table(&["name", "x", "count"], rows),
            format!("{}\na     bb      3\n", style::bold("name  x   count"))
        );
    }
}
