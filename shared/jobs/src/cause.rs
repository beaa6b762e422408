//! What a cause says: workers, Lambda, ECS and Batch each wrap it in their own JSON.

use serde_json::Value;

/// The point of `cause`; of one that names several errors by who had them, the point of each.
pub fn words(cause: &str) -> String {
    let json: Value = serde_json::from_str(cause).unwrap_or(Value::Null);
    let text = |path: &str| {
        json.pointer(path)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let exit = ["/Containers/0/ExitCode", "/Container/ExitCode"]
        .iter()
        .find_map(|path| json.pointer(path));
    let exit = exit.map_or(String::new(), |code| format!(" (exit code {code})"));
    let ended = || Some(text("/StoppedReason").or_else(|| text("/StatusReason"))? + &exit);
    let point = text("/message")
        .or_else(|| text("/errorMessage"))
        .or_else(ended);
    let nested = || {
        let both = json.as_object()?.iter();
        let told = both.filter_map(|(name, one)| {
            let error = one["Error"].as_str()?;
            Some(format!(
                "{name}: {error}: {}",
                words(one["Cause"].as_str().unwrap_or_default())
            ))
        });
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| told.join("; "))
    };
    point.or_else(nested).unwrap_or_else(|| cause.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_in_words() {
        let both = r#"{"service": {"Error": "A", "Cause": "x"}, "alternative": {"Error": "B", "Cause": "{\"errorMessage\":\"y\"}"}}"#;
        for (cause, expected) in [
            (
                r#"{"errorType":"Input.Invalid","errorMessage":"$.sets: no"}"#,
                "$.sets: no",
            ),
            (
                r#"{"StatusReason":"ended","Container":{"ExitCode":1}}"#,
                "ended (exit code 1)",
            ),
            (both, "service: A: x; alternative: B: y"),
            ("plain", "plain"),
            (
                r#"{"message":"$.input.model: no","jobId":"j"}"#,
                "$.input.model: no",
            ),
            (
                r#"{"StoppedReason":"Essential container in task exited","Containers":[{"ExitCode":3}]}"#,
                "Essential container in task exited (exit code 3)",
            ),
            ("", ""),
        ] {
            assert_eq!(words(cause), expected);
        }
    }
}
