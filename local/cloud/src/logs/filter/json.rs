//! Filter patterns over messages that are JSON: `{ $.level = "ERROR" && $.took > 100 }`.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html#extract-log-event-values>

use serde_json::Value;

/// A condition on a message that is a JSON document.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::logs) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Compare(Selector, Operator, Operand),
    Is(Selector, Literal),
    NotExists(Selector),
}

/// The steps to a value of the document.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::logs) struct Selector(Vec<Step>);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    Item(usize),
    EveryItem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logs) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The longer ones first: one may begin with another.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

#[derive(Debug, Clone, PartialEq)]
pub(in crate::logs) enum Operand {
    Number(f64),
    /// `*` stands for any characters.
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logs) enum Literal {
    True,
    False,
    Null,
}

/// Why a pattern is none: what was expected, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at '{at}'")]
pub(in crate::logs) struct Malformed {
    expected: &'static str,
    at: String,
}

/// What is still to be read of a pattern.
struct Reader<'a>(&'a str);

impl Condition {
    /// Reads a pattern in its braces.
    pub(super) fn parse(pattern: &str) -> Result<Condition, Malformed> {
        let mut reader = Reader(pattern);
        reader.take("{")?;
        let condition = reader.any()?;
        reader.take("}")?;
        match reader.0.trim_start() {
            "" => Ok(condition),
            rest => Err(malformed("the end", rest)),
        }
    }

    pub(super) fn holds(&self, document: &Value) -> bool {
        match self {
            Condition::Any(conditions) => conditions.iter().any(|one| one.holds(document)),
            Condition::All(conditions) => conditions.iter().all(|one| one.holds(document)),
            Condition::NotExists(selector) => selector.values(document).is_empty(),
            Condition::Is(selector, literal) => {
                let is = |value: &&Value| match literal {
                    Literal::True => **value == Value::Bool(true),
                    Literal::False => **value == Value::Bool(false),
                    Literal::Null => value.is_null(),
                };
                selector.values(document).iter().any(is)
            }
            Condition::Compare(selector, operator, operand) => {
                let values = selector.values(document);
                values.iter().any(|value| operand.stands(*operator, value))
            }
        }
    }
}

impl Selector {
    fn values<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        let mut values = vec![document];
        for step in &self.0 {
            values = match step {
                Step::Member(name) => values.iter().filter_map(|value| value.get(name)).collect(),
                Step::Item(index) => values.iter().filter_map(|value| value.get(index)).collect(),
                Step::EveryItem => {
                    let items = values.iter().filter_map(|value| value.as_array());
                    items.flatten().collect()
                }
            };
        }
        values
    }
}

impl Operand {
    /// Whether a value of the document stands so to the operand.
    fn stands(&self, operator: Operator, value: &Value) -> bool {
        match self {
            Operand::Number(number) => value.as_f64().is_some_and(|value| match operator {
                Operator::Equal => value == *number,
                Operator::NotEqual => value != *number,
                Operator::Less => value < *number,
                Operator::LessOrEqual => value <= *number,
                Operator::Greater => value > *number,
                Operator::GreaterOrEqual => value >= *number,
            }),
            Operand::Text(pattern) => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Object(_) | Value::Array(_) => return false,
                    other => other.to_string(),
                };
                is_like(&text, pattern) == (operator == Operator::Equal)
            }
        }
    }
}

/// Whether a text is as a pattern says, in which `*` stands for any characters.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn malformed(expected: &'static str, at: &str) -> Malformed {
    Malformed {
        expected,
        at: at.to_owned(),
    }
}

impl<'a> Reader<'a> {
    /// Whether this comes next; it is read then.
    fn has(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(token);
        rest.map(|rest| self.0 = rest).is_some()
    }

    fn take(&mut self, token: &'static str) -> Result<(), Malformed> {
        match self.has(token) {
            true => Ok(()),
            false => Err(malformed(token, self.0.trim_start())),
        }
    }

    /// Reads the characters that are wanted.
    fn while_is(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !wanted(c)).unwrap_or(self.0.len());
        let (read, rest) = self.0.split_at(end);
        self.0 = rest;
        read
    }

    fn any(&mut self) -> Result<Condition, Malformed> {
        let mut conditions = vec![self.all()?];
        while self.has("||") {
            conditions.push(self.all()?);
        }
        Ok(Condition::Any(conditions))
    }

    fn all(&mut self) -> Result<Condition, Malformed> {
        let mut conditions = vec![self.one()?];
        while self.has("&&") {
            conditions.push(self.one()?);
        }
        Ok(Condition::All(conditions))
    }

    fn one(&mut self) -> Result<Condition, Malformed> {
        if self.has("(") {
            let condition = self.any()?;
            self.take(")")?;
            return Ok(condition);
        }
        let selector = self.selector()?;
        if self.has("IS") {
            let literals = [
                ("TRUE", Literal::True),
                ("FALSE", Literal::False),
                ("NULL", Literal::Null),
            ];
            let literal = literals.into_iter().find(|(word, _)| self.has(word));
            let (_, literal) =
                literal.ok_or_else(|| malformed("TRUE, FALSE or NULL", self.0.trim_start()))?;
            return Ok(Condition::Is(selector, literal));
        }
        if self.has("NOT") {
            self.take("EXISTS")?;
            return Ok(Condition::NotExists(selector));
        }
        let operator = OPERATORS.into_iter().find(|(sign, _)| self.has(sign));
        let (_, operator) =
            operator.ok_or_else(|| malformed("a comparison", self.0.trim_start()))?;
        let operand = self.operand()?;
        let equates = matches!(operator, Operator::Equal | Operator::NotEqual);
        if !equates && matches!(operand, Operand::Text(_)) {
            return Err(malformed(
                "a number, which alone is less or greater",
                self.0,
            ));
        }
        Ok(Condition::Compare(selector, operator, operand))
    }

    fn selector(&mut self) -> Result<Selector, Malformed> {
        self.take("$")?;
        let mut steps = Vec::new();
        loop {
            if let Some(rest) = self.0.strip_prefix('.') {
                self.0 = rest;
                let name = self.while_is(|c| c.is_alphanumeric() || "-_@:/".contains(c));
                if name.is_empty() {
                    return Err(malformed("the name of a member", self.0));
                }
                steps.push(Step::Member(name.to_owned()));
            } else if let Some(rest) = self.0.strip_prefix('[') {
                self.0 = rest;
                let index = self.while_is(|c| c.is_ascii_digit() || c == '*');
                steps.push(match index.parse() {
                    Ok(index) => Step::Item(index),
                    Err(_) if index == "*" => Step::EveryItem,
                    Err(_) => return Err(malformed("the number of an item", self.0)),
                });
                self.take("]")?;
            } else if steps.is_empty() {
                return Err(malformed(".", self.0));
            } else {
                return Ok(Selector(steps));
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, Malformed> {
        self.0 = self.0.trim_start();
        if let Some(rest) = self.0.strip_prefix('"') {
            let (text, rest) = rest
                .split_once('"')
                .ok_or_else(|| malformed("a closing quote", rest))?;
            self.0 = rest;
            return Ok(Operand::Text(text.to_owned()));
        }
        let word = self.while_is(|c| !c.is_whitespace() && !"(){}&|=\"".contains(c));
        if word.is_empty() {
            return Err(malformed("a value", self.0));
        }
        Ok(match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Operand::Number(number),
            Ok(_) | Err(_) => Operand::Text(word.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_as_documented() {
        let message = r#"{"level":"ERROR","took":120.5,"ok":false,"none":null,"source":"10.0.7.1",
            "user":{"id":7,"roles":["admin","ops"]},"calls":[{"n":1},{"n":2}]}"#;
        let document: Value = serde_json::from_str(message).unwrap();
        for (pattern, expected) in [
            (r#"{ $.level = "ERROR" }"#, true),
            (r#"{$.level="ERROR"}"#, true),
            ("{ $.level = ERROR }", true),
            (r#"{ $.level != "ERROR" }"#, false),
            (r#"{ $.level = "ERR*" }"#, true),
            ("{ $.level = * }", true),
            ("{ $.source != 10.1.* }", true),
            ("{ $.source = 10.*.1 }", true),
            ("{ $.took > 1.2e2 }", true),
            ("{ $.took <= 120 }", false),
            ("{ $.user.id = 7 }", true),
            ("{ $.user.roles[1] = ops }", true),
            ("{ $.user.roles[*] = admin }", true),
            ("{ $.calls[1].n = 2 }", true),
            ("{ $.calls[2].n = 2 }", false),
            ("{ $.ok IS FALSE }", true),
            ("{ $.ok IS TRUE }", false),
            ("{ $.none IS NULL }", true),
            ("{ $.other NOT EXISTS }", true),
            ("{ $.other != x }", false),
            ("{ $.level = INFO || $.took > 100 && $.user.id = 7 }", true),
            (
                "{ ($.level = INFO || $.took > 100) && $.user.id = 8 }",
                false,
            ),
        ] {
            let condition =
                Condition::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(condition.holds(&document), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_condition_is_told_with_its_place() {
        for (pattern, told) in [
            ("{ level = 1 }", "expected $ at 'level = 1 }'"),
            ("{ $ = 1 }", "expected . at ' = 1 }'"),
            ("{ $.a ~ 1 }", "expected a comparison at '~ 1 }'"),
            ("{ $.a = }", "expected a value at '}'"),
            (
                "{ $.a < b }",
                "expected a number, which alone is less or greater at ' }'",
            ),
            ("{ $.a = 1", "expected } at ''"),
            ("{ $.a = 1 } x", "expected the end at 'x'"),
            (r#"{ $.a = "x }"#, "expected a closing quote at 'x }'"),
            ("{ $.a IS 1 }", "expected TRUE, FALSE or NULL at '1 }'"),
        ] {
            let error = Condition::parse(pattern).unwrap_err();
            assert_eq!(error.to_string(), told, "{pattern}");
        }
    }
}
