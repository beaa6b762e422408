//! Multinomial logistic regression by linfa, so that models of two libraries can be compared.

use input::InvalidInput;
use linfa::Dataset;
use linfa::traits::{Fit, Predict};
use linfa_logistic::{MultiFittedLogisticRegression, MultiLogisticRegression};
use ndarray::{Array1, Array2, Axis, Ix1};
use serde::{Deserialize, Serialize};

use crate::dataset::Table;

/// Hyper-parameters of logistic regression.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logistic {
    /// Weight of the L2 penalty, at least 0.
    pub alpha: f64,
    /// Steps of the optimiser at most, 1 to 10,000.
    pub max_iterations: u64,
}

/// A fitted model with the scale of its features: the optimiser needs them alike.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fitted {
    mean: Array1<f64>,
    range: Array1<f64>,
    model: MultiFittedLogisticRegression<f64, u32>,
}

/// Steps of the optimiser in one round, a unit of the training.
const ROUND: u64 = 25;

/// The best weights so far.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Optimum {
    rounds: u64,
    model: MultiFittedLogisticRegression<f64, u32>,
}

/// What is to be learnt from.
#[derive(Debug)]
pub(crate) struct Problem<'a> {
    parameters: &'a Logistic,
    dataset: Dataset<f64, u32, Ix1>,
    mean: Array1<f64>,
    range: Array1<f64>,
}

impl Logistic {
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        let refuse = |path: &str, message: &str| Err(InvalidInput::new(path, message));
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return refuse("$.logistic.alpha", "expected a number from 0");
        }
        if !(1..=10_000).contains(&self.max_iterations) {
            return refuse("$.logistic.maxIterations", "expected 1 to 10000");
        }
        Ok(())
    }

    pub(crate) fn problem(&self, rows: &Table) -> Result<Problem<'_>, String> {
        let features = matrix(rows);
        let mean = features
            .mean_axis(Axis(0))
            .ok_or("there are no rows to learn from")?;
        // By the range, not the deviation: a feature that is almost always the same must not weigh most.
        let range = features.map_axis(Axis(0), |feature| {
            let (least, most) = feature
                .iter()
                .fold((f64::MAX, f64::MIN), |(least, most), value| {
                    (least.min(*value), most.max(*value))
                });
            if most > least { most - least } else { 1.0 }
        });
        let scaled = (features - &mean) / &range;
        let dataset = Dataset::new(scaled, Array1::from(rows.classes.clone()));
        Ok(Problem {
            parameters: self,
            dataset,
            mean,
            range,
        })
    }
}

impl Problem<'_> {
    /// The next round: it begins where the last one ended, with no other memory of it, so that it is the same whether
    /// or not the training was interrupted in between. None after the last step, or when a round finds nothing better.
    pub(crate) fn improve(&self, last: Option<&Optimum>) -> Result<Option<Optimum>, String> {
        let rounds = last.map_or(0, Optimum::rounds);
        let left =
            self.parameters.max_iterations - (rounds * ROUND).min(self.parameters.max_iterations);
        if left == 0 {
            return Ok(None);
        }
        let mut optimiser = MultiLogisticRegression::default()
            .alpha(self.parameters.alpha)
            .max_iterations(left.min(ROUND));
        if let Some(last) = last {
            optimiser = optimiser.initial_params(last.parameters());
        }
        let model = match (optimiser.fit(&self.dataset), last) {
            (Ok(model), Some(last)) if model == last.model => return Ok(None),
            (Ok(model), _) => model,
            // At the optimum there may be no way down at all.
            (Err(_), Some(_)) => return Ok(None),
            (Err(error), None) => return Err(error.to_string()),
        };
        Ok(Some(Optimum {
            rounds: rounds + 1,
            model,
        }))
    }

    pub(crate) fn fitted(self, optimum: Option<Optimum>) -> Option<Fitted> {
        Some(Fitted {
            mean: self.mean,
            range: self.range,
            model: optimum?.model,
        })
    }
}

impl Optimum {
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds
    }

    /// As the optimiser takes them: a column for each class, the intercepts in the last row.
    fn parameters(&self) -> Array2<f64> {
        let (weights, intercepts) = (self.model.params(), self.model.intercept());
        let (features, classes) = weights.dim();
        Array2::from_shape_fn((features + 1, classes), |(row, class)| {
            weights
                .get((row, class))
                .copied()
                .unwrap_or(intercepts[class])
        })
    }
}

impl Fitted {
    pub(crate) fn predict(&self, rows: &Table) -> Vec<u32> {
        let scaled = (matrix(rows) - &self.mean) / &self.range;
        self.model.predict(&scaled).to_vec()
    }
}

fn matrix(rows: &Table) -> Array2<f64> {
    let width = rows.features.first().map_or(0, Vec::len);
    let cell = |(row, column): (usize, usize)| f64::from(rows.features[row][column]);
    Array2::from_shape_fn((rows.features.len(), width), cell)
}
