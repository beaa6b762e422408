//! Logs: JSON where a machine reads them, text where a person does.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging to standard error for this process; a second call does nothing.
///
/// The level is `RUST_LOG`, or else `AWS_LAMBDA_LOG_LEVEL`, or else `info`. The format is JSON where AWS asks for
/// it (`AWS_LAMBDA_LOG_FORMAT`, which Lambda sets by a function's logging configuration and the task and job
/// definitions set for containers), text otherwise.
/// See <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
pub fn init() {
    let level =
        crate::env::optional("RUST_LOG").or_else(|| crate::env::optional("AWS_LAMBDA_LOG_LEVEL"));
    let logs = tracing_subscriber::registry().with(filter(level.as_deref(), LevelFilter::INFO));
    // A log file is to have no escape codes.
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // An error here means that logging is set up already.
    let _ = match crate::env::optional("AWS_LAMBDA_LOG_FORMAT").as_deref() {
        Some("JSON") => {
            let json = lines.json().flatten_event(true);
            logs.with(json.with_current_span(true).with_span_list(false))
                .try_init()
        }
        _ => logs.with(lines.with_target(false)).try_init(),
    };
}

/// A level, or `target=level` pairs, comma separated; `default` for anything else. Targets rather than an `EnvFilter`,
/// whose regular expressions would add half a megabyte to every function.
pub fn filter(text: Option<&str>, default: LevelFilter) -> Targets {
    text.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| Targets::new().with_default(default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn levels_are_those_of_lambda_and_of_rust_log() {
        for (text, enabled) in [
            (None, Level::INFO),
            (Some("nonsense=very"), Level::INFO),
            (Some("DEBUG"), Level::DEBUG),
            (Some("warn,jobs=trace"), Level::TRACE),
        ] {
            let filter = filter(text, LevelFilter::INFO);
            assert!(filter.would_enable("jobs::job", &enabled), "{text:?}");
            assert!(!filter.would_enable("other", &Level::TRACE), "{text:?}");
        }
    }
}
