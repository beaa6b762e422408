//! The `predictor` function: scores one batch of records with one model.
//!
//! The records are the rows that the model has not seen: dataset, share and seed of the training give
//! the same split here, and a batch is a range of it. So a Distributed Map fans out over small numbers,
//! and every function reads the records itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use input::{self, InvalidInput};
use jobs::artifacts::{self, ArtifactError, GetObject, PutObject, S3Uri, When, run_uri};
use jobs::task::{JOB_CRASHED, Named};
use models::dataset::Table;
use models::model::{FitError, Model};
use serde::{Deserialize, Serialize};
use tracing::info;

/// What is to be scored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Name of the execution; the predictions go below it.
    pub execution: String,
    /// Names the model in the report, `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// S3 URI of the trained model.
    pub model: S3Uri,
    /// S3 URI of the data set that the model was trained with.
    pub dataset: S3Uri,
    /// Share of the rows that were held out.
    pub holdout: f64,
    /// Seed of the split.
    pub seed: u64,
    /// First held-out row of the batch, from 0.
    pub first: usize,
    /// Rows of the batch; fewer at the end of the rows.
    pub count: usize,
}

/// What came of the batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The model's name.
    pub name: String,
    /// First row of the batch.
    pub first: usize,
    /// Rows scored.
    pub records: usize,
    /// Rows whose class was predicted.
    pub correct: usize,
    /// All rows that are held out.
    pub of: usize,
    /// S3 URI of the predictions: CSV `row,class,predicted`.
    pub predictions: String,
    /// For the report.
    pub metrics: Metrics,
}

/// Figures of one batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Share of the rows whose class was predicted.
    pub accuracy: f64,
    /// Microseconds to predict one row.
    pub predict_micros: f64,
}

/// Why a batch could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be meant, or the data set is none.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// Model or data set could not be read, or the predictions not be written.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
    /// The model failed.
    #[error(transparent)]
    Predict(#[from] FitError),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Error::Input(error) => error.name(),
            Error::Storage(error) => error.name(),
            Error::Predict(_) => JOB_CRASHED,
        }
    }
}

/// A model with the rows that it has not seen.
#[derive(Debug)]
struct Loaded {
    model: Model,
    rows: Table,
}

/// What identifies a [`Loaded`].
type Key = (S3Uri, S3Uri, u64, u64);

/// What the handler works with. A warm function keeps its last model and rows: the batches of one map
/// ask for the same.
#[derive(Debug)]
pub struct Deps<Store> {
    bucket: String,
    store: Store,
    warm: Mutex<Option<(Key, Arc<Loaded>)>>,
}

impl<Store> Deps<Store> {
    /// A cold function.
    pub fn new(bucket: String, store: Store) -> Self {
        Deps {
            bucket,
            store,
            warm: Mutex::default(),
        }
    }
}

/// Scores one batch. The same request writes the same predictions to the same place.
///
/// # Errors
/// `Input.*` for a batch that is not there, `Job.Storage` when S3 fails.
pub async fn handle<Store>(deps: &Deps<Store>, request: Request) -> Result<Response, Error>
where
    Store: GetObject + PutObject,
{
    check(&request)?;
    let loaded = load(deps, &request).await?;
    let all = loaded.rows.classes.len();
    if request.first >= all {
        let message = format!(
            "expected less than the {all} held-out rows, found {}",
            request.first
        );
        return Err(InvalidInput::new("$.first", message).into());
    }
    let range = request.first..all.min(request.first.saturating_add(request.count));
    let batch = Table {
        features: loaded.rows.features[range.clone()].to_vec(),
        classes: loaded.rows.classes[range.clone()].to_vec(),
    };
    let begin = Instant::now();
    let predicted = loaded.model.predict(&batch)?;
    let records = batch.classes.len();
    let predict_micros = begin.elapsed().as_secs_f64() * 1e6 / records as f64;
    let pairs = || batch.classes.iter().zip(&predicted);
    let correct = pairs()
        .filter(|(class, predicted)| class == predicted)
        .count();

    let mut csv = String::from("row,class,predicted\n");
    for (row, (class, predicted)) in range.zip(pairs()) {
        csv.push_str(&format!("{row},{class},{predicted}\n"));
    }
    let name = format!("predictions/{}/{:08}.csv", request.name, request.first);
    let uri = run_uri(&deps.bucket, &request.execution, &name);
    deps.store.put(&uri, csv.into_bytes(), When::Always).await?;
    info!(
        execution = request.execution,
        model = request.name,
        records,
        correct,
        "scored"
    );
    Ok(Response {
        name: request.name,
        first: request.first,
        records,
        correct,
        of: all,
        predictions: uri.to_string(),
        metrics: Metrics {
            accuracy: correct as f64 / records as f64,
            predict_micros,
        },
    })
}

fn check(request: &Request) -> Result<(), InvalidInput> {
    input::name("$.name", &request.name)?;
    if !(request.holdout > 0.0 && request.holdout < 1.0) {
        return Err(InvalidInput::new(
            "$.holdout",
            "expected a share between 0 and 1",
        ));
    }
    if request.count == 0 {
        return Err(InvalidInput::new("$.count", "expected at least 1"));
    }
    Ok(())
}

async fn load<Store: GetObject>(
    deps: &Deps<Store>,
    request: &Request,
) -> Result<Arc<Loaded>, Error> {
    let key = (
        request.model.clone(),
        request.dataset.clone(),
        request.holdout.to_bits(),
        request.seed,
    );
    let warm = deps
        .warm
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if let Some((_, loaded)) = warm.filter(|(known, _)| *known == key) {
        return Ok(loaded);
    }
    let model: Model = artifacts::get_json(&deps.store, &request.model).await?;
    let bytes = deps.store.get(&request.dataset).await?;
    let bytes = bytes.ok_or_else(|| ArtifactError::NotFound(request.dataset.clone()))?;
    let table =
        Table::parse(&bytes).map_err(|error| InvalidInput::new("$.dataset", error.message))?;
    if let Some(row) = table
        .features
        .first()
        .filter(|row| row.len() != model.features)
    {
        let (found, wanted) = (row.len(), model.features);
        let message = format!("rows have {found} features, the model was trained with {wanted}");
        return Err(InvalidInput::new("$.dataset", message).into());
    }
    let (_, rows) = table.split(request.holdout, request.seed);
    let loaded = Arc::new(Loaded { model, rows });
    *deps.warm.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, Arc::clone(&loaded)));
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::artifacts::{MemoryStore, put_json};
    use serde_json::{Value, json};

    const DIGITS: &[u8] = include_bytes!("../../../data/digits.csv.gz");

    async fn deps(model: Value) -> Deps<MemoryStore> {
        let store = MemoryStore::default();
        store
            .put(&S3Uri::new("b", "digits"), DIGITS.to_vec(), When::Always)
            .await
            .unwrap();
        let (train, _) = Table::parse(DIGITS).unwrap().split(0.25, 7);
        let parameters: models::model::HyperParameters = serde_json::from_value(model).unwrap();
        let model = parameters.fit(&train, 7).unwrap();
        put_json(&store, &S3Uri::new("b", "model"), &model, When::Always)
            .await
            .unwrap();
        Deps::new("b".into(), store)
    }

    async fn score(deps: &Deps<MemoryStore>, change: Value) -> Result<Response, Error> {
        let mut request = json!({"execution": "e", "name": "m", "model": "s3://b/model", "dataset": "s3://b/digits",
                                 "holdout": 0.25, "seed": 7, "first": 0, "count": 200});
        for (key, value) in change.as_object().unwrap() {
            request[key] = value.clone();
        }
        handle(deps, input::parse(request)?).await
    }

    #[tokio::test]
    async fn batches_cover_the_rows_that_the_model_has_not_seen() {
        for model in [
            json!({"knn": {"k": 3}}),
            json!({"logistic": {"alpha": 1.0, "maxIterations": 60}}),
        ] {
            let deps = deps(model).await;
            let (mut records, mut correct) = (0, 0);
            for first in [0, 200, 400] {
                let response = score(&deps, json!({"first": first})).await.unwrap();
                let uri: S3Uri = response.predictions.parse().unwrap();
                let csv = String::from_utf8(deps.store.get(&uri).await.unwrap().unwrap()).unwrap();
                assert_eq!(csv.lines().count(), response.records + 1);
                assert!(
                    csv.lines()
                        .nth(1)
                        .unwrap()
                        .starts_with(&format!("{first},"))
                );
                (records, correct) = (records + response.records, correct + response.correct);
            }
            assert_eq!(records, 449);
            assert!(correct > 420, "{correct}");
        }
    }

    #[tokio::test]
    async fn a_batch_ends_with_the_rows_however_many_it_may_have() {
        let deps = deps(json!({"knn": {"k": 3}})).await;
        let rest = json!({"first": 440, "count": usize::MAX});
        assert_eq!(score(&deps, rest).await.unwrap().records, 9);
    }

    #[tokio::test]
    async fn bad_input_is_refused_by_its_path() {
        let deps = deps(json!({"knn": {"k": 3}})).await;
        let narrow = S3Uri::new("b", "narrow");
        let rows = b"1,2,0\n3,4,1\n5,6,0\n7,8,1\n".to_vec();
        deps.store.put(&narrow, rows, When::Always).await.unwrap();
        let cases = [
            (
                json!({"dataset": "s3://b/narrow"}),
                "$.dataset: rows have 2 features, the model was trained with 64",
            ),
            (json!({"first": 449}), "$.first"),
            (json!({"count": 0}), "$.count"),
            (json!({"holdout": 1}), "$.holdout"),
            (json!({"name": "a b"}), "$.name"),
            (json!({"dataset": "s3://b/model"}), "$.dataset"),
            (
                json!({"model": "s3://b/none"}),
                "s3://b/none does not exist",
            ),
        ];
        for (change, expected) in cases {
            let error = score(&deps, change).await.unwrap_err();
            assert!(error.name().starts_with("Input."), "{error}");
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }
}
