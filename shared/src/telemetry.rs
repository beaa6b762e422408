//! Logs: JSON where a machine reads them, text where a person does.

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error for this process; a second call does nothing.
///
/// The level is `RUST_LOG`, or else `AWS_LAMBDA_LOG_LEVEL`, or else `info`. The format is JSON where AWS asks for
/// it (`AWS_LAMBDA_LOG_FORMAT`, which Lambda sets by a function's logging configuration and the task and job
/// definitions set for containers), text otherwise.
/// See <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
pub fn init() {
    let level =
        crate::env::optional("RUST_LOG").or_else(|| crate::env::optional("AWS_LAMBDA_LOG_LEVEL"));
    let filter = EnvFilter::try_new(level.as_deref().unwrap_or("info"))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // An error here means that logging is set up already.
    let _ = match crate::env::optional("AWS_LAMBDA_LOG_FORMAT").as_deref() {
        Some("JSON") => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
        _ => builder.with_target(false).try_init(),
    };
}
