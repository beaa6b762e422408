//! Quotas that the design must respect, read on 2026-11-24. Sources stand at each figure.

/// Largest input or output of a state, bytes of UTF-8.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
pub const STATE_PAYLOAD_BYTES: usize = 256 * 1024;
/// Events in the history of one Standard execution. Same page.
pub const HISTORY_EVENTS: usize = 25_000;
/// Concurrent iterations of an inline Map.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>
pub const INLINE_MAP_CONCURRENCY: usize = 40;
/// Child executions of one Distributed Map that run at once.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>
pub const DISTRIBUTED_MAP_CONCURRENCY: usize = 10_000;
/// Seconds that GetActivityTask holds the connection open when there is no task.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetActivityTask.html>
pub const ACTIVITY_LONG_POLL_SECONDS: u64 = 60;
/// Longest run of a function, seconds.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const LAMBDA_SECONDS: f64 = 900.0;
/// Largest memory of a function, MiB (AWS writes MB). Same page.
pub const LAMBDA_MEMORY_MIB: u32 = 10_240;
/// Concurrent executions per account and region by default. Same page.
pub const LAMBDA_CONCURRENCY: usize = 1_000;
/// Memory at which a function has one whole vCPU, MiB; the share is proportional.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
pub const LAMBDA_MIB_PER_VCPU: f64 = 1_769.0;
/// Fargate tasks launched per second after the burst, on demand and Spot each.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html>
pub const FARGATE_LAUNCHES_PER_SECOND: usize = 20;
/// Fargate tasks that can be launched at once before the rate applies. Same page.
pub const FARGATE_LAUNCH_BURST: usize = 100;
/// Characters of the overrides of one RunTask, names and JSON included.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html>
pub const ECS_OVERRIDE_CHARACTERS: usize = 8_192;
/// Children of one array job.
/// <https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html>
pub const BATCH_ARRAY_SIZE: usize = 10_000;
/// SubmitJob calls per second per account. Same page.
pub const BATCH_SUBMITS_PER_SECOND: usize = 50;
