//! Which expressions are for the lane.

use std::sync::Arc;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, UnaryOp};

use super::{Lane, Operator, Root, number_value};
use crate::value::Value;

/// How deep an expression of the lane may be nested; well below what AWS accepts.
const MAX_DEPTH: usize = 40;

impl Lane {
    /// The expression, if it is one for the lane.
    pub(in super::super) fn compile(ast: &AstNode) -> Option<Lane> {
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
