//! The results as JUnit XML, which CI systems read.

use super::{Outcome, Tested, report};

/// The whole document.
pub fn document(tested: &[Tested]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for one in tested {
        let failures = one
            .outcomes
            .iter()
            .filter(|outcome| !outcome.passed())
            .count();
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\">\n",
            escaped(&one.loaded.definition.name),
            one.outcomes.len()
        ));
        for outcome in &one.outcomes {
            text.push_str(&case(&one.loaded.definition.name, outcome));
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case(machine: &str, outcome: &Outcome) -> String {
    let start = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.6}\"",
        escaped(machine),
        escaped(&outcome.name),
        outcome.took.as_secs_f64()
    );
    if outcome.passed() {
        return format!("{start}/>\n");
    }
    let what: Vec<&str> = outcome
        .mismatches
        .iter()
        .map(|mismatch| mismatch.what.as_str())
        .collect();
    format!(
        "{start}>\n      <failure message=\"not as expected: {}\">{}</failure>\n    </testcase>\n",
        escaped(&what.join(", ")),
        escaped(&report::failure(outcome))
    )
}

/// Text in XML. What XML 1.0 cannot hold is told as a question mark.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(character),
            control if control < ' ' => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_the_document() {
        assert_eq!(
            escaped("a<b>&\"c\"\u{1}\n"),
            "a&lt;b&gt;&amp;&quot;c&quot;?\n"
        );
    }
}
