//! Wires the `canary-router` function.

use canary_router::{Deps, handle};
use jobs::artifacts::S3Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    jobs::telemetry::init();
    let bucket = jobs::env::required("BUCKET")?;
    let config = jobs::aws::config().await;
    let deps = Deps {
        store: S3Store(jobs::aws::s3(&config)),
        bucket,
    };
    jobs::lambda::serve(async |request| handle(&deps, request).await).await
}
