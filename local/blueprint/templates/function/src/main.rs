//! Wires the `my-function` function.

use jobs::{lambda, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    lambda::serve(my_function::handle).await
}
