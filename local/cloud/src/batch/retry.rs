//! Whether a failed attempt is followed by another.
//! <https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html>

use stack::EvaluateOnExit;

/// How an attempt failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure<'a> {
    pub(super) exit_code: Option<i32>,
    pub(super) reason: &'a str,
    pub(super) status_reason: &'a str,
}

/// Whether attempt number `attempt` (1 first) of `attempts` is to be followed by another. The first
/// condition all of whose globs match decides; without a match, it is retried.
pub(super) fn retries(
    attempt: u32,
    attempts: u32,
    conditions: &[EvaluateOnExit],
    failure: Failure<'_>,
) -> bool {
    if attempt >= attempts {
        return false;
    }
    let code = failure
        .exit_code
        .map(|code| code.to_string())
        .unwrap_or_default();
    let holds = |wanted: &Option<String>, actual: &str| {
        wanted
            .as_ref()
            .is_none_or(|pattern| begins_or_is(pattern, actual))
    };
    let decided = conditions.iter().find(|condition| {
        holds(&condition.on_exit_code, &code)
            && holds(&condition.on_reason, failure.reason)
            && holds(&condition.on_status_reason, failure.status_reason)
    });
    decided.is_none_or(|condition| condition.action.eq_ignore_ascii_case("retry"))
}

/// Whether a pattern holds, which can end with an asterisk: then the text begins so. Case does not count.
pub(super) fn begins_or_is(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_condition_decides() {
        let condition = |code: Option<&str>, status: Option<&str>, action: &str| EvaluateOnExit {
            on_exit_code: code.map(str::to_owned),
            on_reason: None,
            on_status_reason: status.map(str::to_owned),
            action: action.to_owned(),
        };
        let spot_only = [
            condition(None, Some("Host EC2*"), "RETRY"),
            condition(Some("3"), None, "EXIT"),
            condition(Some("1*"), None, "retry"),
            condition(None, Some("*"), "exit"),
        ];
        let failure = |exit_code, status_reason| Failure {
            exit_code,
            reason: "",
            status_reason,
        };
        let essential = "Essential container in task exited";
        for (attempt, conditions, failure, expected) in [
            (
                1,
                &spot_only[..],
                failure(Some(143), "Host EC2 (instance i-1) terminated."),
                true,
            ),
            (
                3,
                &spot_only[..],
                failure(Some(143), "Host EC2 (instance i-1) terminated."),
                false,
            ),
            (1, &spot_only[..], failure(Some(3), essential), false),
            (1, &spot_only[..], failure(Some(137), essential), true),
            (1, &spot_only[..], failure(Some(2), essential), false),
            (1, &[][..], failure(Some(2), essential), true),
        ] {
            assert_eq!(
                retries(attempt, 3, conditions, failure),
                expected,
                "{failure:?}"
            );
        }
    }
}
