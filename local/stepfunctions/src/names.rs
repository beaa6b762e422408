//! Names that are given to what the service makes.

use cloud::error::ServiceError;

/// Checks a name of a state machine, an execution or an activity.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
///
/// # Errors
/// `InvalidName`.
pub fn check_name(name: &str) -> Result<(), ServiceError> {
    const FORBIDDEN: &str = "?*<>{}[]\"#%\\^|~`$&,;:/";
    let length = name.chars().count();
    let bad = |c: char| c.is_whitespace() || c.is_control() || FORBIDDEN.contains(c);
    if (1..=80).contains(&length) && !name.contains(bad) {
        return Ok(());
    }
    Err(ServiceError::new(
        "InvalidName",
        format!("Invalid Name: '{name}'"),
    ))
}
