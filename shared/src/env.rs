//! Configuration from environment variables, read once at start and missed by name.

/// A variable that the binary cannot work without.
#[derive(Debug, thiserror::Error)]
#[error(
    "environment variable {0} is not set; serverless.yml sets it for every function and worker that needs it"
)]
pub struct Missing(pub &'static str);

/// The value of a required variable; an empty value counts as missing.
pub fn required(name: &'static str) -> Result<String, Missing> {
    optional(name).ok_or(Missing(name))
}

/// The value of a variable that may be absent; an empty value counts as absent.
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The values of a required comma-separated variable.
pub fn list(name: &'static str) -> Result<Vec<String>, Missing> {
    let value = required(name)?;
    Ok(value
        .split(',')
        .map(|item| item.trim().to_owned())
        .collect())
}
