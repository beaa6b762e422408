//! Wires the `dispatcher` function.

use dispatcher::{AwsStarter, Deps, Recall, answer};
use jobs::artifacts::S3Store;
use jobs::aws;
use jobs::env::{self, Unusable};
use jobs::lambda;
use jobs::measure::now_ms;
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
        recall: Recall::default(),
        store: S3Store(aws::s3(&config)),
        callback: SfnCallback(aws::sfn(&config)),
        starter: AwsStarter::from_env(
            aws_sdk_lambda::Client::new(&config),
            aws_sdk_ecs::Client::new(&config),
            aws_sdk_batch::Client::new(&config),
        )?,
    };
    lambda::serve(async |event| answer(&deps, event, now_ms()).await).await
}

fn prices() -> Result<Prices, Unusable> {
    let prices: Prices = env::required_as("ARCHITECTURE")?;
    Ok(prices.with_function(env::required_as("FUNCTION_MEMORY_MIB")?))
}
