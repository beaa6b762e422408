use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type};
use jobs::artifacts::{MemoryStore, job_uri};
use jobs::checkpoint::{Checkpoint, INTERVAL, Order, Stop};
use jobs::job::{Job, Origin};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use placement::Placement;
use serde_json::{Value, json};

use super::*;

const AIRPORTS: &str =
    "iata,city,latitude,longitude\nSEA,Seattle,47.4,-122.3\nSFO,San Francisco,37.6,-122.4\n";
const SEATTLE: &str =
    "time,temperature\n2010-01-31T22:00:00,32\n2010-01-31T23:00:00,50\n2010-02-01T00:00:00,41\n";
const SAN_FRANCISCO: &str =
    "time,temperature\n2010-01-31T23:00:00,20\n2010-02-01T00:00:00,15\n2010-02-01T01:00:00,15\n";
const WEATHER: &str = "time,precipitation\n2012-01-01T00:00:00,0.0\n2013-01-02T00:00:00,10.9\n2014-02-02T00:00:00,1\n";

async fn run(input: Value) -> (MemoryStore, Result<Output, Error>) {
    let store = MemoryStore::default();
    let output = attempt(&store, input, Stop::default()).await;
    (store, output)
}

async fn attempt(store: &MemoryStore, input: Value, stop: Stop) -> Result<Output, Error> {
    for (key, body) in [
        ("airports", AIRPORTS),
        ("sea", SEATTLE),
        ("sfo", SAN_FRANCISCO),
        ("weather", WEATHER),
    ] {
        store
            .put(&S3Uri::new("b", key), body.into(), When::Always)
            .await
            .unwrap();
    }
    let origin = Origin::new("e", "s");
    let job = Job::new(origin, "transformer", Placement::Fargate, json!({}));
    let uri = job_uri("b", &job.id);
    let checkpoint = Checkpoint::new(store, &job, &uri, INTERVAL, stop);
    let context = Context {
        job: &job,
        store,
        uri: &uri,
        checkpoint: &checkpoint,
    };
    match input::parse(input) {
        Ok(input) => transform(context, input).await,
        Err(error) => Err(error.under("$.input").into()),
    }
}

fn input() -> Value {
    json!({"airports": "s3://b/airports", "cities": [
        {"name": "Seattle", "temperatures": "s3://b/sea", "unit": "FAHRENHEIT", "airport": "SEA", "weather": "s3://b/weather"},
        {"name": "San Francisco", "temperatures": "s3://b/sfo", "airport": "SFO"},
    ]})
}

async fn table(store: &MemoryStore, uri: &S3Uri) -> RecordBatch {
    let bytes = bytes::Bytes::from(store.get(uri).await.unwrap().unwrap());
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .unwrap()
        .build()
        .unwrap();
    reader.next().unwrap().unwrap()
}

fn numbers(table: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    let column = table
        .column_by_name(name)
        .unwrap()
        .as_primitive::<Float64Type>();
    column
        .iter()
        .map(|value| value.map(|value| (value * 1e6).round() / 1e6))
        .collect()
}

#[tokio::test]
async fn months_are_aggregated_and_joined_with_place_and_weather() {
    let (store, output) = run(input()).await;
    let output = output.unwrap();
    let months = table(&store, &output.monthly).await;
    let cities: Vec<_> = months
        .column_by_name("city")
        .unwrap()
        .as_string::<i32>()
        .iter()
        .flatten()
        .collect();
    assert_eq!(
        cities,
        ["Seattle", "Seattle", "San Francisco", "San Francisco"]
    );
    let first_days = months
        .column_by_name("month")
        .unwrap()
        .as_primitive::<Date32Type>()
        .values()
        .to_vec();
    assert_eq!(
        first_days,
        [14_610, 14_641, 14_610, 14_641],
        "2010-01-01 and 2010-02-01"
    );
    let hours = months
        .column_by_name("hours")
        .unwrap()
        .as_primitive::<Int64Type>()
        .values()
        .to_vec();
    assert_eq!(hours, [2, 1, 1, 2]);
    assert_eq!(
        numbers(&months, "mean_c"),
        [Some(5.0), Some(5.0), Some(20.0), Some(15.0)]
    );
    assert_eq!(numbers(&months, "min_c")[0], Some(0.0));
    assert_eq!(numbers(&months, "max_c")[0], Some(10.0));
    assert_eq!(
        numbers(&months, "latitude"),
        [Some(47.4), Some(47.4), Some(37.6), Some(37.6)]
    );
    assert_eq!(
        numbers(&months, "wet_day_share"),
        [Some(0.5), Some(1.0), None, None]
    );
    let metrics = Metrics {
        parquet_bytes: output.metrics.parquet_bytes,
        rows_read: 11,
        monthly_rows: 4,
        hourly_rows: 4,
    };
    assert_eq!(output.metrics, metrics);
}

#[tokio::test]
async fn hours_are_those_that_all_cities_have() {
    let (store, output) = run(input()).await;
    let hours = table(&store, &output.unwrap().hourly).await;
    let milliseconds = arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None);
    assert_eq!(hours.schema().field(0).data_type(), &milliseconds);
    assert_eq!(
        numbers(&hours, "temperature_c"),
        [Some(10.0), Some(20.0), Some(5.0), Some(15.0)]
    );
    assert_eq!(
        numbers(&hours, "anomaly_c"),
        [Some(-5.0), Some(5.0), Some(-5.0), Some(5.0)]
    );
}

#[tokio::test]
async fn bad_input_is_refused_by_its_path() {
    let cases = [
        ("/cities", json!([]), "$.input.cities: "),
        (
            "/cities/0/airport",
            json!("XXX"),
            "$.input.cities[0].airport: no airport `XXX`",
        ),
        (
            "/cities/1/temperatures",
            json!("s3://b/airports"),
            "$.input.cities[1].temperatures: no column `time`",
        ),
        (
            "/cities/1/temperatures",
            json!("s3://b/none"),
            "s3://b/none does not exist",
        ),
        ("/cities/0/unit", json!("KELVIN"), "$.input.cities[0].unit"),
        (
            "/airports",
            json!("s3://b/sea"),
            "$.input.airports: no column `iata`",
        ),
    ];
    for (pointer, value, expected) in cases {
        let mut input = input();
        *input.pointer_mut(pointer).unwrap() = value;
        let error = run(input).await.1.unwrap_err();
        assert!(error.name().starts_with("Input."), "{error}");
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn an_interrupted_job_goes_on_to_the_same_tables() {
    let (calm, expected) = run(input()).await;
    let expected = expected.unwrap();
    let rough = MemoryStore::default();
    for _ in 0..2 {
        let stop = Stop::default();
        stop.give(Order {
            name: jobs::task::JOB_INTERRUPTED,
            reason: "on purpose".to_owned(),
        });
        let error = attempt(&rough, input(), stop).await.unwrap_err();
        assert_eq!(error.name(), "Job.Interrupted");
    }
    let output = attempt(&rough, input(), Stop::default()).await.unwrap();
    assert_eq!(output, expected);
    for table in [&output.monthly, &output.hourly] {
        assert_eq!(
            rough.get(table).await.unwrap(),
            calm.get(table).await.unwrap()
        );
    }
}
