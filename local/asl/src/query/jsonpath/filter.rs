//! Filters: `[?(@.price < 10 && @.tags contains 'new')]`.

use std::cmp::Ordering;

use regex::Regex;

use super::path::Path;
use crate::value::Value;

/// A condition on a value.
#[derive(Debug)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Operand),
    Compare(Operand, Operator, Operand),
    Matches(Operand, Regex),
}

/// One side of a comparison.
#[derive(Debug)]
pub(super) enum Operand {
    /// `@…`, from the value that is tested.
    Item(Path),
    /// `$…`, from the document.
    Document(Path),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Contains,
    SubsetOf,
    AnyOf,
    NoneOf,
    Size,
    Empty,
}

/// Longest first, so that `<=` is not read as `<`.
pub(super) const OPERATORS: &[(&str, Operator)] = &[
    ("===", Operator::Equal),
    ("!==", Operator::NotEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("subsetof", Operator::SubsetOf),
    ("contains", Operator::Contains),
    ("noneof", Operator::NoneOf),
    ("anyof", Operator::AnyOf),
    ("empty", Operator::Empty),
    ("size", Operator::Size),
    ("nin", Operator::NotIn),
    ("in", Operator::In),
];

impl Filter {
    pub(super) fn accepts(&self, item: &Value, document: &Value) -> bool {
        match self {
            Filter::And(all) => all.iter().all(|filter| filter.accepts(item, document)),
            Filter::Or(any) => any.iter().any(|filter| filter.accepts(item, document)),
            Filter::Not(filter) => !filter.accepts(item, document),
            Filter::Exists(operand) => operand.exists(item, document),
            Filter::Compare(left, operator, right) => compare(
                left.value(item, document).as_ref(),
                *operator,
                right.value(item, document).as_ref(),
            ),
            Filter::Matches(operand, regex) => match operand.value(item, document) {
                Some(Value::String(text)) => regex.is_match(&text),
                Some(Value::Number(number)) => regex.is_match(&number.to_string()),
                _ => false,
            },
        }
    }
}

impl Operand {
    fn exists(&self, item: &Value, document: &Value) -> bool {
        match self {
            Operand::Item(path) => found(path, item).is_some(),
            Operand::Document(path) => found(path, document).is_some(),
            Operand::Literal(value) => *value == Value::Bool(true),
        }
    }

    fn value(&self, item: &Value, document: &Value) -> Option<Value> {
        match self {
            Operand::Item(path) => path.select_in(item).ok(),
            Operand::Document(path) => path.select_in(document).ok(),
            Operand::Literal(value) => Some(value.clone()),
        }
    }
}

/// The value at the path; none also where an indefinite path matches nothing.
fn found(path: &Path, root: &Value) -> Option<Value> {
    match path.select_in(root) {
        Ok(Value::Array(items)) if !path.is_definite() && items.is_empty() => None,
        Ok(value) => Some(value),
        Err(_) => None,
    }
}

fn compare(left: Option<&Value>, operator: Operator, right: Option<&Value>) -> bool {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (None, None) => return operator == Operator::Equal,
        _ => return operator == Operator::NotEqual,
    };
    let items = |value: &Value| value.as_array().cloned();
    match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Less => order(left, right) == Some(Ordering::Less),
        Operator::LessOrEqual => {
            matches!(order(left, right), Some(Ordering::Less | Ordering::Equal))
        }
        Operator::Greater => order(left, right) == Some(Ordering::Greater),
        Operator::GreaterOrEqual => {
            matches!(
                order(left, right),
                Some(Ordering::Greater | Ordering::Equal)
            )
        }
        Operator::In => items(right).is_some_and(|items| holds(&items, left)),
        Operator::NotIn => !items(right).is_some_and(|items| holds(&items, left)),
        Operator::Contains => match (left, right) {
            (Value::String(text), Value::String(part)) => text.contains(&**part),
            (Value::Array(items), part) => holds(items, part),
            _ => false,
        },
        Operator::SubsetOf => match (items(left), items(right)) {
            (Some(few), Some(many)) => few.iter().all(|item| holds(&many, item)),
            _ => false,
        },
        Operator::AnyOf | Operator::NoneOf => match (items(left), items(right)) {
            (Some(few), Some(many)) => {
                few.iter().any(|item| holds(&many, item)) == (operator == Operator::AnyOf)
            }
            _ => false,
        },
        Operator::Size => length(left)
            .zip(right.as_f64())
            .is_some_and(|(length, size)| length as f64 == size),
        Operator::Empty => length(left)
            .zip(right.as_bool())
            .is_some_and(|(length, empty)| (length == 0) == empty),
    }
}

fn holds(items: &[Value], value: &Value) -> bool {
    items.iter().any(|item| equal(item, value))
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Jayway's equality: numbers by value, and a number equals the string that spells it.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Number(a), Value::String(b)) | (Value::String(b), Value::Number(a)) => {
            b.parse::<f64>().ok() == a.as_f64()
        }
        _ => left == right,
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
