//! What ran and what runs, for how long, and how large: the basis of the estimated cost.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use placement::pricing::Prices;
use placement::{Placement, Resources};

use crate::time::Timestamp;

/// One Lambda invocation, ECS task or Batch job attempt.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Usage {
    /// Where it ran, as AWS would bill it.
    pub placement: Placement,
    /// Function name, task definition family or job definition name.
    pub name: String,
    /// vCPUs; for Lambda, what its memory buys (1,769 MB are one vCPU).
    pub vcpus: f64,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Start of the billed time.
    pub started: Timestamp,
    /// End of the billed time.
    pub stopped: Timestamp,
    /// Request id, task ARN or job id.
    pub id: String,
    /// `JOB_URI` the worker was given, if any.
    pub job_uri: Option<String>,
}

/// Append-only record of usage, shared by the services.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    rows: Arc<Mutex<Vec<Usage>>>,
    running: Arc<Mutex<BTreeMap<String, Usage>>>,
}

/// Something that runs, until it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Running {
    id: String,
    meter: Meter,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.meter.running.lock().remove(&self.id);
    }
}

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

impl Usage {
    /// Whether it has ended; what runs ends where it begins.
    pub fn is_over(&self) -> bool {
        self.stopped > self.started
    }

    /// Time it ran here, s.
    pub fn seconds(&self) -> f64 {
        (self.stopped.0 - self.started.0).max(0) as f64 / 1e6
    }

    /// The price of one run of this length on AWS, USD.
    pub fn usd(&self, prices: &Prices) -> Option<f64> {
        let given = Resources {
            vcpu: self.vcpus,
            memory_mib: u32::try_from(self.memory_mib).ok()?,
        };
        prices.cost(self.placement, &given, self.seconds()).ok()
    }
}

/// Sums usage by placement and name, in order of first use.
pub fn placements<'a>(
    usage: impl IntoIterator<Item = &'a Usage>,
    prices: &Prices,
) -> Vec<PlacementRow> {
    let mut rows: Vec<PlacementRow> = Vec::new();
    for one in usage {
        let (placement, usd) = (one.placement, one.usd(prices));
        let known = rows
            .iter_mut()
            .find(|row| row.placement == placement && row.name == one.name);
        match known {
            Some(row) => {
                row.count += 1;
                row.seconds += one.seconds();
                row.usd = row.usd.zip(usd).map(|(sum, more)| sum + more);
            }
            None => rows.push(PlacementRow {
                placement,
                name: one.name.clone(),
                count: 1,
                seconds: one.seconds(),
                usd,
            }),
        }
    }
    rows
}

/// The sum of what is known of the costs, USD.
pub fn total(rows: &[PlacementRow]) -> f64 {
    // The sum of no numbers would be printed as -0.
    let known = rows.iter().filter_map(|row| row.usd);
    known.fold(0.0, |sum, usd| sum + usd)
}

impl Meter {
    /// Adds a row.
    pub fn record(&self, usage: Usage) {
        self.rows.lock().push(usage);
    }

    /// Shows something as running, from its start until the answer is dropped.
    pub(crate) fn begin(&self, mut usage: Usage) -> Running {
        usage.stopped = usage.started;
        let id = usage.id.clone();
        self.running.lock().insert(id.clone(), usage);
        Running {
            id,
            meter: self.clone(),
        }
    }

    /// What runs now, the oldest first; each ends when it began.
    pub fn running(&self) -> Vec<Usage> {
        let mut rows: Vec<Usage> = self.running.lock().values().cloned().collect();
        rows.sort_by_key(|row| row.started);
        rows
    }

    /// Of all that runs and ran what is meant.
    pub fn found(&self, meant: impl Fn(&Usage) -> bool) -> Vec<Usage> {
        let (rows, running) = (self.rows.lock(), self.running.lock());
        let all = rows.iter().chain(running.values());
        all.filter(|row| meant(row)).cloned().collect()
    }

    /// What ran so far, by placement and name.
    pub fn placements(&self, prices: &Prices) -> Vec<PlacementRow> {
        placements(&*self.rows.lock(), prices)
    }

    /// All rows so far, in order of completion.
    pub fn rows(&self) -> Vec<Usage> {
        self.rows.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!((total(&rows) - expected - lambda).abs() < 1e-9);
    }

    #[test]
    fn what_runs_is_shown_until_it_ends() {
        let meter = Meter::default();
        let running = meter.begin(usage(Placement::Batch, 0));
        assert_eq!(meter.running(), [usage(Placement::Batch, 0)]);
        drop(running);
        assert!(meter.running().is_empty() && meter.rows().is_empty());
    }
}
