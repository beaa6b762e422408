//! Training unit by unit, so that what is done can be saved and gone on from.

use serde::{Deserialize, Serialize};
use smartcore::metrics::distance::euclidian::Euclidian;
use smartcore::neighbors::knn_classifier::{KNNClassifier, KNNClassifierParameters};

use crate::dataset::Table;
use crate::forest::{Forest, Tree};
use crate::logistic;
use crate::model::{self, FitError, Fitted, HyperParameters, Knn, Matrix, Model};

/// What is trained so far. The units of a training are the same, in the same order, however often it is interrupted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SoFar {
    /// The trees of a forest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trees: Vec<Tree>,
    /// Where the optimiser of a logistic regression is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    optimum: Option<logistic::Optimum>,
}

/// A training that is going on.
#[derive(Debug)]
pub struct Training<'a> {
    method: Method<'a>,
    so_far: SoFar,
    features: usize,
}

/// What is trained, with what it is trained from.
#[derive(Debug)]
enum Method<'a> {
    Forest {
        forest: &'a Forest,
        seeds: Vec<u64>,
        x: Matrix,
        y: &'a Vec<u32>,
    },
    Knn {
        knn: &'a Knn,
        x: Matrix,
        y: &'a Vec<u32>,
    },
    Logistic(Box<logistic::Problem<'a>>),
}

impl<'a> Training<'a> {
    /// Trains `parameters` with `rows`, going on from `so_far`, which is of the same parameters, rows and seed.
    ///
    /// # Errors
    /// What the library says against the rows.
    pub fn new(
        parameters: &'a HyperParameters,
        rows: &'a Table,
        seed: u64,
        so_far: SoFar,
    ) -> Result<Self, FitError> {
        let x = || model::matrix(rows).map_err(failed);
        let y = &rows.classes;
        let method = match parameters {
            HyperParameters::Forest(forest) => Method::Forest {
                forest,
                seeds: forest.seeds(seed),
                x: x()?,
                y,
            },
            HyperParameters::Knn(knn) => Method::Knn { knn, x: x()?, y },
            HyperParameters::Logistic(logistic) => {
                Method::Logistic(Box::new(logistic.problem(rows).map_err(failed)?))
            }
        };
        Ok(Self {
            method,
            so_far,
            features: rows.features.first().map_or(0, Vec::len),
        })
    }

    /// Does the next unit of work; whether there was one.
    ///
    /// # Errors
    /// What the library says against it.
    pub fn step(&mut self) -> Result<bool, FitError> {
        match &self.method {
            Method::Forest {
                forest,
                seeds,
                x,
                y,
            } => {
                let Some(seed) = seeds.get(self.so_far.trees.len()) else {
                    return Ok(false);
                };
                let tree = forest.grow(x, y, *seed).map_err(failed)?;
                self.so_far.trees.push(tree);
                Ok(true)
            }
            // It is an index of the rows, made in one go.
            Method::Knn { .. } => Ok(false),
            Method::Logistic(problem) => {
                let next = problem.improve(self.so_far.optimum.as_ref());
                let next = next.map_err(failed)?;
                let moved = next.is_some();
                self.so_far.optimum = next.or(self.so_far.optimum.take());
                Ok(moved)
            }
        }
    }

    /// Units of work in [`Training::so_far`].
    pub fn done(&self) -> u64 {
        let optimum = self.so_far.optimum.as_ref();
        self.so_far.trees.len() as u64 + optimum.map_or(0, logistic::Optimum::rounds)
    }

    /// What is trained so far.
    pub fn so_far(&self) -> &SoFar {
        &self.so_far
    }

    /// The model, once there is nothing left to do.
    ///
    /// # Errors
    /// What the library says against it.
    pub fn finish(self) -> Result<Model, FitError> {
        let fitted = match self.method {
            Method::Forest { .. } => Fitted::Forest(self.so_far.trees),
            Method::Knn { knn, x, y } => {
                let parameters = KNNClassifierParameters::default().with_k(knn.k.min(y.len()));
                let fitted: KNNClassifier<_, _, _, _, Euclidian<f32>> =
                    KNNClassifier::fit(&x, y, parameters).map_err(failed)?;
                Fitted::Knn(fitted)
            }
            Method::Logistic(problem) => {
                let fitted = problem.fitted(self.so_far.optimum);
                Fitted::Logistic(fitted.ok_or_else(|| failed("the optimiser never began"))?)
            }
        };
        Ok(Model {
            features: self.features,
            fitted,
        })
    }
}

fn failed(reason: impl ToString) -> FitError {
    FitError {
        step: "training",
        reason: reason.to_string(),
    }
}
