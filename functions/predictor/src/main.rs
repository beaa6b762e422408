//! Wires the `predictor` function.

use predictor::{Deps, handle};
use shared::artifacts::S3Store;
use shared::{aws, env, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = aws::config().await;
    let deps = Deps::new(env::required("BUCKET")?, S3Store(aws::s3(&config)));
    lambda::serve(async |request| handle(&deps, request).await).await
}
