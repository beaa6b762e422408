//! How long the next run takes, and how much memory, told from the runs before.
//!
//! The bound is that of split conformal prediction: a curve is fitted to one half of the runs, and the other half tells
//! by how much it is wrong. Of `n` such errors the `⌈(n + 1) · coverage⌉`-th smallest is exceeded by the next one with a
//! probability of at most `1 - coverage`, whatever they are distributed as, as long as the runs could have come in any
//! order (Papadopoulos et al. 2002; Lei et al. 2018, <https://doi.org/10.1080/01621459.2017.1307116>). Without a size of
//! the input there is no curve to fit, and the bound is the order statistic of all runs (Wilks 1941,
//! <https://doi.org/10.1214/aoms/1177731788>). Both are taken of logarithms, because errors of durations are factors.

use serde::{Deserialize, Serialize};

/// The share of runs that stay below a bound.
pub const COVERAGE: f64 = 0.95;

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

/// How long a run takes whose input has the size `feature`; `None` without any run before.
pub fn seconds(samples: &[Sample], feature: Option<&Feature>) -> Option<Estimate> {
    let of = |sample: &Sample| Some((size(sample, feature), sample.seconds));
    estimate(&pairs(samples, of), feature.map(|feature| feature.value))
}

/// How much memory it uses, MiB.
pub fn memory_mib(samples: &[Sample], feature: Option<&Feature>) -> Option<Estimate> {
    let of = |sample: &Sample| Some((size(sample, feature), f64::from(sample.memory_mib?)));
    estimate(&pairs(samples, of), feature.map(|feature| feature.value))
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

fn estimate(runs: &[Pair], value: Option<f64>) -> Option<Estimate> {
    let sized: Vec<(f64, f64)> = runs
        .iter()
        .filter_map(|(size, took)| Some(((*size)?, *took)))
        .collect();
    let value = value.filter(|value| *value > 0.0 && value.is_finite());
    if let Some(value) = value
        && sized.len() >= CURVE_FROM
    {
        // Every other run, so that both halves are as old.
        let half = |rest: usize| sized.iter().skip(rest).step_by(2).copied();
        let curve = Curve::fit(&half(0).collect::<Vec<_>>());
        let errors = half(1).map(|(size, took)| took - curve.at(size));
        return bound(curve.at(value.ln()), errors.collect(), sized.len());
    }
    let errors: Vec<f64> = runs.iter().map(|(_, took)| *took).collect();
    let count = errors.len();
    bound(0.0, errors, count)
}

/// The estimate at `centre` by what runs were above or below theirs.
fn bound(centre: f64, mut errors: Vec<f64>, runs: usize) -> Option<Estimate> {
    errors.sort_by(f64::total_cmp);
    let (count, largest) = (errors.len(), *errors.last()?);
    // The mean of what the errors make of the centre (Duan 1983, the smearing estimate).
    let mean = errors
        .iter()
        .map(|error| (centre + error).exp())
        .sum::<f64>()
        / count as f64;
    let rank = ((count + 1) as f64 * COVERAGE - 1e-9).ceil() as usize;
    let (bound, coverage) = match errors.get(rank - 1) {
        Some(error) => ((centre + error).exp(), COVERAGE),
        None => {
            let coverage = count as f64 / (count + 1) as f64;
            ((centre + largest).exp() * TOO_FEW, coverage)
        }
    };
    let fine = mean.is_finite() && bound.is_finite() && bound > 0.0;
    fine.then_some(Estimate {
        expected: mean.min(bound),
        bound,
        coverage,
        runs,
    })
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
