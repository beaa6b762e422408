//! The models and their hyper-parameters.

use input::InvalidInput;
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::metrics::distance::euclidian::Euclidian;
use smartcore::neighbors::knn_classifier::{KNNClassifier, KNNClassifierParameters};

use crate::dataset::Table;
use crate::logistic;
pub use crate::logistic::Logistic;

type Matrix = DenseMatrix<f32>;

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

/// Hyper-parameters of a random forest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forest {
    /// Number of trees, 1 to 2,000.
    pub n_trees: u16,
    /// Longest path from root to leaf, 1 to 64.
    pub max_depth: u16,
    /// Fewest training rows in a leaf, at least 1.
    pub min_samples_leaf: usize,
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
    fitted: Fitted,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Fitted {
    /// A random forest.
    Forest(RandomForestClassifier<f32, u32, Matrix, Vec<u32>>),
    /// The training rows, indexed for the search of neighbours.
    Knn(KNNClassifier<f32, u32, Matrix, Vec<u32>, Euclidian<f32>>),
    /// Multinomial logistic regression.
    Logistic(logistic::Fitted),
}

/// The library could not train or predict.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed: {reason}")]
pub struct FitError {
    step: &'static str,
    reason: String,
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
        let fitted = self.fitted(rows, seed).map_err(|reason| FitError {
            step: "training",
            reason,
        })?;
        Ok(Model {
            features: rows.features.first().map_or(0, Vec::len),
            fitted,
        })
    }

    fn fitted(&self, rows: &Table, seed: u64) -> Result<Fitted, String> {
        let y = &rows.classes;
        let fitted = match self {
            Self::Forest(forest) => {
                let parameters = RandomForestClassifierParameters::default()
                    .with_n_trees(forest.n_trees)
                    .with_max_depth(forest.max_depth)
                    .with_min_samples_leaf(forest.min_samples_leaf)
                    .with_seed(seed);
                matrix(rows)
                    .and_then(|x| RandomForestClassifier::fit(&x, y, parameters))
                    .map(Fitted::Forest)
            }
            Self::Knn(knn) => {
                let parameters = KNNClassifierParameters::default().with_k(knn.k.min(y.len()));
                matrix(rows)
                    .and_then(|x| KNNClassifier::fit(&x, y, parameters))
                    .map(Fitted::Knn)
            }
            Self::Logistic(logistic) => {
                return logistic.fit(rows).map(Fitted::Logistic);
            }
        };
        fitted.map_err(|reason| reason.to_string())
    }
}

impl Model {
    /// The predicted class of each row of [`Model::features`] numbers.
    ///
    /// # Errors
    /// What the library says against it.
    pub fn predict(&self, rows: &Table) -> Result<Vec<u32>, FitError> {
        let predicted = match &self.fitted {
            Fitted::Forest(model) => matrix(rows).and_then(|x| model.predict(&x)),
            Fitted::Knn(model) => matrix(rows).and_then(|x| model.predict(&x)),
            Fitted::Logistic(model) => return Ok(model.predict(rows)),
        };
        predicted.map_err(|reason| FitError {
            step: "prediction",
            reason: reason.to_string(),
        })
    }
}

fn matrix(rows: &Table) -> Result<Matrix, Failed> {
    DenseMatrix::from_2d_vec(&rows.features)
}
