//! Configuration from environment variables, read once at start and missed by name.

use std::fmt::Display;
use std::str::FromStr;

/// A variable that the binary cannot work without.
#[derive(Debug, thiserror::Error)]
#[error(
    "environment variable {0} is not set; serverless.yml sets it for every function and worker that needs it"
)]
pub struct Missing(pub &'static str);

/// A variable that is not what the binary can work with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} is `{value}`: {reason}")]
pub struct Malformed {
    /// The variable.
    pub name: &'static str,
    /// What it is set to.
    pub value: String,
    /// What is wrong with that.
    pub reason: String,
}

/// Why a required variable cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is not set.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// It is set to something else.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The value of a required variable; an empty value counts as missing.
pub fn required(name: &'static str) -> Result<String, Missing> {
    optional(name).ok_or(Missing(name))
}

/// The value of a variable that may be absent; an empty value counts as absent.
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of a variable that may be absent, as a `T`.
pub fn parsed<T>(name: &'static str) -> Result<Option<T>, Malformed>
where
    T: FromStr<Err: Display>,
{
    optional(name).map(|value| read(name, value)).transpose()
}

/// The value of a required variable, as a `T`.
pub fn required_as<T>(name: &'static str) -> Result<T, Unusable>
where
    T: FromStr<Err: Display>,
{
    Ok(parsed(name)?.ok_or(Missing(name))?)
}

fn read<T>(name: &'static str, value: String) -> Result<T, Malformed>
where
    T: FromStr<Err: Display>,
{
    value.parse().map_err(|error: T::Err| Malformed {
        name,
        reason: error.to_string(),
        value,
    })
}

/// The values of a required comma-separated variable.
pub fn list(name: &'static str) -> Result<Vec<String>, Missing> {
    let value = required(name)?;
    Ok(value
        .split(',')
        .map(|item| item.trim().to_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_be_read_is_told_with_its_variable() {
        assert_eq!(read("MAX_TASKS", "3".to_owned()), Ok(3_u32));
        let error = read::<u32>("MAX_TASKS", "x".to_owned()).map_err(|error| error.to_string());
        let expected = "environment variable MAX_TASKS is `x`: invalid digit found in string";
        assert_eq!(error, Err(expected.to_owned()));
    }
}
