//! Wires the `load-generator` function.

use std::time::SystemTime;

use load_generator::capacity::Loopback;
use load_generator::handler::{Deps, handle};
use load_generator::{AllowedTargets, Ceilings};
use shared::artifacts::S3Store;
use shared::env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init();
    let config = shared::aws::config().await;
    let deps = Deps {
        store: S3Store(shared::aws::s3(&config)),
        capacity: Loopback { seconds: 1.0 },
        allowed: AllowedTargets::parse(&env::required("ALLOWED_TARGETS")?)?,
        ceilings: Ceilings {
            rate: env::required("MAX_RATE")?.parse()?,
            seconds: env::required("MAX_SECONDS")?.parse()?,
        },
        memory_mib: env::required("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.parse()?,
    };
    shared::lambda::serve_until(async |request, deadline| {
        handle(&deps, request, SystemTime::now(), deadline).await
    })
    .await
}
