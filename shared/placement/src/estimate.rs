//! How long the next run takes, and how much memory, told from the runs before.
//!
//! The bound is that of split conformal prediction: a curve is fitted to one half of the runs, and the other half tells
//! by how much it is wrong. Of `n` such errors the `⌈(n + 1) · coverage⌉`-th smallest is exceeded by the next one with a
//! probability of at most `1 - coverage`, whatever they are distributed as, as long as the runs could have come in any
//! order (Papadopoulos et al. 2002; Lei et al. 2018, <https://doi.org/10.1080/01621459.2017.1307116>). Without a size of
//! the input there is no curve to fit, and the bound is the order statistic of all runs (Wilks 1941,
//! <https://doi.org/10.1214/aoms/1177731788>). Both are taken of logarithms, because errors of durations are factors.

use serde::{Deserialize, Serialize};

use crate::Resources;

/// What a job is taken to need of which nothing is known: the size of the workers' definitions.
pub const USUAL: Resources = Resources {
    vcpu: 1.0,
    memory_mib: 2_048,
};

/// How long a job is taken to run of which nothing is known, seconds, and at most: too long for a function, so that it
/// is not cut off, and the hour after which state machines give a job up.
pub const UNKNOWN_SECONDS: (f64, f64) = (600.0, 3_600.0);

/// Least memory that a job gets by an estimate, MiB: less saves nothing on any placement with a whole vCPU.
const LEAST_MEMORY_MIB: f64 = 512.0;

/// What a job gets on top of the bound of its memory: the page cache and the runtime need some too.
const MEMORY_MARGIN: f64 = 1.1;

/// The share of runs that stay below a bound.
pub const COVERAGE: f64 = 0.95;

/// The shares of runs among whose memories the cheapest is chosen.
const COVERAGES: [f64; 11] = [
    0.5, 0.7, 0.8, 0.85, 0.9, 0.925, COVERAGE, 0.97, 0.98, 0.99, 1.0,
];

/// Runs with a size from which on a curve is fitted.
const CURVE_FROM: usize = 16;

/// By what the longest run is multiplied where there are too few for a bound of the coverage.
const TOO_FEW: f64 = 2.0;

/// What the size of a job's input is told by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// For example `bytes`, `rows` or `nTrees`.
    pub name: String,
    /// How much of it this input has.
    pub value: f64,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The size of its input, where that was told.
    pub feature: Option<Feature>,
    /// How long it worked, seconds.
    pub seconds: f64,
    /// The most memory that it used, where that was measured, MiB.
    pub memory_mib: Option<u32>,
}

/// What the next run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// The mean.
    pub expected: f64,
    /// What it exceeds with a probability of at most `1 - coverage`.
    pub bound: f64,
    /// What the bound is sure to cover.
    pub coverage: f64,
    /// From how many runs.
    pub runs: usize,
}

/// So much memory, and the chance that the next run needs more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// What to ask for, MiB.
    pub mib: u32,
    /// What the run uses stays below this with the probability `1 - too_little`, MiB.
    pub within: f64,
    /// The chance.
    pub too_little: f64,
}

/// What the ledger tells of the next run; where it tells nothing, what is taken instead.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expected {
    /// How long it works, seconds.
    pub seconds: Option<Estimate>,
    /// The most memory that it uses, MiB.
    pub memory: Option<Estimate>,
    /// Sizes of memory to choose among, the smallest first; none where there are too few runs to tell their chances.
    pub memories: Vec<Memory>,
}

impl Expected {
    /// The next run whose input has the size `feature`.
    pub fn of(samples: &[Sample], feature: Option<&Feature>) -> Self {
        let memory = of_memory(samples, feature);
        Self {
            seconds: of_seconds(samples, feature).and_then(|errors| errors.estimate()),
            memory: memory.as_ref().and_then(Errors::estimate),
            memories: memory.as_ref().map(Errors::memories).unwrap_or_default(),
        }
    }

    /// How long it probably works.
    pub fn expected_seconds(&self) -> f64 {
        self.seconds.map_or(UNKNOWN_SECONDS.0, |told| told.expected)
    }

    /// How long it works at most.
    pub fn longest_seconds(&self) -> f64 {
        self.seconds.map_or(UNKNOWN_SECONDS.1, |told| told.bound)
    }

    /// The memory to ask for, MiB.
    pub fn memory_mib(&self) -> u32 {
        self.memory
            .map_or(USUAL.memory_mib, |told| with_margin(told.bound))
    }
}

/// The memory to ask for where a run is to use as much as `used`, MiB.
fn with_margin(used: f64) -> u32 {
    (used * MEMORY_MARGIN).max(LEAST_MEMORY_MIB).ceil() as u32
}

/// How long a run takes whose input has the size `feature`; `None` without any run before.
fn of_seconds(samples: &[Sample], feature: Option<&Feature>) -> Option<Errors> {
    let of = |sample: &Sample| Some((size(sample, feature), sample.seconds));
    Errors::of(&pairs(samples, of), feature.map(|feature| feature.value))
}

/// How much memory it uses, MiB.
fn of_memory(samples: &[Sample], feature: Option<&Feature>) -> Option<Errors> {
    let of = |sample: &Sample| Some((size(sample, feature), f64::from(sample.memory_mib?)));
    Errors::of(&pairs(samples, of), feature.map(|feature| feature.value))
}

/// A run in logarithms: the size of its input, and what it took.
type Pair = (Option<f64>, f64);

fn pairs(samples: &[Sample], of: impl Fn(&Sample) -> Option<Pair>) -> Vec<Pair> {
    let positive = |(size, took): Pair| {
        (took > 0.0 && took.is_finite()).then(|| (size.map(f64::ln), took.ln()))
    };
    samples.iter().filter_map(of).filter_map(positive).collect()
}

/// The size of a run's input in terms of `feature`.
fn size(sample: &Sample, feature: Option<&Feature>) -> Option<f64> {
    let of = sample.feature.as_ref()?;
    let same = of.name == feature?.name && of.value > 0.0 && of.value.is_finite();
    same.then_some(of.value)
}

/// What runs took, told by how much it was above or below what was expected of each.
struct Errors {
    /// What is expected of the next one, in logarithms.
    centre: f64,
    /// In logarithms, the smallest first; at least one.
    sorted: Vec<f64>,
    /// From how many runs all of this is told.
    runs: usize,
}

impl Errors {
    /// Those of `runs` for the next one, whose input has the size `value`; `None` without any run.
    fn of(runs: &[Pair], value: Option<f64>) -> Option<Self> {
        let sized: Vec<(f64, f64)> = runs
            .iter()
            .filter_map(|(size, took)| Some(((*size)?, *took)))
            .collect();
        let value = value.filter(|value| *value > 0.0 && value.is_finite());
        let (centre, mut sorted, runs): (f64, Vec<f64>, usize) = match value {
            Some(value) if sized.len() >= CURVE_FROM => {
                // Every other run, so that both halves are as old.
                let half = |rest: usize| sized.iter().skip(rest).step_by(2).copied();
                let curve = Curve::fit(&half(0).collect::<Vec<_>>());
                let errors = half(1).map(|(size, took)| took - curve.at(size));
                (curve.at(value.ln()), errors.collect(), sized.len())
            }
            _ => {
                let all = runs.iter().map(|(_, took)| *took);
                (0.0, all.collect(), runs.len())
            }
        };
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then_some(Self {
            centre,
            sorted,
            runs,
        })
    }

    /// What the next run comes to if it is as wrong as `error`.
    fn at(&self, error: f64) -> f64 {
        (self.centre + error).exp()
    }

    /// The rank of the error that the next one exceeds with a probability of at most `1 - coverage`.
    fn rank(&self, coverage: f64) -> usize {
        ((self.sorted.len() + 1) as f64 * coverage - 1e-9).ceil() as usize
    }

    fn estimate(&self) -> Option<Estimate> {
        let (count, largest) = (self.sorted.len(), *self.sorted.last()?);
        // The mean of what the errors make of the centre (Duan 1983, the smearing estimate).
        let mean = self.sorted.iter().map(|error| self.at(*error)).sum::<f64>() / count as f64;
        let (bound, coverage) = match self.sorted.get(self.rank(COVERAGE) - 1) {
            Some(error) => (self.at(*error), COVERAGE),
            None => {
                let coverage = count as f64 / (count + 1) as f64;
                (self.at(largest) * TOO_FEW, coverage)
            }
        };
        let fine = mean.is_finite() && bound.is_finite() && bound > 0.0;
        fine.then_some(Estimate {
            expected: mean.min(bound),
            bound,
            coverage,
            runs: self.runs,
        })
    }

    /// The sizes that are exceeded with the chances of [`COVERAGES`], and the largest that was ever seen.
    fn memories(&self) -> Vec<Memory> {
        let count = self.sorted.len();
        if self.rank(COVERAGE) > count {
            return Vec::new();
        }
        let ranks = COVERAGES.map(|coverage| self.rank(coverage).min(count));
        let mut memories: Vec<Memory> = ranks
            .iter()
            .map(|rank| {
                let within = self.at(self.sorted[rank - 1]);
                Memory {
                    mib: with_margin(within),
                    within,
                    too_little: 1.0 - *rank as f64 / (count + 1) as f64,
                }
            })
            .collect();
        // Of the same size the chance is that of the run that it holds with the most need.
        memories.dedup_by(|larger, kept| {
            let same = larger.mib == kept.mib;
            if same {
                *kept = *larger;
            }
            same
        });
        memories
    }
}

/// A straight line in logarithms: what a run takes is a power of the size of its input.
struct Curve {
    slope: f64,
    size: f64,
    took: f64,
}

impl Curve {
    /// The least squares.
    fn fit(runs: &[(f64, f64)]) -> Self {
        let count = runs.len().max(1) as f64;
        let size = runs.iter().map(|run| run.0).sum::<f64>() / count;
        let took = runs.iter().map(|run| run.1).sum::<f64>() / count;
        let spread: f64 = runs.iter().map(|run| (run.0 - size).powi(2)).sum();
        let together: f64 = runs.iter().map(|run| (run.0 - size) * (run.1 - took)).sum();
        let slope = if spread > 1e-9 {
            together / spread
        } else {
            0.0
        };
        Self { slope, size, took }
    }

    fn at(&self, size: f64) -> f64 {
        self.took + self.slope * (size - self.size)
    }
}

#[cfg(test)]
#[path = "estimate_tests.rs"]
mod tests;
