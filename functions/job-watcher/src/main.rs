//! Wires the `job-watcher` function.

use job_watcher::handle;
use shared::artifacts::S3Store;
use shared::task::SfnCallback;
use shared::{aws, lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = aws::config().await;
    let (store, callback) = (S3Store(aws::s3(&config)), SfnCallback(aws::sfn(&config)));
    lambda::serve(async |event| handle(&store, &callback, event).await).await
}
