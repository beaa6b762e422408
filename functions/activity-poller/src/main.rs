//! Wires the `activity-poller` function.

use activity_poller::{Deps, LambdaInvoker, handle};
use jobs::activity::SfnActivity;
use jobs::aws;
use jobs::env;
use jobs::lambda;
use jobs::task::SfnCallback;
use jobs::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let config = aws::config().await;
    let deps = Deps {
        activity: SfnActivity(aws::sfn(&config)),
        callback: SfnCallback(aws::sfn(&config)),
        invoker: LambdaInvoker(aws_sdk_lambda::Client::new(&config)),
        dispatcher: env::required("DISPATCHER")?,
    };
    lambda::serve_until(async |request, deadline| handle(&deps, request, deadline).await).await
}
