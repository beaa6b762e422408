//! The quotas of AWS that this code works with, read on 2026-11-24. Sources stand at each figure.

/// Concurrent iterations of an inline Map.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>
pub const INLINE_MAP_CONCURRENCY: u32 = 40;
/// Seconds that GetActivityTask holds the connection open when there is no task.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetActivityTask.html>
pub const ACTIVITY_LONG_POLL_SECONDS: u64 = 60;
/// Longest run of a function, seconds.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const LAMBDA_SECONDS: f64 = 900.0;
/// Largest memory of a function, MiB (AWS writes MB). Same page.
pub const LAMBDA_MEMORY_MIB: u32 = 10_240;
/// Concurrent executions per account and region by default. Same page.
pub const LAMBDA_CONCURRENCY: u32 = 1_000;
/// Memory at which a function has one whole vCPU, MiB; the share is proportional.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
pub const LAMBDA_MIB_PER_VCPU: f64 = 1_769.0;
/// Children of one array job.
/// <https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html>
pub const BATCH_ARRAY_SIZE: u32 = 10_000;
/// Longest Standard execution, seconds: a year.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
pub const EXECUTION_SECONDS: f64 = 31_536_000.0;
