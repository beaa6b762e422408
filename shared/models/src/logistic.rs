//! Multinomial logistic regression by linfa, so that models of two libraries can be compared.

use input::InvalidInput;
use linfa::Dataset;
use linfa::traits::{Fit, Predict};
use linfa_logistic::{MultiFittedLogisticRegression, MultiLogisticRegression};
use ndarray::{Array1, Array2, Axis};
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

    pub(crate) fn fit(&self, rows: &Table) -> Result<Fitted, String> {
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
        let model = MultiLogisticRegression::default()
            .alpha(self.alpha)
            .max_iterations(self.max_iterations)
            .fit(&dataset)
            .map_err(|error| error.to_string())?;
        Ok(Fitted { mean, range, model })
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
