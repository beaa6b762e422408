//! What Batch wants of a retry strategy, in a template as in a request.
//! <https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html>

use crate::EvaluateOnExit;

const MOST_ATTEMPTS: u32 = 10;
const MOST_CONDITIONS: usize = 5;
const LONGEST_PATTERN: usize = 512;

/// What is wrong with a retry strategy; members are named as in requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    /// Too few or too many attempts.
    #[error("attempts must be between 1 and {MOST_ATTEMPTS}, not {0}")]
    Attempts(u32),
    /// Conditions without attempts.
    #[error("attempts is required with evaluateOnExit")]
    NoAttempts,
    /// Too many conditions.
    #[error("evaluateOnExit must have at most {MOST_CONDITIONS} members, not {0}")]
    Conditions(usize),
    /// An action that there is not.
    #[error("evaluateOnExit: action '{0}' must be one of RETRY | EXIT")]
    Action(String),
    /// A pattern that matches within a text.
    #[error("evaluateOnExit: '{0}' can have an asterisk only at its end")]
    Pattern(String),
    /// A pattern that no exit code matches.
    #[error("evaluateOnExit: onExitCode '{0}' must be digits, and can end with an asterisk")]
    ExitCode(String),
    /// A pattern that is too long.
    #[error("evaluateOnExit: a pattern has at most {LONGEST_PATTERN} characters, not {0}")]
    Length(usize),
}

/// Checks a retry strategy.
///
/// # Errors
/// What AWS does not take.
pub fn check_retry(attempts: Option<u32>, conditions: &[EvaluateOnExit]) -> Result<(), RetryError> {
    match attempts {
        Some(attempts) if !(1..=MOST_ATTEMPTS).contains(&attempts) => {
            return Err(RetryError::Attempts(attempts));
        }
        None if !conditions.is_empty() => return Err(RetryError::NoAttempts),
        _ => {}
    }
    if conditions.len() > MOST_CONDITIONS {
        return Err(RetryError::Conditions(conditions.len()));
    }
    conditions.iter().try_for_each(check_condition)
}

fn check_condition(condition: &EvaluateOnExit) -> Result<(), RetryError> {
    let action = &condition.action;
    if !["RETRY", "EXIT"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(action))
    {
        return Err(RetryError::Action(action.clone()));
    }
    let EvaluateOnExit {
        on_exit_code,
        on_reason,
        on_status_reason,
        ..
    } = condition;
    for pattern in [on_exit_code, on_reason, on_status_reason]
        .into_iter()
        .flatten()
    {
        let length = pattern.chars().count();
        if length > LONGEST_PATTERN {
            return Err(RetryError::Length(length));
        }
        let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
        if beginning.contains('*') {
            return Err(RetryError::Pattern(pattern.clone()));
        }
    }
    match on_exit_code {
        Some(code)
            if !code
                .trim_end_matches('*')
                .chars()
                .all(|c| c.is_ascii_digit()) =>
        {
            Err(RetryError::ExitCode(code.clone()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_does_not_take_is_named() {
        let condition = |code: &str, reason: &str, action: &str| EvaluateOnExit {
            on_exit_code: Some(code.to_owned()),
            on_reason: Some(reason.to_owned()),
            on_status_reason: None,
            action: action.to_owned(),
        };
        let good = condition("13*", "Host EC2*", "retry");
        assert_eq!(check_retry(Some(10), std::slice::from_ref(&good)), Ok(()));
        assert_eq!(check_retry(None, &[]), Ok(()));
        let long = "x".repeat(513);
        for (attempts, conditions, words) in [
            (Some(0), vec![], "between 1 and 10"),
            (Some(11), vec![], "between 1 and 10"),
            (None, vec![good.clone()], "attempts is required"),
            (Some(2), vec![good; 6], "at most 5"),
            (Some(2), vec![condition("1", "a", "MAYBE")], "RETRY | EXIT"),
            (
                Some(2),
                vec![condition("1", "*a", "EXIT")],
                "only at its end",
            ),
            (
                Some(2),
                vec![condition("1", "a**", "EXIT")],
                "only at its end",
            ),
            (Some(2), vec![condition("x", "a", "EXIT")], "must be digits"),
            (Some(2), vec![condition("1", &long, "EXIT")], "at most 512"),
        ] {
            let error = check_retry(attempts, &conditions).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
