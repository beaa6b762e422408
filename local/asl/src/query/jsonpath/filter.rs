//! Filters: `[?(@.price < 10 && @.tags contains 'new')]`.

use std::cmp::Ordering;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::Path;
use super::parse::{Parser, operand};
use crate::query::SyntaxError;
use crate::value::Value;

/// How deep conditions may be nested.
const MAX_DEPTH: usize = 32;

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
const OPERATORS: [(&str, Operator); 16] = [
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
    pub(super) fn parse(parser: &mut Parser) -> Result<Filter, SyntaxError> {
        either(parser, 0)
    }

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

fn either(parser: &mut Parser, depth: usize) -> Result<Filter, SyntaxError> {
    let mut any = vec![both(parser, depth)?];
    loop {
        parser.blanks();
        if !parser.eat("||") {
            break;
        }
        any.push(both(parser, depth)?);
    }
    Ok(single(any, Filter::Or))
}

fn both(parser: &mut Parser, depth: usize) -> Result<Filter, SyntaxError> {
    let mut all = vec![condition(parser, depth)?];
    loop {
        parser.blanks();
        if !parser.eat("&&") {
            break;
        }
        all.push(condition(parser, depth)?);
    }
    Ok(single(all, Filter::And))
}

fn single(mut filters: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        Some(last) => {
            filters.push(last);
            join(filters)
        }
        None => join(filters),
    }
}

fn condition(parser: &mut Parser, depth: usize) -> Result<Filter, SyntaxError> {
    if depth > MAX_DEPTH {
        return Err(parser.error(format!(
            "the filter is nested deeper than {MAX_DEPTH} levels"
        )));
    }
    parser.blanks();
    if parser.eat("!") {
        return Ok(Filter::Not(Box::new(condition(parser, depth + 1)?)));
    }
    if parser.eat("(") {
        let inner = either(parser, depth + 1)?;
        parser.blanks();
        parser.expect(")")?;
        return Ok(inner);
    }
    let left = value(parser)?;
    parser.blanks();
    if parser.eat("=~") {
        parser.blanks();
        return Ok(Filter::Matches(left, regex(parser)?));
    }
    let lower = parser.rest().to_ascii_lowercase();
    let Some((token, operator)) = OPERATORS
        .iter()
        .find(|(token, _)| lower.starts_with(token))
        .copied()
    else {
        return Ok(Filter::Exists(left));
    };
    parser.at += token.len();
    parser.blanks();
    Ok(Filter::Compare(left, operator, value(parser)?))
}

fn value(parser: &mut Parser) -> Result<Operand, SyntaxError> {
    match parser.peek() {
        Some('@') => Ok(Operand::Item(Path(Arc::new(operand(parser)?)))),
        Some('$') => Ok(Operand::Document(Path(Arc::new(operand(parser)?)))),
        Some(quote @ ('\'' | '"')) => {
            parser.bump();
            Ok(Operand::Literal(Value::from(parser.quoted(quote)?)))
        }
        Some(_) => literal(parser),
        None => Err(parser.unexpected()),
    }
}

/// A number, `true`, `false`, `null`, or a JSON array or object, whose strings may stand in single quotes.
fn literal(parser: &mut Parser) -> Result<Operand, SyntaxError> {
    let start = parser.at;
    let text = match parser.peek() {
        Some('[' | '{') => {
            let mut json = String::new();
            let mut depth = 0usize;
            loop {
                match parser.bump() {
                    Some(quote @ ('\'' | '"')) => {
                        let quoted = parser.quoted(quote)?;
                        json.push_str(&Value::from(quoted).to_string());
                    }
                    Some(c) => {
                        json.push(c);
                        match c {
                            '[' | '{' => depth += 1,
                            ']' | '}' => depth -= 1,
                            _ => {}
                        }
                    }
                    None => return Err(parser.unexpected()),
                }
                if depth == 0 {
                    break json;
                }
            }
        }
        _ => {
            while parser
                .peek()
                .is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '+'))
            {
                parser.bump();
            }
            parser.text[start..parser.at].to_string()
        }
    };
    match Value::parse(&text) {
        Ok(value) => Ok(Operand::Literal(value)),
        Err(_) => {
            parser.at = start;
            Err(parser.error("expected a path, a string, a number, true, false or null"))
        }
    }
}

fn regex(parser: &mut Parser) -> Result<Regex, SyntaxError> {
    parser.expect("/")?;
    let mut pattern = String::new();
    loop {
        match parser.bump() {
            Some('/') => break,
            Some('\\') => {
                match parser.bump() {
                    Some('/') => pattern.push('/'),
                    Some(c) => pattern.extend(['\\', c]),
                    None => return Err(parser.unexpected()),
                };
            }
            Some(c) => pattern.push(c),
            None => return Err(parser.error("expected '/' after the regular expression")),
        }
    }
    let mut ignore_case = false;
    while let Some(flag @ ('a'..='z' | 'A'..='Z')) = parser.peek() {
        ignore_case |= flag == 'i';
        parser.bump();
    }
    // Jayway demands that the whole text matches.
    RegexBuilder::new(&format!("^(?:{pattern})$"))
        .case_insensitive(ignore_case)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| parser.error(format!("bad regular expression: {error}")))
}
