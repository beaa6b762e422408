//! The data set and the models that the trainer fits and the predictor scores with.

pub mod dataset;
mod forest;
mod logistic;
pub mod model;
pub mod training;
