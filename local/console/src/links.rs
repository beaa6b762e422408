//! Addresses of pages, and what stands in their queries.

use std::collections::BTreeMap;

use cloud::router::CONSOLE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':')
    .remove(b'/');

/// The overview.
pub fn overview() -> String {
    format!("{CONSOLE}/")
}

/// The page of a state machine.
pub fn machine(arn: &str) -> String {
    format!("{CONSOLE}/machines/{}", utf8_percent_encode(arn, PLAIN))
}

/// The page of an execution.
pub fn execution(arn: &str) -> String {
    format!("{CONSOLE}/executions/{}", utf8_percent_encode(arn, PLAIN))
}

/// The page of a Map Run.
pub fn map_run(arn: &str) -> String {
    format!("{CONSOLE}/map-runs/{}", utf8_percent_encode(arn, PLAIN))
}

/// The report of an execution.
pub fn report(arn: &str) -> String {
    format!("{CONSOLE}/reports/{}", utf8_percent_encode(arn, PLAIN))
}

/// What a form or a query has, by name; of a name that comes twice the last.
pub type Fields = BTreeMap<String, String>;

/// Reads a form or a query.
pub fn fields(text: &[u8]) -> Fields {
    form_urlencoded::parse(text).into_owned().collect()
}

/// An address with a query; what is empty is left out.
pub fn with(path: &str, fields: &[(&str, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let given = fields.iter().filter(|(_, value)| !value.is_empty());
    for (name, value) in given {
        query.append_pair(name, value);
    }
    let query = query.finish();
    match query.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{query}"),
    }
}

/// The last part of an ARN: a name.
pub fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_any_name() {
        let arn = "arn:aws:states:us-east-1:1:execution:a/b:<é> &";
        let path = execution(arn);
        assert_eq!(
            path,
            "/_console/executions/arn:aws:states:us-east-1:1:execution:a/b:%3C%C3%A9%3E%20%26"
        );
        let address = with("/p", &[("a", "1 &".into()), ("b", String::new())]);
        assert_eq!(address, "/p?a=1+%26");
        assert_eq!(with("/p", &[("b", String::new())]), "/p");
        assert_eq!(fields(b"a=1+%26&a=2")["a"], "2");
        assert_eq!(name_of(arn), "<é> &");
    }
}
