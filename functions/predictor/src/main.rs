//! Wires the `predictor` function.

use jobs::artifacts::S3Store;
use jobs::aws;
use jobs::env;
use jobs::lambda;
use jobs::telemetry;
use predictor::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = aws::config().await;
    let deps = Deps::new(env::required("BUCKET")?, S3Store(aws::s3(&config)));
    lambda::serve(async |request| handle(&deps, request).await).await
}
