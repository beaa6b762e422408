//! Wires the `gatherer` function.

use gatherer::{Deps, answer};
use jobs::artifacts::S3Store;
use jobs::aws;
use jobs::env;
use jobs::lambda;
use jobs::telemetry;
use time::OffsetDateTime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let store = S3Store(aws::s3(&aws::config().await));
    let deps = Deps {
        bucket: env::required("BUCKET")?,
        store,
        prices: env::required_as("ARCHITECTURE")?,
    };
    lambda::serve_until(async |event, limit| {
        answer(&deps, event, OffsetDateTime::now_utc(), limit).await
    })
    .await
}
