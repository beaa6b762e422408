//! The readable end of a run: states, placements, estimated cost.

use std::fmt::Write as _;

use cloud::Usage;
use gatherer::figures;
use placement::pricing::Prices;
use placement::{Placement, Resources};
use serde_json::Value;

use crate::style;
use crate::timeline::StateRow;

/// All rows of one function, task definition or job definition.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacementRow {
    /// Where it ran.
    pub placement: Placement,
    /// Function, task definition family or job definition.
    pub name: String,
    /// Invocations, tasks or job attempts.
    pub count: u32,
    /// Time it ran here, s.
    pub seconds: f64,
    /// What the same would cost on AWS, USD, start-up and least billed time included; none where
    /// no size of the placement holds it.
    pub usd: Option<f64>,
}

/// Sums usage by placement and name, in order of first use.
pub fn placements(usage: &[Usage], prices: &Prices) -> Vec<PlacementRow> {
    let mut rows: Vec<PlacementRow> = Vec::new();
    for one in usage {
        let placement = one.placement;
        let seconds = (one.stopped.0 - one.started.0).max(0) as f64 / 1e6;
        let usd = cost(one, seconds, prices);
        let known = rows
            .iter_mut()
            .find(|row| row.placement == placement && row.name == one.name);
        match known {
            Some(row) => {
                row.count += 1;
                row.seconds += seconds;
                row.usd = row.usd.zip(usd).map(|(sum, more)| sum + more);
            }
            None => rows.push(PlacementRow {
                placement,
                name: one.name.clone(),
                count: 1,
                seconds,
                usd,
            }),
        }
    }
    rows
}

/// The price of one run of this length on AWS.
fn cost(usage: &Usage, seconds: f64, prices: &Prices) -> Option<f64> {
    let given = Resources {
        vcpu: usage.vcpus,
        memory_mib: u32::try_from(usage.memory_mib).ok()?,
    };
    prices.cost(usage.placement, &given, seconds).ok()
}

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
    // The sum of no numbers would be printed as -0.
    let sum = rows
        .iter()
        .filter_map(|row| row.usd)
        .fold(0.0, |sum, usd| sum + usd);
    let _ = writeln!(
        text,
        "estimated cost on AWS: {sum:.6} USD (prices of {}, times of this machine)",
        prices.as_of
    );
    text
}

/// Cost on AWS and time here, for the end of a sentence.
pub fn spent(rows: &[PlacementRow], seconds: f64) -> String {
    let usd = rows
        .iter()
        .filter_map(|row| row.usd)
        .fold(0.0, |sum, usd| sum + usd);
    format!(
        "{} on AWS, {} here",
        figures::usd(usd),
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
    use asl::Timestamp;

    fn usage(placement: Placement, seconds: i64) -> Usage {
        Usage {
            placement,
            name: "trainer".to_owned(),
            vcpus: 2.0,
            memory_mib: 4_096,
            started: Timestamp(0),
            stopped: Timestamp(seconds * 1_000_000),
            id: String::new(),
            job_uri: None,
        }
    }

    #[test]
    fn runs_of_one_name_and_placement_are_one_row() {
        let prices = Prices::default();
        let all = [
            usage(Placement::Fargate, 3_600),
            usage(Placement::Fargate, 3_600),
            usage(Placement::Lambda, 3_600),
        ];
        let rows = placements(&all, &prices);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].count, rows[0].seconds), (2, 7_200.0));
        // Two hours of 2 vCPU and 4 GB, and twice 15 s of start-up.
        let hour = 2.0 * prices.fargate.vcpu_hour + 4.0 * prices.fargate.gb_hour;
        let expected = hour * (2.0 + 30.0 / 3_600.0);
        assert!(rows[0].usd.is_some_and(|usd| (usd - expected).abs() < 1e-9));
        // A function is billed by the memory that it has, whatever vCPUs that brings.
        let lambda = 4.0 * 3_600.0 * prices.lambda.gb_second + prices.lambda.request;
        assert!(rows[1].usd.is_some_and(|usd| (usd - lambda).abs() < 1e-9));
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_owned(), "bb".to_owned(), "3".to_owned()]];
        assert_eq!(
            table(&["name", "x", "count"], rows),
            format!("{}\na     bb      3\n", style::bold("name  x   count"))
        );
    }
}
