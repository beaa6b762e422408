//! Wires the `dispatcher` function.

use std::time::{SystemTime, UNIX_EPOCH};

use dispatcher::{AwsStarter, Deps, handle};
use jobs::artifacts::S3Store;
use jobs::aws;
use jobs::env;
use jobs::env::Missing;
use jobs::lambda;
use jobs::task::SfnCallback;
use jobs::telemetry;
use placement::pricing::Prices;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = aws::config().await;
    let deps = Deps {
        bucket: env::required("BUCKET")?,
        prices: prices()?,
        store: S3Store(aws::s3(&config)),
        callback: SfnCallback(aws::sfn(&config)),
        starter: AwsStarter::from_env(
            aws_sdk_lambda::Client::new(&config),
            aws_sdk_ecs::Client::new(&config),
            aws_sdk_batch::Client::new(&config),
        )?,
    };
    lambda::serve(async |request| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        handle(&deps, request, now.as_secs_f64()).await
    })
    .await
}

fn prices() -> Result<Prices, lambda_runtime::Error> {
    let prices: Prices = env::parsed("ARCHITECTURE")?.ok_or(Missing("ARCHITECTURE"))?;
    let memory = env::parsed("FUNCTION_MEMORY_MIB")?.ok_or(Missing("FUNCTION_MEMORY_MIB"))?;
    Ok(prices.with_function(memory))
}
