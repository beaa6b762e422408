//! The fast lane: plain expressions over our own values, without `jsonata-core`.
//!
//! It covers literals, variables, `$states`, paths of names through objects, comparisons, arithmetic, `and`, `or`,
//! `$not`, `&`, conditionals, and array and object constructors of these. Whatever is not plain makes the whole
//! expression [`Outcome::Unclear`], and `jsonata-core` decides. So the lane never has to know an error, nor what a
//! path means that meets an array.

use std::borrow::Cow;
use std::sync::Arc;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, UnaryOp};

use crate::query::{Scope, member};
use crate::value::{Map, Value};

/// How deep an expression of the lane may be nested; well below what AWS accepts.
const MAX_DEPTH: usize = 40;

/// A plain expression.
#[derive(Debug)]
pub(super) enum Lane {
    Literal(Value),
    Path(Root, Box<[Arc<str>]>),
    Negate(Box<Lane>),
    Not(Box<Lane>),
    Binary(Operator, Box<Lane>, Box<Lane>),
    Conditional(Box<Lane>, Box<Lane>, Option<Box<Lane>>),
    Array(Box<[Lane]>),
    Object(Box<[(Arc<str>, Lane)]>),
}

/// Where a path starts.
#[derive(Debug)]
pub(super) enum Root {
    Input,
    Result,
    ErrorOutput,
    Context,
    Variable(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Concatenate,
}

/// What came of an evaluation.
pub(super) enum Outcome<'v> {
    Value(Cow<'v, Value>),
    /// Nothing, as a path without value gives.
    Undefined,
    /// Not for the lane.
    Unclear,
}

use Outcome::{Unclear, Undefined};

impl Lane {
    /// The expression, if it is one for the lane.
    pub(super) fn compile(ast: &AstNode) -> Option<Lane> {
        Lane::compile_within(ast, MAX_DEPTH)
    }

    fn compile_within(ast: &AstNode, depth: usize) -> Option<Lane> {
        let depth = depth.checked_sub(1)?;
        let inner = |ast: &AstNode| Lane::compile_within(ast, depth);
        let boxed = |ast: &AstNode| inner(ast).map(Box::new);
        Some(match ast {
            AstNode::String(text) => Lane::Literal(Value::from(text.as_str())),
            AstNode::Number(number) => Lane::Literal(number_value(*number)?),
            AstNode::Boolean(value) => Lane::Literal(Value::Bool(*value)),
            AstNode::Null => Lane::Literal(Value::Null),
            AstNode::Variable(name) if name != "states" && !name.is_empty() => {
                Lane::Path(Root::Variable(name.as_str().into()), Box::default())
            }
            AstNode::Path { steps } => path(steps)?,
            AstNode::Unary {
                op: UnaryOp::Negate,
                operand,
            } => Lane::Negate(boxed(operand)?),
            AstNode::Function {
                name,
                args,
                is_builtin: true,
            } if name == "not" && args.len() == 1 => Lane::Not(boxed(&args[0])?),
            AstNode::Binary { op, lhs, rhs } => {
                Lane::Binary(operator(*op)?, boxed(lhs)?, boxed(rhs)?)
            }
            AstNode::Block(parts) if parts.len() == 1 => inner(&parts[0])?,
            AstNode::Conditional {
                condition,
                then_branch,
                else_branch,
            } => Lane::Conditional(
                boxed(condition)?,
                boxed(then_branch)?,
                match else_branch {
                    Some(branch) => Some(boxed(branch)?),
                    None => None,
                },
            ),
            AstNode::Array(items) => Lane::Array(items.iter().map(inner).collect::<Option<_>>()?),
            AstNode::Object(pairs) => Lane::Object(object(pairs, depth)?),
            _ => return None,
        })
    }

    /// The value, or that there is none, or that `jsonata-core` must decide.
    pub(super) fn evaluate<'v>(&'v self, scope: &'v Scope) -> Outcome<'v> {
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

fn operator(op: BinaryOp) -> Option<Operator> {
    Some(match op {
        BinaryOp::Add => Operator::Add,
        BinaryOp::Subtract => Operator::Subtract,
        BinaryOp::Multiply => Operator::Multiply,
        BinaryOp::Divide => Operator::Divide,
        BinaryOp::Modulo => Operator::Modulo,
        BinaryOp::Equal => Operator::Equal,
        BinaryOp::NotEqual => Operator::NotEqual,
        BinaryOp::LessThan => Operator::Less,
        BinaryOp::LessThanOrEqual => Operator::LessOrEqual,
        BinaryOp::GreaterThan => Operator::Greater,
        BinaryOp::GreaterThanOrEqual => Operator::GreaterOrEqual,
        BinaryOp::And => Operator::And,
        BinaryOp::Or => Operator::Or,
        BinaryOp::Concatenate => Operator::Concatenate,
        BinaryOp::Range
        | BinaryOp::In
        | BinaryOp::ColonEqual
        | BinaryOp::FocusBind
        | BinaryOp::IndexBind
        | BinaryOp::Coalesce
        | BinaryOp::Default
        | BinaryOp::ChainPipe => return None,
    })
}

/// A path of names from a variable on.
fn path(steps: &[PathStep]) -> Option<Lane> {
    let mut names = Vec::with_capacity(steps.len());
    for step in steps {
        let plain = step.stages.is_empty()
            && step.focus.is_none()
            && step.index_var.is_none()
            && step.ancestor_label.is_none()
            && !step.is_tuple;
        match &step.node {
            AstNode::Variable(name) if plain && names.is_empty() => names.push(name.as_str()),
            AstNode::Name(name) if plain && !names.is_empty() => names.push(name.as_str()),
            _ => return None,
        }
    }
    let (root, rest) = match &*names {
        ["states", "input", rest @ ..] => (Root::Input, rest),
        ["states", "result", rest @ ..] => (Root::Result, rest),
        ["states", "errorOutput", rest @ ..] => (Root::ErrorOutput, rest),
        ["states", "context", rest @ ..] => (Root::Context, rest),
        ["states" | "", ..] | [] => return None,
        [variable, rest @ ..] => (Root::Variable((*variable).into()), rest),
    };
    Some(Lane::Path(
        root,
        rest.iter().map(|name| Arc::from(*name)).collect(),
    ))
}

/// The members of an object constructor.
type Members = Box<[(Arc<str>, Lane)]>;

/// An object constructor whose keys are different literal strings.
fn object(pairs: &[(AstNode, AstNode)], depth: usize) -> Option<Members> {
    let mut parts: Vec<(Arc<str>, Lane)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let AstNode::String(key) = key else {
            return None;
        };
        if parts.iter().any(|(known, _)| **known == **key) {
            return None;
        }
        parts.push((key.as_str().into(), Lane::compile_within(value, depth)?));
    }
    Some(parts.into())
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

/// The number as JSON holds it: whole numbers up to 2^53 as integers. `None` for what JSON cannot hold.
pub(super) fn number_value(number: f64) -> Option<Value> {
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        return Some(Value::from(number as i64));
    }
    number.is_finite().then(|| Value::number(number))
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
