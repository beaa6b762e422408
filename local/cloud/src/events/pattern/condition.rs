//! Conditions on one value: literals and operators.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Number, Value};

/// What is asked of the value at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// A literal.
    Equals(Value),
    /// An operator on text.
    Text(Text),
    /// Any value but these, which are all text or all numbers.
    AnythingBut(Vec<Value>),
    /// Any value but text for which one of these holds.
    AnythingButText(Vec<Text>),
    /// A number in a range.
    Numeric(Vec<Comparison>),
    /// Text that is an address in a network.
    Cidr(IpNet),
    /// A value is there.
    Exists,
    /// No value is there.
    Absent,
}

/// An operator on text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    Exactly(String),
    Prefix(String),
    Suffix(String),
    /// Kept in lower case, as the following two.
    Equal(String),
    PrefixOfAnyCase(String),
    SuffixOfAnyCase(String),
    Wildcard(String),
}

/// One comparison of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Comparison {
    operator: Operator,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// Why a condition is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum ConditionError {
    #[error(
        "Match value must be String, number, true, false, null, or an object with one operator"
    )]
    Value,
    #[error("Only one key allowed in match expression")]
    OneKey,
    #[error("Unrecognized match type {0}")]
    Operator(String),
    #[error("{0} match pattern must be a string")]
    NoText(String),
    #[error("Unsupported {0} pattern: {1}")]
    Inside(&'static str, String),
    #[error("exists match pattern must be either true or false")]
    Exists,
    #[error("Value of anything-but must be an array or single string/number value")]
    AnythingBut,
    #[error(
        "Inside anything-but list, either all values are number or string, mixed type is not supported"
    )]
    Mixed,
    #[error("Null prefix/suffix not allowed")]
    EmptyAffix,
    #[error("{0}")]
    Wildcard(&'static str),
    #[error("Value of numeric must be an array")]
    Numeric,
    #[error("Unrecognized numeric range operator: {0}")]
    Comparison(Value),
    #[error("Value of {0} must be numeric")]
    Bound(String),
    #[error("Too many elements in numeric expression")]
    TooMany,
    #[error("Bottom must be less than top")]
    Range,
    #[error("Cannot compare number : {0}")]
    Incomparable(Number),
    #[error("Malformed CIDR: {0}")]
    Cidr(String),
}

/// Reads a member of a path's array.
pub(super) fn parse(item: &Value) -> Result<Condition, ConditionError> {
    match item {
        Value::Object(operator) => {
            let (name, argument) = only(operator)?;
            parse_operator(name, argument)
        }
        Value::Array(_) => Err(ConditionError::Value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Ok(Condition::Equals(item.clone()))
        }
    }
}

fn only(object: &Map<String, Value>) -> Result<(&str, &Value), ConditionError> {
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((name, argument)), None) => Ok((name, argument)),
        _ => Err(ConditionError::OneKey),
    }
}

fn parse_operator(name: &str, argument: &Value) -> Result<Condition, ConditionError> {
    match (name, argument) {
        ("exists", Value::Bool(true)) => Ok(Condition::Exists),
        ("exists", Value::Bool(false)) => Ok(Condition::Absent),
        ("exists", _) => Err(ConditionError::Exists),
        ("numeric", Value::Array(terms)) => parse_numeric(terms),
        ("numeric", _) => Err(ConditionError::Numeric),
        ("anything-but", _) => parse_anything_but(argument),
        ("cidr", Value::String(text)) => parse_cidr(text),
        ("prefix", Value::Object(inner)) => {
            any_case("prefix", inner, |text| Text::PrefixOfAnyCase(lower(text)))
        }
        ("suffix", Value::Object(inner)) => {
            any_case("suffix", inner, |text| Text::SuffixOfAnyCase(lower(text)))
        }
        (
            "prefix" | "suffix" | "equals-ignore-case" | "wildcard" | "exactly",
            Value::String(text),
        ) => parse_text(name, text).map(Condition::Text),
        ("prefix" | "suffix" | "equals-ignore-case" | "wildcard" | "exactly" | "cidr", _) => {
            Err(ConditionError::NoText(name.to_owned()))
        }
        _ => Err(ConditionError::Operator(name.to_owned())),
    }
}

/// `{"prefix": {"equals-ignore-case": "x"}}`.
fn any_case(
    outer: &'static str,
    inner: &Map<String, Value>,
    make: fn(&str) -> Text,
) -> Result<Condition, ConditionError> {
    match only(inner)? {
        ("equals-ignore-case", Value::String(text)) => Ok(Condition::Text(make(text))),
        ("equals-ignore-case", _) => Err(ConditionError::NoText("equals-ignore-case".to_owned())),
        (other, _) => Err(ConditionError::Inside(outer, other.to_owned())),
    }
}

fn parse_text(operator: &str, text: &str) -> Result<Text, ConditionError> {
    match operator {
        "prefix" => Ok(Text::Prefix(text.to_owned())),
        "suffix" => Ok(Text::Suffix(text.to_owned())),
        "equals-ignore-case" => Ok(Text::Equal(lower(text))),
        "exactly" => Ok(Text::Exactly(text.to_owned())),
        "wildcard" => {
            check_wildcard(text)?;
            Ok(Text::Wildcard(text.to_owned()))
        }
        other => Err(ConditionError::Operator(other.to_owned())),
    }
}

fn check_wildcard(text: &str) -> Result<(), ConditionError> {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('*', Some('*')) => {
                return Err(ConditionError::Wildcard("Consecutive wildcard characters"));
            }
            ('\\', Some('*' | '\\')) => {
                characters.next();
            }
            ('\\', _) => return Err(ConditionError::Wildcard("Invalid escape character")),
            _ => {}
        }
    }
    Ok(())
}

fn parse_anything_but(argument: &Value) -> Result<Condition, ConditionError> {
    match argument {
        Value::String(_) | Value::Number(_) => literals(std::slice::from_ref(argument)),
        Value::Array(values) => literals(values),
        Value::Object(inner) => {
            let (name, argument) = only(inner)?;
            let values = match argument {
                Value::Array(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            if !matches!(
                name,
                "prefix" | "suffix" | "equals-ignore-case" | "wildcard"
            ) {
                return Err(ConditionError::Inside("anything-but", name.to_owned()));
            }
            if values.is_empty() {
                return Err(ConditionError::AnythingBut);
            }
            let tests = values.iter().map(|value| match value {
                Value::String(text) if text.is_empty() && matches!(name, "prefix" | "suffix") => {
                    Err(ConditionError::EmptyAffix)
                }
                Value::String(text) => parse_text(name, text),
                _ => Err(ConditionError::NoText(name.to_owned())),
            });
            Ok(Condition::AnythingButText(tests.collect::<Result<_, _>>()?))
        }
        Value::Null | Value::Bool(_) => Err(ConditionError::AnythingBut),
    }
}

fn literals(values: &[Value]) -> Result<Condition, ConditionError> {
    for number in values.iter().filter_map(Value::as_number) {
        comparable(number).ok_or_else(|| ConditionError::Incomparable(number.clone()))?;
    }
    let alike = values.iter().all(Value::is_string) || values.iter().all(Value::is_number);
    if values.is_empty() || !alike {
        return Err(ConditionError::Mixed);
    }
    Ok(Condition::AnythingBut(values.to_vec()))
}

/// `["=", n]`, `[">", n]` and its like, or a range from its bottom to its top.
fn parse_numeric(terms: &[Value]) -> Result<Condition, ConditionError> {
    let comparisons: Vec<Comparison> = terms
        .chunks(2)
        .map(parse_comparison)
        .collect::<Result<_, _>>()?;
    match comparisons[..] {
        [_] => {}
        [bottom, top] => {
            let rises = matches!(
                bottom.operator,
                Operator::Greater | Operator::GreaterOrEqual
            );
            if !rises {
                return Err(ConditionError::TooMany);
            }
            if !matches!(top.operator, Operator::Less | Operator::LessOrEqual) {
                return Err(ConditionError::Comparison(terms[2].clone()));
            }
            if bottom.bound >= top.bound {
                return Err(ConditionError::Range);
            }
        }
        [] => return Err(ConditionError::Numeric),
        _ => return Err(ConditionError::TooMany),
    }
    Ok(Condition::Numeric(comparisons))
}

fn parse_comparison(pair: &[Value]) -> Result<Comparison, ConditionError> {
    let sign = pair[0].as_str().unwrap_or_default();
    let operator = match sign {
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        "=" => Operator::Equal,
        ">=" => Operator::GreaterOrEqual,
        ">" => Operator::Greater,
        _ => return Err(ConditionError::Comparison(pair[0].clone())),
    };
    let Some(Value::Number(bound)) = pair.get(1) else {
        return Err(ConditionError::Bound(sign.to_owned()));
    };
    let bound = comparable(bound).ok_or_else(|| ConditionError::Incomparable(bound.clone()))?;
    Ok(Comparison { operator, bound })
}

fn parse_cidr(text: &str) -> Result<Condition, ConditionError> {
    let malformed = |reason: &str| ConditionError::Cidr(format!("{text}, {reason}"));
    if !text.contains('/') {
        return Err(malformed("one '/' required"));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| malformed("it is no IPv4 or IPv6 address with its mask bits"))?;
    // A mask that leaves nothing open is an address, not a network.
    if network.prefix_len() == network.max_prefix_len() {
        return Err(malformed(
            "IPv4 mask bits must be < 32 and those of IPv6 < 128",
        ));
    }
    Ok(Condition::Cidr(network))
}

impl Condition {
    /// Whether it holds for a value that is there.
    pub(super) fn holds(&self, value: &Value) -> bool {
        match self {
            Condition::Exists => true,
            Condition::Absent => false,
            Condition::Equals(wanted) => same(wanted, value) || same_address(wanted, value),
            Condition::Text(test) => value.as_str().is_some_and(|text| test.holds(text)),
            Condition::AnythingBut(listed) => !listed.iter().any(|one| same(one, value)),
            Condition::AnythingButText(tests) => {
                let hit = |text| tests.iter().any(|test| test.holds(text));
                !value.as_str().is_some_and(hit)
            }
            Condition::Numeric(comparisons) => {
                let number = value.as_number().and_then(comparable);
                number.is_some_and(|number| comparisons.iter().all(|one| one.holds(number)))
            }
            Condition::Cidr(network) => {
                address(value).is_some_and(|address| network.contains(&address))
            }
        }
    }
}

impl Text {
    fn holds(&self, text: &str) -> bool {
        match self {
            Text::Exactly(wanted) => text == wanted,
            Text::Prefix(wanted) => text.starts_with(wanted.as_str()),
            Text::Suffix(wanted) => text.ends_with(wanted.as_str()),
            Text::Equal(wanted) => lower(text) == *wanted,
            Text::PrefixOfAnyCase(wanted) => lower(text).starts_with(wanted.as_str()),
            Text::SuffixOfAnyCase(wanted) => lower(text).ends_with(wanted.as_str()),
            Text::Wildcard(wanted) => glob(wanted, text),
        }
    }
}

impl Comparison {
    fn holds(self, number: f64) -> bool {
        match self.operator {
            Operator::Less => number < self.bound,
            Operator::LessOrEqual => number <= self.bound,
            Operator::Equal => number == self.bound,
            Operator::GreaterOrEqual => number >= self.bound,
            Operator::Greater => number > self.bound,
        }
    }
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// Equality in which 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || comparable(a).is_some() && comparable(a) == comparable(b)
        }
        _ => a == b,
    }
}

/// Whether two texts are one address: IPv6 has many spellings.
fn same_address(a: &Value, b: &Value) -> bool {
    address(a).is_some_and(|a| address(b) == Some(a))
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

/// The number as a double, unless that would be another number: such numbers are compared by their digits alone.
fn comparable(number: &Number) -> Option<f64> {
    let double = number.as_f64()?;
    (number.is_f64() || double.to_string() == number.to_string()).then_some(double)
}

/// Whether text matches a glob in which `*` stands for any characters and `\` takes away its meaning.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => None,
            '\\' => Some(chars.next().unwrap_or('\\')),
            other => Some(other),
        });
    }
    // reached[i]: the first i tokens match what was read so far.
    let mut reached = vec![false; tokens.len() + 1];
    reached[0] = true;
    let close = |reached: &mut Vec<bool>| {
        for (i, token) in tokens.iter().enumerate() {
            if token.is_none() && reached[i] {
                reached[i + 1] = true;
            }
        }
    };
    close(&mut reached);
    for c in text.chars() {
        let mut next = vec![false; reached.len()];
        for (i, token) in tokens.iter().enumerate() {
            match token {
                Some(wanted) if reached[i] && *wanted == c => next[i + 1] = true,
                None if reached[i] => next[i] = true,
                _ => {}
            }
        }
        close(&mut next);
        reached = next;
    }
    reached[tokens.len()]
}
