//! Names that are given to what the service makes.

use cloud::error::ServiceError;

/// Checks a name of a state machine, an execution or an activity.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
///
/// # Errors
/// `InvalidName`.
pub fn check_name(name: &str) -> Result<(), ServiceError> {
    if is_name(name) {
        return Ok(());
    }
    Err(ServiceError::new(
        "InvalidName",
        format!("Invalid Name: '{name}'"),
    ))
}

/// Whether something of this service may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    const FORBIDDEN: &str = "?*<>{}[]\"#%\\^|~`$&,;:/";
    let bad = |c: char| c.is_whitespace() || c.is_control() || FORBIDDEN.contains(c);
    (1..=80).contains(&name.chars().count()) && !name.contains(bad)
}
