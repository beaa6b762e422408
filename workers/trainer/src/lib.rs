//! The `trainer` worker: trains one model with one set of hyper-parameters and measures it on rows that it has
//! not seen.

use std::time::Instant;

use input::InvalidInput;
use jobs::artifacts::{self, ArtifactError, GetObject, PutObject, S3Uri, When};
use jobs::checkpoint::{Checkpoint, Interrupted};
use jobs::task::{JOB_CRASHED, Named};
use jobs::worker::Context;
use serde::{Deserialize, Serialize};
use tracing::info;

use models::dataset::Table;
use models::model::{FitError, HyperParameters, Model};
use models::training::{SoFar, Training};

/// What to train.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// S3 URI of a CSV file, gzipped or not, with or without header: numbers, the class (a whole number) last.
    pub dataset: S3Uri,
    /// The model and its hyper-parameters, for example `{"forest": {"nTrees": 50}}`.
    pub model: HyperParameters,
    /// Share of the rows that are held out for the test, between 0 and 1.
    #[serde(default = "quarter")]
    pub holdout: f64,
    /// Seed of the split and of the model: the same seed splits the same rows alike for every model.
    #[serde(default)]
    pub seed: u64,
}

fn quarter() -> f64 {
    0.25
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The figures that models are compared by.
    pub metrics: Metrics,
    /// S3 URI of the trained model (JSON).
    pub model: S3Uri,
    /// Rows that the model was trained with.
    pub train_rows: usize,
    /// Rows that it was tested with.
    pub test_rows: usize,
}

/// Figures of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Share of the held-out rows whose class was predicted.
    pub accuracy: f64,
    /// Mean over the classes of the harmonic mean of precision and recall.
    pub macro_f1: f64,
    /// Seconds of training, of all attempts.
    pub train_seconds: f64,
    /// Microseconds to predict one row.
    pub predict_micros: f64,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input cannot be used.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The data set could not be read, or the model not be written.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
    /// The training itself failed.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The job was told to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Self::Input(error) => error.name(),
            Self::Storage(error) => error.name(),
            Self::Fit(_) => JOB_CRASHED,
            Self::Interrupted(interrupted) => interrupted.name(),
        }
    }
}

/// Trains the model of `input`, stores it beside the job, and measures it.
///
/// # Errors
/// `Input.*` when the hyper-parameters or the data cannot be used, `Job.Storage` when S3 fails, and what the job was
/// told to stop for.
pub async fn train<S: GetObject + PutObject>(
    context: Context<'_, S>,
    input: Input,
) -> Result<Output, Error> {
    check(&input)?;
    let bytes = context.store.get(&input.dataset).await?;
    let bytes = bytes.ok_or_else(|| ArtifactError::NotFound(input.dataset.clone()))?;
    let table = Table::parse(&bytes)?;
    let (train, test) = table.split(input.holdout, input.seed);
    if train.classes.is_empty() || test.classes.is_empty() {
        return Err(InvalidInput::new("$.input.dataset", "too few rows to hold some out").into());
    }
    if let Some(class) = train.only_class() {
        let rows = train.classes.len();
        let message = format!(
            "the {rows} rows to train with are all of class {class}; expected two classes or more"
        );
        return Err(InvalidInput::new("$.input.dataset", message).into());
    }
    info!(
        train = train.classes.len(),
        test = test.classes.len(),
        "training {:?}",
        input.model
    );

    let (model, train_seconds) = fit(context.checkpoint, &input, &train).await?;

    let begin = Instant::now();
    let predicted = model.predict(&test)?;
    #[allow(clippy::cast_precision_loss)] // far fewer than 2^52 rows
    let predict_micros = begin.elapsed().as_secs_f64() * 1e6 / test.classes.len() as f64;

    let uri = context.uri.sibling("model.json");
    artifacts::put_json(context.store, &uri, &model, When::Always).await?;
    let metrics = Metrics {
        accuracy: accuracy(&test.classes, &predicted),
        macro_f1: macro_f1(&test.classes, &predicted),
        train_seconds,
        predict_micros,
    };
    Ok(Output {
        metrics,
        model: uri,
        train_rows: train.classes.len(),
        test_rows: test.classes.len(),
    })
}

/// The model, and the seconds that its training took; it goes on from where an earlier attempt was interrupted.
async fn fit<S: GetObject + PutObject>(
    checkpoint: &Checkpoint<'_, S>,
    input: &Input,
    rows: &Table,
) -> Result<(Model, f64), Error> {
    let begin = Instant::now();
    let restored = checkpoint.restore::<(SoFar, f64)>().await?;
    let (so_far, before) = restored.unwrap_or_default();
    let seconds = || before + begin.elapsed().as_secs_f64();
    let mut training = Training::new(&input.model, rows, input.seed, so_far)?;
    while training.step()? {
        let state = || (training.so_far(), seconds());
        checkpoint.offer(training.done(), state).await?;
    }
    Ok((training.finish()?, seconds()))
}

fn check(input: &Input) -> Result<(), InvalidInput> {
    if !(input.holdout > 0.0 && input.holdout < 1.0) {
        return Err(InvalidInput::new(
            "$.input.holdout",
            "expected a share between 0 and 1",
        ));
    }
    input
        .model
        .check()
        .map_err(|error| error.under("$.input.model"))
}

#[allow(clippy::cast_precision_loss)] // far fewer than 2^52 rows
fn accuracy(actual: &[u32], predicted: &[u32]) -> f64 {
    let right = actual
        .iter()
        .zip(predicted)
        .filter(|(actual, predicted)| actual == predicted)
        .count();
    right as f64 / actual.len() as f64
}

#[allow(clippy::cast_precision_loss)] // far fewer than 2^52 rows
fn macro_f1(actual: &[u32], predicted: &[u32]) -> f64 {
    let mut classes: Vec<u32> = actual.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let f1 = |class: &u32| {
        let is = |row: &(&u32, &u32)| (row.0 == class, row.1 == class);
        let rows = || actual.iter().zip(predicted);
        let hits = rows().filter(|row| is(row) == (true, true)).count() as f64;
        let misses = rows().filter(|row| is(row).0 != is(row).1).count() as f64;
        if hits == 0.0 {
            0.0
        } else {
            2.0 * hits / (2.0 * hits + misses)
        }
    };
    classes.iter().map(f1).sum::<f64>() / classes.len() as f64
}

#[cfg(test)]
mod tests;
