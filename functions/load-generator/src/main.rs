//! Wires the `load-generator` function.

use std::sync::Mutex;
use std::time::{Instant, SystemTime};

use jobs::artifacts::S3Store;
use jobs::env;
use load::{AllowedTargets, Ceilings};
use load_generator::capacity::Loopback;
use load_generator::handler::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let begin = Instant::now();
    jobs::telemetry::init();
    let config = jobs::aws::config().await;
    let deps = Deps {
        store: S3Store(jobs::aws::s3(&config)),
        capacity: Loopback { seconds: 1.0 },
        allowed: AllowedTargets::parse(&env::required("ALLOWED_TARGETS")?)?,
        ceilings: Ceilings {
            rate: env::required_as("MAX_RATE")?,
            seconds: env::required_as("MAX_SECONDS")?,
        },
        memory_mib: env::required_as("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?,
        init: Mutex::new(Some(begin.elapsed())),
    };
    jobs::lambda::serve_until(async |request, deadline| {
        handle(&deps, request, SystemTime::now(), deadline).await
    })
    .await
}
