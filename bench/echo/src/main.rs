//! A Lambda function that answers with what it was given: what is left to measure is its host.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Value>| {
        Ok::<_, Error>(event.payload)
    }))
    .await
}
