//! Wires the `tuner` function.

use jobs::artifacts::S3Store;
use jobs::aws;
use jobs::lambda;
use jobs::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let store = S3Store(aws::s3(&aws::config().await));
    lambda::serve(async |request| tuner::handle(&store, request).await).await
}
