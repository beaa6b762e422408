use jobs::artifacts::{MemoryStore, get_json, job_uri};
use jobs::checkpoint::{INTERVAL, Stop};
use jobs::job::{Job, Origin};
use placement::Placement;
use serde_json::{Value, json};

use super::*;

mod interrupted;

const DIGITS: &[u8] = include_bytes!("../../../data/digits.csv.gz");

async fn run(input: Value) -> (MemoryStore, Result<Output, Error>) {
    run_on(DIGITS, input).await
}

/// Trains on the data set in `bytes`, which is at `s3://b/data/digits.csv.gz`.
async fn run_on(bytes: &[u8], input: Value) -> (MemoryStore, Result<Output, Error>) {
    let store = MemoryStore::default();
    let dataset = S3Uri::new("b", "data/digits.csv.gz");
    store
        .put(&dataset, bytes.to_vec(), When::Always)
        .await
        .unwrap();
    let origin = Origin::new("e", "s");
    let job = Job::new(origin, "trainer", Placement::Lambda, json!({}));
    let uri = job_uri("b", &job.id);
    let checkpoint = Checkpoint::new(&store, &job, &uri, INTERVAL, Stop::default());
    let context = Context {
        job: &job,
        store: &store,
        uri: &uri,
        checkpoint: &checkpoint,
    };
    let output = match input::parse::<Input>(input) {
        Ok(input) => train(context, input).await,
        Err(error) => Err(error.under("$.input").into()),
    };
    (store, output)
}

#[tokio::test]
async fn all_models_learn_the_digits_and_come_back_from_storage() {
    let models = [
        json!({"forest": {"nTrees": 40, "maxDepth": 14, "minSamplesLeaf": 1}}),
        json!({"knn": {"k": 3}}),
        json!({"logistic": {"alpha": 1.0, "maxIterations": 100}}),
    ];
    for model in models {
        let input = json!({"dataset": "s3://b/data/digits.csv.gz", "model": model, "seed": 1});
        let (store, output) = run(input).await;
        let output = output.unwrap();
        assert!(
            output.metrics.accuracy >= 0.94,
            "{model}: {:?}",
            output.metrics
        );
        assert!((output.metrics.accuracy - output.metrics.macro_f1).abs() < 0.02);
        assert_eq!((output.train_rows, output.test_rows), (1348, 449));
        let stored: models::model::Model = get_json(&store, &output.model).await.unwrap();
        let (_, test) = Table::parse(DIGITS).unwrap().split(0.25, 1);
        let again = accuracy(&test.classes, &stored.predict(&test).unwrap());
        assert!((again - output.metrics.accuracy).abs() < f64::EPSILON);
    }
}

#[tokio::test]
async fn bad_input_is_refused_by_path() {
    let good = json!({"knn": {"k": 3}});
    let forest =
        |depth: i64| json!({"forest": {"nTrees": 2, "maxDepth": depth, "minSamplesLeaf": 1}});
    let cases = [
        (
            json!({"dataset": "s3://b/data/digits.csv.gz", "model": forest(-1)}),
            "$.input.model.forest.maxDepth",
        ),
        (
            json!({"dataset": "s3://b/data/digits.csv.gz", "model": forest(0)}),
            "$.input.model.forest.maxDepth",
        ),
        (
            json!({"dataset": "s3://b/data/digits.csv.gz", "model": {"svm": {}}}),
            "$.input.model",
        ),
        (
            json!({"dataset": "digits.csv", "model": good}),
            "$.input.dataset",
        ),
        (
            json!({"dataset": "s3://b/data/digits.csv.gz", "model": good, "holdout": 1}),
            "$.input.holdout",
        ),
    ];
    for (input, path) in cases {
        let error = run(input).await.1.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
        assert!(error.to_string().starts_with(path), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_missing_data_set_is_named() {
    let (_, output) =
        run(json!({"dataset": "s3://b/data/other.csv", "model": {"knn": {"k": 3}}})).await;
    assert_eq!(output.unwrap_err().name(), "Input.NotFound");
}

#[test]
fn figures_are_right() {
    assert!((accuracy(&[1, 2, 3, 3], &[1, 2, 3, 1]) - 0.75).abs() < 1e-12);
    // Class 1: precision 1/2, recall 1; class 2: 1 and 1; class 3: precision 1, recall 1/2.
    assert!(
        (macro_f1(&[1, 2, 3, 3], &[1, 2, 3, 1]) - (2.0 / 3.0 + 1.0 + 2.0 / 3.0) / 3.0).abs()
            < 1e-12
    );
}

/// The data set as people have it: a table of 40 rows, in ways in which spreadsheets and data frames write it.
#[tokio::test]
async fn a_data_set_is_read_however_it_was_written() {
    let table = |header: &str, row: fn(f64, u32) -> String| {
        let rows = (0..40).map(|at| row(f64::from(at) / 40.0, u32::from(at >= 20)));
        header.to_owned() + &rows.collect::<String>()
    };
    let plain: fn(f64, u32) -> String = |x, class| format!("{x},{class}\n");
    let same: [Vec<u8>; 6] = [
        table("", plain).into(),
        table("x,class\n", plain).into(),
        table("\u{feff}x,class\n", plain).into(),
        table("x,class\n", |x, class| format!("\"{x}\",\"{class}\"\n")).into(),
        table("x;class\r\n", |x, class| format!("{x};{class}.0\r\n")).into(),
        include_bytes!("../../../shared/columns/fixtures/classes.parquet").to_vec(),
    ];
    for bytes in same {
        let input = json!({"dataset": "s3://b/data/digits.csv.gz", "model": {"knn": {"k": 3}}});
        let output = run_on(&bytes, input).await.1.unwrap();
        assert_eq!((output.train_rows, output.test_rows), (30, 10));
        assert!(output.metrics.accuracy > 0.5, "{:?}", output.metrics);
    }
}

/// What cannot be learned from is the caller's mistake, which no retry cures, whatever it is.
#[tokio::test]
async fn a_data_set_that_cannot_be_learned_from_is_invalid() {
    let one_class = (0..40).map(|at| format!("{at},7\n")).collect::<String>();
    let cases: [(&[u8], &str); 4] = [
        (
            one_class.as_bytes(),
            "all of class 7; expected two classes or more",
        ),
        (b"x,class\n1,0\n,1\n", "line 3: column 1 (x): an empty cell"),
        (
            b"PAR1 and no more",
            "it is a Parquet file that cannot be read",
        ),
        (b"1,0\n", "too few rows"),
    ];
    for model in [
        json!({"knn": {"k": 1}}),
        json!({"logistic": {"alpha": 1.0, "maxIterations": 9}}),
    ] {
        for (bytes, expected) in cases {
            let input = json!({"dataset": "s3://b/data/digits.csv.gz", "model": model});
            let error = run_on(bytes, input).await.1.unwrap_err();
            assert_eq!(error.name(), "Input.Invalid", "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
