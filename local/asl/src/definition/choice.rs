//! Choice rules, and how they decide.

use std::cmp::Ordering;
use std::sync::Arc;

use super::fields::{StateId, Template};
use crate::query::{QueryError, Scope, jsonata, jsonpath};
use crate::timestamp::Timestamp;
use crate::value::Value;

/// One entry of Choices.
#[derive(Debug)]
pub(crate) struct Rule {
    pub test: Test,
    pub assign: Option<Template>,
    pub output: Option<Template>,
    pub next: StateId,
}

/// What decides whether a rule applies.
#[derive(Debug)]
pub(crate) enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Compare {
        variable: jsonpath::Path,
        /// The variable as it is written.
        text: Arc<str>,
        comparison: Comparison,
    },
    /// JSONata: the location for errors, and the expression.
    Condition {
        location: String,
        expression: jsonata::Expr,
    },
    /// JSONata's Condition given as a literal.
    Constant(bool),
}

/// A comparison of the variable.
#[derive(Debug)]
pub(crate) enum Comparison {
    Boolean(Operand),
    Numeric(Relation, Operand),
    Text(Relation, Operand),
    Moment(Relation, Operand),
    /// The pattern in which `*` stands for anything, unless a backslash stands before it.
    Matches(Arc<str>),
    IsPresent(bool),
    IsNull(bool),
    IsBoolean(bool),
    IsNumeric(bool),
    IsString(bool),
    IsTimestamp(bool),
}

/// Equals, LessThan and their kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

/// What the variable is compared with.
#[derive(Debug)]
pub(crate) enum Operand {
    Literal(Value),
    Path {
        text: Arc<str>,
        path: jsonpath::Path,
    },
}

impl Relation {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Equals => ordering.is_eq(),
            Relation::LessThan => ordering.is_lt(),
            Relation::LessThanEquals => ordering.is_le(),
            Relation::GreaterThan => ordering.is_gt(),
            Relation::GreaterThanEquals => ordering.is_ge(),
        }
    }
}

impl Operand {
    fn value(&self, scope: &Scope) -> Result<Value, QueryError> {
        match self {
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Path { text, path } => path.select(scope).map_err(|_| nothing_there(text)),
        }
    }
}

impl Test {
    /// Whether the test holds. A path that finds nothing is an error, except under IsPresent.
    pub(crate) fn holds(&self, scope: &Scope) -> Result<bool, QueryError> {
        match self {
            Test::And(tests) => {
                for test in tests {
                    if !test.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Or(tests) => {
                for test in tests {
                    if test.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::Not(test) => Ok(!test.holds(scope)?),
            Test::Compare {
                variable,
                text,
                comparison,
            } => compare(variable, text, comparison, scope),
            Test::Condition {
                location,
                expression,
            } => {
                let value = expression.evaluate_as(scope, location, jsonata::Kind::Boolean)?;
                Ok(value.as_bool().unwrap_or_default())
            }
            Test::Constant(holds) => Ok(*holds),
        }
    }
}

fn nothing_there(path: &str) -> QueryError {
    QueryError::runtime(format!(
        "Invalid path '{path}': The choice state's condition path references an invalid value."
    ))
}

fn compare(
    variable: &jsonpath::Path,
    text: &str,
    comparison: &Comparison,
    scope: &Scope,
) -> Result<bool, QueryError> {
    let selected = variable.select(scope);
    if let Comparison::IsPresent(wanted) = comparison {
        return Ok(selected.is_ok() == *wanted);
    }
    let value = selected.map_err(|_| nothing_there(text))?;
    Ok(match comparison {
        Comparison::IsPresent(_) => false,
        Comparison::Boolean(operand) => {
            let other = operand.value(scope)?;
            value.as_bool().is_some() && value.as_bool() == other.as_bool()
        }
        Comparison::Numeric(relation, operand) => {
            ordered(*relation, numbers(&value, &operand.value(scope)?))
        }
        Comparison::Text(relation, operand) => {
            ordered(*relation, texts(&value, &operand.value(scope)?))
        }
        Comparison::Moment(relation, operand) => {
            ordered(*relation, moments(&value, &operand.value(scope)?))
        }
        Comparison::Matches(pattern) => value.as_str().is_some_and(|text| matches(pattern, text)),
        Comparison::IsNull(wanted) => matches!(value, Value::Null) == *wanted,
        Comparison::IsBoolean(wanted) => matches!(value, Value::Bool(_)) == *wanted,
        Comparison::IsNumeric(wanted) => matches!(value, Value::Number(_)) == *wanted,
        Comparison::IsString(wanted) => matches!(value, Value::String(_)) == *wanted,
        Comparison::IsTimestamp(wanted) => {
            value.as_str().and_then(Timestamp::parse).is_some() == *wanted
        }
    })
}

/// Values of different types are not comparable: every relation between them is false.
fn ordered(relation: Relation, ordering: Option<Ordering>) -> bool {
    ordering.is_some_and(|ordering| relation.holds(ordering))
}

fn numbers(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        return Some(left.cmp(&right));
    }
    left.as_f64()?.partial_cmp(&right.as_f64()?)
}

fn texts(left: &Value, right: &Value) -> Option<Ordering> {
    // Java compares strings by UTF-16 units; only supplementary characters differ from the order of UTF-8 bytes.
    Some(
        left.as_str()?
            .encode_utf16()
            .cmp(right.as_str()?.encode_utf16()),
    )
}

fn moments(left: &Value, right: &Value) -> Option<Ordering> {
    Some(Timestamp::parse(left.as_str()?)?.cmp(&Timestamp::parse(right.as_str()?)?))
}

/// StringMatches: `*` stands for zero or more characters, `\*` for an asterisk, `\\` for a backslash. Linear in
/// pattern times text: a failed match goes back only to the last asterisk.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => None,
            '\\' => Some(characters.next().unwrap_or('\\')),
            other => Some(other),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match tokens.get(token) {
            Some(None) => {
                retry = Some((token + 1, at));
                token += 1;
            }
            Some(Some(wanted)) if *wanted == text[at] => {
                token += 1;
                at += 1;
            }
            _ => {
                let Some((after, from)) = retry else {
                    return false;
                };
                retry = Some((after, from + 1));
                token = after;
                at = from + 1;
            }
        }
    }
    tokens[token..].iter().all(Option::is_none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asterisks_match_anything_and_backslashes_escape() {
        for (pattern, text, expected) in [
            ("log-*.txt", "log-2026.txt", true),
            ("log-*.txt", "log-.txt", true),
            ("log-*.txt", "log.txt", false),
            ("*a*b", "xxaxxab", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\\\*", "a\\z", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
