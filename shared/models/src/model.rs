//! The models and their hyper-parameters.

use input::InvalidInput;
use serde::{Deserialize, Serialize};
use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::metrics::distance::euclidian::Euclidian;
use smartcore::neighbors::knn_classifier::KNNClassifier;

use crate::dataset::Table;
pub use crate::forest::Forest;
use crate::forest::{self, Tree};
use crate::logistic;
pub use crate::logistic::Logistic;
use crate::training::{SoFar, Training};

pub(crate) type Matrix = DenseMatrix<f32>;

/// A kind of model with its hyper-parameters.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HyperParameters {
    /// A random forest.
    Forest(Forest),
    /// The vote of the nearest neighbours.
    Knn(Knn),
    /// Multinomial logistic regression, from another library.
    Logistic(Logistic),
}

/// Hyper-parameters of the nearest neighbours.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Knn {
    /// Number of neighbours that vote, 1 to 1,000.
    pub k: usize,
}

/// A trained model, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub struct Model {
    /// Features of each row that it was trained with; it panics at rows of another width.
    pub features: usize,
    pub(crate) fitted: Fitted,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Fitted {
    /// The trees of a random forest.
    Forest(Vec<Tree>),
    /// The training rows, indexed for the search of neighbours.
    Knn(KNNClassifier<f32, u32, Matrix, Vec<u32>, Euclidian<f32>>),
    /// Multinomial logistic regression.
    Logistic(logistic::Fitted),
}

/// The library could not train or predict.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed: {reason}")]
pub struct FitError {
    pub(crate) step: &'static str,
    pub(crate) reason: String,
}

impl HyperParameters {
    /// Refuses values that no model can have, by the JSON path below the model.
    ///
    /// # Errors
    /// Path and range of the first such value.
    pub fn check(&self) -> Result<(), InvalidInput> {
        let values: &[(&str, usize, usize)] = match self {
            Self::Forest(forest) => &[
                ("$.forest.nTrees", forest.n_trees.into(), 2_000),
                ("$.forest.maxDepth", forest.max_depth.into(), 64),
                (
                    "$.forest.minSamplesLeaf",
                    forest.min_samples_leaf,
                    1_000_000,
                ),
            ],
            Self::Knn(knn) => &[("$.knn.k", knn.k, 1_000)],
            Self::Logistic(logistic) => return logistic.check(),
        };
        match values
            .iter()
            .find(|(_, value, most)| !(1..=*most).contains(value))
        {
            Some((path, value, most)) => Err(InvalidInput::new(
                *path,
                format!("expected 1 to {most}, found {value}"),
            )),
            None => Ok(()),
        }
    }

    /// Trains the model with `rows`.
    ///
    /// # Errors
    /// What the library says against it.
    pub fn fit(&self, rows: &Table, seed: u64) -> Result<Model, FitError> {
        let mut training = Training::new(self, rows, seed, SoFar::default())?;
        while training.step()? {}
        training.finish()
    }
}

impl Model {
    /// The predicted class of each row of [`Model::features`] numbers.
    ///
    /// # Errors
    /// What the library says against it.
    pub fn predict(&self, rows: &Table) -> Result<Vec<u32>, FitError> {
        let predicted = match &self.fitted {
            Fitted::Forest(trees) => matrix(rows).and_then(|x| forest::vote(trees, &x)),
            Fitted::Knn(model) => matrix(rows).and_then(|x| model.predict(&x)),
            Fitted::Logistic(model) => return Ok(model.predict(rows)),
        };
        predicted.map_err(|reason| FitError {
            step: "prediction",
            reason: reason.to_string(),
        })
    }
}

pub(crate) fn matrix(rows: &Table) -> Result<Matrix, Failed> {
    DenseMatrix::from_2d_vec(&rows.features)
}
