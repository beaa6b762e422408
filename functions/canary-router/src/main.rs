//! Wires the `canary-router` function.

use canary_router::{Deps, handle};
use shared::artifacts::S3Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init();
    let bucket = shared::env::required("BUCKET")?;
    let config = shared::aws::config().await;
    let deps = Deps {
        store: S3Store(shared::aws::s3(&config)),
        bucket,
    };
    shared::lambda::serve(async |request| handle(&deps, request).await).await
}
