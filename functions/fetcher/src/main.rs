//! Wires the `fetcher` function.

use fetcher::{Deps, Web, handle};
use jobs::artifacts::S3Store;
use jobs::aws;
use jobs::env;
use jobs::lambda;
use jobs::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = aws::config().await;
    let deps = Deps {
        bucket: env::required("BUCKET")?,
        store: S3Store(aws::s3(&config)),
        web: Web::from_env(),
    };
    lambda::serve(async |request| handle(&deps, request).await).await
}
