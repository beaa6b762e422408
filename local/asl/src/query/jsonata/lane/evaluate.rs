//! Evaluation in the lane.

use std::borrow::Cow;
use std::sync::Arc;

use super::Outcome::{Unclear, Undefined};
use super::{Lane, Operator, Outcome, Root, number_value};
use crate::query::{Scope, member};
use crate::value::{Map, Value};

impl Lane {
    /// The value, or that there is none, or that `jsonata-core` must decide.
    pub(in super::super) fn evaluate<'v>(&'v self, scope: &'v Scope) -> Outcome<'v> {
        match self {
            Lane::Literal(value) => Outcome::Value(Cow::Borrowed(value)),
            Lane::Path(root, names) => follow(root, names, scope),
            Lane::Negate(operand) => match number(operand, scope) {
                Some(value) => made(number_value(-value)),
                None => Unclear,
            },
            Lane::Not(operand) => match truth(operand, scope) {
                Some(value) => truth_value(!value),
                None => Unclear,
            },
            Lane::Binary(operator, left, right) => binary(*operator, left, right, scope),
            Lane::Conditional(condition, then, otherwise) => match truth(condition, scope) {
                Some(true) => then.evaluate(scope),
                Some(false) => match otherwise {
                    Some(otherwise) => otherwise.evaluate(scope),
                    None => Undefined,
                },
                None => Unclear,
            },
            Lane::Array(parts) => {
                let mut items = Vec::with_capacity(parts.len());
                for part in parts {
                    match part.evaluate(scope) {
                        // The constructor takes an array's items in, unless it was itself constructed.
                        Outcome::Value(value) if !matches!(*value, Value::Array(_)) => {
                            items.push(value.into_owned());
                        }
                        _ => return Unclear,
                    }
                }
                made(Some(Value::array(items)))
            }
            Lane::Object(parts) => {
                let mut members = Map::with_capacity_and_hasher(parts.len(), Default::default());
                for (key, part) in parts {
                    match part.evaluate(scope) {
                        Outcome::Value(value) => {
                            members.insert(Arc::clone(key), value.into_owned())
                        }
                        Undefined => continue,
                        Unclear => return Unclear,
                    };
                }
                made(Some(Value::from(members)))
            }
        }
    }
}

fn follow<'v>(root: &Root, names: &[Arc<str>], scope: &'v Scope) -> Outcome<'v> {
    let start = match root {
        Root::Input => Some(scope.input),
        Root::Result => scope.result,
        Root::ErrorOutput => scope.error_output,
        Root::Variable(name) => scope.variables.get(name),
        Root::Context => {
            return match walk(&(scope.context)(), names) {
                Outcome::Value(value) => Outcome::Value(Cow::Owned(value.into_owned())),
                Undefined => Undefined,
                Unclear => Unclear,
            };
        }
    };
    match start {
        Some(value) => walk(value, names),
        // A variable that is not there may be a function's name.
        None if matches!(root, Root::Variable(_)) => Unclear,
        None => Undefined,
    }
}

fn walk<'v>(start: &'v Value, names: &[Arc<str>]) -> Outcome<'v> {
    let mut value = start;
    for name in names {
        value = match value {
            Value::Object(members) => match member(members, name) {
                Some(value) => value,
                None => return Undefined,
            },
            Value::Array(_) => return Unclear,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Undefined;
            }
        };
    }
    Outcome::Value(Cow::Borrowed(value))
}

fn binary<'v>(
    operator: Operator,
    left: &'v Lane,
    right: &'v Lane,
    scope: &'v Scope,
) -> Outcome<'v> {
    match operator {
        Operator::Add
        | Operator::Subtract
        | Operator::Multiply
        | Operator::Divide
        | Operator::Modulo => match (number(left, scope), number(right, scope)) {
            (Some(a), Some(b)) => made(number_value(match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide => a / b,
                _ => a % b,
            })),
            _ => Unclear,
        },
        Operator::And | Operator::Or => match (truth(left, scope), truth(right, scope)) {
            (Some(a), Some(b)) if operator == Operator::And => truth_value(a && b),
            (Some(a), Some(b)) => truth_value(a || b),
            _ => Unclear,
        },
        Operator::Concatenate => match (text(left, scope), text(right, scope)) {
            (Some(a), Some(b)) => made(Some(Value::from([&*a, &*b].concat()))),
            _ => Unclear,
        },
        Operator::Equal | Operator::NotEqual => {
            match equal(&left.evaluate(scope), &right.evaluate(scope)) {
                Some(equal) => truth_value(equal == (operator == Operator::Equal)),
                None => Unclear,
            }
        }
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            let order = match (left.evaluate(scope), right.evaluate(scope)) {
                (Outcome::Value(a), Outcome::Value(b)) => match (&*a, &*b) {
                    (Value::Number(a), Value::Number(b)) => a
                        .as_f64()
                        .zip(b.as_f64())
                        .and_then(|(a, b)| a.partial_cmp(&b)),
                    // Beyond ASCII, JSONata compares UTF-16 and we would compare code points.
                    (Value::String(a), Value::String(b)) if a.is_ascii() && b.is_ascii() => {
                        Some(a.cmp(b))
                    }
                    _ => None,
                },
                _ => None,
            };
            match order {
                Some(order) => truth_value(match operator {
                    Operator::Less => order.is_lt(),
                    Operator::LessOrEqual => order.is_le(),
                    Operator::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }),
                None => Unclear,
            }
        }
    }
}

/// Equality of scalars; anything else is not for the lane.
fn equal(left: &Outcome, right: &Outcome) -> Option<bool> {
    let (Outcome::Value(left), Outcome::Value(right)) = (left, right) else {
        return None;
    };
    match (&**left, &**right) {
        (Value::Number(a), Value::Number(b)) => Some(a.as_f64()? == b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a == b),
        (Value::Bool(a), Value::Bool(b)) => Some(a == b),
        (Value::Null, Value::Null) => Some(true),
        (
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_),
        ) => Some(false),
        _ => None,
    }
}

fn number(lane: &Lane, scope: &Scope) -> Option<f64> {
    match lane.evaluate(scope) {
        Outcome::Value(value) => value.as_f64(),
        Undefined | Unclear => None,
    }
}

fn truth(lane: &Lane, scope: &Scope) -> Option<bool> {
    match lane.evaluate(scope) {
        Outcome::Value(value) => value.as_bool(),
        Undefined | Unclear => None,
    }
}

/// A string, or an integer printed.
fn text(lane: &Lane, scope: &Scope) -> Option<Arc<str>> {
    match lane.evaluate(scope) {
        Outcome::Value(value) => match &*value {
            Value::String(text) => Some(Arc::clone(text)),
            Value::Number(number) if number.is_i64() => {
                let integer = number.as_i64()?;
                (integer.abs() < 1 << 53).then(|| integer.to_string().into())
            }
            _ => None,
        },
        Undefined | Unclear => None,
    }
}

fn made<'v>(value: Option<Value>) -> Outcome<'v> {
    match value {
        Some(value) => Outcome::Value(Cow::Owned(value)),
        None => Unclear,
    }
}

fn truth_value<'v>(value: bool) -> Outcome<'v> {
    Outcome::Value(Cow::Owned(Value::Bool(value)))
}
