//! Wires the `job-watcher` function.

use job_watcher::handle;
use jobs::artifacts::S3Store;
use jobs::aws;
use jobs::lambda;
use jobs::task::SfnCallback;
use jobs::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = aws::config().await;
    let (store, callback) = (S3Store(aws::s3(&config)), SfnCallback(aws::sfn(&config)));
    lambda::serve(async |event| handle(&store, &callback, event).await).await
}
